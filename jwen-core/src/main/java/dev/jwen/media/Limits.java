package dev.jwen.media;

import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a file may ask for before any memory is taken for it. */
final class Limits {
    /** Pixels of a picture or frame: more than any phone takes, 360 MB when decoded. */
    static final long MAX_PIXELS = 120_000_000;

    private static final int MAX_SIDE = 100_000;
    private static final long MAX_ENCODED_BYTES = 512L << 20;
    // A decoded picture, its 8-bit copy and the resized one have to fit beside everything else.
    private static final int BYTES_PER_PIXEL = 8;

    private Limits() {}

    /** Refuses a size that is empty or larger than a picture is, in words about {@code name}. */
    static void requireSize(String name, long width, long height) {
        if (width < 1 || height < 1) {
            throw new MediaException("%s is %d x %d pixels: there is nothing to see.".formatted(name, width, height));
        }
        if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
            throw new MediaException("%s is %d x %d pixels, more than %d million. Reduce it first."
                    .formatted(name, width, height, MAX_PIXELS / 1_000_000));
        }
        long needed = width * height * BYTES_PER_PIXEL;
        if (needed > Runtime.getRuntime().maxMemory()) {
            throw new MediaException(
                    "%s is %d x %d pixels, which takes %d MB of the %d MB that Java may use. Reduce it first."
                            .formatted(
                                    name,
                                    width,
                                    height,
                                    needed >> 20,
                                    Runtime.getRuntime().maxMemory() >> 20));
        }
    }

    /** Refuses a picture that no file of this length can hold, however well it is compressed. */
    static void requirePlausible(String name, long width, long height, long pixelsPerByte, long bytes) {
        if (width * height / pixelsPerByte > bytes) {
            throw new MediaException(
                    "%s says it is %d x %d pixels, but its %d bytes cannot hold them. It is cut short or damaged."
                            .formatted(name, width, height, bytes));
        }
    }

    /** The bytes of a file that can be a picture. */
    static byte[] read(Path file) {
        if (!Files.exists(file)) {
            throw new MediaException(file + ": there is no such file.");
        }
        if (!Files.isRegularFile(file)) {
            throw new MediaException(file + " is not a file.");
        }
        try {
            long size = Files.size(file);
            if (size > MAX_ENCODED_BYTES) {
                throw new MediaException(
                        "%s has %d MB; a picture may have %d.".formatted(file, size >> 20, MAX_ENCODED_BYTES >> 20));
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new MediaException(file + " cannot be read: " + reason(e) + ".", e);
        }
    }

    /** What went wrong, for the end of a sentence. */
    static String reason(Exception e) {
        String message = e instanceof EOFException ? "it ends too early" : e.getMessage();
        String text = message == null || message.isBlank() ? e.getClass().getSimpleName() : message.strip();
        int end = text.indexOf('\n');
        return (end < 0 ? text : text.substring(0, end)).replaceAll("[.!]+$", "");
    }
}
