package dev.jwen.kernel.x86;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The forms in which activations meet the weights, and the plain definition of how float32 rows are brought into them.
 *
 * <p>A row is a sequence of records, of 32 values but for {@link #INT8_ROW} and {@link #INT8_HALVES}. A record of {@link #INT8} is one cache line,
 * little-endian:
 * <pre>
 *   byte  0   int8[32]  q, in -127..127
 *   byte 32   float     scale: x ≈ scale · q
 *   byte 36   int32     -128 · Σ q: the correction for weights that are stored with 128 added
 *   byte 40   int32     the same of q[0..15], then of q[16..31]
 *   byte 48   float     Σ q: multiplies the minimum of a block
 *   byte 52   float     the same of q[0..15], then of q[16..31]
 *   byte 60   zero
 * </pre>
 * A record of {@link #INT8_ROW} holds the same integers of 256 values for kernels whose lanes are columns:
 * <pre>
 *   byte  0   4 times int8[64] q, then int32[16] -128 · Σ of four q, the correction for the lane that multiplies them
 *   byte 512  float[8]  scale of each 32 values
 *   byte 544  float[8]  scale · Σ q of each 32 values
 * </pre>
 * A record of {@link #INT8_HALVES} holds the same, once for the four even blocks of 32 and once for the odd ones, for kernels
 * in which a lane multiplies columns of both halves of a block:
 * <pre>
 *   byte  0   2 times int8[4][16] q of the lower halves of four blocks, int8[4][16] q of the upper halves, then int32[16]
 *             -128 · Σ of eight q, the correction for the lane that multiplies both
 *   byte 384  float[8]  scale of each 32 values
 *   byte 416  float[8]  scale · Σ q of each 32 values
 * </pre>
 * A record of {@link #BF16} is 32 values rounded to nearest even, one of {@link #F32} the 32 values themselves.
 */
public enum Activations {
    /** For quantised weights: integer products. */
    INT8(64),
    /** For quantised weights and so few tokens that {@link RowWriter} multiplies them. */
    INT8_ROW(256, 576),
    /** The same for weights of four bits. */
    INT8_HALVES(256, 448),
    /** For BF16 weights where the processor multiplies BF16 pairs. */
    BF16(64),
    /** For all other weights. */
    F32(128);

    /** Values that share a scale. */
    static final int VALUES = 32;

    private static final int CACHE_LINE = 64;

    static final int SCALE = 32;
    static final int CORRECTION = 36;
    static final int HALF_CORRECTIONS = 40;
    static final int SUM = 48;
    static final int HALF_SUMS = 52;

    // Bytes from one quarter of a record of 256 values to the next, and from one half to the other.
    private static final int QUARTER_BYTES = 128;
    private static final int HALF_BYTES = 192;

    /** Rows of smaller values than this become zeros, so that the reciprocal of the scale stays finite. */
    static final float SMALLEST = 1e-35f;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int recordValues;
    private final int recordBytes;

    Activations(int recordBytes) {
        this(VALUES, recordBytes);
    }

    Activations(int recordValues, int recordBytes) {
        this.recordValues = recordValues;
        this.recordBytes = recordBytes;
    }

    /** Values in one record. */
    int recordValues() {
        return recordValues;
    }

    /** Bytes of one record. */
    int recordBytes() {
        return recordBytes;
    }

    /** In a record of 256 values: where the codes of half {@code half} of a block of 32 are. */
    int codes(int block, int half) {
        return this == INT8_ROW
                ? QUARTER_BYTES * (block / 2) + 32 * (block % 2) + 16 * half
                : HALF_BYTES * (block % 2) + CACHE_LINE * half + 16 * (block / 2);
    }

    /** In a record of 256 values: where the corrections are that belong to half {@code half} of a block. */
    int corrections(int block, int half) {
        return this == INT8_ROW
                ? codes(block, half) + CACHE_LINE
                : HALF_BYTES * (block % 2) + 2 * CACHE_LINE + 16 * (block / 2);
    }

    /** In a record of 256 values: where the scales are, one for each 32 values. */
    int scales() {
        return recordBytes - 64;
    }

    /** In a record of 256 values: where the sums are. */
    int sums() {
        return recordBytes - 32;
    }

    /**
     * Bytes from one row to the next; {@code columns} is a multiple of {@link #recordValues}. An odd number of cache lines: the rows of a tile
     * are read side by side and must not compete for the same places in the cache.
     */
    public long bytes(long columns) {
        return (offset(columns) / CACHE_LINE | 1) * CACHE_LINE;
    }

    /** Bytes from the start of a row to the record of {@code column}, a multiple of {@link #recordValues}. */
    long offset(long column) {
        return column / recordValues * recordBytes;
    }

    /**
     * Converts one row of {@code columns} values (a multiple of {@link #recordValues}) from byte {@code from} of {@code x} to byte {@code to} of
     * {@code records}, one value after the other: the definition that the emitted kernels reproduce bit by bit.
     */
    public void quantise(MemorySegment x, long from, int columns, MemorySegment records, long to) {
        for (int i = 0; i < columns; i += recordValues) {
            long source = from + 4L * i;
            long record = to + offset(i);
            switch (this) {
                case INT8 -> quantiseRecord(x, source, records, record);
                case INT8_ROW, INT8_HALVES -> quantiseRowRecord(x, source, records, record);
                case BF16 -> roundRecord(x, source, records, record);
                case F32 -> MemorySegment.copy(x, source, records, record, 4L * VALUES);
            }
        }
    }

    /**
     * The float32 values for which one row of {@code records} stands, from byte {@code to} of {@code x} on. Not for records of
     * 256 values: theirs are those of {@link #INT8}, which can be read more simply.
     */
    public void restore(MemorySegment records, long from, int columns, MemorySegment x, long to) {
        byte[] codes = new byte[VALUES];
        for (int i = 0; i < columns; i += VALUES, to += 4L * VALUES) {
            long record = from + offset(i);
            switch (this) {
                case INT8 -> {
                    float scale = records.get(Tensor.FLOAT, record + SCALE);
                    MemorySegment.copy(records, ValueLayout.JAVA_BYTE, record, codes, 0, VALUES);
                    for (int j = 0; j < VALUES; j++) {
                        x.set(Tensor.FLOAT, to + 4L * j, scale * codes[j]);
                    }
                }
                case BF16 -> {
                    for (int j = 0; j < VALUES; j++) {
                        int bits = records.get(SHORT, record + 2L * j) << 16;
                        x.set(Tensor.FLOAT, to + 4L * j, Float.intBitsToFloat(bits));
                    }
                }
                case F32 -> MemorySegment.copy(records, record, x, to, 4L * VALUES);
                case INT8_ROW, INT8_HALVES -> throw new UnsupportedOperationException("restore " + INT8);
            }
        }
    }

    private static float largest(MemorySegment x, long source) {
        float largest = SMALLEST;
        for (int i = 0; i < VALUES; i++) {
            largest = Math.max(largest, Math.abs(x.get(Tensor.FLOAT, source + 4L * i)));
        }
        return largest;
    }

    private void quantiseRowRecord(MemorySegment x, long source, MemorySegment records, long record) {
        for (int block = 0; block < recordValues / VALUES; block++) {
            long from = source + 4L * VALUES * block;
            float largest = largest(x, from);
            float inverse = 127 / largest;
            int sum = 0;
            for (int lane = 0; lane < 8; lane++) {
                int half = lane / 4;
                int four = 0;
                for (int i = 4 * lane; i < 4 * lane + 4; i++) {
                    int q = (int) Math.rint(x.get(Tensor.FLOAT, from + 4L * i) * inverse);
                    records.set(ValueLayout.JAVA_BYTE, record + codes(block, half) + i % 16, (byte) q);
                    four += q;
                }
                long correction = record + corrections(block, half) + 4L * (lane % 4);
                boolean isFirst = this == INT8_ROW || half == 0;
                records.set(INT, correction, -128 * four + (isFirst ? 0 : records.get(INT, correction)));
                sum += four;
            }
            float scale = largest * (1 / 127f);
            records.set(Tensor.FLOAT, record + scales() + 4L * block, scale);
            records.set(Tensor.FLOAT, record + sums() + 4L * block, sum * scale);
        }
    }

    private static void quantiseRecord(MemorySegment x, long source, MemorySegment records, long record) {
        float largest = largest(x, source);
        float inverse = 127 / largest;
        int[] sums = new int[2];
        for (int i = 0; i < VALUES; i++) {
            int q = (int) Math.rint(x.get(Tensor.FLOAT, source + 4L * i) * inverse);
            records.set(ValueLayout.JAVA_BYTE, record + i, (byte) q);
            sums[i / 16] += q;
        }
        records.set(Tensor.FLOAT, record + SCALE, largest * (1 / 127f));
        records.set(INT, record + CORRECTION, -128 * (sums[0] + sums[1]));
        records.set(INT, record + HALF_CORRECTIONS, -128 * sums[0]);
        records.set(INT, record + HALF_CORRECTIONS + 4, -128 * sums[1]);
        records.set(Tensor.FLOAT, record + SUM, sums[0] + sums[1]);
        records.set(Tensor.FLOAT, record + HALF_SUMS, sums[0]);
        records.set(Tensor.FLOAT, record + HALF_SUMS + 4, sums[1]);
        records.set(INT, record + HALF_SUMS + 8, 0);
    }

    private static void roundRecord(MemorySegment x, long source, MemorySegment records, long record) {
        for (int i = 0; i < VALUES; i++) {
            int bits = x.get(INT, source + 4L * i);
            int rounded = bits + 0x7fff + ((bits >>> 16) & 1);
            records.set(SHORT, record + 2L * i, (short) (rounded >>> 16));
        }
    }
}
