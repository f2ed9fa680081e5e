package dev.jwen.media;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * How pictures become patches: a checkpoint's preprocessor_config.json.
 *
 * @param patchSize pixels on a side of a patch
 * @param temporalPatchSize frames in a patch; a picture is repeated to fill them
 * @param mergeSize patches on a side of what the tower merges into one token
 * @param minPixels a picture with fewer pixels is enlarged ({@code size.shortest_edge}, which is a pixel count)
 * @param maxPixels a picture with more pixels is reduced ({@code size.longest_edge})
 * @param mean subtracted from a channel, 0..1
 * @param std divides a channel afterwards
 */
public record ImageConfig(
        int patchSize,
        int temporalPatchSize,
        int mergeSize,
        long minPixels,
        long maxPixels,
        List<Double> mean,
        List<Double> std) {

    /** No picture is enlarged to more: its patches would take gigabytes. */
    private static final long MOST_MIN_PIXELS = 1L << 26;

    /** The values of the published models. */
    public static final ImageConfig DEFAULT =
            new ImageConfig(16, 2, 2, 65_536, 16_777_216, List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5));

    /** A number or list that a file gives: what is out of range is refused in one sentence. */
    public ImageConfig {
        mean = List.copyOf(mean);
        std = List.copyOf(std);
        JsonFields.require(patchSize >= 1 && patchSize <= 256, "patch_size", "from 1 to 256", patchSize);
        JsonFields.require(
                temporalPatchSize >= 1 && temporalPatchSize <= 16,
                "temporal_patch_size",
                "from 1 to 16",
                temporalPatchSize);
        JsonFields.require(mergeSize >= 1 && mergeSize <= 16, "merge_size", "from 1 to 16", mergeSize);
        JsonFields.require(maxPixels >= 1, "the greatest number of pixels", "above 0", maxPixels);
        JsonFields.require(
                minPixels >= 1 && minPixels <= MOST_MIN_PIXELS,
                "the least number of pixels",
                "from 1 to " + MOST_MIN_PIXELS,
                minPixels);
        JsonFields.require(
                maxPixels >= minPixels, "the greatest number of pixels", "at least the least, " + minPixels, maxPixels);
        JsonFields.require(mean.size() == 3, "image_mean", "three numbers", mean);
        JsonFields.require(
                std.size() == 3 && std.stream().allMatch(s -> s > 0), "image_std", "three numbers above 0", std);
    }

    /** Reads preprocessor_config.json, as parsed; what is absent has its published value. */
    public static ImageConfig of(Map<String, ?> json) {
        return DEFAULT.overriddenBy(new JsonFields(json));
    }

    /** Reads the settings in the directory of a checkpoint; the published values if it has none. */
    public static ImageConfig read(Path directory) {
        return of(JsonFields.read(directory, "preprocessor_config.json", "image_processor"));
    }

    ImageConfig overriddenBy(JsonFields json) {
        JsonFields size = json.object("size");
        json.requireBicubic();
        return new ImageConfig(
                json.count("patch_size", patchSize),
                json.count("temporal_patch_size", temporalPatchSize),
                json.count("merge_size", mergeSize),
                size.number("shortest_edge", json.number("min_pixels", minPixels))
                        .longValue(),
                size.number("longest_edge", json.number("max_pixels", maxPixels))
                        .longValue(),
                json.numbers("image_mean", mean),
                json.numbers("image_std", std));
    }

    /** The same with another budget. Tokens are pixels / (patch size · merge size)². */
    public ImageConfig withPixels(long newMinPixels, long newMaxPixels) {
        return new ImageConfig(patchSize, temporalPatchSize, mergeSize, newMinPixels, newMaxPixels, mean, std);
    }

    /** Sides of a resized picture are multiples of this. */
    int factor() {
        return patchSize * mergeSize;
    }
}
