package dev.jwen.kernel.x86;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The forms in which activations meet the weights, and the plain definition of how float32 rows are brought into them.
 *
 * <p>A row is a sequence of records, of 32 values but where lanes are columns. A record of {@link #INT8} is one cache line,
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
 * The other forms of integers hold the same ones for kernels whose lanes are columns. Each of 16 lanes has columns of one block
 * of 32, four in each vector, so that their products can be added up before they are scaled. With {@link #INT8_PAIRS} and
 * {@link #INT8_SIXTEENS} a record is 256 values, and a lane has 16 columns:
 * <pre>
 *   byte  0   4 times int8[16][4] q, see {@link #code}
 *   byte 256  int32[16] -128 · Σ of the sixteen q of each lane, the correction
 *   byte 320  float[16] scale of each lane
 *   byte 384  float[8]  scale · Σ q of each block of 32 values
 *   byte 416  zeros
 * </pre>
 * With {@link #INT8_BLOCKS} a record is 512 values, and a lane has a block:
 * <pre>
 *   byte  0   8 times int8[16][4] q, see {@link #code}
 *   byte 512  float[16] scale of each lane
 *   byte 576  float[16] scale · Σ q of each lane
 * </pre>
 * A record of {@link #BF16} is 32 values rounded to nearest even, one of {@link #F32} the 32 values themselves.
 */
public enum Activations {
    /** For quantised weights: integer products. */
    INT8(64),
    /** For quantised weights and so few tokens that {@link RowWriter} multiplies them: two lanes for a block, every other dword. */
    INT8_PAIRS(256, 448),
    /** The same for weights with a scale for 16 columns: a lane for each 16 columns. */
    INT8_SIXTEENS(256, 448),
    /** The same for K-quants with minima and 512 bits: a lane for each block. */
    INT8_BLOCKS(512, 640),
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

    // Of a record whose lanes are columns.
    static final int LANES = 16;
    private static final int LANE_BYTES = LANES * Integer.BYTES;

    // Of a block of 32: dwords, and dwords of one of its two lanes.
    private static final int DWORDS = 8;
    private static final int LANE_DWORDS = 4;

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

    /** Whether the lanes of a record are columns. */
    boolean isOfLanes() {
        return recordValues > VALUES;
    }

    /** In a record of lanes: the lane that has the four columns {@code dword} of a block. */
    int lane(int block, int dword) {
        int sixteen = 2 * block + dword / LANE_DWORDS;
        return switch (this) {
            case INT8_PAIRS -> 2 * block + dword % 2;
            case INT8_SIXTEENS -> sixteen % 4 * 4 + sixteen / 4;
            default -> block % 4 * 4 + block / 4;
        };
    }

    /** In a record of lanes: where the codes of the four columns {@code dword} of a block are. */
    int code(int block, int dword) {
        int vector = switch (this) {
            case INT8_PAIRS -> dword / 2;
            case INT8_SIXTEENS -> dword % LANE_DWORDS;
            // Its two halves are the other way round in every other block.
            default -> block % 2 == 0 ? dword : dword ^ LANE_DWORDS;
        };
        return CACHE_LINE * vector + Integer.BYTES * lane(block, dword);
    }

    /** In a record of lanes, unless that is {@link #INT8_BLOCKS}: where their corrections are. */
    int laneCorrections() {
        return recordValues;
    }

    /** In a record of lanes: where their scales are. */
    int laneScales() {
        return this == INT8_BLOCKS ? recordValues : laneCorrections() + LANE_BYTES;
    }

    /** In a record of lanes: where the sums are, of the blocks in order or, with {@link #INT8_BLOCKS}, of the lanes. */
    int laneSums() {
        return laneScales() + LANE_BYTES;
    }

    /** In a record of lanes: where the sum of a block is. */
    int sum(int block) {
        return laneSums() + Float.BYTES * (this == INT8_BLOCKS ? lane(block, 0) : block);
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
                case INT8_PAIRS, INT8_SIXTEENS, INT8_BLOCKS -> quantiseLanes(x, source, records, record);
                case BF16 -> roundRecord(x, source, records, record);
                case F32 -> MemorySegment.copy(x, source, records, record, 4L * VALUES);
            }
        }
    }

    /**
     * The float32 values for which one row of {@code records} stands, from byte {@code to} of {@code x} on. Not for records of
     * lanes: theirs are those of {@link #INT8}, which can be read more simply.
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
                case INT8_PAIRS, INT8_SIXTEENS, INT8_BLOCKS ->
                    throw new UnsupportedOperationException("restore " + INT8);
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

    private void quantiseLanes(MemorySegment x, long source, MemorySegment records, long record) {
        records.asSlice(record + recordValues, recordBytes - recordValues).fill((byte) 0);
        for (int block = 0; block < recordValues / VALUES; block++) {
            long from = source + 4L * VALUES * block;
            float largest = largest(x, from);
            float inverse = 127 / largest;
            float scale = largest * (1 / 127f);
            int sum = 0;
            for (int dword = 0; dword < DWORDS; dword++) {
                int four = 0;
                for (int i = 0; i < 4; i++) {
                    int q = (int) Math.rint(x.get(Tensor.FLOAT, from + 4L * (4 * dword + i)) * inverse);
                    records.set(ValueLayout.JAVA_BYTE, record + code(block, dword) + i, (byte) q);
                    four += q;
                }
                long lane = record + 4L * lane(block, dword);
                if (this != INT8_BLOCKS) {
                    long correction = lane + laneCorrections();
                    records.set(INT, correction, records.get(INT, correction) - 128 * four);
                }
                records.set(Tensor.FLOAT, lane + laneScales(), scale);
                sum += four;
            }
            records.set(Tensor.FLOAT, record + sum(block), sum * scale);
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
