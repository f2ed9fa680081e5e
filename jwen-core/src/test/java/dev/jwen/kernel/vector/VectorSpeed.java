package dev.jwen.kernel.vector;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.List;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures the vector kernels; not part of the suite. Run its main with {@code --add-modules jdk.incubator.vector}, the
 * number of threads, and what to measure: {@code attention}, {@code delta}, or names of data types for products.
 *
 * <p>With one thread the time is the processor time of the thread, which other processes do not disturb; with more it is
 * the time on the clock. The fastest of many runs counts.
 */
final class VectorSpeed {
    private static final Logger LOG = LoggerFactory.getLogger(VectorSpeed.class);
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final int ROWS = 3584;
    private static final int COLUMNS = 1024;

    /** More than the caches of the reference machines hold per core, so that weights of one token come from memory. */
    private static final long WEIGHT_BYTES = 600L << 20;

    private VectorSpeed() {}

    public static void main(String[] arguments) {
        int threads = Integer.parseInt(arguments[0]);
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int i = 1; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "attention" -> attention(pool);
                    case "delta" -> delta(pool);
                    default -> products(pool, DataType.valueOf(arguments[i]));
                }
            }
        }
    }

    private static void products(WorkerPool pool, DataType type) {
        Tensor[] weights = new Tensor[(int) (WEIGHT_BYTES / type.bytes((long) ROWS * COLUMNS))];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = RandomWeights.of(type, ROWS, COLUMNS, random());
        }
        VectorMatmul matmul = new VectorMatmul(pool, null);
        StringBuilder line = new StringBuilder();
        for (int tokens : new int[] {1, 2, 4, 8, 12, 16, 48, 512}) {
            Tensor x = RandomWeights.of(DataType.F32, tokens, COLUMNS, random());
            Tensor out = Tensor.f32(tokens, ROWS);
            double seconds = best(pool, i -> matmul.multiply(x, weights[i % weights.length], out));
            double bytes = weights[0].sizeBytes() / seconds / 1e9;
            double operations = 2.0 * ROWS * COLUMNS * tokens / seconds / 1e9;
            line.append(" | %d: %.1f GB/s %.0f GOPS".formatted(tokens, bytes, operations));
        }
        LOG.info("{} {} thread(s){}", type, pool.threads(), line);
    }

    private static void attention(WorkerPool pool) {
        VectorAttention attention = new VectorAttention(pool, null);
        for (DataType type : new DataType[] {DataType.F32, DataType.BF16}) {
            for (int tokens : new int[] {1, 4, 512}) {
                int past = tokens == 512 ? 1536 : 8192;
                KvCache cache = new KvCache(new MemoryPool(), type, 4, 256);
                cache.reserve(past + tokens);
                Tensor q = RandomWeights.of(DataType.F32, tokens, 16 * 256, random());
                Tensor k = RandomWeights.of(DataType.F32, tokens, 4 * 256, random());
                Tensor out = Tensor.f32(tokens, 16 * 256);
                List<Span> spans = List.of(new Span(0, tokens, past));
                double seconds = best(pool, i -> attention.attend(q, k, k, spans, List.of(cache), out));
                double operations = 4.0 * 16 * 256 * tokens * (past + tokens / 2.0) / seconds / 1e9;
                LOG.info(
                        "attention {} {} tokens after {}: {} ms, {} GOPS",
                        type,
                        tokens,
                        past,
                        "%.2f".formatted(seconds * 1e3),
                        "%.0f".formatted(operations));
            }
        }
    }

    private static void delta(WorkerPool pool) {
        VectorDelta delta = new VectorDelta(pool, null);
        DeltaHeads heads = new DeltaHeads(16, 32, 128, 128, false);
        Tensor rate = RandomWeights.of(DataType.F32, 1, 32, random());
        for (int i = 0; i < 32; i++) {
            rate.set(0, i, -0.01f);
        }
        for (int tokens : new int[] {1, 4, 8, 12, 16, 24, 32, 64, 512}) {
            Tensor qkv = RandomWeights.of(DataType.F32, tokens, heads.qkvWidth(), random());
            Tensor a = RandomWeights.of(DataType.F32, tokens, 32, random());
            Tensor state = Tensor.f32(32 * 128, 128);
            Tensor out = Tensor.f32(tokens, 32 * 128);
            List<Span> spans = List.of(new Span(0, tokens, 0));
            double seconds = best(pool, i -> delta.advance(heads, qkv, a, a, rate, rate, spans, List.of(state), out));
            LOG.info(
                    "delta rule, {} tokens: {} us for each head and token",
                    tokens,
                    "%.2f".formatted(seconds * 1e6 / tokens / 32));
        }
    }

    private interface Run {
        void run(int i);
    }

    private static double best(WorkerPool pool, Run run) {
        double best = Double.MAX_VALUE;
        long end = now(pool) + 1_500_000_000L;
        for (int i = 0; now(pool) < end; i++) {
            long start = now(pool);
            run.run(i);
            best = Math.min(best, (now(pool) - start) / 1e9);
        }
        return best;
    }

    private static long now(WorkerPool pool) {
        return pool.threads() == 1 ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
    }

    private static RandomGenerator random() {
        return RandomGenerator.of("L64X128MixRandom");
    }
}
