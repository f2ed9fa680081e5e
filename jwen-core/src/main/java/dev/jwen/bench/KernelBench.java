package dev.jwen.bench;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import dev.jwen.kernel.Span;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Measures each kernel of a back end by itself, in the shapes of the small and middle models.
 *
 * <p>Weights, caches and states are so many that each run reads them from memory, as in a model. The numbers do not
 * matter, only that none is so small that it slows arithmetic down.
 */
public final class KernelBench {
    /** The weight types that are measured unless the caller names others. */
    public static final List<DataType> TYPES = List.of(
            DataType.Q8_0,
            DataType.Q4_0,
            DataType.Q4_K,
            DataType.Q5_K,
            DataType.Q6_K,
            DataType.Q3_K,
            DataType.Q2_K,
            DataType.Q5_0,
            DataType.IQ4_XS,
            DataType.MXFP4,
            DataType.BF16,
            DataType.F16,
            DataType.F32);

    private static final long WEIGHT_BYTES = 512L << 20;
    private static final int ROWS = 3584;
    private static final int COLUMNS = 1024;
    private static final int PROMPT = 480;

    /** Attention of the middle models: 16 query heads and 4 key/value heads of 256. */
    private static final int QUERY_HEADS = 16;

    private static final int KEY_HEADS = 4;
    private static final int HEAD_DIM = 256;
    private static final int PAST = 8192;
    private static final int CACHES = 4;

    /** The delta net of the middle models, and more states than caches hold. */
    private static final DeltaHeads DELTA = new DeltaHeads(16, 32, 128, 128, false);

    private static final int STATES = 64;
    private static final int HIDDEN = 2560;

    /** Attention and the delta rule are large methods, which the JVM needs longer to compile. */
    private static final double LARGE = 4;

    private static final float EPS = 1e-6f;

    private final Kernels kernels;
    private final boolean exact;
    private final double seconds;
    private final double compiledSeconds;
    private final Consumer<KernelSpeed> results;

    /**
     * @param exact whether the back end multiplies in float32 whatever the weights are
     * @param seconds for each measurement, three times that with warming up
     * @param results hears of each result as soon as it is there
     */
    public KernelBench(Kernels kernels, boolean exact, double seconds, Consumer<KernelSpeed> results) {
        this.kernels = kernels;
        this.exact = exact;
        this.seconds = seconds;
        this.compiledSeconds = LARGE * seconds;
        this.results = results;
    }

