package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one attention layer of one sequence, in blocks of {@value #BLOCK} positions.
 *
 * <p>A fork shares every full block, because full blocks never change, and copies the last, unfinished one. A block goes
 * back to its pool when the last cache that holds it is closed.
 *
 * <p>Three types: F32, BF16 (rounded to nearest even), and Q8_0. The last keeps bytes q of every position and head in the
 * order of the others, and beside them one float32 d for each {@value #GROUP} of them: x ≈ d q with d = max |x| / 127 and
 * q = x / d rounded to nearest even, so the error is at most max |x| / 254. Where a value is no finite number, none of its
 * group is.
 */
public final class KvCache implements AutoCloseable {
    /** Positions in a block. */
    public static final int BLOCK = 64;

    /** Values of a head that share a scale in a cache of type Q8_0; the last of a head may be fewer. */
    public static final int GROUP = 32;

    /** Groups of smaller values than this become zeros, so that the reciprocal of the scale stays finite. */
    public static final float SMALLEST = 1e-35f;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * The keys or the values of {@value #BLOCK} positions.
     *
     * @param values (G, {@value #BLOCK}, C): float32, bfloat16, or bytes
     * @param scales beside bytes: float32 (G, {@value #BLOCK}, ⌈C / {@value #GROUP}⌉); null otherwise
     */
    public record Entries(Tensor values, @Nullable Tensor scales) {
        private void copyFrom(Entries source) {
            values.copyFrom(source.values);
            if (scales != null && source.scales != null) {
                scales.copyFrom(source.scales);
            }
        }

        private void giveTo(MemoryPool pool) {
            pool.give(values);
            if (scales != null) {
                pool.give(scales);
            }
        }

        private long sizeBytes() {
            return values.sizeBytes() + (scales == null ? 0 : scales.sizeBytes());
        }
    }

    /** Keys and values of {@value #BLOCK} positions and how many caches hold them. */
    private record Block(Entries keys, Entries values, AtomicInteger holders) {}

    private final MemoryPool pool;
    private final DataType type;
    private final int heads;
    private final int headDim;
    private final List<Block> blocks = new ArrayList<>();

    /**
     * An empty cache.
     *
     * @param pool where its blocks come from
     * @param type F32, BF16 or Q8_0
     * @param heads key/value heads G
     * @param headDim C
     */
    public KvCache(MemoryPool pool, DataType type, int heads, int headDim) {
        requireType(type);
        this.pool = pool;
        this.type = type;
        this.heads = heads;
        this.headDim = headDim;
    }

    /** Throws {@link IllegalArgumentException} unless a cache can be of this type. */
    public static void requireType(DataType type) {
        if (type != DataType.F32 && type != DataType.BF16 && type != DataType.Q8_0) {
            throw new IllegalArgumentException("a KV cache holds F32, BF16 or Q8_0, not " + type);
        }
    }

    public DataType type() {
        return type;
    }

    public int heads() {
        return heads;
    }

    public int headDim() {
        return headDim;
    }

    /** Makes room for {@code length} positions in all. */
    public void reserve(int length) {
        while (capacity() < length) {
            blocks.add(new Block(entries(), entries(), new AtomicInteger(1)));
        }
    }

    private Entries entries() {
        return type == DataType.Q8_0
                ? new Entries(
                        pool.take(DataType.I8, heads, BLOCK, headDim), pool.take(DataType.F32, heads, BLOCK, groups()))
                : new Entries(pool.take(type, heads, BLOCK, headDim), null);
    }

    private int groups() {
        return Math.ceilDiv(headDim, GROUP);
    }

    /** Positions there is room for. */
    public int capacity() {
        return blocks.size() * BLOCK;
    }

    /** Keys of positions {@code block·64 …}. */
    public Entries keys(int block) {
        return blocks.get(block).keys;
    }

    /** Values of positions {@code block·64 …}. */
    public Entries values(int block) {
        return blocks.get(block).values;
    }

    /** Decodes the key of one position and head to float32. */
    public void readKey(int position, int head, float[] out) {
        read(keys(position / BLOCK), (long) head * BLOCK + position % BLOCK, out);
    }

    /** Decodes the value of one position and head to float32. */
    public void readValue(int position, int head, float[] out) {
        read(values(position / BLOCK), (long) head * BLOCK + position % BLOCK, out);
    }

    private void read(Entries entries, long row, float[] out) {
        if (entries.scales == null) {
            entries.values.decode(row, 0, headDim, out, 0);
            return;
        }
        for (int c = 0; c < headDim; c++) {
            byte q = entries.values.segment().get(ValueLayout.JAVA_BYTE, row * headDim + c);
            out[c] = q * entries.scales.get(row, c / GROUP);
        }
    }

    /**
     * Writes one position, rounding to the type of the cache; the keys and values are a row of a batch, (T, G · C). This is
     * the definition; faster kernels write the same bits.
     */
    public void write(int position, Tensor k, Tensor v, long row) {
        write(keys(position / BLOCK), position % BLOCK, k, row);
        write(values(position / BLOCK), position % BLOCK, v, row);
    }

    private void write(Entries entries, int slot, Tensor from, long row) {
        MemorySegment source = from.segment();
        MemorySegment target = entries.values.segment();
        for (int head = 0; head < heads; head++) {
            long read = (row * heads + head) * headDim * Float.BYTES;
            long place = (long) head * BLOCK + slot;
            if (entries.scales != null) {
                quantise(source, read, target, place * headDim, entries.scales, place);
            } else if (type == DataType.F32) {
                long bytes = (long) headDim * Float.BYTES;
                MemorySegment.copy(source, read, target, place * bytes, bytes);
            } else {
                for (int c = 0; c < headDim; c++) {
                    short rounded = roundToBf16(source.get(Tensor.FLOAT, read + 4L * c));
                    target.set(SHORT, 2 * (place * headDim + c), rounded);
                }
            }
        }
    }

    private void quantise(
            MemorySegment source, long read, MemorySegment target, long write, Tensor scales, long place) {
        for (int from = 0; from < headDim; from += GROUP) {
            int to = Math.min(from + GROUP, headDim);
            float largest = 0;
            for (int c = from; c < to; c++) {
                largest = Math.max(largest, Math.abs(source.get(Tensor.FLOAT, read + 4L * c)));
            }
            float inverse = largest < SMALLEST ? 0 : 127 / largest;
            for (int c = from; c < to; c++) {
                byte q = (byte) Math.rint(source.get(Tensor.FLOAT, read + 4L * c) * inverse);
                target.set(ValueLayout.JAVA_BYTE, write + c, q);
            }
            scales.set(place, from / GROUP, largest < SMALLEST ? 0 : largest * (1 / 127f));
        }
    }

    /** Rounds to the nearest bfloat16, ties to even; a NaN stays one. */
    private static short roundToBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int rounded = bits + 0x7fff + (bits >>> 16 & 1);
        return (short) ((Float.isNaN(value) ? bits | 0x400000 : rounded) >>> 16);
    }

    /** A cache with the same first {@code length} positions that grows on its own. */
    public KvCache fork(int length) {
        KvCache copy = new KvCache(pool, type, heads, headDim);
        int full = length / BLOCK;
        for (Block block : blocks.subList(0, full)) {
            block.holders.incrementAndGet();
            copy.blocks.add(block);
        }
        if (length % BLOCK != 0) {
            copy.reserve(length);
            copy.keys(full).copyFrom(keys(full));
            copy.values(full).copyFrom(values(full));
        }
        return copy;
    }

    /** Gives back the blocks that no other cache holds. */
    @Override
    public void close() {
        for (Block block : blocks) {
            if (block.holders.decrementAndGet() == 0) {
                block.keys.giveTo(pool);
                block.values.giveTo(pool);
            }
        }
        blocks.clear();
    }

    /** Bytes of the blocks this cache reaches, shared ones included. */
    public long sizeBytes() {
        return blocks.stream()
                .mapToLong(b -> b.keys.sizeBytes() + b.values.sizeBytes())
                .sum();
    }
}
