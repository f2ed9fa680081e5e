package dev.jwen.media;

import dev.jwen.media.AnimationFrame.Disposal;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The chunks of a WebP file, read before any picture of it is decoded. */
final class WebpFile {
    private static final int CHUNK_HEADER = 8;
    private static final int FRAME_HEADER = 16;
    private static final int TRANSPARENT = 0;

    private final ByteBuffer bytes;
    private final String name;
    private final List<AnimationFrame> frames = new ArrayList<>();
    private final List<Bitstream> bitstreams = new ArrayList<>();
    private Size canvas = new Size(0, 0);
    private int orientation = Orientation.UPRIGHT;

    /** A part of the file. */
    private record Chunk(String type, int start, int length) {
        int next() {
            return start + length + (length & 1);
        }
    }

    /** The chunks of one picture: its colours and, for lossy ones, its alpha. */
    private record Bitstream(Chunk colours, List<Chunk> alpha) {}

    private WebpFile(byte[] file, String name) {
        this.bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        this.name = name;
        if (file.length < 20 || CHUNK_HEADER + Integer.toUnsignedLong(bytes.getInt(4)) > file.length) {
            throw cutShort();
        }
        readChunks(CHUNK_HEADER + bytes.getInt(4));
        Limits.requireSize(name, canvas.width(), canvas.height());
    }

    static WebpFile of(byte[] bytes, String name) {
        return new WebpFile(bytes, name);
    }

    /** Exif orientation, 1 to 8. */
    int orientation() {
        return orientation;
    }

    /** The file as a clip; a picture is a clip of one frame. */
    AnimationClip open() {
        return new AnimationClip(name, canvas, frames, TRANSPARENT, this::argb);
    }

    private void readChunks(int end) {
        List<Chunk> still = new ArrayList<>();
        for (int at = 12; at + CHUNK_HEADER <= end; ) {
            Chunk chunk = chunk(at, end);
            switch (chunk.type) {
                case "VP8X" -> {
                    require(chunk, 10);
                    canvas = new Size(1 + int24(chunk.start + 4), 1 + int24(chunk.start + 7));
                }
                case "ANMF" -> readFrame(chunk);
                case "EXIF" -> orientation = exif(chunk);
                case "ALPH", "VP8 ", "VP8L" -> still.add(chunk);
                default -> {
                    // Colour profiles, metadata and what nobody knows are passed over.
                }
            }
            at = chunk.next();
        }
        if (frames.isEmpty()) {
            Bitstream picture = bitstream(still);
            Size size = size(picture.colours);
            canvas = size;
            frames.add(new AnimationFrame(0, 0, size.width(), size.height(), 0, Disposal.KEEP, false));
            bitstreams.add(new Bitstream(picture.colours, List.of())); // alpha is dropped, so it need not be decoded
        }
    }

    private void readFrame(Chunk chunk) {
        require(chunk, FRAME_HEADER);
        int at = chunk.start;
        int flags = bytes.get(at + 15);
        int width = 1 + int24(at + 6);
        int height = 1 + int24(at + 9);
        List<Chunk> parts = new ArrayList<>();
        int end = chunk.start + chunk.length;
        for (int part = at + FRAME_HEADER; part + CHUNK_HEADER <= end; ) {
            Chunk inner = chunk(part, end);
            parts.add(inner);
            part = inner.next();
        }
        Bitstream picture = bitstream(parts);
        if (!size(picture.colours).equals(new Size(width, height))) {
            throw new MediaException("%s is a damaged WebP picture: frame %d is of another size than it says."
                    .formatted(name, frames.size() + 1));
        }
        frames.add(new AnimationFrame(
                2 * int24(at),
                2 * int24(at + 3),
                width,
                height,
                int24(at + 12),
                (flags & 1) == 0 ? Disposal.KEEP : Disposal.CLEAR,
                (flags & 2) == 0));
        bitstreams.add(picture);
    }

    private Bitstream bitstream(List<Chunk> chunks) {
        for (Chunk chunk : chunks) {
            if (chunk.type.startsWith("VP8")) {
                return new Bitstream(
                        chunk,
                        chunks.stream()
                                .filter(c -> c.type.equals("ALPH"))
                                .limit(1)
                                .toList());
            }
        }
        throw new MediaException(name + " is a WebP file without a picture. It is cut short or damaged.");
    }