    /** Measures products with these types of weights, then attention, the delta rule and the small operations. */
    public void run(List<DataType> types) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment weights = arena.allocate(WEIGHT_BYTES, 4096);
            for (long at = 0; at < WEIGHT_BYTES; at += Long.BYTES) {
                // Read as floats, halves or scales, all are between 1e-11 and 1.
                weights.set(
                        ValueLayout.JAVA_LONG,
                        at,
                        (at * 0x9e3779b97f4a7c15L & 0x0f3f0f3f0f3f0f3fL) | 0x30303030_30303030L);
            }
            types.forEach(type -> products(type, weights));
        }
        try (MemoryPool pool = new MemoryPool()) {
            attention(pool, 1);
            attention(pool, PROMPT);
        }
        delta(1);
        delta(PROMPT);
        norms();
    }

    private void products(DataType type, MemorySegment memory) {
        long bytes = type.bytes((long) ROWS * COLUMNS);
        List<Tensor> weights = new ArrayList<>();
        for (long at = 0; at + bytes <= memory.byteSize(); at += bytes) {
            weights.add(Tensor.of(type, memory.asSlice(at, bytes), ROWS, COLUMNS));
        }
        for (int tokens : new int[] {1, 4, 8, PROMPT}) {
            Tensor x = random(tokens, COLUMNS);
            Tensor out = Tensor.f32(tokens, ROWS);
            double time = Timing.median(seconds, run -> kernels.matmul(x, weights.get(run % weights.size()), out));
            double operations = 2.0 * ROWS * COLUMNS * tokens;
            report("product " + type, tokens, time, (double) bytes, operations, arithmetic(type));
        }
    }

    private Arithmetic arithmetic(DataType type) {
        if (exact) {
            return Arithmetic.F32;
        }
        if (type == DataType.BF16) {
            return Arithmetic.BF16;
        }
        return type.isQuantised() ? Arithmetic.INT8 : Arithmetic.F32;
    }

    private void attention(MemoryPool pool, int tokens) {
        List<KvCache> caches = new ArrayList<>();
        Tensor k = random(tokens, KEY_HEADS * HEAD_DIM);
        for (int i = 0; i < CACHES; i++) {
            KvCache cache = new KvCache(pool, DataType.BF16, KEY_HEADS, HEAD_DIM);
            cache.reserve(PAST + tokens);
            for (int position = 0; position < PAST; position++) {
                cache.write(position, k, k, position % tokens);
            }
            caches.add(cache);
        }
        Tensor q = random(tokens, QUERY_HEADS * HEAD_DIM);
        Tensor out = Tensor.f32(tokens, QUERY_HEADS * HEAD_DIM);
        List<Span> spans = List.of(new Span(0, tokens, PAST));
        double time = Timing.median(
                compiledSeconds, run -> kernels.attention(q, k, k, spans, List.of(caches.get(run % CACHES)), out));
        double positions = PAST + (tokens + 1) / 2.0;
        double bytes = 2.0 * DataType.BF16.bytes((long) KEY_HEADS * HEAD_DIM) * (PAST + tokens);
        double operations = 4.0 * QUERY_HEADS * HEAD_DIM * tokens * positions;
        report("attention after " + PAST, tokens, time, bytes, operations, Arithmetic.F32);
        caches.forEach(KvCache::close);
    }

    private void delta(int tokens) {
        int heads = DELTA.valueHeads();
        Tensor qkv = random(tokens, DELTA.qkvWidth());
        Tensor gate = random(tokens, heads);
        Tensor rate = random(1, heads);
        for (int i = 0; i < heads; i++) {
            rate.set(0, i, -0.01f);
        }
        List<Tensor> states = new ArrayList<>();
        for (int i = 0; i < STATES; i++) {
            states.add(Tensor.f32((long) heads * DELTA.keyDim(), DELTA.valueDim()));
        }
        Tensor input = Tensor.f32(tokens, DELTA.qkvWidth());
        Tensor out = Tensor.f32(tokens, (long) heads * DELTA.valueDim());
        List<Span> spans = List.of(new Span(0, tokens, 0));
        double time = Timing.median(compiledSeconds, run -> {
            input.copyFrom(qkv);
            kernels.gatedDelta(DELTA, input, gate, gate, rate, rate, spans, List.of(states.get(run % STATES)), out);
        });
        // Decay, Sᵀk, the update and Sᵀq; the state is read and written.
        double operations = 7.0 * DELTA.keyDim() * DELTA.valueDim() * heads * tokens;
        double bytes = 2.0 * states.getFirst().sizeBytes();
        report("gated delta rule", tokens, time, bytes, operations, Arithmetic.F32);
    }

    private void norms() {
        for (int tokens : new int[] {1, PROMPT}) {
            Tensor x = random(tokens, HIDDEN);
            Tensor y = random(tokens, HIDDEN);
            Tensor weight = random(1, HIDDEN).view(HIDDEN);
            Tensor out = Tensor.f32(tokens, HIDDEN);
            double norm = Timing.median(seconds / 2, run -> kernels.rmsNorm(x, weight, EPS, out));
            report("norm", tokens, norm, 0, 4.0 * HIDDEN * tokens, Arithmetic.F32);
            double added = Timing.median(seconds / 2, run -> kernels.addRmsNorm(out, y, weight, EPS, x));
            report("add and norm", tokens, added, 0, 5.0 * HIDDEN * tokens, Arithmetic.F32);
        }
    }

    private void report(
            String kernel, int tokens, double time, double bytes, double operations, Arithmetic arithmetic) {
        results.accept(new KernelSpeed(kernel, tokens, time, bytes, operations, arithmetic));
    }

    private static Tensor random(int rows, int columns) {
        SplittableRandom random = new SplittableRandom(columns);
        Tensor tensor = Tensor.f32(rows, columns);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                tensor.set(row, column, (float) random.nextDouble(-0.5, 0.5));
            }
        }
        return tensor;
    }
}
