package dev.jwen.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * A model that is now in the cache.
 *
 * @param path what stands for it: a directory, or a GGUF file
 * @param files paths in the repository
 * @param sizeBytes of all files
 * @param fetchedBytes that came over the network; 0 if all was there
 */
public record Pulled(ModelName name, String commit, Path path, List<String> files, long sizeBytes, long fetchedBytes) {}
