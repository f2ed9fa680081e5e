package dev.jwen.tensor;

/**
 * Decoding of the formats with one scale (or scale and minimum) for 32 values, and of the four-bit float formats.
 *
 * <p>Every method decodes {@code count} blocks from the start of {@code b} to {@code out} from {@code at} on. Four-bit
 * formats put value j in the low and value j + half a block in the high nibble of byte j.
 */
final class SmallBlocks {

    /** The values that the low and the high four bits of a byte stand for, each by the whole byte. */
    @SuppressWarnings("ArrayRecordComponent") // two lookup tables, never compared
    private record Nibbles(float[] low, float[] high) {

        static Nibbles of(float... values) {
            float[] low = new float[256];
            float[] high = new float[256];
            for (int i = 0; i < 256; i++) {
                low[i] = values[i & 15];
                high[i] = values[i >> 4];
            }
            return new Nibbles(low, high);
        }
    }

    private static final Nibbles UNSIGNED = Nibbles.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    private static final Nibbles CENTRED = Nibbles.of(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);

    /** IQ4_NL and IQ4_XS: denser near zero, where most weights are. */
    private static final Nibbles IQ4 =
            Nibbles.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    /** Twice E2M1 without the sign of zero: with half the factor, MXFP4 reaches its largest exponent. */
    private static final Nibbles TWICE_E2M1 = Nibbles.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    private SmallBlocks() {}

    /** d, 16 bytes: d (q - 8). */
    static void q4_0(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            nibbles(b, 18 * block + 2, 16, CENTRED, half(b, 18 * block), out, at + 32 * block);
        }
    }

    /** d, m, 16 bytes: d q + m. */
    static void q4_1(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 20 * block;
            int to = at + 32 * block;
            float d = half(b, from);
            float m = half(b, from + 2);
            for (int j = 0; j < 16; j++) {
                int q = b[from + 4 + j] & 0xFF;
                out[to + j] = d * UNSIGNED.low[q] + m;
                out[to + 16 + j] = d * UNSIGNED.high[q] + m;
            }
        }
    }

    /** d, 32 fifth bits, 16 bytes: d (q - 16). */
    static void q5_0(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 22 * block;
            int to = at + 32 * block;
            float d = half(b, from);
            int high = int32(b, from + 2);
            for (int j = 0; j < 16; j++) {
                int q = b[from + 6 + j];
                out[to + j] = (((q & 15) | fifth(high, j)) - 16) * d;
                out[to + 16 + j] = ((((q >> 4) & 15) | fifth(high, j + 16)) - 16) * d;
            }
        }
    }

    /** d, m, 32 fifth bits, 16 bytes: d q + m. */
    static void q5_1(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 24 * block;
            int to = at + 32 * block;
            float d = half(b, from);
            float m = half(b, from + 2);
            int high = int32(b, from + 4);
            for (int j = 0; j < 16; j++) {
                int q = b[from + 8 + j];
                out[to + j] = ((q & 15) | fifth(high, j)) * d + m;
                out[to + 16 + j] = (((q >> 4) & 15) | fifth(high, j + 16)) * d + m;
            }
        }
    }

    private static int fifth(int high, int j) {
        return ((high >>> j) & 1) << 4;
    }

    /** d, 32 signed bytes: d q. */
    static void q8_0(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 34 * block;
            int to = at + 32 * block;
            float d = half(b, from);
            for (int j = 0; j < 32; j++) {
                out[to + j] = b[from + 2 + j] * d;
            }
        }
    }

    /** d, 16 bytes: d code[q]. */
    static void iq4_nl(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            nibbles(b, 18 * block + 2, 16, IQ4, half(b, 18 * block), out, at + 32 * block);
        }
    }

    /** d, 8 six-bit scales (high bits in a short, low bits in 4 bytes), 128 bytes: d (scale - 32) code[q]. */
    static void iq4_xs(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 136 * block;
            float d = half(b, from);
            int high = int16(b, from + 2);
            int low = int32(b, from + 4);
            for (int s = 0; s < 8; s++) {
                int scale = (((low >>> (4 * s)) & 15) | (((high >>> (2 * s)) & 3) << 4)) - 32;
                nibbles(b, from + 8 + 16 * s, 16, IQ4, d * scale, out, at + 256 * block + 32 * s);
            }
        }
    }

    /** One byte that is the exponent of two, 16 bytes of E2M1. */
    static void mxfp4(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            float d = Math.scalb(1f, (b[17 * block] & 0xFF) - 128);
            nibbles(b, 17 * block + 1, 16, TWICE_E2M1, d, out, at + 32 * block);
        }
    }

    /** Four E4M3 scales without sign, 32 bytes of E2M1: 16 values each. */
    static void nvfp4(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 36 * block;
            for (int s = 0; s < 4; s++) {
                float d = 0.5f * unsignedE4m3(b[from + s]);
                nibbles(b, from + 4 + 8 * s, 8, TWICE_E2M1, d, out, at + 64 * block + 16 * s);
            }
        }
    }

    /** The top bit is ignored; 0x7F counts as zero, and so 0xFF is 480. */
    private static float unsignedE4m3(byte bits) {
        return bits == 0x7F ? 0 : e4m3Magnitude(bits);
    }

    /** The value of the lower seven bits, 0x7F taken as 480: a half float whose exponent is 8 too small. */
    static float e4m3Magnitude(int bits) {
        return Float.float16ToFloat((short) ((bits & 0x7F) << 7)) * 256;
    }

    private static void nibbles(byte[] b, int from, int bytes, Nibbles values, float d, float[] out, int to) {
        for (int j = 0; j < bytes; j++) {
            int q = b[from + j] & 0xFF;
            out[to + j] = d * values.low[q];
            out[to + bytes + j] = d * values.high[q];
        }
    }

    static float half(byte[] b, int i) {
        return Float.float16ToFloat((short) int16(b, i));
    }

    /** Two bytes as an unsigned number. */
    static int int16(byte[] b, int i) {
        return (b[i] & 0xFF) | ((b[i + 1] & 0xFF) << 8);
    }

    static int int32(byte[] b, int i) {
        return int16(b, i) | (int16(b, i + 2) << 16);
    }
}
