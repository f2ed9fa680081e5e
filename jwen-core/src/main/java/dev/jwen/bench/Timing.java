package dev.jwen.bench;

import java.util.Arrays;

/** Times short work. */
final class Timing {
    private static final int MIN_RUNS = 5;
    private static final int MAX_RUNS = 20_000;
    private static final int MAX_WARM_UPS = 8;

    private Timing() {}

    /** Work; {@code run} counts up from 0, again and again. */
    @FunctionalInterface
    interface Work {
        void run(int run);
    }

    /**
     * Seconds of each of at least five runs within about {@code budgetSeconds}, shortest first, after as long a time to
     * warm up, which is repeated as long as it makes the work a tenth faster: until the JVM has compiled it.
     */
    static double[] seconds(double budgetSeconds, Work work) {
        double fastest = run(budgetSeconds, work)[0];
        for (int i = 0; i < MAX_WARM_UPS; i++) {
            double again = run(budgetSeconds, work)[0];
            if (again > 0.9 * fastest) {
                break;
            }
            fastest = again;
        }
        return run(budgetSeconds, work);
    }

    private static double[] run(double budgetSeconds, Work work) {
        double[] seconds = new double[MAX_RUNS];
        long end = System.nanoTime() + (long) (budgetSeconds * 1e9);
        int count = 0;
        while (count < MAX_RUNS && (count < MIN_RUNS || System.nanoTime() < end)) {
            long start = System.nanoTime();
            work.run(count);
            seconds[count++] = (System.nanoTime() - start) * 1e-9;
        }
        double[] sorted = Arrays.copyOf(seconds, count);
        Arrays.sort(sorted);
        return sorted;
    }

    static double median(double budgetSeconds, Work work) {
        double[] seconds = seconds(budgetSeconds, work);
        return seconds[seconds.length / 2];
    }

    static double best(double budgetSeconds, Work work) {
        return seconds(budgetSeconds, work)[0];
    }
}
