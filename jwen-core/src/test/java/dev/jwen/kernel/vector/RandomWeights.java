package dev.jwen.kernel.vector;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.random.RandomGenerator;

/** Random weights of every floating type: random bytes, with the scales of each block replaced by sane ones. */
final class RandomWeights {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private RandomWeights() {}

    static Tensor of(DataType type, int rows, int columns, RandomGenerator random) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        MemorySegment memory = tensor.segment();
        byte[] bytes = new byte[Math.toIntExact(memory.byteSize())];
        random.nextBytes(bytes);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return withScales(tensor, random);
    }

    /** All bytes the same, but for the scales. */
    static Tensor filled(DataType type, int rows, int columns, byte fill, RandomGenerator random) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        tensor.segment().fill(fill);
        return withScales(tensor, random);
    }

    private static Tensor withScales(Tensor tensor, RandomGenerator random) {
        DataType type = tensor.type();
        MemorySegment memory = tensor.segment();
        for (long at = 0; at < memory.byteSize(); at += type.blockBytes()) {
            setScales(type, memory, at, random);
        }
        return tensor;
    }

    private static void setScales(DataType type, MemorySegment memory, long at, RandomGenerator random) {
        switch (type) {
            case F32 -> memory.set(Tensor.FLOAT, at, value(random));
            case F16 -> memory.set(SHORT, at, Float.floatToFloat16(value(random)));
            case BF16 -> memory.set(SHORT, at, (short) (Float.floatToIntBits(value(random)) >>> 16));
            case F8_E4M3 -> clear(memory, at, 0x7f, 1);
            case Q4_1, Q5_1, Q4_K, Q5_K -> halves(memory, random, at, at + 2);
            case Q2_K -> halves(memory, random, at + 80, at + 82);
            case Q3_K -> halves(memory, random, at + 108);
            case Q6_K -> halves(memory, random, at + 208);
            case TQ1_0 -> halves(memory, random, at + 52);
            case TQ2_0 -> halves(memory, random, at + 64);
            case MXFP4 -> memory.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt(118, 126));
            case NVFP4 -> {
                for (int i = 0; i < 4; i++) {
                    memory.set(ValueLayout.JAVA_BYTE, at + i, (byte) random.nextInt(8, 40));
                }
            }
            // The scale of IQ1_M is spread over the top nibbles of four words: give it the exponent 2^-5.
            case IQ1_M -> memory.set(ValueLayout.JAVA_BYTE, at + 55, (byte) 0x28);
            default -> halves(memory, random, at);
        }
    }

    private static float value(RandomGenerator random) {
        return (float) random.nextGaussian();
    }

    /** Replaces a byte that means NaN by one that means zero. */
    private static void clear(MemorySegment memory, long at, int mask, int plus) {
        byte b = memory.get(ValueLayout.JAVA_BYTE, at);
        if ((b & mask) == mask) {
            memory.set(ValueLayout.JAVA_BYTE, at, (byte) (b + plus & ~mask));
        }
    }

    private static void halves(MemorySegment memory, RandomGenerator random, long... addresses) {
        for (long address : addresses) {
            float scale = (random.nextBoolean() ? 1 : -1) * random.nextFloat(0x1p-8f, 0x1p-5f);
            memory.set(SHORT, address, Float.floatToFloat16(scale));
        }
    }
}
