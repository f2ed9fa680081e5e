package dev.jwen.tensor;

import static dev.jwen.tensor.SmallBlocks.half;
import static dev.jwen.tensor.SmallBlocks.int16;
import static dev.jwen.tensor.SmallBlocks.int32;

/**
 * Decoding of the I-quants with code books: 256 values in groups of 8 (or two of 4), each an index into
 * {@link CodeBooks}, with the signs beside it.
 *
 * <p>Every method decodes {@code count} blocks from the start of {@code b} to {@code out} from {@code at} on.
 */
final class CodedBlocks {

    private CodedBlocks() {}

    /** d, then per 32 values 4 index bytes and an int: 4 seven-bit signs and 4 bits of scale. */
    static void iq2_xxs(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            float d = half(b, 66 * block);
            for (int s = 0; s < 8; s++) {
                int from = 66 * block + 2 + 8 * s;
                int signs = int32(b, from + 4);
                float scale = d * (0.5f + (signs >>> 28)) * 0.25f;
                for (int l = 0; l < 4; l++) {
                    int index = b[from + l] & 0xFF;
                    int to = at + 256 * block + 32 * s + 8 * l;
                    group(CodeBooks.IQ2_XXS, index, 8, evenSigns(signs >>> (7 * l)), scale, out, to);
                }
            }
        }
    }

    /** d, 32 shorts of a nine-bit index and seven-bit signs, 16 four-bit scales. */
    static void iq2_xs(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 74 * block;
            float d = half(b, from);
            for (int g = 0; g < 32; g++) {
                int q = int16(b, from + 2 + 2 * g);
                float scale = d * (0.5f + nibble(b, from + 66, g >> 1)) * 0.25f;
                group(CodeBooks.IQ2_XS, q & 511, 8, evenSigns(q >> 9), scale, out, at + 256 * block + 8 * g);
            }
        }
    }

    /** d, 32 bytes of index, 32 bytes of signs, 8 bytes of index bits 8-9, 16 four-bit scales. */
    static void iq2_s(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 82 * block;
            float d = half(b, from);
            for (int g = 0; g < 32; g++) {
                int index = (b[from + 2 + g] & 0xFF) | (((b[from + 66 + (g >> 2)] >> (2 * (g & 3))) & 3) << 8);
                float scale = d * (0.5f + nibble(b, from + 74, g >> 1)) * 0.25f;
                group(CodeBooks.IQ2_S, index, 8, b[from + 34 + g], scale, out, at + 256 * block + 8 * g);
            }
        }
    }

    /** d, 64 index bytes, then per 32 values an int: 4 seven-bit signs and 4 bits of scale. */
    static void iq3_xxs(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 98 * block;
            float d = half(b, from);
            for (int s = 0; s < 8; s++) {
                int signs = int32(b, from + 66 + 4 * s);
                float scale = d * (0.5f + (signs >>> 28)) * 0.5f;
                for (int l = 0; l < 4; l++) {
                    int g = 4 * s + l;
                    int sign = evenSigns(signs >>> (7 * l));
                    int to = at + 256 * block + 8 * g;
                    group(CodeBooks.IQ3_XXS, b[from + 2 + 2 * g] & 0xFF, 4, sign, scale, out, to);
                    group(CodeBooks.IQ3_XXS, b[from + 3 + 2 * g] & 0xFF, 4, sign >> 4, scale, out, to + 4);
                }
            }
        }
    }

    /** d, 64 index bytes, 8 bytes of index bit 8, 32 bytes of signs, 8 four-bit scales. */
    static void iq3_s(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 110 * block;
            float d = half(b, from);
            for (int g = 0; g < 32; g++) {
                int high = b[from + 66 + (g >> 2)] >> (2 * (g & 3));
                int sign = b[from + 74 + g];
                float scale = d * (1 + 2 * nibble(b, from + 106, g >> 2));
                int index0 = (b[from + 2 + 2 * g] & 0xFF) | ((high & 1) << 8);
                int index1 = (b[from + 3 + 2 * g] & 0xFF) | ((high & 2) << 7);
                int to = at + 256 * block + 8 * g;
                group(CodeBooks.IQ3_S, index0, 4, sign, scale, out, to);
                group(CodeBooks.IQ3_S, index1, 4, sign >> 4, scale, out, to + 4);
            }
        }
    }

    /** d, 32 index bytes, then per 32 values a short: 4 times index bits 8-10, 3 bits of scale, the shift's sign. */
    static void iq1_s(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 50 * block;
            float d = half(b, from);
            for (int g = 0; g < 32; g++) {
                int high = int16(b, from + 34 + 2 * (g >> 2));
                float scale = d * (2 * ((high >> 12) & 7) + 1);
                int index = (b[from + 2 + g] & 0xFF) | (((high >> (3 * (g & 3))) & 7) << 8);
                shiftedGroup(index, (high & 0x8000) != 0, scale, out, at + 256 * block + 8 * g);
            }
        }
    }

    /**
     * 32 index bytes, 16 bytes of two nibbles (index bits 8-10, the shift's sign), 4 shorts whose low 12 bits are
     * scales of 3 bits and whose top 4 bits together are d.
     */
    static void iq1_m(byte[] b, int count, float[] out, int at) {
        for (int block = 0; block < count; block++) {
            int from = 56 * block;
            int bits = 0;
            for (int i = 0; i < 4; i++) {
                bits |= (int16(b, from + 48 + 2 * i) >> 12) << (4 * i);
            }
            float d = Float.float16ToFloat((short) bits);
            for (int g = 0; g < 32; g++) {
                int high = nibble(b, from + 32, g);
                int scales = int16(b, from + 48 + 2 * (g >> 3));
                float scale = d * (2 * ((scales >> (3 * ((g >> 1) & 3))) & 7) + 1);
                int index = (b[from + g] & 0xFF) | ((high & 7) << 8);
                shiftedGroup(index, (high & 8) != 0, scale, out, at + 256 * block + 8 * g);
            }
        }
    }

    /** Seven signs in the lowest bits; the eighth makes the number of minus signs even. */
    private static int evenSigns(int bits) {
        return (bits & 127) | ((Integer.bitCount(bits & 127) & 1) << 7);
    }

    private static int nibble(byte[] b, int from, int i) {
        return (b[from + (i >> 1)] >> (4 * (i & 1))) & 15;
    }

    /** One entry of a book; bit i of {@code signs} negates value i. */
    private static void group(byte[] book, int index, int width, int signs, float scale, float[] out, int to) {
        int entry = index * width;
        for (int i = 0; i < width; i++) {
            int minus = -((signs >> i) & 1);
            out[to + i] = scale * ((book[entry + i] ^ minus) - minus);
        }
    }

    /** One entry of the ternary book, all values moved by an eighth. */
    private static void shiftedGroup(int index, boolean down, float scale, float[] out, int to) {
        float shift = down ? -0.125f : 0.125f;
        int entry = 8 * index;
        for (int i = 0; i < 8; i++) {
            out[to + i] = scale * (CodeBooks.IQ1[entry + i] + shift);
        }
    }
}
