package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.H;
import static dev.jwen.kernel.vector.Lanes.HAS_BYTES;
import static dev.jwen.kernel.vector.Lanes.I;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;
import static dev.jwen.kernel.vector.Lanes.half;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import dev.jwen.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;

/**
 * Products of rows of weights with one token: what decoding spends its time on, and should spend on reading memory.
 *
 * <p>Each row is read once, from its first byte to its last; its weights become floats in registers, the same ones as
 * {@link Unpack} makes, and are multiplied there; several sums hide the latency of an FMA. One flat method per format, as
 * in {@link Unpack}: each takes the address of the row, of the token and of the L partial sums it leaves.
 */
final class RowDots {
    private RowDots() {}

    /** Whether rows of {@code w} can be multiplied here. */
    static boolean supports(Tensor w) {
        return w.scale() == null
                && switch (w.type()) {
                    case Q8_0, Q4_0, Q4_K, Q5_K, Q6_K -> HAS_BYTES;
                    case F32, BF16, F16 -> w.columns() % L == 0;
                    default -> false;
                };
    }

    /** Room for the float factors of a row of K-quants: 16 for each block of 256 weights. */
    static long spareBytes(long columns) {
        return columns / 256 * 64;
    }

    /**
     * Multiplies a row of a supported weight with {@code x}.
     *
     * @param x address of as many floats as the weight has columns
     * @param spare address of {@link #spareBytes} that are overwritten
     * @param sums address of L floats; the product is their sum
     */
    static void dot(Unpack.Source source, int row, long x, long spare, long sums) {
        Tensor w = source.weight();
        int columns = (int) w.columns();
        long from = source.row(row);
        switch (w.type()) {
            case Q8_0 -> q8v0(from, x, columns, sums);
            case Q4_0 -> q4v0(from, x, columns, sums);
            case Q4_K -> q4k(from, x, columns, spare, sums);
            case Q5_K -> q5k(from, x, columns, spare, sums);
            case Q6_K -> q6k(from, x, columns, spare, sums);
            case BF16 -> bf16(from, x, columns, sums);
            case F16 -> f16(from, x, columns, sums);
            case F32 -> f32(from, x, columns, sums);
            default -> throw new AssertionError(w);
        }
    }

    private static void q8v0(long from, long x, int columns, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        for (int i = 0; i < columns; i += 32, from += 34, x += 128) {
            FloatVector d = FloatVector.broadcast(F, half(from));
            s0 = dot16(from + 2, x).fma(d, s0);
            s1 = dot16(from + 18, x + 64).fma(d, s1);
        }
        s0.add(s1).intoMemorySegment(RAM, sums, LE);
    }

    /** Products of 16 bytes and 16 floats, added up in L lanes. */
    private static FloatVector dot16(long q, long x) {
        // Branches on a constant: a third faster than a loop where there are four steps.
        FloatVector s = Lanes.signed(q).mul(FloatVector.fromMemorySegment(F, RAM, x, LE));
        if (L < 16) {
            s = Lanes.signed(q + L).fma(FloatVector.fromMemorySegment(F, RAM, x + BYTES, LE), s);
        }
        if (L < 8) {
            s = Lanes.signed(q + 8).fma(FloatVector.fromMemorySegment(F, RAM, x + 32, LE), s);
            s = Lanes.signed(q + 12).fma(FloatVector.fromMemorySegment(F, RAM, x + 48, LE), s);
        }
        return s;
    }

