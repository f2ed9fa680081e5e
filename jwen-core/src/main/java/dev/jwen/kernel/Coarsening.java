package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The definition of {@link Kernels#coarsen}. All back ends share it and spread the rows over their threads: it runs once
 * for each row, and and plain loops over a row are compiled to vector instructions.
 */
public final class Coarsening {
    /** Rows that are worth another thread. */
    public static final int GRAIN = 16;

    private static final int VALUES = 32;
    private static final int BLOCK_BYTES = 34;
    private static final int LARGEST_CODE = 127;
    private static final float LARGEST_HALF = 65504;

    /** Added to a small number, rounds it to an integer, which then stands in the low bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);
    private static final int INFINITY_BITS = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

    /** More than the rounding of differences to float32 and of sums to float64 can take away from a norm. */
    private static final double UP = 1 + 2e-7;

    // By column, so that the loops are long.
    private final float[] values;
    private final float[] scales;
    private final float[] inverses;
    private final int[] codes;
    private final byte[] bytes;
    private final float[] lost;
    private final byte[] blocks;

    private Coarsening(int columns) {
        values = new float[columns];
        scales = new float[columns];
        inverses = new float[columns];
        codes = new int[columns];
        bytes = new byte[columns];
        lost = new float[columns];
        blocks = new byte[columns / VALUES * BLOCK_BYTES];
    }

    /** The rows {@code from} to {@code to - 1}, by the calling thread. */
    public static void rows(Tensor w, int from, int to, Tensor copy, Tensor norms) {
        Coarsening coarsening = new Coarsening(Math.toIntExact(w.columns()));
        for (int row = from; row < to; row++) {
            coarsening.row(w, row, copy, norms);
        }
    }

    private void row(Tensor w, int row, Tensor copy, Tensor norms) {
        w.decode(row, 0, values.length, values, 0);
        boolean finite = scale();
        encode(values, inverses, codes, bytes);
        subtract(values, codes, scales, lost);
        double kept = store();
        if (!finite) {
            Arrays.fill(blocks, (byte) 0);
        }
        MemorySegment.copy(blocks, 0, copy.segment(), ValueLayout.JAVA_BYTE, row * copy.rowBytes(), blocks.length);
        norms.set(row, 0, finite ? up(squares(lost)) : Float.POSITIVE_INFINITY);
        norms.set(row, 1, finite ? up(kept) : Float.POSITIVE_INFINITY);
    }

    /** A float that is not below the root. */
    private static float up(double square) {
        return Math.nextUp((float) (Math.sqrt(square) * UP));
    }

    /** Sets the factor of each block; false if not all values are finite numbers. */
    private boolean scale() {
        boolean finite = true;
        for (int i = 0; i < values.length; i += VALUES) {
            int largest = largestBits(values, i);
            finite &= largest < INFINITY_BITS;
            short half = Float.floatToFloat16(Math.min(LARGEST_HALF, Float.intBitsToFloat(largest) / LARGEST_CODE));
            float scale = Float.float16ToFloat(half);
            Arrays.fill(scales, i, i + VALUES, scale);
            Arrays.fill(inverses, i, i + VALUES, scale == 0 ? 0 : 1 / scale);
            int block = i / VALUES * BLOCK_BYTES;
            blocks[block] = (byte) half;
            blocks[block + 1] = (byte) (half >> 8);
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

    private static void encode(float[] values, float[] inverses, int[] codes, byte[] bytes) {
        for (int i = 0; i < values.length; i++) {
            codes[i] = Float.floatToRawIntBits(values[i] * inverses[i] + ROUNDER) - ROUNDER_BITS;
        }
        for (int i = 0; i < codes.length; i++) {
            codes[i] = Math.max(-LARGEST_CODE, Math.min(LARGEST_CODE, codes[i]));
        }
        for (int i = 0; i < codes.length; i++) {
            bytes[i] = (byte) codes[i];
        }
    }

    /** What the copy has lost. A factor times a code has at most 18 bits, so only the difference is rounded. */
    private static void subtract(float[] values, int[] codes, float[] scales, float[] lost) {
        for (int i = 0; i < values.length; i++) {
            lost[i] = values[i] - scales[i] * codes[i];
        }
    }

    /** Puts the codes into the blocks; the squared norm of what they stand for. */
    private double store() {
        double kept = 0;
        for (int i = 0; i < values.length; i += VALUES) {
            System.arraycopy(bytes, i, blocks, i / VALUES * BLOCK_BYTES + 2, VALUES);
            kept += (double) scales[i] * scales[i] * squares(codes, i);
        }
        return kept;
    }

    private static int squares(int[] codes, int at) {
        int sum = 0;
        for (int i = 0; i < VALUES; i++) {
            sum += codes[at + i] * codes[at + i];
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
}
