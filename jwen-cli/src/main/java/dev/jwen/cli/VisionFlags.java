package dev.jwen.cli;

import dev.jwen.engine.MediaSource;
import dev.jwen.engine.VisionOptions;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How pictures and videos are seen; what is not given comes from the model. */
final class VisionFlags {
    @Option(
            names = "--mmproj",
            paramLabel = "FILE",
            description =
                    "The GGUF file with the vision tower; by default the one in the directory of the model whose name holds mmproj.")
    @Nullable
    Path mmproj;

    @Option(names = "--min-pixels", paramLabel = "N", description = "Enlarge pictures that have fewer pixels.")
    @Nullable
    Long minPixels;

    @Option(
            names = "--max-pixels",
            paramLabel = "N",
            description = "Reduce pictures that have more pixels; 1024 pixels are one token.")
    @Nullable
    Long maxPixels;

    @Option(
            names = "--video-max-pixels",
            paramLabel = "N",
            description = "Reduce videos whose frames have more pixels together; 2048 pixels are one token.")
    @Nullable
    Long videoMaxPixels;

    @Option(names = "--fps", paramLabel = "X", description = "Look at X frames of a video in a second.")
    @Nullable
    Double fps;

    @Option(names = "--max-frames", paramLabel = "N", description = "Look at N frames of a video at most.")
    @Nullable
    Integer maxFrames;

    @Option(
            names = "--video-wrapper",
            paramLabel = "keep|drop",
            description =
                    "Keep the marks that the chat template writes around a video, as current reference code does, or drop them, as it once did.",
            defaultValue = "keep")
    String videoWrapper = "keep";

    @Option(
            names = "--fetch",
            description = "Fetch pictures and videos that are named by http addresses of public hosts.")
    boolean fetch;

    /** Where pictures and videos may be found. */
    MediaSource media() {
        return fetch ? new WebMedia() : MediaSource.FILES;
    }

    VisionOptions options() {
        VisionOptions.VideoWrapper wrapper = switch (videoWrapper.toLowerCase(Locale.ROOT)) {
            case "keep" -> VisionOptions.VideoWrapper.KEPT;
            case "drop" -> VisionOptions.VideoWrapper.DROPPED;
            default -> throw new CommandException("--video-wrapper must be keep or drop, found " + videoWrapper);
        };
        return new VisionOptions(mmproj, minPixels, maxPixels, videoMaxPixels, fps, maxFrames, wrapper);
    }
}