    private static void q4v0(long from, long x, int columns, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        for (int i = 0; i < columns; i += 32, from += 18, x += 128) {
            float scale = half(from);
            FloatVector d = FloatVector.broadcast(F, scale);
            FloatVector zero = FloatVector.broadcast(F, -8 * scale);
            for (int l = 0; l < 16; l += L) {
                IntVector q = Lanes.unsigned(from + 2 + l);
                FloatVector low = ((FloatVector) q.and(15).castShape(F, 0)).fma(d, zero);
                FloatVector high = ((FloatVector) q.lanewise(LSHR, 4).castShape(F, 0)).fma(d, zero);
                s0 = low.fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * l, LE), s0);
                s1 = high.fma(FloatVector.fromMemorySegment(F, RAM, x + 64 + 4L * l, LE), s1);
            }
        }
        s0.add(s1).intoMemorySegment(RAM, sums, LE);
    }

    private static void q4k(long from, long x, int columns, long spare, long sums) {
        for (int i = 0; i < columns; i += 256) {
            Unpack.scales(from + (i >>> 8) * 144L, spare + (i >>> 2));
        }
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        for (int i = 0; i < columns; i += 64, x += 256) {
            int pair = i >>> 6 & 3;
            long block = from + (i >>> 8) * 144L;
            long packed = block + 16 + 32L * pair;
            long factors = spare + (i >>> 8) * 64L + 8L * pair;
            FloatVector scale0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors));
            FloatVector scale1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 4));
            FloatVector min0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 32));
            FloatVector min1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 36));
            for (int l = 0; l < 32; l += L) {
                IntVector q = Lanes.unsigned(packed + l);
                FloatVector low = ((FloatVector) q.and(15).castShape(F, 0)).fma(scale0, min0);
                FloatVector high = ((FloatVector) q.lanewise(LSHR, 4).castShape(F, 0)).fma(scale1, min1);
                s0 = low.fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * l, LE), s0);
                s1 = high.fma(FloatVector.fromMemorySegment(F, RAM, x + 128 + 4L * l, LE), s1);
            }
        }
        s0.add(s1).intoMemorySegment(RAM, sums, LE);
    }

    private static void q5k(long from, long x, int columns, long spare, long sums) {
        for (int i = 0; i < columns; i += 256) {
            Unpack.scales(from + (i >>> 8) * 176L, spare + (i >>> 2));
        }
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        for (int i = 0; i < columns; i += 64, x += 256) {
            int pair = i >>> 6 & 3;
            long block = from + (i >>> 8) * 176L;
            long packed = block + 48 + 32L * pair;
            long factors = spare + (i >>> 8) * 64L + 8L * pair;
            FloatVector scale0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors));
            FloatVector scale1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 4));
            FloatVector min0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 32));
            FloatVector min1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 36));
            for (int l = 0; l < 32; l += L) {
                IntVector q = Lanes.unsigned(packed + l);
                IntVector fifth = Lanes.unsigned(block + 16 + l).lanewise(LSHR, 2 * pair);
                IntVector q0 = q.and(15).or(fifth.and(1).lanewise(LSHL, 4));
                IntVector q1 = q.lanewise(LSHR, 4).or(fifth.and(2).lanewise(LSHL, 3));
                FloatVector low = ((FloatVector) q0.castShape(F, 0)).fma(scale0, min0);
                FloatVector high = ((FloatVector) q1.castShape(F, 0)).fma(scale1, min1);
                s0 = low.fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * l, LE), s0);
                s1 = high.fma(FloatVector.fromMemorySegment(F, RAM, x + 128 + 4L * l, LE), s1);
            }
        }
        s0.add(s1).intoMemorySegment(RAM, sums, LE);
    }

    private static void q6k(long from, long x, int columns, long spare, long sums) {
        for (int i = 0; i < columns / 16; i += L) {
            long block = from + 210L * (i >>> 4);
            FloatVector scales = Lanes.signed(block + 192 + (i & 15));
            scales.mul(half(block + 208)).intoMemorySegment(RAM, spare + 4L * i, LE);
        }
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        FloatVector s2 = FloatVector.zero(F);
        FloatVector s3 = FloatVector.zero(F);
        // One byte of high bits belongs to four weights, 32 apart; each half of a block has 32 such bytes.
        for (int i = 0; i < columns / 4; i += L) {
            long block = from + 210L * (i >>> 6);
            long low = block + (i & 32) + (i & 63);
            long scale = spare + 4L * ((i >>> 5) * 8 + (i >>> 4 & 1));
            long xi = x + 4L * (i + 3 * (i & ~31));
            FloatVector d0 = FloatVector.broadcast(F, RAM.get(FLOAT, scale));
            FloatVector d1 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 8));
            FloatVector d2 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 16));
            FloatVector d3 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 24));
            IntVector q0 = Lanes.unsigned(low);
            IntVector q1 = Lanes.unsigned(low + 32);
            IntVector h = Lanes.unsigned(block + 128 + (i & 63));
            IntVector w0 = q0.and(15).or(h.and(3).lanewise(LSHL, 4)).sub(32);
            IntVector w1 = q1.and(15).or(h.and(12).lanewise(LSHL, 2)).sub(32);
            IntVector w2 = q0.lanewise(LSHR, 4).or(h.and(48)).sub(32);
            IntVector w3 = q1.lanewise(LSHR, 4).or(h.and(192).lanewise(LSHR, 2)).sub(32);
            FloatVector f0 = ((FloatVector) w0.castShape(F, 0)).mul(d0);
            FloatVector f1 = ((FloatVector) w1.castShape(F, 0)).mul(d1);
            FloatVector f2 = ((FloatVector) w2.castShape(F, 0)).mul(d2);
            FloatVector f3 = ((FloatVector) w3.castShape(F, 0)).mul(d3);
            s0 = f0.fma(FloatVector.fromMemorySegment(F, RAM, xi, LE), s0);
            s1 = f1.fma(FloatVector.fromMemorySegment(F, RAM, xi + 128, LE), s1);
            s2 = f2.fma(FloatVector.fromMemorySegment(F, RAM, xi + 256, LE), s2);
            s3 = f3.fma(FloatVector.fromMemorySegment(F, RAM, xi + 384, LE), s3);
        }
        s0.add(s1).add(s2.add(s3)).intoMemorySegment(RAM, sums, LE);
    }

    private static void bf16(long from, long x, int columns, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        FloatVector s2 = FloatVector.zero(F);
        FloatVector s3 = FloatVector.zero(F);
        int i = 0;
        for (; i <= columns - 4 * L; i += 4 * L) {
            long w = from + 2L * i;
            long xi = x + 4L * i;
            IntVector w0 =
                    (IntVector) ShortVector.fromMemorySegment(H, RAM, w, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            IntVector w1 = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, w + 2L * L, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            IntVector w2 = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, w + 4L * L, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            IntVector w3 = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, w + 6L * L, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            s0 = w0.lanewise(LSHL, 16).reinterpretAsFloats().fma(FloatVector.fromMemorySegment(F, RAM, xi, LE), s0);
            s1 = w1.lanewise(LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(F, RAM, xi + BYTES, LE), s1);
            s2 = w2.lanewise(LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(F, RAM, xi + 2 * BYTES, LE), s2);
            s3 = w3.lanewise(LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(F, RAM, xi + 3 * BYTES, LE), s3);
        }
        for (; i < columns; i += L) {
            IntVector w = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, from + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            s0 = w.lanewise(LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE), s0);
        }
        s0.add(s1).add(s2.add(s3)).intoMemorySegment(RAM, sums, LE);
    }

    /** The bits become floats as in {@link Unpack#f16}. */
    private static void f16(long from, long x, int columns, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        for (int i = 0; i < columns; i += L) {
            IntVector bits = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, from + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            IntVector magnitude = bits.and(0x7fff).lanewise(LSHL, 13);
            IntVector normal = magnitude.add(112 << 23);
            IntVector subnormal =
                    magnitude.add(113 << 23).reinterpretAsFloats().sub(0x1p-14f).reinterpretAsInts();
            IntVector value = normal.blend(subnormal, magnitude.lt(1 << 23))
                    .blend(magnitude.add(224 << 23), magnitude.lt(31 << 23).not());
            FloatVector w = value.or(bits.and(0x8000).lanewise(LSHL, 16)).reinterpretAsFloats();
            s0 = w.fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE), s0);
        }
        s0.intoMemorySegment(RAM, sums, LE);
    }

    private static void f32(long from, long x, int columns, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        FloatVector s2 = FloatVector.zero(F);
        FloatVector s3 = FloatVector.zero(F);
        int i = 0;
        for (; i <= columns - 4 * L; i += 4 * L) {
            long w = from + 4L * i;
            long xi = x + 4L * i;
            FloatVector w0 = FloatVector.fromMemorySegment(F, RAM, w, LE);
            FloatVector w1 = FloatVector.fromMemorySegment(F, RAM, w + BYTES, LE);
            FloatVector w2 = FloatVector.fromMemorySegment(F, RAM, w + 2 * BYTES, LE);
            FloatVector w3 = FloatVector.fromMemorySegment(F, RAM, w + 3 * BYTES, LE);
            s0 = w0.fma(FloatVector.fromMemorySegment(F, RAM, xi, LE), s0);
            s1 = w1.fma(FloatVector.fromMemorySegment(F, RAM, xi + BYTES, LE), s1);
            s2 = w2.fma(FloatVector.fromMemorySegment(F, RAM, xi + 2 * BYTES, LE), s2);
            s3 = w3.fma(FloatVector.fromMemorySegment(F, RAM, xi + 3 * BYTES, LE), s3);
        }
        for (; i < columns; i += L) {
            FloatVector w = FloatVector.fromMemorySegment(F, RAM, from + 4L * i, LE);
            s0 = w.fma(FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE), s0);
        }
        s0.add(s1).add(s2.add(s3)).intoMemorySegment(RAM, sums, LE);
    }
}
