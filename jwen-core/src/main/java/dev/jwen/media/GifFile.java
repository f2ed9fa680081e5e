package dev.jwen.media;

import dev.jwen.media.AnimationFrame.Disposal;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** The blocks of a GIF file, read before any picture of it is decoded. */
final class GifFile {
    private static final int GRAPHIC_CONTROL = 0xf9;
    // Delays below 20 ms are taken to mean "as it comes", which is 100 ms everywhere.
    private static final int SHORTEST_DELAY = 20;
    private static final int DEFAULT_DELAY = 100;
    private static final long PIXELS_PER_BYTE = 4095 * 8 / 12; // an LZW code of 12 bits is at most 4095 pixels

    private final byte[] bytes;
    private final String name;
    private final List<AnimationFrame> frames = new ArrayList<>();
    private final Size canvas;
    private int background;

    private GifFile(byte[] bytes, String name) {
        this.bytes = bytes;
        this.name = name;
        ByteBuffer gif = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            gif.position(6);
            this.canvas = new Size(Short.toUnsignedInt(gif.getShort()), Short.toUnsignedInt(gif.getShort()));
            readBlocks(gif);
        } catch (BufferUnderflowException | IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new MediaException(name + " is a GIF picture that is cut short.", e);
        }
    }

    /** Opens the file as a clip; a picture is a clip of one frame. */
    static AnimationClip open(byte[] bytes, String name) {
        GifFile file = new GifFile(bytes, name);
        Limits.requireSize(name, file.canvas.width(), file.canvas.height());
        return new AnimationClip(name, file.canvas, file.frames, file.background, file.new Decoder());
    }

    private void readBlocks(ByteBuffer gif) {
        int flags = gif.get();
        int backgroundIndex = Byte.toUnsignedInt(gif.get());
        gif.get(); // aspect ratio of the pixels
        int[] palette = palette(gif, flags);
        int control = 0;
        int delay = 0;
        int transparent = -1;
        boolean ended = false;
        while (!ended) {
            switch (Byte.toUnsignedInt(gif.get())) {
                case 0x21 -> {
                    if (Byte.toUnsignedInt(gif.get()) == GRAPHIC_CONTROL && gif.get(gif.position()) == 4) {
                        gif.get();
                        control = gif.get();
                        delay = Short.toUnsignedInt(gif.getShort());
                        transparent = (control & 1) == 0 ? -1 : Byte.toUnsignedInt(gif.get(gif.position()));
                        gif.get();
                    }
                    skipSubBlocks(gif);
                }
                case 0x2c -> {
                    AnimationFrame frame = frame(gif, control, delay);
                    int[] local = palette(gif, gif.get());
                    if (frames.isEmpty()) {
                        background = colour(
                                local.length > 0 ? local : palette, transparent >= 0 ? transparent : backgroundIndex);
                    }
                    gif.get(); // LZW minimum code size
                    int start = gif.position();
                    skipSubBlocks(gif);
                    Limits.requirePlausible(
                            "%s, frame %d,".formatted(name, frames.size() + 1),
                            frame.width(),
                            frame.height(),
                            PIXELS_PER_BYTE,
                            gif.position() - start);
                    frames.add(frame);
                    control = 0;
                    delay = 0;
                    transparent = -1;
                }
                default -> ended = true; // the trailer, or rubbish in its place
            }
        }
    }

    private static AnimationFrame frame(ByteBuffer gif, int control, int delay) {
        int x = Short.toUnsignedInt(gif.getShort());
        int y = Short.toUnsignedInt(gif.getShort());
        int width = Short.toUnsignedInt(gif.getShort());
        int height = Short.toUnsignedInt(gif.getShort());
        Disposal disposal = switch (control >> 2 & 7) {
            case 2 -> Disposal.CLEAR;
            case 3 -> Disposal.RESTORE;
            default -> Disposal.KEEP;
        };
        int millis = 10 * delay;
        return new AnimationFrame(
                x, y, width, height, millis < SHORTEST_DELAY ? DEFAULT_DELAY : millis, disposal, true);
    }

    private static int[] palette(ByteBuffer gif, int flags) {
        if ((flags & 0x80) == 0) {
            return new int[0];
        }
        int[] palette = new int[2 << (flags & 7)];
        for (int i = 0; i < palette.length; i++) {
            palette[i] = 0xff << 24
                    | Byte.toUnsignedInt(gif.get()) << 16
                    | Byte.toUnsignedInt(gif.get()) << 8
                    | Byte.toUnsignedInt(gif.get());
        }
        return palette;
    }

    private static int colour(int[] palette, int index) {
        return index < palette.length ? palette[index] : 0xff << 24;
    }

    private static void skipSubBlocks(ByteBuffer gif) {
        int length = Byte.toUnsignedInt(gif.get());
        while (length > 0) {
            gif.position(gif.position() + length);
            length = Byte.toUnsignedInt(gif.get());
        }
    }

    /** One reader for all frames, which keeps its place. */
    private final class Decoder implements AnimationClip.Pictures {
        private final ImageReader reader = ImageDecoder.reader(ImageFormat.GIF);
        private final ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes));

        Decoder() {
            reader.setInput(in, false, true);
        }

        @Override
        public int[] argb(int index) {
            AnimationFrame frame = frames.get(index);
            try {
                BufferedImage image = reader.read(index);
                if (image.getWidth() != frame.width()
                        || image.getHeight() != frame.height()
                        || !(image.getColorModel() instanceof IndexColorModel palette)) {
                    throw new IOException("a frame of another size than announced");
                }
                return argb(image, palette, index == 0);
            } catch (IOException | RuntimeException e) {
                throw new MediaException(
                        "%s is a damaged or incomplete GIF picture (frame %d of %d: %s)."
                                .formatted(name, index + 1, frames.size(), Limits.reason(e)),
                        e);
            }
        }

        // Nothing lies under the first frame: it is opaque, as Pillow has it.
        private static int[] argb(BufferedImage image, IndexColorModel palette, boolean opaque) {
            int[] colours = new int[palette.getMapSize()];
            palette.getRGBs(colours);
            int[] argb = image.getRaster().getSamples(0, 0, image.getWidth(), image.getHeight(), 0, (int[]) null);
            for (int i = 0; i < argb.length; i++) {
                int colour = argb[i] < colours.length ? colours[argb[i]] : 0;
                argb[i] = opaque ? colour | 0xff << 24 : colour;
            }
            return argb;
        }

        @Override
        public void close() {
            reader.dispose();
            try {
                in.close();
            } catch (IOException e) {
                throw new java.io.UncheckedIOException("a stream over memory cannot fail", e);
            }
        }
    }
}
