package dev.jwen.hub;

import java.nio.file.Path;
import java.time.Instant;

/**
 * A model in the cache.
 *
 * @param name finds it
 * @param path what it stands for: a directory, or a GGUF file; of an unfinished one the folder in the cache
 * @param commit what its contents are; empty if unfinished
 * @param sizeBytes of its files
 * @param format "safetensors", "GGUF", "unfinished", or "other" for files of other programs
 * @param type what its weights are stored in: bfloat16, Q4_K_M; empty if not known
 * @param modified when its youngest file came
 */
public record CachedModel(
        ModelName name, Path path, String commit, long sizeBytes, String format, String type, Instant modified) {}
