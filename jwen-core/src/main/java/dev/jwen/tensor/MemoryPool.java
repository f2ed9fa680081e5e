package dev.jwen.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Memory that is given back by hand and used again: for the states of sequences, which come and go by the hundred
 * megabytes while the garbage collector, who sees only their small handles, has no reason to look.
 *
 * <p>What was given back is kept for the next taker of the same size; all of it is freed on {@link #close}. Any thread
 * may take and give.
 */
public final class MemoryPool implements AutoCloseable {
    /** Smaller tensors share memory, so that they too lie in large pages. */
    private static final long SHARED_BYTES = 2 << 20;

    private static final long CACHE_LINE = 64;

    private final Arena arena;
    private MemorySegment shared = MemorySegment.NULL;
    private final Map<Long, Deque<MemorySegment>> free = new HashMap<>();
    private long takenBytes;

    @SuppressWarnings("MustBeClosed") // closed by close()
    public MemoryPool() {
        arena = Arena.ofShared();
    }

    /** A tensor of zeros, aligned to cache lines. */
    public synchronized Tensor take(DataType type, long... shape) {
        long bytes = Tensor.sizeBytes(type, shape);
        Deque<MemorySegment> unused = free.get(bytes);
        MemorySegment segment = unused == null ? null : unused.poll();
        takenBytes += bytes;
        return Tensor.of(type, segment == null ? untouched(bytes) : segment.fill((byte) 0), shape);
    }

    private MemorySegment untouched(long bytes) {
        long size = Math.ceilDiv(bytes, CACHE_LINE) * CACHE_LINE;
        if (size >= SHARED_BYTES) {
            return Pages.zeros(bytes, arena);
        }
        if (shared.byteSize() < size) {
            shared = Pages.zeros(SHARED_BYTES, arena);
        }
        MemorySegment segment = shared.asSlice(0, bytes);
        shared = shared.asSlice(size);
        return segment;
    }

    /** Takes a tensor of this pool back; it must not be used afterwards. */
    public synchronized void give(Tensor tensor) {
        takenBytes -= tensor.sizeBytes();
        free.computeIfAbsent(tensor.sizeBytes(), unused -> new ArrayDeque<>()).push(tensor.segment());
    }

    /** Bytes that were taken and not given back. */
    public synchronized long takenBytes() {
        return takenBytes;
    }

    /** Frees everything, taken or not. */
    @Override
    public void close() {
        arena.close();
    }
}
