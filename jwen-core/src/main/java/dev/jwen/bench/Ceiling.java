package dev.jwen.bench;

import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import dev.jwen.kernel.WorkerPool;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What some threads of this machine can do at most: the limits that kernels are measured against.
 *
 * <p>The rate of reading is that of {@link ReadBandwidth}, the rates of arithmetic are those of loops on registers. The best of several runs counts, as other processes can only
 * slow a run down.
 *
 * @param threads that worked at the same time
 * @param loops how the loops are made
 * @param readBytesPerSecond from memory
 * @param operationsPerSecond by arithmetic; a multiplication and an addition are two. Without what the processor lacks
 */
public record Ceiling(
        int threads, String loops, double readBytesPerSecond, Map<Arithmetic, Double> operationsPerSecond) {
    private static final int ROUNDS = 200_000;
    private static final double SECONDS = 0.2;

    /** Longer, because neighbours on the same memory come and go. */
    private static final double READ_SECONDS = 0.8;

    public Ceiling {
        operationsPerSecond = Collections.unmodifiableMap(new EnumMap<>(operationsPerSecond));
    }

    /** Measures for about three seconds, with 512 MiB of memory. */
    public static Ceiling measure(PeakLoops loops, int threads) {
        try (WorkerPool pool = new WorkerPool(threads);
                ReadBandwidth reads = new ReadBandwidth(loops, threads)) {
            Map<Arithmetic, Double> rates = new EnumMap<>(Arithmetic.class);
            for (Arithmetic arithmetic : Arithmetic.values()) {
                if (loops.supports(arithmetic)) {
                    rates.put(arithmetic, calculate(loops, arithmetic, pool));
                }
            }
            return new Ceiling(threads, loops.name(), reads.measure(READ_SECONDS), rates);
        }
    }

    private static double calculate(PeakLoops loops, Arithmetic arithmetic, WorkerPool pool) {
        AtomicLong operations = new AtomicLong();
        double best = Timing.best(SECONDS, run -> {
            operations.set(0);
            pool.run(pool.threads(), 1, (worker, from, to) -> {
                for (int i = from; i < to; i++) {
                    operations.addAndGet(loops.calculate(arithmetic, ROUNDS));
                }
            });
        });
        return operations.get() / best;
    }

    /**
     * The fastest arithmetic for numbers of this kind: where the processor has none for BF16, that of float32.
     *
     * @return operations in a second
     */
    public double rate(Arithmetic arithmetic) {
        Double rate = operationsPerSecond.get(arithmetic);
        return rate != null ? rate : operationsPerSecond.getOrDefault(Arithmetic.F32, 0.0);
    }

    /** The least seconds for reading so many bytes and doing so many operations at the same time. */
    public double seconds(double bytes, double operations, Arithmetic arithmetic) {
        return Math.max(bytes / readBytesPerSecond, operations / rate(arithmetic));
    }
}
