package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Temporary memory handed out like a stack: frames nest, and closing a frame frees what it gave.
 *
 * <p>Memory comes from a few growing chunks and is kept for the next frame. A frame that asks for the same shapes in the
 * same order as the one before gets the same {@link Tensor} objects, so a decode step allocates next to nothing.
 */
public final class ScratchStack implements AutoCloseable {
    private static final long FIRST_CHUNK_BYTES = 1 << 20;
    private static final long ALIGNMENT = 64;

    private final Arena arena = Arena.ofShared();
    private final List<MemorySegment> chunks = new ArrayList<>();
    private final List<Slot> slots = new ArrayList<>();
    private @Nullable Frame innermost;
    private int chunk;
    private long top;
    private int slot;

    private record Slot(int chunk, long offset, Tensor tensor) {
        boolean fits(int chunk, long offset, long rows, long columns) {
            return this.chunk == chunk && this.offset == offset && tensor.rows() == rows && tensor.columns() == columns;
        }
    }

    /** Opens a frame inside the innermost open one. */
    public Scratch open() {
        innermost = new Frame(innermost);
        return innermost;
    }

    /** Frees the memory; tensors from open frames must not be used any more. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private Tensor allocate(long rows, long columns) {
        long bytes = Tensor.sizeBytes(DataType.F32, rows, columns);
        while (chunk >= chunks.size() || chunks.get(chunk).byteSize() - top < bytes) {
            if (chunk >= chunks.size()) {
                long size = Math.max(bytes, FIRST_CHUNK_BYTES << Math.min(chunks.size(), 10));
                chunks.add(arena.allocate(size, ALIGNMENT));
            } else {
                chunk++;
            }
            top = 0;
        }
        Tensor tensor = tensorAt(rows, columns, bytes);
        top += Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        return tensor;
    }

    private Tensor tensorAt(long rows, long columns, long bytes) {
        if (slot < slots.size() && slots.get(slot).fits(chunk, top, rows, columns)) {
            return slots.get(slot++).tensor();
        }
        Tensor tensor = Tensor.of(DataType.F32, chunks.get(chunk).asSlice(top, bytes), rows, columns);
        Slot entry = new Slot(chunk, top, tensor);
        if (slot < slots.size()) {
            slots.set(slot, entry);
        } else {
            slots.add(entry);
        }
        slot++;
        return tensor;
    }

    private final class Frame implements Scratch {
        private final @Nullable Frame outer;
        private final int frameChunk = chunk;
        private final long frameTop = top;
        private final int frameSlot = slot;
        private boolean closed;

        Frame(@Nullable Frame outer) {
            this.outer = outer;
        }

        @Override
        public Tensor f32(long rows, long columns) {
            if (closed) {
                throw new IllegalStateException("this scratch frame is closed");
            }
            if (innermost != this) {
                throw new IllegalStateException("close the inner scratch frame before asking this one for more");
            }
            return allocate(rows, columns);
        }

        @Override
        public void close() {
            if (closed) {
                return;
            }
            if (innermost != this) {
                throw new IllegalStateException("close the inner scratch frame before this one");
            }
            closed = true;
            innermost = outer;
            chunk = frameChunk;
            top = frameTop;
            slot = frameSlot;
        }
    }
}
