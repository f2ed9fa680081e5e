package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The definition of {@link Kernels#coarsen}. All back ends have its bits in codes and factors, and share it where they
 * have no {@link CoarseRows}: plain loops over a row are compiled to vector instructions.
 */
public final class Coarsening {
    /** Rows that are worth another thread. */
    public static final int GRAIN = 16;

    /** More than the rounding of differences to float32 and of sums to float64 can take away from a norm. */
    public static final double UP = 1 + 2e-7;

    /** Values that share a factor. */
    private static final int VALUES = 32;

    private static final float LARGEST_HALF = 65504;

    /** Added to a small number, rounds it to an integer, which then stands in the low bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);
    private static final int INFINITY_BITS = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

    private final Format format;

    /** By block of 32 values. */
    private final float[] factors;

    // By column, so that the loops are long.
    private final float[] values;
    private final float[] scales;
    private final float[] inverses;
    private final int[] codes;
    private final byte[] bytes;
    private final float[] lost;
    private final byte[] blocks;

    /** How codes and factors are stored. */
    private interface Format {
        /** Codes are in -largestCode() to largestCode(). */
        int largestCode();

        /** What is added to a code before it is multiplied, and taken away again from the sum, together. */
        int offset();

        /** Turns the factor that would suit each block into the nearest one that can be stored, and stores it. */
        void storeFactors(float[] factors, byte[] out);

        void storeCodes(byte[] codes, byte[] out);
    }

    private Coarsening(int columns, DataType type) {
        format = type == DataType.Q8_0 ? new EightBits() : new FiveBits();
        factors = new float[columns / VALUES];
        values = new float[columns];
        scales = new float[columns];
        inverses = new float[columns];
        codes = new int[columns];
        bytes = new byte[columns];
        lost = new float[columns];
        blocks = new byte[Math.toIntExact(type.bytes(columns))];
    }

    /** The rows {@code from} to {@code to - 1}, by the calling thread. */
    public static void rows(Tensor w, int from, int to, Tensor copy, Tensor norms) {
        Coarsening coarsening = new Coarsening(Math.toIntExact(w.columns()), copy.type());
        for (int row = from; row < to; row++) {
            coarsening.row(w, row, copy, norms);
        }
    }

    private void row(Tensor w, int row, Tensor copy, Tensor norms) {
        w.decode(row, 0, values.length, values, 0);
        boolean finite = scale();
        encode(values, inverses, format.largestCode(), codes, bytes);
        subtract(values, codes, scales, lost);
        format.storeCodes(bytes, blocks);
        if (!finite) {
            Arrays.fill(blocks, (byte) 0);
        }
        MemorySegment.copy(blocks, 0, copy.segment(), ValueLayout.JAVA_BYTE, row * copy.rowBytes(), blocks.length);
        norms.set(row, 0, finite ? up(squares(lost)) : Float.POSITIVE_INFINITY);
        norms.set(row, 1, finite ? up(terms()) : Float.POSITIVE_INFINITY);
    }

    /** A float that is not below the root. */
    private static float up(double square) {
        return Math.nextUp((float) (Math.sqrt(square) * UP));
    }

    /** Sets the factor of each block; false if not all values are finite numbers. */
    private boolean scale() {
        boolean finite = true;
        for (int block = 0; block < factors.length; block++) {
            int largest = largestBits(values, block * VALUES);
            finite &= largest < INFINITY_BITS;
            factors[block] = Float.intBitsToFloat(largest) / format.largestCode();
        }
        format.storeFactors(factors, blocks);
        for (int block = 0; block < factors.length; block++) {
            float factor = factors[block];
            int at = block * VALUES;
            Arrays.fill(scales, at, at + VALUES, factor);
            Arrays.fill(inverses, at, at + VALUES, factor == 0 ? 0 : 1 / factor);
        }
        return finite;
    }

    /** The bits of the largest magnitude in a block; those of infinity, or above, where not all values are finite numbers. */
    private static int largestBits(float[] values, int at) {
        int largest = 0;
        for (int i = 0; i < VALUES; i++) {
            largest = Math.max(largest, Float.floatToRawIntBits(values[at + i]) & Integer.MAX_VALUE);
        }
        return largest;
    }

    private static void encode(float[] values, float[] inverses, int largestCode, int[] codes, byte[] bytes) {
        for (int i = 0; i < values.length; i++) {
            codes[i] = Float.floatToRawIntBits(values[i] * inverses[i] + ROUNDER);
        }
        // As integers, the bits of other floats lie on the same side of these as the floats do.
        for (int i = 0; i < codes.length; i++) {
            codes[i] = Math.max(ROUNDER_BITS - largestCode, Math.min(ROUNDER_BITS + largestCode, codes[i]));
        }
        for (int i = 0; i < codes.length; i++) {
            codes[i] -= ROUNDER_BITS;
        }
        for (int i = 0; i < codes.length; i++) {
            bytes[i] = (byte) codes[i];
        }
    }

    /** What the copy has lost. A factor times a code has at most 22 bits, so only the difference is rounded. */
    private static void subtract(float[] values, int[] codes, float[] scales, float[] lost) {
        for (int i = 0; i < values.length; i++) {
            lost[i] = values[i] - scales[i] * codes[i];
        }
    }

    /** The squared norm of the terms that a product with the copy adds up. */
    private double terms() {
        double terms = 0;
        for (int block = 0; block < factors.length; block++) {
            terms += (double) factors[block] * factors[block] * squares(codes, block * VALUES, 2 * format.offset());
        }
        return terms;
    }

    private static int squares(int[] codes, int at, int offset) {
        int sum = 0;
        for (int i = 0; i < VALUES; i++) {
            int term = codes[at + i] + offset;
            sum += term * term;
        }
        return sum;
    }

    /** In float64, because the squares of tiny values are no float32. Four sums do not wait for each other. */
    private static double squares(float[] values) {
        double a = 0;
        double b = 0;
        double c = 0;
        double d = 0;
        for (int i = 0; i < values.length; i += 4) {
            a += (double) values[i] * values[i];
            b += (double) values[i + 1] * values[i + 1];
            c += (double) values[i + 2] * values[i + 2];
            d += (double) values[i + 3] * values[i + 3];
        }
        return a + b + (c + d);
    }

    private static void storeHalf(short half, byte[] out, int at) {
        out[at] = (byte) half;
        out[at + 1] = (byte) (half >> 8);
    }

    /** Q8_0: a half float and 32 codes. */
    private static final class EightBits implements Format {
        private static final int BLOCK_BYTES = 34;

        @Override
        public int largestCode() {
            return 127;
        }

        @Override
        public int offset() {
            return 0;
        }

        @Override
        public void storeFactors(float[] factors, byte[] out) {
            for (int block = 0; block < factors.length; block++) {
                short half = Float.floatToFloat16(Math.min(LARGEST_HALF, factors[block]));
                storeHalf(half, out, block * BLOCK_BYTES);
                factors[block] = Float.float16ToFloat(half);
            }
        }

        @Override
        public void storeCodes(byte[] codes, byte[] out) {
            for (int i = 0; i < codes.length; i += VALUES) {
                System.arraycopy(codes, i, out, i / VALUES * BLOCK_BYTES + 2, VALUES);
            }
        }
    }

    /**
     * Q5_K: eight blocks have a common half float and six bits each beside it, and minima of the same kind. With minima
     * of 16 times the factors, and 16 times their half float, a code q stands for {@code factor · (q - 16)}.
     */
    private static final class FiveBits implements Format {
        private static final int BLOCKS = 8;
        private static final int GROUP_BYTES = 176;
        private static final int UPPER_BITS = 16;
        private static final int LOWER_BITS = 48;
        private static final int OFFSET = 16;
        private static final int LARGEST_SIXTH = 63;

        @Override
        public int largestCode() {
            return 15;
        }

        @Override
        public int offset() {
            return OFFSET;
        }

        @Override
        public void storeFactors(float[] factors, byte[] out) {
            int[] sixths = new int[BLOCKS];
            for (int first = 0; first < factors.length; first += BLOCKS) {
                float largest = 0;
                for (int i = 0; i < BLOCKS; i++) {
                    largest = Math.max(largest, factors[first + i]);
                }
                float unit = Math.min(LARGEST_HALF / OFFSET, largest / LARGEST_SIXTH);
                unit = Float.float16ToFloat(Float.floatToFloat16(unit));
                for (int i = 0; i < BLOCKS; i++) {
                    double units = unit == 0 ? 0 : Math.ceil((double) factors[first + i] / unit);
                    sixths[i] = (int) Math.min(LARGEST_SIXTH, units);
                    factors[first + i] = unit * sixths[i];
                }
                int at = first / BLOCKS * GROUP_BYTES;
                storeHalf(Float.floatToFloat16(unit), out, at);
                storeHalf(Float.floatToFloat16(OFFSET * unit), out, at + 2);
                for (int i = 0; i < 4; i++) {
                    byte low = (byte) (sixths[i] | ((sixths[i + 4] >> 4) << 6));
                    out[at + 4 + i] = low;
                    out[at + 8 + i] = low;
                    out[at + 12 + i] = (byte) ((sixths[i + 4] & 15) * 17);
                }
            }
        }

        @Override
        public void storeCodes(byte[] codes, byte[] out) {
            for (int first = 0; first < codes.length; first += BLOCKS * VALUES) {
                int at = first / (BLOCKS * VALUES) * GROUP_BYTES;
                for (int i = 0; i < VALUES; i++) {
                    int upper = 0;
                    for (int pair = 0; pair < BLOCKS / 2; pair++) {
                        int low = codes[first + 2 * pair * VALUES + i] + OFFSET;
                        int high = codes[first + (2 * pair + 1) * VALUES + i] + OFFSET;
                        upper |= ((low >> 4) | (high >> 4) * 2) << (2 * pair);
                        out[at + LOWER_BITS + pair * VALUES + i] = (byte) ((low & 15) | ((high & 15) << 4));
                    }
                    out[at + UPPER_BITS + i] = (byte) upper;
                }
            }
        }
    }
}
