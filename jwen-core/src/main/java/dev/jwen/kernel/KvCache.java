package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Keys and values of one attention layer of one sequence, in blocks of {@value #BLOCK} positions.
 *
 * <p>A fork shares every full block, because full blocks never change, and copies the last, unfinished one. Blocks are
 * freed when no cache reaches them any more.
 */
public final class KvCache {
    /** Positions in a block. */
    public static final int BLOCK = 64;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final DataType type;
    private final int heads;
    private final int headDim;
    private final List<Tensor> keys = new ArrayList<>();
    private final List<Tensor> values = new ArrayList<>();

    /**
     * @param type F32 or BF16
     * @param heads key/value heads G
     * @param headDim C
     */
    public KvCache(DataType type, int heads, int headDim) {
        if (type != DataType.F32 && type != DataType.BF16) {
            throw new IllegalArgumentException("a KV cache holds F32 or BF16, not " + type);
        }
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
        while (keys.size() * BLOCK < length) {
            keys.add(Tensor.allocate(Arena.ofAuto(), type, heads, BLOCK, headDim));
            values.add(Tensor.allocate(Arena.ofAuto(), type, heads, BLOCK, headDim));
        }
    }

    /** Positions there is room for. */
    public int capacity() {
        return keys.size() * BLOCK;
    }

    /** Keys of positions {@code block·64 …}, (G, {@value #BLOCK}, C). */
    public Tensor keys(int block) {
        return keys.get(block);
    }

    /** Values of positions {@code block·64 …}, (G, {@value #BLOCK}, C). */
    public Tensor values(int block) {
        return values.get(block);
    }

    /** Writes one position, rounding to the type of the cache; the keys and values are a row of a batch, (T, G · C). */
    public void write(int position, Tensor k, Tensor v, long row) {
        write(keys.get(position / BLOCK), position % BLOCK, k, row);
        write(values.get(position / BLOCK), position % BLOCK, v, row);
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
        KvCache copy = new KvCache(type, heads, headDim);
        int full = length / BLOCK;
        copy.keys.addAll(keys.subList(0, full));
        copy.values.addAll(values.subList(0, full));
        if (length % BLOCK != 0) {
            copy.reserve(length);
            copy.keys.get(full).copyFrom(keys.get(full));
            copy.values.get(full).copyFrom(values.get(full));
        }
        return copy;
    }

    /** Bytes of the blocks this cache reaches, shared ones included. */
    public long sizeBytes() {
        return keys.stream().mapToLong(Tensor::sizeBytes).sum() * 2;
    }
}
