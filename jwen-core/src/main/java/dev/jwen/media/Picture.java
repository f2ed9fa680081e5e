package dev.jwen.media;

/**
 * A decoded picture or frame.
 *
 * @param width pixels, at least 1
 * @param height pixels, at least 1
 * @param rgb (height, width, 3), 8 bits a channel; not copied
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of megabytes; never compared or put in a set
public record Picture(int width, int height, byte[] rgb) {
    public Picture {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes cannot be %d x %d pixels of 3 bytes".formatted(rgb.length, width, height));
        }
    }
}
