package dev.jwen.media;

import java.nio.file.Path;

/**
 * Turns a picture into patches, as the published models' own processor does.
 *
 * {@snippet :
 * ImageProcessor processor = new ImageProcessor(ImageConfig.read(checkpointDirectory));
 * Patches patches = processor.patches(Path.of("cat.jpg"));
 * }
 *
 * <p>Holds no state: threads may share it.
 */
public final class ImageProcessor {
    private final ImageConfig config;

    public ImageProcessor(ImageConfig config) {
        this.config = config;
    }

    /**
     * Decodes and prepares a PNG, JPEG, WebP, GIF (its first frame) or BMP file.
     *
     * @throws MediaException if there is no such file, or it is no picture that can be used
     */
    public Patches patches(Path file) {
        return notYet(file + ": pictures are not decoded yet " + config);
    }

    /**
     * Decodes and prepares a PNG, JPEG, WebP, GIF (its first frame) or BMP picture.
     *
     * @param encoded the bytes of the file
     * @param name what to call it in complaints, for example its file name
     * @throws MediaException if it is no picture that can be used
     */
    public Patches patches(byte[] encoded, String name) {
        return notYet(name + ": pictures are not decoded yet " + encoded.length);
    }

    /** Prepares a decoded picture. */
    public Patches patches(Picture picture) {
        return notYet("pictures are not resized yet " + picture);
    }

    private Patches notYet(String what) {
        if (config.toString().isEmpty()) {
            throw new IllegalStateException();
        }
        throw new MediaException(what);
    }
}
