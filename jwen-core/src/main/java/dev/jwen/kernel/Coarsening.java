package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.SideBySide;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
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

    /** Of {@link #VALUES} in Q8_0: a half float and as many codes. */
    private static final int BLOCK_BYTES = 2 + VALUES;

    private static final float LARGEST_HALF = 65504;
    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Added to a small number, rounds it to an integer, which then stands in the low bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);
    private static final int INFINITY_BITS = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

    private final DataType type;
    private final int largestCode;

    /** By block of 32 values. */
    private final float[] factors;

    private final short[] halves;

    // By column, so that the loops are long.
    private final float[] values;
    private final float[] scales;
    private final float[] inverses;
    private final int[] codes;
    private final byte[] bytes;
    private final float[] lost;

    private Coarsening(int columns, DataType type) {
        this.type = type;
        largestCode = largestCode(type);
        factors = new float[columns / VALUES];
        halves = new short[columns / VALUES];
        values = new float[columns];
        scales = new float[columns];
        inverses = new float[columns];
        codes = new int[columns];
        bytes = new byte[columns];
        lost = new float[columns];
    }

    /** Codes of a copy of this type are from minus this to this. */
    public static int largestCode(DataType type) {
        return type == DataType.Q8_0 ? 127 : 15;
    }

    /** The rows {@code from} to {@code to - 1}, by the calling thread. */
    public static void rows(Tensor w, int from, int to, Tensor copy, Tensor norms) {
        Coarsening coarsening = new Coarsening(Math.toIntExact(w.columns()), copy.type());
        for (int row = from; row < to; row++) {
            coarsening.row(w, row, copy, norms);
        }
    }

    /** Makes the rows of a copy beyond those of {@code w} zeros. */
    public static void pad(Tensor w, Tensor copy) {
        int columns = Math.toIntExact(w.columns());
        for (long row = w.rows(); row < copy.rows(); row++) {
            SideBySide.store(copy, row, new short[columns / VALUES], new byte[columns]);
        }
    }

    private void row(Tensor w, int row, Tensor copy, Tensor norms) {
        w.decode(row, 0, values.length, values, 0);
        boolean finite = scale();
        encode(values, inverses, largestCode, codes, bytes);
        subtract(values, codes, scales, lost);
        if (!finite) {
            Arrays.fill(halves, (short) 0);
            Arrays.fill(bytes, (byte) 0);
        }
        if (type == DataType.Q8_0) {
            storeBytes(copy, row);
        } else {
            SideBySide.store(copy, row, halves, bytes);
        }
        norms.set(row, 0, finite ? up(squares(lost)) : Float.POSITIVE_INFINITY);
        norms.set(row, 1, finite ? up(squaresOfCopy()) : Float.POSITIVE_INFINITY);
    }

    private void storeBytes(Tensor copy, int row) {
        long at = row * copy.rowBytes();
        for (int block = 0; block < halves.length; block++, at += BLOCK_BYTES) {
            copy.segment().set(HALF, at, halves[block]);
            MemorySegment.copy(bytes, block * VALUES, copy.segment(), ValueLayout.JAVA_BYTE, at + 2, VALUES);
        }
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
            float factor = Float.intBitsToFloat(largest) / largestCode;
            halves[block] = Float.floatToFloat16(Math.min(LARGEST_HALF, factor));
            factor = Float.float16ToFloat(halves[block]);
            factors[block] = factor;
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

    private double squaresOfCopy() {
        double sum = 0;
        for (int block = 0; block < factors.length; block++) {
            sum += (double) factors[block] * factors[block] * squares(codes, block * VALUES);
        }
        return sum;
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
