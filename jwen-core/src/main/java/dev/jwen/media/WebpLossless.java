package dev.jwen.media;

import dev.jwen.media.PrefixCode.Bits;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/**
 * Decodes the lossless pictures of WebP.
 *
 * <p>Written here because the library at hand repeats the last colour of a palette where the format says transparent
 * black, which is what encoders of animations count on.
 *
 * <p>A picture is a stream of pixels (literal, repeated from an earlier place, or from a cache of recent colours) in
 * five prefix codes that may change from block to block. Four transforms, themselves described by such pictures, are
 * undone afterwards, last one first.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9649">RFC 9649, WebP Image Format</a>, section 3
 */
final class WebpLossless {
    private static final int LITERALS = 256;
    private static final int LENGTHS = 24;
    private static final int DISTANCES = 40;
    private static final int BLACK = 0xff000000;
    private static final int[] LENGTH_ORDER = {17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    // The first 120 distances are places nearby: columns to the left and rows above, in pairs.
    private static final int[] NEARBY = {
        0, 1, 1, 0, 1, 1, -1, 1, 0, 2, 2, 0, 1, 2, -1, 2, 2, 1, -2, 1, 2, 2, -2, 2, 0, 3, 3, 0, 1, 3, -1, 3, 3, 1, -3,
        1, 2, 3, -2, 3, 3, 2, -3, 2, 0, 4, 4, 0, 1, 4, -1, 4, 4, 1, -4, 1, 3, 3, -3, 3, 2, 4, -2, 4, 4, 2, -4, 2, 0, 5,
        3, 4, -3, 4, 4, 3, -4, 3, 5, 0, 1, 5, -1, 5, 5, 1, -5, 1, 2, 5, -2, 5, 5, 2, -5, 2, 4, 4, -4, 4, 3, 5, -3, 5, 5,
        3, -5, 3, 0, 6, 6, 0, 1, 6, -1, 6, 6, 1, -6, 1, 2, 6, -2, 6, 6, 2, -6, 2, 4, 5, -4, 5, 5, 4, -5, 4, 3, 6, -3, 6,
        6, 3, -6, 3, 0, 7, 7, 0, 1, 7, -1, 7, 5, 5, -5, 5, 7, 1, -7, 1, 4, 6, -4, 6, 6, 4, -6, 4, 2, 7, -2, 7, 7, 2, -7,
        2, 3, 7, -3, 7, 7, 3, -7, 3, 5, 6, -5, 6, 6, 5, -6, 5, 8, 0, 4, 7, -4, 7, 7, 4, -7, 4, 8, 1, 8, 2, 6, 6, -6, 6,
        8, 3, 5, 7, -5, 7, 7, 5, -7, 5, 8, 4, 6, 7, -6, 7, 7, 6, -7, 6, 8, 5, 7, 7, -7, 7, 8, 6, 8, 7
    };

    private final Bits bits;

    private WebpLossless(Bits bits) {
        this.bits = bits;
    }

    /** (height, width), each 0xAARRGGBB; the size must have been checked. */
    static int[] decode(byte[] bytes, int start, int length, int width, int height) throws IOException {
        Bits bits = new Bits(bytes, start, length);
        if (bits.read(8) != 0x2f) {
            throw new IOException("it does not begin as a lossless picture");
        }
        bits.read(14);
        bits.read(14);
        bits.read(1); // whether alpha is used; it is in the pixels anyhow
        if (bits.read(3) != 0) {
            throw new IOException("an unknown version");
        }
        return new WebpLossless(bits).transformed(width, height);
    }

    /** Undoes one transform on pixels of a given width. */
    private interface Transform {
        int[] undo(int[] pixels);
    }

    private int[] transformed(int fullWidth, int height) throws IOException {
        Deque<Transform> transforms = new ArrayDeque<>();
        int width = fullWidth;
        int seen = 0;
        while (bits.read(1) == 1) {
            int type = bits.read(2);
            if ((seen & (1 << type)) != 0) {
                throw new IOException("a transform comes twice");
            }
            seen |= 1 << type;
            int at = width;
            if (type == 2) {
                transforms.push(WebpLossless::addGreen);
            } else if (type == 3) {
                int[] palette = palette();
                int packing = palette.length <= 2 ? 3 : palette.length <= 4 ? 2 : palette.length <= 16 ? 1 : 0;
                width = Math.ceilDiv(width, 1 << packing);
                transforms.push(pixels -> unpacked(pixels, at, height, palette, packing));
            } else {
                int blockBits = bits.read(3) + 2;
                int columns = blocks(width, blockBits);
                int[] data = pixels(columns, blocks(height, blockBits), false);
                transforms.push(
                        type == 0
                                ? pixels -> predicted(pixels, at, data, columns, blockBits)
                                : pixels -> recoloured(pixels, at, data, columns, blockBits));
            }
        }
        int[] pixels = pixels(width, height, true);
        for (Transform transform : transforms) {
            pixels = transform.undo(pixels);
        }
        return pixels;
    }

    private static int blocks(int size, int blockBits) {
        return Math.ceilDiv(size, 1 << blockBits);
    }

    private int[] palette() throws IOException {
        int[] palette = pixels(bits.read(8) + 1, 1, false);
        for (int i = 1; i < palette.length; i++) {
            palette[i] = sum(palette[i], palette[i - 1]);
        }
        return palette;
    }

    private int[] pixels(int width, int height, boolean whole) throws IOException {
        int cacheBits = 0;
        if (bits.read(1) == 1) {
            cacheBits = bits.read(4);
            if (cacheBits < 1 || cacheBits > 11) {
                throw new IOException("a cache of 2^%d colours".formatted(cacheBits));
            }
        }
        int blockBits = 0;
        int[] groupOf = {0};
        if (whole && bits.read(1) == 1) {
            blockBits = bits.read(3) + 2;
            groupOf = pixels(blocks(width, blockBits), blocks(height, blockBits), false);
        }
        int groups = 1;
        for (int i = 0; i < groupOf.length; i++) {
            groupOf[i] = groupOf[i] >> 8 & 0xffff;
            groups = Math.max(groups, groupOf[i] + 1);
        }
        PrefixCode[][] codes = new PrefixCode[groups][];
        for (int i = 0; i < groups; i++) {
            codes[i] = new PrefixCode[] {
                prefixCode(LITERALS + LENGTHS + (cacheBits == 0 ? 0 : 1 << cacheBits)),
                prefixCode(LITERALS),
                prefixCode(LITERALS),
                prefixCode(LITERALS),
                prefixCode(DISTANCES)
            };
        }
        return stream(width, height, codes, groupOf, blockBits, cacheBits);
    }

    private int[] stream(int width, int height, PrefixCode[][] codes, int[] groupOf, int blockBits, int cacheBits)
            throws IOException {
        int[] out = new int[width * height];
        int[] cache = new int[1 << cacheBits];
        int columns = blocks(width, blockBits);
        int cached = 0; // pixels before this one are in the cache
        int at = 0;
        while (at < out.length) {
            int block = blockBits == 0 ? 0 : ((at / width) >> blockBits) * columns + ((at % width) >> blockBits);
            PrefixCode[] group = codes[groupOf[block]];
            int symbol = group[0].read(bits);
            if (symbol < LITERALS) {
                int red = group[1].read(bits);
                int blue = group[2].read(bits);
                out[at++] = group[3].read(bits) << 24 | red << 16 | symbol << 8 | blue;
            } else if (symbol < LITERALS + LENGTHS) {
                int length = number(symbol - LITERALS);
                int distance = distance(number(group[4].read(bits)), width);
                if (distance > at || length > out.length - at) {
                    throw new IOException("it repeats what is not there");
                }
                for (int i = 0; i < length; i++, at++) {
                    out[at] = out[at - distance];
                }
            } else {
                for (; cached < at; cached++) {
                    cache[(0x1e35a7bd * out[cached]) >>> (32 - cacheBits)] = out[cached];
                }
                out[at++] = cache[symbol - LITERALS - LENGTHS];
            }
        }
        return out;
    }

    private int number(int code) throws IOException {
        if (code < 4) {
            return code + 1;
        }
        int extra = (code - 2) >> 1;
        return ((2 + (code & 1)) << extra) + bits.read(extra) + 1;
    }

    private static int distance(int code, int width) {
        if (2 * code > NEARBY.length) {
            return code - NEARBY.length / 2;
        }
        return Math.max(NEARBY[2 * code - 2] + NEARBY[2 * code - 1] * width, 1);
    }

    private PrefixCode prefixCode(int alphabet) throws IOException {
        int[] lengths = new int[alphabet];
        if (bits.read(1) == 1) {
            boolean two = bits.read(1) == 1;
            int first = bits.read(bits.read(1) == 1 ? 8 : 1);
            if (!two) {
                return new PrefixCode(first);
            }
            int second = bits.read(8);
            if (first >= alphabet || second >= alphabet) {
                throw new IOException("a symbol that is not in its alphabet");
            }
            lengths[first] = 1;
            lengths[second] = 1;
            return new PrefixCode(lengths);
        }
        int[] lengthLengths = new int[LENGTH_ORDER.length];
        int given = bits.read(4) + 4;
        for (int i = 0; i < given; i++) {
            lengthLengths[LENGTH_ORDER[i]] = bits.read(3);
        }
        PrefixCode lengthCode = new PrefixCode(lengthLengths);
        int most = bits.read(1) == 0 ? alphabet : 2 + bits.read(2 + 2 * bits.read(3));
        int previous = 8;
        for (int symbol = 0; symbol < alphabet && most > 0; most--) {
            int length = lengthCode.read(bits);
            if (length < 16) {
                lengths[symbol++] = length;
                previous = length == 0 ? previous : length;
                continue;
            }
            int repeat = length == 16 ? 3 + bits.read(2) : length == 17 ? 3 + bits.read(3) : 11 + bits.read(7);
            if (repeat > alphabet - symbol) {
                throw new IOException("more code lengths than symbols");
            }
            Arrays.fill(lengths, symbol, symbol + repeat, length == 16 ? previous : 0);
            symbol += repeat;
        }
        return new PrefixCode(lengths);
    }

    private static int[] addGreen(int[] pixels) {
        for (int i = 0; i < pixels.length; i++) {
            int green = pixels[i] >> 8 & 0xff;
            pixels[i] = sum(pixels[i], green << 16 | green);
        }
        return pixels;
    }

    // Several small indices share the green of one pixel. An index beyond the palette is transparent black.
    private static int[] unpacked(int[] pixels, int width, int height, int[] palette, int packing) {
        int packedWidth = Math.ceilDiv(width, 1 << packing);
        int indexBits = 8 >> packing;
        int[] out = new int[width * height];
        for (int y = 0, o = 0; y < height; y++) {
            for (int x = 0; x < width; x++, o++) {
                int green = pixels[y * packedWidth + (x >> packing)] >> 8 & 0xff;
                int within = x & ((1 << packing) - 1);
                int index = green >> (within * indexBits) & ((1 << indexBits) - 1);
                out[o] = index < palette.length ? palette[index] : 0;
            }
        }
        return out;
    }

    private static int[] recoloured(int[] pixels, int width, int[] data, int columns, int blockBits) {
        for (int i = 0; i < pixels.length; i++) {
            int factors = data[((i / width) >> blockBits) * columns + ((i % width) >> blockBits)];
            int pixel = pixels[i];
            int green = pixel >> 8;
            int red = (pixel >> 16) + product(factors, green);
            int blue = pixel + product(factors >> 8, green) + product(factors >> 16, red);
            pixels[i] = (pixel & 0xff00ff00) | (red & 0xff) << 16 | (blue & 0xff);
        }
        return pixels;
    }

    private static int product(int factor, int colour) {
        return ((byte) factor * (byte) colour) >> 5;
    }

    private static int[] predicted(int[] p, int width, int[] data, int columns, int blockBits) {
        for (int i = 0; i < p.length; i++) {
            int x = i % width;
            int y = i / width;
            int guess;
            if (y == 0) {
                guess = x == 0 ? BLACK : p[i - 1];
            } else if (x == 0) {
                guess = p[i - width];
            } else {
                int mode = data[(y >> blockBits) * columns + (x >> blockBits)] >> 8 & 0xf;
                guess = guess(mode, p[i - 1], p[i - width], p[i - width + 1], p[i - width - 1]);
            }
            p[i] = sum(p[i], guess);
        }
        return p;
    }

    // From the pixels to the left, above, above right and above left.
    private static int guess(int mode, int l, int t, int tr, int tl) {
        return switch (mode) {
            case 1 -> l;
            case 2 -> t;
            case 3 -> tr;
            case 4 -> tl;
            case 5 -> mean(mean(l, tr), t);
            case 6 -> mean(l, tl);
            case 7 -> mean(l, t);
            case 8 -> mean(tl, t);
            case 9 -> mean(t, tr);
            case 10 -> mean(mean(l, tl), mean(t, tr));
            case 11 -> difference(t, tl) < difference(l, tl) ? l : t;
            case 12 -> extrapolated(l, t, tl, false);
            case 13 -> extrapolated(mean(l, t), 0, tl, true);
            default -> BLACK;
        };
    }

    private static int sum(int a, int b) {
        return (((a & 0xff00ff00) + (b & 0xff00ff00)) & 0xff00ff00)
                | (((a & 0x00ff00ff) + (b & 0x00ff00ff)) & 0x00ff00ff);
    }

    private static int mean(int a, int b) {
        return (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);
    }

    private static int difference(int a, int b) {
        int difference = 0;
        for (int shift = 0; shift < 32; shift += 8) {
            difference += Math.abs((a >>> shift & 0xff) - (b >>> shift & 0xff));
        }
        return difference;
    }

    // Per channel a + b - c, or a + (a - c) / 2, within a byte.
    private static int extrapolated(int a, int b, int c, boolean half) {
        int out = 0;
        for (int shift = 0; shift < 32; shift += 8) {
            int first = a >>> shift & 0xff;
            int third = c >>> shift & 0xff;
            int value = half ? first + (first - third) / 2 : first + (b >>> shift & 0xff) - third;
            out |= Math.clamp(value, 0, 255) << shift;
        }
        return out;
    }
}
