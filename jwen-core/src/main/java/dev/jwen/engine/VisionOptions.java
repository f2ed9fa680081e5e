package dev.jwen.engine;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How pictures and videos are seen; null leaves a setting to the checkpoint.
 *
 * @param mmproj the GGUF file with the vision tower, or null for the one that belongs to the model
 * @param minPixels a picture with fewer pixels is enlarged
 * @param maxPixels a picture with more pixels is reduced; 1,024 pixels are a token
 * @param videoMaxPixels the same for all frames of a video together
 * @param fps frames of a video that are looked at in a second
 * @param maxFrames frames of a video that are looked at in all
 */
public record VisionOptions(
        @Nullable Path mmproj,
        @Nullable Long minPixels,
        @Nullable Long maxPixels,
        @Nullable Long videoMaxPixels,
        @Nullable Double fps,
        @Nullable Integer maxFrames,
        VideoWrapper videoWrapper) {
    public static final VisionOptions DEFAULT =
            new VisionOptions(null, null, null, null, null, null, VideoWrapper.KEPT);

    /**
     * What becomes of the {@code <|vision_start|>} and {@code <|vision_end|>} that a chat template writes around a video, each
     * of whose frames has its own.
     */
    public enum VideoWrapper {
        /** They stay, as in transformers since 5.12. */
        KEPT,
        /** They go, as in transformers before and in vLLM. */
        DROPPED
    }
}
