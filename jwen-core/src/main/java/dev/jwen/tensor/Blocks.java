package dev.jwen.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Decoding of every block format to float32. */
public final class Blocks {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Blocks() {}

    /**
     * Decodes {@code count} values that start at byte {@code offset} of {@code source}.
     *
     * @param count whole blocks
     */
    public static void decode(DataType type, MemorySegment source, long offset, int count, float[] out, int outOffset) {
        switch (type) {
            case F32 -> MemorySegment.copy(source, Tensor.FLOAT, offset, out, outOffset, count);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = Float.float16ToFloat(source.get(SHORT, offset + 2L * i));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = Float.intBitsToFloat(source.get(SHORT, offset + 2L * i) << 16);
                }
            }
            default -> throw new UnsupportedOperationException("cannot decode " + type);
        }
    }
}
