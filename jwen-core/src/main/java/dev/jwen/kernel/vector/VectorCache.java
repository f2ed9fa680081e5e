package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTE;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.H;
import static dev.jwen.kernel.vector.Lanes.HAS_BYTES;
import static dev.jwen.kernel.vector.Lanes.I;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;
import static jdk.incubator.vector.VectorOperators.F2I;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHR;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/** Keys and values on their way into the KV cache and out of it. */
final class VectorCache {
    private static final int GROUP = KvCache.GROUP;

    /** Added and subtracted, it rounds a smaller number to the nearest integer, ties to even. */
    private static final float ROUNDER = 0x1.8p23f;

    private VectorCache() {}

    /** Writes one position, to the same bits as {@link KvCache#write}. */
    static void write(KvCache cache, int position, Tensor k, Tensor v, long row, @Nullable RowLoops loops) {
        int headDim = cache.headDim();
        boolean whole = headDim % GROUP == 0 && HAS_BYTES;
        if (cache.type() == DataType.F32 || !whole) {
            cache.write(position, k, v, row);
            return;
        }
        int block = position / KvCache.BLOCK;
        for (int head = 0; head < cache.heads(); head++) {
            long place = (long) head * KvCache.BLOCK + position % KvCache.BLOCK;
            write(cache.keys(block), place, Lanes.address(k, row) + 4L * head * headDim, headDim, loops);
            write(cache.values(block), place, Lanes.address(v, row) + 4L * head * headDim, headDim, loops);
        }
    }

    private static void write(KvCache.Entries entries, long place, long from, int count, @Nullable RowLoops loops) {
        long to = Lanes.address(entries.values(), place);
        if (entries.scales() == null && loops != null) {
            loops.toBf16(from, count, to); // whole groups: it fits
        } else if (entries.scales() == null) {
            bf16(from, count, to);
        } else {
            quantise(from, count, to, Lanes.address(entries.scales(), place));
        }
    }

    private static void bf16(long from, int count, long to) {
        for (int i = 0; i < count; i += L) {
            FloatVector x = FloatVector.fromMemorySegment(F, RAM, from + 4L * i, LE);
            IntVector bits = x.reinterpretAsInts();
            IntVector even = bits.lanewise(LSHR, 16).and(1);
            VectorMask<Integer> isNan = bits.and(0x7fffffff).compare(GT, 0x7f800000);
            IntVector rounded = bits.add(0x7fff).add(even).blend(bits.or(0x400000), isNan);
            ((ShortVector) rounded.lanewise(LSHR, 16).convertShape(I2S, H, 0)).intoMemorySegment(RAM, to + 2L * i, LE);
        }
    }

    private static void quantise(long from, int count, long to, long scales) {
        for (int i = 0; i < count; i += GROUP) {
            FloatVector high = FloatVector.zero(F);
            for (int l = 0; l < GROUP; l += L) {
                high = high.max(FloatVector.fromMemorySegment(F, RAM, from + 4L * (i + l), LE)
                        .abs());
            }
            float largest = Lanes.max(high);
            boolean small = largest < KvCache.SMALLEST;
            float inverse = small ? 0 : 127 / largest;
            for (int l = 0; l < GROUP; l += L) {
                FloatVector x = FloatVector.fromMemorySegment(F, RAM, from + 4L * (i + l), LE);
                IntVector q =
                        (IntVector) x.mul(inverse).add(ROUNDER).sub(ROUNDER).convertShape(F2I, I, 0);
                Lanes.store(q, to + i + l);
            }
            RAM.set(FLOAT, scales + i / GROUP * 4L, small ? 0 : largest * (1 / 127f));
        }
    }

    /**
     * The first positions of a block as float32, rows {@code width} apart; in place if the cache already has that form.
     *
     * @param width at least {@code headDim}; zeros fill the rest
     */
    static long load(
            KvCache.Entries entries,
            int head,
            int positions,
            int headDim,
            int width,
            Buffer buffer,
            @Nullable RowLoops loops) {
        Tensor values = entries.values();
        Tensor scales = entries.scales();
        long first = (long) head * KvCache.BLOCK;
        if (values.type() == DataType.F32 && width == headDim) {
            return Lanes.address(values, first);
        }
        long to = buffer.address(4L * KvCache.BLOCK * width);
        for (int p = 0; p < positions; p++) {
            long from = Lanes.address(values, first + p);
            long row = to + 4L * p * width;
            if (scales != null) {
                bytes(from, headDim, Lanes.address(scales, first + p), row);
            } else if (values.type() == DataType.F32) {
                Unpack.f32(from, headDim, row);
            } else if (loops != null && RowLoops.fits(headDim)) {
                loops.fromBf16(from, headDim, row);
            } else {
                Unpack.bf16(from, headDim, row);
            }
            Lanes.clear(row + 4L * headDim, width - headDim);
        }
        return to;
    }

    private static void bytes(long from, int count, long scales, long to) {
        for (int i = 0; i < count; i += GROUP) {
            float d = RAM.get(FLOAT, scales + i / GROUP * 4L);
            int end = Math.min(i + GROUP, count);
            int c = i;
            for (; c <= end - L && HAS_BYTES; c += L) {
                Lanes.signed(from + c).mul(d).intoMemorySegment(RAM, to + 4L * c, LE);
            }
            for (; c < end; c++) {
                RAM.set(FLOAT, to + 4L * c, RAM.get(BYTE, from + c) * d);
            }
        }
    }
}
