package dev.jwen.media;

import java.nio.file.Path;
import java.util.List;

/**
 * Turns a picture into patches, as the published models' own processor does: alpha is dropped, the orientation that a
 * camera noted is applied, and the picture is resized to whole blocks of patches within the pixel budget.
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
        return patches(Limits.read(file), file.toString());
    }

    /**
     * Decodes and prepares a PNG, JPEG, WebP, GIF (its first frame) or BMP picture.
     *
     * @param encoded the bytes of the file
     * @param name what to call it in complaints, for example its file name
     * @throws MediaException if it is no picture that can be used
     */
    public Patches patches(byte[] encoded, String name) {
        return patches(ImageDecoder.decode(encoded, name));
    }

    /**
     * Prepares a decoded picture.
     *
     * @throws MediaException if one side is more than 200 times the other
     */
    public Patches patches(Picture picture) {
        Size size = Size.ofPicture(picture.width(), picture.height(), config);
        PatchWriter writer = new PatchWriter(config, size, 1);
        Picture resized = Bicubic.resize(picture, size);
        writer.frame(0, resized);
        writer.repeat(1, resized);
        return writer.finish(List.of());
    }
}
