package dev.jwen.kernel.vector;

import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.Locale;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures products: GB/s of weights for one token, GOPS for many. Run its main with
 * {@code --add-modules jdk.incubator.vector} and, if wanted, the names of data types.
 */
final class MatmulSpeed {
    private static final Logger LOG = LoggerFactory.getLogger(MatmulSpeed.class);
    private static final int ROWS = 3584;
    private static final int COLUMNS = 1024;

    private MatmulSpeed() {}

    public static void main(String[] names) {
        for (String name : names.length == 0
                ? new String[] {"F32", "BF16", "F16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"}
                : names) {
            for (int threads = 1; threads <= 2; threads++) {
                measure(DataType.valueOf(name), threads);
            }
        }
    }

    private static void measure(DataType type, int threads) {
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        // Several matrices in turn, so that the weights come from memory and not from a cache.
        int copies = (int) Math.max(1, (600L << 20) / type.bytes((long) ROWS * COLUMNS));
        Tensor[] weights = new Tensor[copies];
        for (int i = 0; i < copies; i++) {
            weights[i] = RandomWeights.of(type, ROWS, COLUMNS, random);
        }
        try (WorkerPool pool = new WorkerPool(threads)) {
            VectorMatmul matmul = new VectorMatmul(pool, null);
            StringBuilder line = new StringBuilder("%-5s %d thread(s):".formatted(type, threads));
            for (int tokens : new int[] {1, 2, 4, 8, 12, 16, 48, 512}) {
                double best = best(matmul, weights, tokens);
                double bytes = weights[0].sizeBytes() / best / 1e9;
                double operations = 2.0 * ROWS * COLUMNS * tokens / best / 1e9;
                line.append(String.format(Locale.ROOT, "  %d: %.1f GB/s %.0f GOPS", tokens, bytes, operations));
            }
            LOG.info("{}", line);
        }
    }

    /** Seconds of the fastest product. */
    private static double best(VectorMatmul matmul, Tensor[] weights, int tokens) {
        Tensor x = RandomWeights.of(DataType.F32, tokens, COLUMNS, RandomGenerator.of("L64X128MixRandom"));
        Tensor out = Tensor.f32(tokens, ROWS);
        double best = Double.MAX_VALUE;
        long end = System.nanoTime() + 1_500_000_000L;
        for (int i = 0; System.nanoTime() < end; i++) {
            long start = System.nanoTime();
            matmul.multiply(x, weights[i % weights.length], out);
            best = Math.min(best, (System.nanoTime() - start) / 1e9);
        }
        return best;
    }
}
