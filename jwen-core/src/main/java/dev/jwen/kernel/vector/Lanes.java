package dev.jwen.kernel.vector;

import static jdk.incubator.vector.VectorOperators.I2B;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_B2I;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector shapes of this processor, and memory by absolute address.
 *
 * <p>All addresses are inside {@link #RAM}, one segment over the whole address space: the compiler then sees a constant,
 * always live segment, which measures 5-8 % faster than one segment per tensor. Nothing checks these addresses, so every
 * operation checks its operands first and keeps their tensors reachable while it works.
 */
final class Lanes {
    static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;

    /** Floats in a vector. */
    static final int L = F.length();

    /** Bytes in a vector of floats. */
    static final long BYTES = (long) L * Float.BYTES;

    /** Half as wide as {@link #F}: as many shorts as there are floats. */
    static final VectorSpecies<Short> H = VectorSpecies.of(short.class, VectorShape.forBitSize(L * Short.SIZE));

    /** True where the groups of 16 weights are whole vectors. */
    static final boolean HAS_BYTES = L == 4 || L == 8 || L == 16;

    /** A quarter as wide as {@link #F}: as many bytes as there are floats; where L is 4, a vector that starts with them. */
    private static final VectorSpecies<Byte> B = L == 8 || L == 16
            ? VectorSpecies.of(byte.class, VectorShape.forBitSize(L * Byte.SIZE))
            : ByteVector.SPECIES_128;

    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LE);
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);

    static final MemorySegment RAM = ram();

    /** Floats that the system clears faster than a loop, which counts before the loop is compiled. */
    private static final long FILL_FROM = 512;

    private Lanes() {}

    @SuppressWarnings("restricted") // the operations check their operands, see above
    private static MemorySegment ram() {
        return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }

    /**
     * The sum of the values, added up in the order of {@link Tiles#sum4}. That of {@code reduceLanes} is left open: it
     * changes when the compiler takes a loop over from the interpreter.
     */
    static float sum(FloatVector v) {
        return everyFourth(v, 0) + everyFourth(v, 1) + (everyFourth(v, 2) + everyFourth(v, 3));
    }

    /** Without a loop, which would not be unrolled. */
    private static float everyFourth(FloatVector v, int first) {
        float sum = v.lane(first);
        if (L > 4) {
            sum += v.lane(first + 4);
        }
        if (L > 8) {
            sum += v.lane(first + 8);
            sum += v.lane(first + 12);
        }
        return sum;
    }

    /** The largest value. */
    static float max(FloatVector v) {
        return v.reduceLanes(VectorOperators.MAX);
    }

    /** Address of the first value of {@code row}. */
    static long address(Tensor t, long row) {
        return t.address() + row * t.rowBytes();
    }

    /** {@code n} rounded up to whole vectors. */
    static int padded(int n) {
        return Math.ceilDiv(n, L) * L;
    }

    /**
     * L bytes, as numbers from -128 to 127. Small enough to be inlined everywhere, as is {@link #unsigned}.
     *
     * <p>Four bytes are no vector: they are read as one int, without reading beyond them.
     */
    static FloatVector signed(long address) {
        return (FloatVector) bytes(address).castShape(F, 0);
    }

    /** L bytes, as numbers from 0 to 255. */
    static IntVector unsigned(long address) {
        return (IntVector) bytes(address).convertShape(ZERO_EXTEND_B2I, I, 0);
    }

    private static ByteVector bytes(long address) {
        return L == 4
                ? IntVector.broadcast(I, RAM.get(INT, address)).reinterpretAsBytes()
                : ByteVector.fromMemorySegment(B, RAM, address, LE);
    }

    /** Writes the lowest byte of each lane. */
    static void store(IntVector values, long address) {
        ByteVector bytes = (ByteVector) values.convertShape(I2B, B, 0);
        if (L == 4) {
            RAM.set(INT, address, bytes.reinterpretAsInts().lane(0));
        } else {
            bytes.intoMemorySegment(RAM, address, LE);
        }
    }

    /** The half-precision number at {@code address}. */
    static float half(long address) {
        return Float.float16ToFloat(RAM.get(SHORT, address));
    }

    /** Writes {@code count} zeros. */
    static void clear(long address, long count) {
        if (count >= FILL_FROM) {
            RAM.asSlice(address, 4 * count).fill((byte) 0);
            return;
        }
        long end = address + 4 * count;
        long at = address;
        for (; at <= end - BYTES; at += BYTES) {
            FloatVector.zero(F).intoMemorySegment(RAM, at, LE);
        }
        for (; at < end; at += 4) {
            RAM.set(FLOAT, at, 0);
        }
    }
}
