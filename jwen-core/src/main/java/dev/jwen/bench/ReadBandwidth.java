package dev.jwen.bench;

import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * How fast some threads read memory: a buffer too large for the caches, each thread its own part. A machine that is shared
 * with others reads at half its speed in one second and at all of it in the next, so what is to be compared with this
 * limit is best measured between two measurements of it.
 */
public final class ReadBandwidth implements AutoCloseable {
    private static final long BYTES = 512L << 20;

    private final PeakLoops loops;
    private final WorkerPool pool;
    private final Arena arena = Arena.ofShared();
    private final Tensor memory;

    /** Takes 512 MiB; the loops belong to the caller. */
    public ReadBandwidth(PeakLoops loops, int threads) {
        this.loops = loops;
        this.pool = new WorkerPool(threads);
        this.memory = Tensor.allocate(arena, DataType.F32, threads, BYTES / threads / Float.BYTES);
    }

    /** Bytes in a second, the best of what about three times {@code seconds} show. */
    public double measure(double seconds) {
        double best = Timing.best(
                seconds,
                run -> pool.run(pool.threads(), 1, (worker, from, to) -> loops.read(memory.rows(from, to - from))));
        return memory.sizeBytes() / best;
    }

    @Override
    public void close() {
        pool.close();
        arena.close();
    }
}
