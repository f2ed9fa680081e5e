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

/**
 * Keys and values of one attention layer of one sequence, in blocks of {@value #BLOCK} positions.
 *
 * <p>A fork shares every full block, because full blocks never change, and copies the last, unfinished one. A block goes
 * back to its pool when the last cache that holds it is closed.
 */
public final class KvCache implements AutoCloseable {
    /** Positions in a block. */
    public static final int BLOCK = 64;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The keys and values of {@value #BLOCK} positions, (G, {@value #BLOCK}, C) each, and how many caches hold them. */
    private record Block(Tensor keys, Tensor values, AtomicInteger holders) {}

    private final MemoryPool pool;
    private final DataType type;
    private final int heads;
    private final int headDim;
    private final List<Block> blocks = new ArrayList<>();

    /**
     * An empty cache.
     *
     * @param pool where its blocks come from
     * @param type F32 or BF16
     * @param heads key/value heads G
     * @param headDim C
     */
    public KvCache(MemoryPool pool, DataType type, int heads, int headDim) {
        if (type != DataType.F32 && type != DataType.BF16) {
            throw new IllegalArgumentException("a KV cache holds F32 or BF16, not " + type);
        }
        this.pool = pool;
        this.type = type;
        this.heads = heads;
        this.headDim = headDim;
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
            blocks.add(new Block(
                    pool.take(type, heads, BLOCK, headDim),
                    pool.take(type, heads, BLOCK, headDim),
                    new AtomicInteger(1)));
        }
    }

    /** Positions there is room for. */
    public int capacity() {
        return blocks.size() * BLOCK;
    }

    /** Keys of positions {@code block·64 …}, (G, {@value #BLOCK}, C). */
    public Tensor keys(int block) {
        return blocks.get(block).keys;
    }

    /** Values of positions {@code block·64 …}, (G, {@value #BLOCK}, C). */
    public Tensor values(int block) {
        return blocks.get(block).values;
    }

    /** Writes one position, rounding to the type of the cache; the keys and values are a row of a batch, (T, G · C). */
    public void write(int position, Tensor k, Tensor v, long row) {
        write(keys(position / BLOCK), position % BLOCK, k, row);
        write(values(position / BLOCK), position % BLOCK, v, row);
    }

    private void write(Tensor block, int slot, Tensor from, long row) {
        MemorySegment source = from.segment();
        MemorySegment target = block.segment();
        for (int head = 0; head < heads; head++) {
            long read = (row * heads + head) * headDim * Float.BYTES;
            long write = type.bytes(((long) head * BLOCK + slot) * headDim);
            if (type == DataType.F32) {
                MemorySegment.copy(source, read, target, write, (long) headDim * Float.BYTES);
                continue;
            }
            for (int c = 0; c < headDim; c++) {
                target.set(SHORT, write + 2L * c, roundToBf16(source.get(Tensor.FLOAT, read + 4L * c)));
            }
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
                pool.give(block.keys);
                pool.give(block.values);
            }
        }
        blocks.clear();
    }

    /** Bytes of the blocks this cache reaches, shared ones included. */
    public long sizeBytes() {
        return blocks.stream().mapToLong(b -> b.keys.sizeBytes()).sum() * 2;
    }
}
