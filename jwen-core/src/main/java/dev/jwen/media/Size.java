package dev.jwen.media;

/**
 * Width and height in pixels, and the sizes that the models' processors choose.
 *
 * <p>The arithmetic is that of the published image and video processors, to the rounding: Python's {@code round} is
 * {@link Math#rint}.
 */
record Size(int width, int height) {
    private static final int MAX_ASPECT_RATIO = 200;

    /** The size for a picture: multiples of the factor, within the budget, the shape nearly kept. */
    static Size ofPicture(int width, int height, ImageConfig config) {
        requireAspectRatio(width, height);
        int factor = config.factor();
        return fit(width, height, factor, 1, nearest(width, factor) * nearest(height, factor), config);
    }

    /** The size for every frame of a clip; the budget is for all {@code frames} together. */
    static Size ofFrames(int frames, int width, int height, ImageConfig config) {
        int factor = config.factor();
        int w = width;
        int h = height;
        if (w < factor || h < factor) {
            double scale = Math.max(factor / (double) h, factor / (double) w);
            h = (int) (h * scale);
            w = (int) (w * scale);
        }
        requireAspectRatio(w, h);
        int temporal = config.temporalPatchSize();
        double steps = Math.rint(frames / (double) temporal) * temporal;
        return fit(w, h, factor, frames, steps * nearest(w, factor) * nearest(h, factor), config);
    }

    private static Size fit(int width, int height, int factor, int frames, double pixels, ImageConfig config) {
        double wanted = (double) frames * height * width;
        if (pixels > config.maxPixels()) {
            double shrink = Math.sqrt(wanted / config.maxPixels());
            return new Size(
                    Math.max(factor, (int) Math.floor(width / shrink / factor) * factor),
                    Math.max(factor, (int) Math.floor(height / shrink / factor) * factor));
        }
        if (pixels < config.minPixels()) {
            double grow = Math.sqrt(config.minPixels() / wanted);
            return new Size(
                    (int) Math.ceil(width * grow / factor) * factor, (int) Math.ceil(height * grow / factor) * factor);
        }
        return new Size((int) nearest(width, factor), (int) nearest(height, factor));
    }

    private static double nearest(int side, int factor) {
        return Math.rint(side / (double) factor) * factor;
    }

    private static void requireAspectRatio(int width, int height) {
        double ratio = Math.max(width, height) / (double) Math.min(width, height);
        if (ratio > MAX_ASPECT_RATIO) {
            throw new MediaException(
                    "a picture of %d x %d pixels is too narrow: one side may be %d times the other, not %d."
                            .formatted(width, height, MAX_ASPECT_RATIO, Math.round(ratio)));
        }
    }
}
