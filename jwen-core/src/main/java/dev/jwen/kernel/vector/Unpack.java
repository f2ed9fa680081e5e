package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTE;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.H;
import static dev.jwen.kernel.vector.Lanes.HAS_BYTES;
import static dev.jwen.kernel.vector.Lanes.I;
import static dev.jwen.kernel.vector.Lanes.INT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;
import static dev.jwen.kernel.vector.Lanes.SHORT;
import static dev.jwen.kernel.vector.Lanes.half;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;

/**
 * Weights to float32, a stretch of a row at a time, to an address in a buffer that stays in the first-level cache.
 *
 * <p>The common formats are unpacked in registers; {@link Tensor#decode} does the others. One flat method per format:
 * the compiler keeps vectors in registers only where it inlines everything.
 */
final class Unpack {
    /** Columns a stretch may start at: every format has whole blocks there. */
    static final int STEP = 256;

    /**
     * Where the float factors of a block of 256 lie while it is unpacked: in the place of its last 16 weights, which are
     * written after the last factor was read.
     */
    private static final long SPARE = 240 * 4;

    private static final VectorMask<Float> UPPER_HALF = VectorMask.fromLong(F, L == 16 ? 0xff00 : 0);

    private Unpack() {}

    /** Where the rows of a weight lie, worked out once: rows are unpacked in short stretches. */
    static final class Source {
        private Tensor weight = NONE;
        private long address;
        private long rowBytes;
        private long stepBytes;

        /** Address of the first byte of a row. */
        long row(int row) {
            return address + row * rowBytes;
        }

        void set(Tensor w) {
            weight = w;
            address = w.address();
            rowBytes = w.rowBytes();
            stepBytes = w.type().bytes(STEP);
        }

        Tensor weight() {
            return weight;
        }

        /** Lets the weight go. */
        void clear() {
            weight = NONE;
        }
    }

    private static final Tensor NONE = Tensor.f32(0, 1);

    /**
     * Unpacks {@code count} values of a row from {@code column}, a multiple of {@value #STEP}, with factors applied.
     *
     * @param count whole blocks
     */
    static void unpack(Source source, int row, int column, int count, long to) {
        Tensor w = source.weight;
        long from = source.row(row) + column / STEP * source.stepBytes;
        switch (w.type()) {
            case F32 -> f32(from, count, to);
            case BF16 -> bf16(from, count, to);
            case F16 -> f16(from, count, to);
            case F8_E4M3, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K -> {
                if (!HAS_BYTES) {
                    decode(w, row, column, count, to);
                    return;
                }
                bytes(w.type(), from, count, to);
            }
            default -> {
                decode(w, row, column, count, to);
                return;
            }
        }
        Tensor.Scale scale = w.scale();
        if (scale != null) {
            applyScale(scale, row, column, count, to);
        }
    }

    private static void bytes(DataType type, long from, int count, long to) {
        switch (type) {
            case F8_E4M3 -> f8(from, count, to);
            case Q8_0 -> q8v0(from, count, to);
            case Q4_0 -> q4v0(from, count, to);
            case Q4_K -> q4k(from, count, to);
            case Q5_K -> q5k(from, count, to);
            case Q6_K -> q6k(from, count, to);
            default -> throw new AssertionError(type);
        }
    }

    private static void applyScale(Tensor.Scale scale, long row, long column, int count, long to) {
        long scaleRow = row / scale.blockRows();
        long columns = scale.values().columns();
        float[] factor = new float[1];
        int done = 0;
        while (done < count) {
            long block = (column + done) / scale.blockColumns();
            int end = (int) Math.min((block + 1) * scale.blockColumns() - column, count);
            Tensor all = scale.values().view(scale.values().size());
            all.decode(0, scaleRow * columns + block, 1, factor, 0);
            multiply(to + 4L * done, end - done, factor[0]);
            done = end;
        }
    }

