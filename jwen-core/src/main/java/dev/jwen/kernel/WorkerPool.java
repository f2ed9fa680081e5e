package dev.jwen.kernel;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed set of threads that share one job at a time; the thread that calls {@link #run} is one of them.
 *
 * <p>A job is a range cut into chunks, which the workers take in order from one counter, so that a worker that loses its
 * core delays only the chunk it holds. Between jobs the workers spin for a short while, because the next operation
 * usually follows within microseconds, then park. Where another process takes a core away, a worker stands still with its
 * chunk for a few milliseconds at a time, and everybody waits: for short jobs one thread alone is then faster. So when a
 * job has waited for most of its time, the caller works alone for a while before it tries again.
 *
 * <p>The counter is one word: the number of the job above, the chunks that nobody has taken below. A worker that took a
 * chunk keeps the job from ending, so the fields that describe the job hold still until the chunk is done.
 */
public final class WorkerPool implements AutoCloseable {
    /** How long a worker looks for the next job before it parks: longer than most gaps between two operations. */
    private static final long SPIN_NANOS = 80_000;

    /** A wait that no chunk of the usual size explains: a worker has lost its core. */
    private static final long LOST_NANOS = 500_000;

    /** How long the caller then works alone. */
    private static final long ALONE_NANOS = 20_000_000;

    private static final long LEFT_MASK = 0xffff_ffffL;

    private final AtomicLong counter = new AtomicLong();
    private final AtomicInteger unfinished = new AtomicInteger();
    private final AtomicInteger busy = new AtomicInteger();
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private final List<Worker> workers = new ArrayList<>();
    private volatile boolean closed;

    /** Time until which the caller works alone. */
    private long aloneUntil = System.nanoTime();

    private volatile @Nullable Thread waitingCaller;

    // The job; written before the counter announces it.
    private @Nullable RangeTask task;
    private int total;
    private int grain;
    private int chunks;

    /** One piece of a job. */
    @FunctionalInterface
    public interface RangeTask {
        /**
         * Does the items {@code from} to {@code to - 1}.
         *
         * @param worker 0 to threads - 1; two pieces that run at the same time have different workers
         */
        void run(int worker, int from, int to);
    }

    /** @param threads how many threads share a job, the caller included; at least 1 */
    public WorkerPool(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("a worker pool needs at least one thread, not " + threads);
        }
        for (int i = 1; i < threads; i++) {
            workers.add(new Worker(i));
        }
        workers.forEach(Thread::start);
    }

    /**
     * The cores this JVM may use, as limited by containers and affinity; where the system does not tell cores from their
     * hardware threads (only Linux does), these.
     */
    public static int defaultThreads() {
        return Cores.count(
                Path.of("/sys/devices/system/cpu"),
                Path.of("/proc/self/status"),
                Runtime.getRuntime().availableProcessors());
    }

    public int threads() {
        return workers.size() + 1;
    }

    /**
     * Runs {@code task} over 0 to {@code total - 1} in pieces of {@code grain} items and returns when all are done.
     *
     * <p>Everything the caller wrote before is visible to the task, and the other way round. What the task refers to
     * stays reachable until the end, so it may work on the bare addresses of tensors it holds. If pieces throw, the
     * remaining ones are skipped and the first exception is rethrown here with the others suppressed.
     *
     * @throws IllegalStateException if a job is running already, for example when a task starts another, or after close
     */
    public void run(int total, int grain, RangeTask task) {
        if (grain < 1) {
            throw new IllegalArgumentException("a piece needs at least one item, not " + grain);
        }
        if (closed) {
            throw new IllegalStateException("the worker pool is closed");
        }
        if (!busy.compareAndSet(0, 1)) {
            throw new IllegalStateException("the worker pool is running a job: one at a time, and never from a task");
        }
        try {
            if (workers.isEmpty() || total <= grain || System.nanoTime() - aloneUntil < 0) {
                runHere(total, grain, task);
            } else {
                runShared(total, grain, task);
            }
        } finally {
            busy.set(0);
            Reference.reachabilityFence(task);
        }
    }

    /** Ends the threads. A second call does nothing. */
    @Override
    public void close() {
        closed = true;
        workers.forEach(LockSupport::unpark);
        boolean interrupted = false;
        for (Worker worker : workers) {
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void runHere(int total, int grain, RangeTask task) {
        for (int from = 0; from < total; from += Math.min(grain, total - from)) {
            task.run(0, from, Math.min(grain, total - from) + from);
        }
    }

    private void runShared(int total, int grain, RangeTask task) {
        this.task = task;
        this.total = total;
        this.grain = grain;
        this.chunks = Math.ceilDiv(total, grain);
        unfinished.set(chunks);
        long job = (counter.get() >>> 32) + 1;
        counter.set(job << 32 | chunks);
        int wanted = chunks - 1;
        for (int i = 0; i < workers.size() && i < wanted; i++) {
            Worker worker = workers.get(i);
            if (worker.parked) {
                LockSupport.unpark(worker);
            }
        }
        long start = System.nanoTime();
        takeChunks(0);
        long waiting = System.nanoTime();
        awaitOthers();
        long end = System.nanoTime();
        if (end - waiting > LOST_NANOS && end - waiting > waiting - start) {
            aloneUntil = end + ALONE_NANOS;
        }
        this.task = null;
        Throwable first = failure.getAndSet(null);
        if (first instanceof Error error) {
            throw error;
        }
        if (first instanceof RuntimeException exception) {
            throw exception;
        }
    }

    /** Takes chunks until none is left. */
    private void takeChunks(int worker) {
        while (true) {
            long seen = counter.get();
            long left = seen & LEFT_MASK;
            if (left == 0) {
                return;
            }
            if (counter.compareAndSet(seen, seen - 1)) {
                runChunk(worker, chunks - (int) left);
            }
        }
    }

    private void runChunk(int worker, int chunk) {
        int from = chunk * grain;
        int to = from + Math.min(grain, total - from);
        try {
            RangeTask current = task;
            if (current != null && failure.get() == null) {
                current.run(worker, from, to);
            }
        } catch (RuntimeException | Error e) {
            Throwable first = failure.compareAndExchange(null, e);
            if (first != null && !first.equals(e)) {
                first.addSuppressed(e);
            }
        }
        if (unfinished.decrementAndGet() == 0) {
            Thread caller = waitingCaller;
            if (caller != null) {
                LockSupport.unpark(caller);
            }
        }
    }

    private void awaitOthers() {
        long start = System.nanoTime();
        while (unfinished.get() != 0) {
            if (System.nanoTime() - start < SPIN_NANOS) {
                Thread.onSpinWait();
                continue;
            }
            waitingCaller = Thread.currentThread();
            if (unfinished.get() != 0) {
                LockSupport.park(this);
            }
            waitingCaller = null;
            // An interrupt would make park return at once; spin a round between two attempts.
            start = Thread.currentThread().isInterrupted() ? System.nanoTime() : start;
        }
    }

    private final class Worker extends Thread {
        private final int number;
        private volatile boolean parked;

        Worker(int number) {
            super("jwen-worker-" + number);
            this.number = number;
            setDaemon(true);
        }

        @Override
        public void run() {
            while (!closed) {
                takeChunks(number);
                awaitJob();
            }
        }

        private void awaitJob() {
            long start = System.nanoTime();
            while ((counter.get() & LEFT_MASK) == 0 && !closed) {
                if (System.nanoTime() - start < SPIN_NANOS) {
                    Thread.onSpinWait();
                    continue;
                }
                parked = true;
                if ((counter.get() & LEFT_MASK) == 0 && !closed) {
                    LockSupport.park(WorkerPool.this);
                }
                parked = false;
            }
        }
    }
}
