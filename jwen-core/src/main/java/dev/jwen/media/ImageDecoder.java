package dev.jwen.media;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Decodes one picture to RGB. Sizes are checked on the header, before memory is taken for the pixels. */
final class ImageDecoder {
    // The most pixels that a byte of the file can stand for: deflate makes at most 1032 bytes of one, which are at most
    // 8 pixels each; a JPEG file needs a bit for 64 pixels of a component; a run of BMP makes 255 pixels of two bytes.
    private static final long PNG_PIXELS_PER_BYTE = 8 * 1032;
    private static final long JPEG_PIXELS_PER_BYTE = 64 * 8 * 4;
    private static final long BMP_PIXELS_PER_BYTE = 128;

    private ImageDecoder() {}

    /** Decodes a picture, upright; the first one of an animation. */
    static Picture decode(byte[] bytes, String name) {
        ImageFormat format = ImageFormat.of(bytes, name);
        return switch (format) {
            case PNG -> Orientation.apply(still(bytes, name, format, PNG_PIXELS_PER_BYTE), pngOrientation(bytes));
            case BMP -> still(bytes, name, format, BMP_PIXELS_PER_BYTE);
            case JPEG -> jpeg(bytes, name);
            case GIF -> {
                try (AnimationClip clip = GifFile.open(bytes, name)) {
                    yield clip.first();
                }
            }
            case WEBP -> {
                WebpFile file = WebpFile.of(bytes, name);
                try (AnimationClip clip = file.open()) {
                    yield Orientation.apply(clip.first(), file.orientation());
                }
            }
        };
    }

    private static Picture still(byte[] bytes, String name, ImageFormat format, long pixelsPerByte) {
        return read(bytes, name, format, (reader, warnings) -> {
            requireSize(reader, 0, name, pixelsPerByte, bytes.length);
            return Rasters.rgb(reader.read(0));
        });
    }

    private static Picture jpeg(byte[] bytes, String name) {
        JpegHeader header = JpegHeader.of(bytes, name);
        Limits.requireSize(name, header.width(), header.height());
        Limits.requirePlausible(name, header.width(), header.height(), JPEG_PIXELS_PER_BYTE, bytes.length);
        Picture stored = read(bytes, name, ImageFormat.JPEG, (reader, warnings) -> {
            Picture picture = Rasters.rgb(reader.readRaster(0, null), header.colour());
            requireWhole(warnings, name);
            return picture;
        });
        return Orientation.apply(stored, header.orientation());
    }

    // The decoder fills what is missing with grey and only warns.
    private static void requireWhole(List<String> warnings, String name) {
        for (String warning : warnings) {
            String text = warning.toLowerCase(Locale.ROOT);
            if (text.contains("truncated") || text.contains("premature end")) {
                throw new MediaException(name + " is cut short: a part of the picture is missing.");
            }
        }
    }

    static void requireSize(ImageReader reader, int index, String name, long pixelsPerByte, long bytes)
            throws IOException {
        Limits.requireSize(name, reader.getWidth(index), reader.getHeight(index));
        Limits.requirePlausible(name, reader.getWidth(index), reader.getHeight(index), pixelsPerByte, bytes);
    }

    /** What is done with an open reader. */
    interface Reading<T> {
        T of(ImageReader reader, List<String> warnings) throws IOException;
    }

    /** Opens a reader, uses it and closes it; whatever it throws becomes a sentence. */
    static <T> T read(byte[] bytes, String name, ImageFormat format, Reading<T> reading) {
        List<String> warnings = new ArrayList<>();
        ImageReader reader = reader(format);
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes))) {
            // Metadata is not read: compressed comments can be made to fill all memory.
            reader.setInput(in, false, true);
            reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
            return reading.of(reader, warnings);
        } catch (MediaException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The decoders throw whatever index or state a damaged file leads them to.
            throw damaged(name, format, e);
        } finally {
            reader.dispose();
        }
    }

    static MediaException damaged(String name, ImageFormat format, Exception e) {
        return new MediaException(
                "%s is a damaged or incomplete %s picture (%s).".formatted(name, format, Limits.reason(e)), e);
    }

    /** Java's own reader, whatever else is on the class path; TwelveMonkeys' for WebP. */
    static ImageReader reader(ImageFormat format) {
        if (format == ImageFormat.WEBP) {
            return new WebPImageReaderSpi().createReaderInstance(null);
        }
        Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format.name());
        while (readers.hasNext()) {
            ImageReader reader = readers.next();
            if (reader.getClass().getModule().equals(ImageIO.class.getModule())) {
                return reader;
            }
        }
        throw new IllegalStateException("this Java has no reader for %s in java.desktop".formatted(format));
    }

    private static int pngOrientation(byte[] bytes) {
        ByteBuffer png = ByteBuffer.wrap(bytes);
        int at = 8;
        while (at + 12 <= bytes.length) {
            int length = png.getInt(at);
            int type = png.getInt(at + 4);
            if (length < 0 || at + 12L + length > bytes.length) {
                return Orientation.UPRIGHT;
            }
            if (type == 0x65584966) { // eXIf
                return Orientation.of(Arrays.copyOfRange(bytes, at + 8, at + 8 + length));
            }
            at += 12 + length;
        }
        return Orientation.UPRIGHT;
    }
}