    private static void multiply(long values, int count, float factor) {
        for (int i = 0; i < count; i++) {
            RAM.set(FLOAT, values + 4L * i, RAM.get(FLOAT, values + 4L * i) * factor);
        }
    }

    private static void decode(Tensor w, long row, long column, int count, long to) {
        float[] values = new float[count];
        w.decode(row, column, count, values, 0);
        MemorySegment.copy(values, 0, RAM, FLOAT, to, count);
    }

    static void f32(long from, int count, long to) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, from + 4L * i, LE).intoMemorySegment(RAM, to + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, to + 4L * i, RAM.get(FLOAT, from + 4L * i));
        }
    }

    static void bf16(long from, int count, long to) {
        int i = 0;
        for (; i <= count - L; i += L) {
            IntVector bits = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, from + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            bits.lanewise(LSHL, 16).reinterpretAsFloats().intoMemorySegment(RAM, to + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, to + 4L * i, Float.intBitsToFloat(RAM.get(SHORT, from + 2L * i) << 16));
        }
    }

    /** Normal numbers take a larger exponent; subnormal ones become normal by a subtraction, exactly. */
    static void f16(long from, int count, long to) {
        int i = 0;
        for (; i <= count - L; i += L) {
            IntVector bits = (IntVector)
                    ShortVector.fromMemorySegment(H, RAM, from + 2L * i, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
            IntVector magnitude = bits.and(0x7fff).lanewise(LSHL, 13);
            IntVector normal = magnitude.add(112 << 23);
            IntVector subnormal =
                    magnitude.add(113 << 23).reinterpretAsFloats().sub(0x1p-14f).reinterpretAsInts();
            IntVector value = normal.blend(subnormal, magnitude.lt(1 << 23))
                    .blend(magnitude.add(224 << 23), magnitude.lt(31 << 23).not());
            value.or(bits.and(0x8000).lanewise(LSHL, 16)).reinterpretAsFloats().intoMemorySegment(RAM, to + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, to + 4L * i, half(from + 2L * i));
        }
    }

    /** As {@link #f16} with four bits of exponent, bias 7; all ones is the only NaN. */
    private static void f8(long from, int count, long to) {
        int i = 0;
        for (; i <= count - L; i += L) {
            IntVector bits = Lanes.unsigned(from + i);
            IntVector magnitude = bits.and(0x7f).lanewise(LSHL, 20);
            IntVector subnormal =
                    magnitude.add(121 << 23).reinterpretAsFloats().sub(0x1p-6f).reinterpretAsInts();
            IntVector value = magnitude
                    .add(120 << 23)
                    .blend(subnormal, magnitude.lt(1 << 23))
                    .blend(0x7fc00000, magnitude.eq(0x7f << 20));
            value.or(bits.and(0x80).lanewise(LSHL, 24)).reinterpretAsFloats().intoMemorySegment(RAM, to + 4L * i, LE);
        }
        for (; i < count; i++) {
            int bits = RAM.get(BYTE, from + i);
            int magnitude = (bits & 0x7f) << 20;
            float value = magnitude < 1 << 23
                    ? Float.intBitsToFloat(magnitude + (121 << 23)) - 0x1p-6f
                    : Float.intBitsToFloat(magnitude + (120 << 23));
            value = (bits & 0x7f) == 0x7f ? Float.NaN : value;
            RAM.set(FLOAT, to + 4L * i, bits < 0 ? -value : value);
        }
    }

    private static void q8v0(long from, int count, long to) {
        for (int i = 0; i < count; i += 32, from += 34) {
            FloatVector d = FloatVector.broadcast(F, half(from));
            for (int l = 0; l < 32; l += L) {
                FloatVector q = Lanes.signed(from + 2 + l);
                q.mul(d).intoMemorySegment(RAM, to + 4L * (i + l), LE);
            }
        }
    }

    private static void q4v0(long from, int count, long to) {
        for (int i = 0; i < count; i += 32, from += 18) {
            FloatVector d = FloatVector.broadcast(F, half(from));
            for (int l = 0; l < 16; l += L) {
                IntVector q = Lanes.unsigned(from + 2 + l);
                FloatVector low = (FloatVector) q.and(15).sub(8).castShape(F, 0);
                FloatVector high = (FloatVector) q.lanewise(LSHR, 4).sub(8).castShape(F, 0);
                low.mul(d).intoMemorySegment(RAM, to + 4L * (i + l), LE);
                high.mul(d).intoMemorySegment(RAM, to + 4L * (i + 16 + l), LE);
            }
        }
    }

    /**
     * The factors of a block of Q4_K or Q5_K: eight scales, then eight minima with their sign turned, as floats.
     *
     * <p>Twelve bytes as three words a, b, c hold eight scales and eight minima of six bits. Scales 0-3 are the low six
     * bits of the bytes of a, minima 0-3 of b; scales 4-7 the low nibbles of c with the top two bits of a above them,
     * minima 4-7 the high nibbles of c with the top two bits of b.
     */
    static void scales(long block, long to) {
        float d = half(block);
        float min = -half(block + 2);
        int a = RAM.get(INT, block + 4);
        int b = RAM.get(INT, block + 8);
        int c = RAM.get(INT, block + 12);
        long scales = (a & 0x3f3f3f3fL) | (long) ((c & 0x0f0f0f0f) | (a >>> 2 & 0x30303030)) << 32;
        long minima = (b & 0x3f3f3f3fL) | (long) ((c >>> 4 & 0x0f0f0f0f) | (b >>> 2 & 0x30303030)) << 32;
        ByteVector both = LongVector.broadcast(LongVector.SPECIES_128, scales)
                .withLane(1, minima)
                .reinterpretAsBytes();
        if (L == 16) {
            FloatVector factor = FloatVector.broadcast(F, d).blend(min, UPPER_HALF);
            ((FloatVector) both.castShape(F, 0)).mul(factor).intoMemorySegment(RAM, to, LE);
        } else if (L == 8) {
            ((FloatVector) both.castShape(F, 0)).mul(d).intoMemorySegment(RAM, to, LE);
            ((FloatVector) both.castShape(F, 1)).mul(min).intoMemorySegment(RAM, to + 32, LE);
        } else {
            // Each quarter is read before it is overwritten.
            both.intoMemorySegment(RAM, to + 48, LE);
            Lanes.signed(to + 48).mul(d).intoMemorySegment(RAM, to, LE);
            Lanes.signed(to + 52).mul(d).intoMemorySegment(RAM, to + 16, LE);
            Lanes.signed(to + 56).mul(min).intoMemorySegment(RAM, to + 32, LE);
            Lanes.signed(to + 60).mul(min).intoMemorySegment(RAM, to + 48, LE);
        }
    }

    private static void q4k(long from, int count, long to) {
        for (int i = 0; i < count; i += 256) {
            scales(from + (i >>> 8) * 144L, to + 4L * i + SPARE);
        }
        for (int i = 0; i < count; i += 64) {
            long block = from + (i >>> 8) * 144L;
            int pair = i >>> 6 & 3;
            long packed = block + 16 + 32L * pair;
            long out = to + 4L * i;
            long factors = to + 4L * (i & ~255) + SPARE + 8L * pair;
            FloatVector scale0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors));
            FloatVector scale1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 4));
            FloatVector min0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 32));
            FloatVector min1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 36));
            for (int l = 0; l < 32; l += L) {
                IntVector q = Lanes.unsigned(packed + l);
                IntVector low = q.and(15);
                IntVector high = q.lanewise(LSHR, 4);
                ((FloatVector) low.castShape(F, 0)).fma(scale0, min0).intoMemorySegment(RAM, out + 4L * l, LE);
                ((FloatVector) high.castShape(F, 0)).fma(scale1, min1).intoMemorySegment(RAM, out + 128 + 4L * l, LE);
            }
        }
    }

    private static void q5k(long from, int count, long to) {
        for (int i = 0; i < count; i += 256) {
            scales(from + (i >>> 8) * 176L, to + 4L * i + SPARE);
        }
        for (int i = 0; i < count; i += 64) {
            long block = from + (i >>> 8) * 176L;
            int pair = i >>> 6 & 3;
            long packed = block + 48 + 32L * pair;
            long out = to + 4L * i;
            long factors = to + 4L * (i & ~255) + SPARE + 8L * pair;
            FloatVector scale0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors));
            FloatVector scale1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 4));
            FloatVector min0 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 32));
            FloatVector min1 = FloatVector.broadcast(F, RAM.get(FLOAT, factors + 36));
            for (int l = 0; l < 32; l += L) {
                IntVector q = Lanes.unsigned(packed + l);
                IntVector fifth = Lanes.unsigned(block + 16 + l);
                fifth = fifth.lanewise(LSHR, 2 * pair);
                IntVector low = q.and(15).or(fifth.and(1).lanewise(LSHL, 4));
                IntVector high = q.lanewise(LSHR, 4).or(fifth.and(2).lanewise(LSHL, 3));
                ((FloatVector) low.castShape(F, 0)).fma(scale0, min0).intoMemorySegment(RAM, out + 4L * l, LE);
                ((FloatVector) high.castShape(F, 0)).fma(scale1, min1).intoMemorySegment(RAM, out + 128 + 4L * l, LE);
            }
        }
    }

    private static void q6k(long from, int count, long to) {
        for (int i = 0; i < count; i += 256, from += 210) {
            long factors = to + 4L * i + SPARE;
            FloatVector d = FloatVector.broadcast(F, half(from + 208));
            for (int l = 0; l < 16; l += L) {
                FloatVector scales = Lanes.signed(from + 192 + l);
                scales.mul(d).intoMemorySegment(RAM, factors + 4L * l, LE);
            }
            for (int n = 0; n < 2; n++) {
                // Each half of 128 has 64 bytes of low nibbles, 32 of high bits and 8 scales.
                long low = from + 64L * n;
                long high = from + 128 + 32L * n;
                for (int h = 0; h < 32; h += 16) {
                    long scale = factors + 32L * n + (h >>> 2);
                    FloatVector d0 = FloatVector.broadcast(F, RAM.get(FLOAT, scale));
                    FloatVector d1 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 8));
                    FloatVector d2 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 16));
                    FloatVector d3 = FloatVector.broadcast(F, RAM.get(FLOAT, scale + 24));
                    for (int l = h; l < h + 16; l += L) {
                        long out = to + 4L * (i + 128 * n + l);
                        IntVector q0 = Lanes.unsigned(low + l);
                        IntVector q1 = Lanes.unsigned(low + 32 + l);
                        IntVector top = Lanes.unsigned(high + l);
                        IntVector w0 =
                                q0.and(15).or(top.and(3).lanewise(LSHL, 4)).sub(32);
                        IntVector w1 =
                                q1.and(15).or(top.and(12).lanewise(LSHL, 2)).sub(32);
                        IntVector w2 = q0.lanewise(LSHR, 4).or(top.and(48)).sub(32);
                        IntVector w3 = q1.lanewise(LSHR, 4)
                                .or(top.and(192).lanewise(LSHR, 2))
                                .sub(32);
                        ((FloatVector) w0.castShape(F, 0)).mul(d0).intoMemorySegment(RAM, out, LE);
                        ((FloatVector) w1.castShape(F, 0)).mul(d1).intoMemorySegment(RAM, out + 128, LE);
                        ((FloatVector) w2.castShape(F, 0)).mul(d2).intoMemorySegment(RAM, out + 256, LE);
                        ((FloatVector) w3.castShape(F, 0)).mul(d3).intoMemorySegment(RAM, out + 384, LE);
                    }
                }
            }
        }
    }
}
