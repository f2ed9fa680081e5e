package dev.jwen.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * {@link DataType#Q5_0_R16}: rows side by side, so that a vector holds the same columns of 16 rows without being put
 * together from as many places. Memory is then read in one run for any number of tokens.
 *
 * <p>A group of 16 rows is a sequence of panels, one for every 32 columns, little-endian:
 * <pre>
 *   byte   0   half[16]       the factor d of each row
 *   byte  32   int32[16]      lowest bits of each row: bit b of byte j is that of column 4b + j
 *   byte  96   int32[4][16]   the other four bits: in int i the low nibble of byte j is that of column 4i + j, the high
 *                             nibble that of column 16 + 4i + j
 * </pre>
 * A code q in 0..31 stands for {@code d · (q - 16)}.
 */
public final class SideBySide {
    /** Rows of a group. */
    public static final int ROWS = 16;

    /** Columns of a panel. */
    public static final int COLUMNS = 32;

    public static final int PANEL_BYTES = 352;
    public static final int FACTORS = 0;
    public static final int LOWEST_BITS = 32;
    public static final int UPPER_BITS = 96;

    /** What is taken away from a code. */
    public static final int OFFSET = 16;

    private static final int INTS_BYTES = 4 * ROWS;
    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private SideBySide() {}

    /**
     * Stores a row.
     *
     * @param matrix Q5_0_R16 (N, K)
     * @param factors half floats, one for each 32 columns
     * @param codes K codes without their offset, in -16..15
     */
    public static void store(Tensor matrix, long row, short[] factors, byte[] codes) {
        MemorySegment memory = matrix.segment();
        for (int panel = 0; panel < factors.length; panel++) {
            long at = panel(row, panel, matrix.columns());
            long lane = row % ROWS;
            memory.set(HALF, at + FACTORS + 2 * lane, factors[panel]);
            byte[] lowest = new byte[4];
            byte[] upper = new byte[16];
            for (int c = 0; c < COLUMNS; c++) {
                int code = codes[panel * COLUMNS + c] + OFFSET;
                lowest[c % 4] |= (byte) ((code & 1) << (c / 4));
                upper[c % 16] |= (byte) ((code >> 1) << (c / 16 * 4));
            }
            MemorySegment.copy(lowest, 0, memory, ValueLayout.JAVA_BYTE, at + LOWEST_BITS + 4 * lane, 4);
            for (int i = 0; i < 4; i++) {
                long to = at + UPPER_BITS + (long) INTS_BYTES * i + 4 * lane;
                MemorySegment.copy(upper, 4 * i, memory, ValueLayout.JAVA_BYTE, to, 4);
            }
        }
    }

    /** Decodes {@code count} values of a row of {@code columns}, from {@code column} on; both are multiples of 32. */
    static void decode(
            MemorySegment memory, long row, long columns, long column, int count, float[] out, int outOffset) {
        for (int i = 0; i < count; i++) {
            int c = i % COLUMNS;
            long at = panel(row, (column + i) / COLUMNS, columns);
            long lane = row % ROWS;
            int lowest = memory.get(ValueLayout.JAVA_BYTE, at + LOWEST_BITS + 4 * lane + c % 4) >> (c / 4) & 1;
            long ofUpper = at + UPPER_BITS + (long) INTS_BYTES * (c % 16 / 4) + 4 * lane + c % 4;
            int upper = memory.get(ValueLayout.JAVA_BYTE, ofUpper) >> (c / 16 * 4) & 15;
            float factor = Float.float16ToFloat(memory.get(HALF, at + FACTORS + 2 * lane));
            out[outOffset + i] = factor * (2 * upper + lowest - OFFSET);
        }
    }

    /** Where the panel is that holds this row. */
    private static long panel(long row, long panel, long columns) {
        return (row / ROWS * (columns / COLUMNS) + panel) * PANEL_BYTES;
    }
}