    private Chunk chunk(int at, int end) {
        String type = new String(bytes.array(), at, 4, StandardCharsets.ISO_8859_1);
        int length = bytes.getInt(at + 4);
        if (length < 0 || at + CHUNK_HEADER + (long) length > end) {
            throw cutShort();
        }
        return new Chunk(type, at + CHUNK_HEADER, length);
    }

    private Size size(Chunk chunk) {
        require(chunk, 10);
        int at = chunk.start;
        if (chunk.type.equals("VP8L")) {
            int packed = bytes.getInt(at + 1);
            return new Size(1 + (packed & 0x3fff), 1 + (packed >> 14 & 0x3fff));
        }
        return new Size(bytes.getShort(at + 6) & 0x3fff, bytes.getShort(at + 8) & 0x3fff);
    }

    private int exif(Chunk chunk) {
        byte[] exif = Arrays.copyOfRange(bytes.array(), chunk.start, chunk.start + chunk.length);
        boolean marked = new String(exif, 0, Math.min(6, exif.length), StandardCharsets.ISO_8859_1).equals("Exif\0\0");
        return Orientation.of(marked ? Arrays.copyOfRange(exif, 6, exif.length) : exif);
    }

    private int int24(int at) {
        return Short.toUnsignedInt(bytes.getShort(at)) | Byte.toUnsignedInt(bytes.get(at + 2)) << 16;
    }

    private void require(Chunk chunk, int length) {
        if (chunk.length < length) {
            throw cutShort();
        }
    }

    private MediaException cutShort() {
        return new MediaException(name + " is a WebP picture that is cut short.");
    }

    // The lossy decoder gets a file of one picture, so that it never sees what is around it.
    private int[] argb(int index) {
        Bitstream picture = bitstreams.get(index);
        AnimationFrame frame = frames.get(index);
        String what = frames.size() == 1 ? name : "%s, frame %d,".formatted(name, index + 1);
        Chunk colours = picture.colours;
        if (colours.type.equals("VP8L")) {
            try {
                return WebpLossless.decode(bytes.array(), colours.start, colours.length, frame.width(), frame.height());
            } catch (IOException e) {
                throw ImageDecoder.damaged(what, ImageFormat.WEBP, e);
            }
        }
        byte[] alone = alone(picture, frame);
        return ImageDecoder.read(alone, what, ImageFormat.WEBP, (reader, warnings) -> {
            Raster raster = reader.read(0).getRaster();
            int bands = raster.getNumBands();
            int[] argb = new int[raster.getWidth() * raster.getHeight()];
            int[] row = new int[bands * raster.getWidth()];
            int o = 0;
            for (int y = 0; y < raster.getHeight(); y++) {
                raster.getPixels(0, y, raster.getWidth(), 1, row);
                for (int i = 0; i < row.length; i += bands) {
                    int alpha = bands == 4 ? row[i + 3] : 255;
                    argb[o++] = alpha << 24 | row[i] << 16 | row[i + 1] << 8 | row[i + 2];
                }
            }
            return argb;
        });
    }

    private byte[] alone(Bitstream picture, AnimationFrame frame) {
        List<Chunk> parts = new ArrayList<>(picture.alpha);
        parts.add(picture.colours);
        boolean extended = !picture.alpha.isEmpty();
        int length = 4 + (extended ? CHUNK_HEADER + 10 : 0);
        for (Chunk part : parts) {
            length += CHUNK_HEADER + part.length + (part.length & 1);
        }
        ByteBuffer file = ByteBuffer.allocate(CHUNK_HEADER + length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(ascii("RIFF")).putInt(length).put(ascii("WEBP"));
        if (extended) {
            file.put(ascii("VP8X")).putInt(10).putInt(0x10); // the flag for alpha
            file.putShort((short) (frame.width() - 1)).put((byte) ((frame.width() - 1) >> 16));
            file.putShort((short) (frame.height() - 1)).put((byte) ((frame.height() - 1) >> 16));
        }
        for (Chunk part : parts) {
            file.put(ascii(part.type)).putInt(part.length).put(bytes.array(), part.start, part.length);
            file.position(file.position() + (part.length & 1));
        }
        return file.array();
    }

    private static byte[] ascii(String type) {
        return type.getBytes(StandardCharsets.ISO_8859_1);
    }
}
