package dev.jwen.tensor;

import static dev.jwen.tensor.SmallBlocks.half;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Decoding of the K-quants and the ternary formats: 256 values with one or two half-precision factors, and in the
 * K-quants small integer scales (and minimums) for every 16 or 32 of them.
 *
 * <p>Every method decodes {@code count} blocks from the start of {@code b} to {@code out} from {@code at} on.
 */
final class SuperBlocks {
    private static final int[] POWERS_OF_3 = {1, 3, 9, 27, 81};

    // The loops unpack eight codes at a time: the bits of eight bytes are masked and moved together in a long.
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONE_BIT = 0x0101010101010101L;
    private static final long TWO_BITS = 0x0303030303030303L;
    private static final long FOUR_BITS = 0x0F0F0F0F0F0F0F0FL;

    private SuperBlocks() {}

    /** 16 bytes of scale and minimum (4 bits each), 64 bytes of 2 bits, d, dmin: d scale q - dmin min. */
    static void q2_k(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 84 * block;
            int to = at + 256 * block;
            unpackTwoBits(b, from + 16, q);
            copy(q, out, to);
            float d = half(b, from + 80);
            float dmin = half(b, from + 82);
            for (int s = 0; s < 16; s++) {
                float scale = d * (b[from + s] & 15);
                float min = dmin * ((b[from + s] >> 4) & 15);
                for (int l = 16 * s; l < 16 * s + 16; l++) {
                    out[to + l] = scale * out[to + l] - min;
                }
            }
        }
    }

    /** 32 bytes of third bits (set: add 4), 64 bytes of 2 bits, 16 six-bit scales in 12 bytes, d. */
    static void q3_k(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 110 * block;
            int to = at + 256 * block;
            for (int i = 0; i < 32; i += 8) {
                long high = eight(b, from + i);
                for (int half = 0; half < 2; half++) {
                    long low = eight(b, from + 32 + 32 * half + i);
                    long top = high >>> (4 * half);
                    put(q, 128 * half + i, (low & TWO_BITS) | ((top & ONE_BIT) << 2));
                    put(q, 128 * half + 32 + i, ((low >>> 2) & TWO_BITS) | (((top >>> 1) & ONE_BIT) << 2));
                    put(q, 128 * half + 64 + i, ((low >>> 4) & TWO_BITS) | (((top >>> 2) & ONE_BIT) << 2));
                    put(q, 128 * half + 96 + i, ((low >>> 6) & TWO_BITS) | (((top >>> 3) & ONE_BIT) << 2));
                }
            }
            copy(q, out, to);
            float d = half(b, from + 108);
            for (int s = 0; s < 16; s++) {
                float scale = d * (q3Scale(b, from + 96, s) - 32);
                for (int l = 16 * s; l < 16 * s + 16; l++) {
                    out[to + l] = scale * (out[to + l] - 4);
                }
            }
        }
    }

    /** Four low bits in bytes 0-7, first the low nibbles; two high bits in bytes 8-11, lowest pairs first. */
    private static int q3Scale(byte[] b, int from, int s) {
        int low = (b[from + (s & 7)] >> (4 * (s >> 3))) & 15;
        int high = (b[from + 8 + (s & 3)] >> (2 * (s >> 2))) & 3;
        return low | (high << 4);
    }

    /** d, dmin, 8 six-bit scales and minimums in 12 bytes, 128 bytes of 4 bits: d scale q - dmin min. */
    static void q4_k(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 144 * block;
            for (int pair = 0; pair < 4; pair++) {
                for (int i = 0; i < 32; i += 8) {
                    long eight = eight(b, from + 16 + 32 * pair + i);
                    put(q, 64 * pair + i, eight & FOUR_BITS);
                    put(q, 64 * pair + 32 + i, (eight >>> 4) & FOUR_BITS);
                }
            }
            scaleAndShift(b, from, q, out, at + 256 * block);
        }
    }

    /** d, dmin, 8 six-bit scales and minimums in 12 bytes, 32 bytes of fifth bits, 128 bytes of 4 bits. */
    static void q5_k(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 176 * block;
            for (int i = 0; i < 32; i += 8) {
                long high = eight(b, from + 16 + i);
                for (int pair = 0; pair < 4; pair++) {
                    long low = eight(b, from + 48 + 32 * pair + i);
                    put(q, 64 * pair + i, (low & FOUR_BITS) | ((high & ONE_BIT) << 4));
                    put(q, 64 * pair + 32 + i, ((low >>> 4) & FOUR_BITS) | (((high >>> 1) & ONE_BIT) << 4));
                    high >>>= 2;
                }
            }
            scaleAndShift(b, from, q, out, at + 256 * block);
        }
    }

    /** The first 16 bytes of a Q4_K or Q5_K block hold d, dmin and what each 32 codes are multiplied and lowered by. */
    private static void scaleAndShift(byte[] b, int from, byte[] q, float[] out, int to) {
        float d = half(b, from);
        float dmin = half(b, from + 2);
        for (int s = 0; s < 8; s++) {
            float scale = d * scale(b, from + 4, s);
            float min = dmin * min(b, from + 4, s);
            for (int l = 32 * s; l < 32 * s + 32; l++) {
                out[to + l] = scale * q[l] - min;
            }
        }
    }

    private static int scale(byte[] b, int from, int j) {
        return j < 4 ? b[from + j] & 63 : (b[from + 4 + j] & 15) | (((b[from + j - 4] >> 6) & 3) << 4);
    }

    private static int min(byte[] b, int from, int j) {
        return j < 4 ? b[from + 4 + j] & 63 : ((b[from + 4 + j] >> 4) & 15) | (((b[from + j] >> 6) & 3) << 4);
    }

    /** 128 bytes of 4 low bits, 64 bytes of 2 high bits, 16 signed scales, d. */
    static void q6_k(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 210 * block;
            int to = at + 256 * block;
            for (int half = 0; half < 2; half++) {
                for (int i = 0; i < 32; i += 8) {
                    long low0 = eight(b, from + 64 * half + i);
                    long low1 = eight(b, from + 64 * half + 32 + i);
                    long high = eight(b, from + 128 + 32 * half + i);
                    put(q, 128 * half + i, (low0 & FOUR_BITS) | ((high & TWO_BITS) << 4));
                    put(q, 128 * half + 32 + i, (low1 & FOUR_BITS) | (((high >>> 2) & TWO_BITS) << 4));
                    put(q, 128 * half + 64 + i, ((low0 >>> 4) & FOUR_BITS) | (((high >>> 4) & TWO_BITS) << 4));
                    put(q, 128 * half + 96 + i, ((low1 >>> 4) & FOUR_BITS) | (((high >>> 6) & TWO_BITS) << 4));
                }
            }
            copy(q, out, to);
            float d = half(b, from + 208);
            for (int s = 0; s < 16; s++) {
                float scale = d * b[from + 192 + s];
                for (int l = 16 * s; l < 16 * s + 16; l++) {
                    out[to + l] = scale * (out[to + l] - 32);
                }
            }
        }
    }

    /** 48 bytes of five and 4 bytes of four ternary digits, d. */
    static void tq1_0(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 54 * block;
            int to = at + 256 * block;
            float d = half(b, from + 52);
            trits(b, from, 32, 5, d, out, to);
            trits(b, from + 32, 16, 5, d, out, to + 160);
            trits(b, from + 48, 4, 4, d, out, to + 240);
        }
    }

    /**
     * The digits of one byte lie {@code bytes} values apart. A byte is a fraction of 256 in base 3, so multiplying by
     * 3 brings the next digit to the top.
     */
    private static void trits(byte[] b, int from, int bytes, int digits, float d, float[] out, int to) {
        for (int n = 0; n < digits; n++) {
            for (int j = 0; j < bytes; j++) {
                int fraction = b[from + j] * POWERS_OF_3[n] & 0xFF;
                out[to + bytes * n + j] = (((fraction * 3) >> 8) - 1) * d;
            }
        }
    }

    /** 64 bytes of 2 bits, d: d (q - 1). */
    static void tq2_0(byte[] b, int count, float[] out, int at) {
        byte[] q = new byte[256];
        for (int block = 0; block < count; block++) {
            int from = 66 * block;
            int to = at + 256 * block;
            unpackTwoBits(b, from, q);
            float d = half(b, from + 64);
            for (int l = 0; l < 256; l++) {
                out[to + l] = (q[l] - 1) * d;
            }
        }
    }

    /** 64 bytes of 2 bits: the four values of a byte lie 32 apart. */
    private static void unpackTwoBits(byte[] b, int from, byte[] q) {
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 32; i += 8) {
                long eight = eight(b, from + 32 * half + i);
                for (int j = 0; j < 4; j++) {
                    put(q, 128 * half + 32 * j + i, (eight >>> (2 * j)) & TWO_BITS);
                }
            }
        }
    }

    /** One loop for a whole block: only long loops are turned into vector conversions. */
    private static void copy(byte[] q, float[] out, int to) {
        for (int l = 0; l < 256; l++) {
            out[to + l] = q[l];
        }
    }

    private static long eight(byte[] b, int i) {
        return (long) LONG.get(b, i);
    }

    private static void put(byte[] b, int i, long eight) {
        LONG.set(b, i, eight);
    }
}
