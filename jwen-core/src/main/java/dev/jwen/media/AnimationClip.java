package dev.jwen.media;

import dev.jwen.media.AnimationFrame.Disposal;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** An animated GIF or WebP: frames that are drawn over each other on one canvas. */
final class AnimationClip implements Clip {
    // Half an hour of full-screen frames; a small file can ask for a thousand times as many.
    private static final long MAX_PIXELS_DRAWN = 100_000_000_000L;

    /** Decodes the picture of one frame. */
    interface Pictures extends AutoCloseable {

        /** (height, width) of frame {@code index}, each 0xAARRGGBB, alpha not multiplied in. */
        int[] argb(int index);

        @Override
        default void close() {}
    }

    private final Size canvasSize;
    private final List<AnimationFrame> frames;
    private final int background;
    private final Pictures pictures;
    private final int[] canvas;

    /**
     * @param background 0xAARRGGBB that the canvas is filled with
     * @param pictures closed with this
     */
    AnimationClip(String name, Size canvasSize, List<AnimationFrame> frames, int background, Pictures pictures) {
        Limits.requireSize(name, canvasSize.width(), canvasSize.height());
        if (frames.isEmpty()) {
            throw new MediaException(name + " has no frames. It is cut short or damaged.");
        }
        long drawn = 0;
        for (int i = 0; i < frames.size(); i++) {
            AnimationFrame frame = frames.get(i);
            Limits.requireSize("%s, frame %d,".formatted(name, i + 1), frame.width(), frame.height());
            drawn += (long) frame.width() * frame.height();
        }
        if (drawn > MAX_PIXELS_DRAWN) {
            throw new MediaException(
                    "%s has %d frames of together %d million pixels, more than %d. Shorten or reduce it first."
                            .formatted(name, frames.size(), drawn / 1_000_000, MAX_PIXELS_DRAWN / 1_000_000));
        }
        this.canvasSize = canvasSize;
        this.frames = frames;
        this.background = background;
        this.pictures = pictures;
        this.canvas = new int[canvasSize.width() * canvasSize.height()];
    }

    @Override
    public int frameCount() {
        return frames.size();
    }

    @Override
    public double framesPerSecond() {
        long millis = frames.stream().mapToLong(AnimationFrame::delayMillis).sum();
        return millis == 0 ? UNKNOWN_FPS : 1000.0 * frames.size() / millis;
    }

    @Override
    public boolean read(int[] indices, Consumer<Picture> sink) {
        Arrays.fill(canvas, background);
        int given = 0;
        for (int i = 0; given < indices.length; i++) {
            AnimationFrame frame = frames.get(i);
            int[] before = frame.disposal() == Disposal.RESTORE ? canvas.clone() : canvas;
            draw(frame, pictures.argb(i));
            for (; given < indices.length && indices[given] == i; given++) {
                sink.accept(shown());
            }
            dispose(frame, before);
        }
        return true;
    }

    /** The first frame alone. */
    Picture first() {
        Picture[] first = new Picture[1];
        read(new int[] {0}, picture -> first[0] = picture);
        return first[0];
    }

    private void draw(AnimationFrame frame, int[] argb) {
        int rows = Math.min(frame.height(), canvasSize.height() - frame.y());
        int columns = Math.min(frame.width(), canvasSize.width() - frame.x());
        for (int y = 0; y < rows; y++) {
            int to = (frame.y() + y) * canvasSize.width() + frame.x();
            int from = y * frame.width();
            for (int x = 0; x < columns; x++) {
                int pixel = argb[from + x];
                canvas[to + x] = frame.blend() ? blended(pixel, canvas[to + x]) : pixel;
            }
        }
    }

    // The integer arithmetic of libwebp, alpha not multiplied in. With alpha 0 or 255 it chooses.
    private static int blended(int over, int under) {
        int alpha = over >>> 24;
        if (alpha == 255) {
            return over;
        }
        if (alpha == 0) {
            return under;
        }
        int rest = ((under >>> 24) * (256 - alpha)) >> 8;
        int sum = alpha + rest;
        long scale = (1L << 24) / sum;
        int out = sum;
        for (int shift = 16; shift >= 0; shift -= 8) {
            int channel = (over >> shift & 0xff) * alpha + (under >> shift & 0xff) * rest;
            out = out << 8 | (int) ((channel * scale) >> 24);
        }
        return out;
    }

    private void dispose(AnimationFrame frame, int[] before) {
        switch (frame.disposal()) {
            case KEEP -> {}
            case RESTORE -> System.arraycopy(before, 0, canvas, 0, canvas.length);
            case CLEAR -> {
                int bottom = Math.min(frame.y() + frame.height(), canvasSize.height());
                int right = Math.min(frame.x() + frame.width(), canvasSize.width());
                for (int y = frame.y(); y < bottom && frame.x() < right; y++) {
                    Arrays.fill(canvas, y * canvasSize.width() + frame.x(), y * canvasSize.width() + right, background);
                }
            }
        }
    }

    private Picture shown() {
        byte[] rgb = new byte[3 * canvas.length];
        int o = 0;
        for (int pixel : canvas) {
            rgb[o++] = (byte) (pixel >> 16);
            rgb[o++] = (byte) (pixel >> 8);
            rgb[o++] = (byte) pixel;
        }
        return new Picture(canvasSize.width(), canvasSize.height(), rgb);
    }

    @Override
    public void close() {
        pictures.close();
    }
}
