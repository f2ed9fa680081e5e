package dev.jwen.media;

import java.nio.file.Path;
import java.util.Map;

/**
 * How clips become patches: a checkpoint's video_preprocessor_config.json.
 *
 * @param frames patches, normalisation and pixel budget; the budget counts the pixels of all kept frames together
 * @param fps frames kept per second of the clip
 * @param minFrames frames kept at least, where the clip has as many
 * @param maxFrames frames kept at most
 */
public record VideoConfig(ImageConfig frames, double fps, int minFrames, int maxFrames) {

    /** The values of the published models. */
    public static final VideoConfig DEFAULT =
            new VideoConfig(ImageConfig.DEFAULT.withPixels(4_096, 25_165_824), 2, 4, 768);

    /** What is out of range is refused in one sentence. */
    public VideoConfig {
        JsonFields.require(fps > 0 && fps <= 1000, "fps", "above 0 and at most 1000", fps);
        JsonFields.require(minFrames >= 1, "min_frames", "above 0", minFrames);
        JsonFields.require(
                maxFrames >= minFrames && maxFrames <= 100_000,
                "max_frames",
                "from min_frames, %d, to 100000".formatted(minFrames),
                maxFrames);
    }

    /** Reads video_preprocessor_config.json, as parsed; what is absent has its published value. */
    public static VideoConfig of(Map<String, ?> json) {
        JsonFields fields = new JsonFields(json);
        return new VideoConfig(
                DEFAULT.frames.overriddenBy(fields),
                fields.number("fps", DEFAULT.fps).doubleValue(),
                fields.count("min_frames", DEFAULT.minFrames),
                fields.count("max_frames", DEFAULT.maxFrames));
    }

    /** Reads the settings in the directory of a checkpoint; the published values if it has none. */
    public static VideoConfig read(Path directory) {
        return of(JsonFields.read(directory, "video_preprocessor_config.json", "video_processor"));
    }

    /** The same with another budget of pixels, all kept frames together. */
    public VideoConfig withPixels(long minPixels, long maxPixels) {
        return new VideoConfig(frames.withPixels(minPixels, maxPixels), fps, minFrames, maxFrames);
    }

    /** The same with another number of frames kept per second. */
    public VideoConfig withFps(double newFps) {
        return new VideoConfig(frames, newFps, minFrames, maxFrames);
    }

    /** The same with at most this many frames, and no more at least. */
    public VideoConfig withMaxFrames(int newMaxFrames) {
        return new VideoConfig(frames, fps, Math.clamp(newMaxFrames, 1, minFrames), newMaxFrames);
    }
}
