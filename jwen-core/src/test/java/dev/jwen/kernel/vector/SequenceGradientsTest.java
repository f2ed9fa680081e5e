package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.PlainGradients;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The gradients of the operations along a sequence: against the definition, against finite differences of the forward
 * pass, and with 1, 2 and 3 threads against themselves.
 */
class SequenceGradientsTest {
    static {
        assertThat(VectorModule.load()).isEmpty();
    }

    /** As part of the largest value of a gradient. Measured 1.4e-6, and 9e-6 where a sum over all tokens cancels. */
    private static final double TOLERANCE = 3e-5;

    private static final Gradients DEFINITION = new PlainGradients();
    private static final Kernels FORWARD = new PlainKernels(2);
    private static final List<WorkerPool> POOLS = List.of(new WorkerPool(1), new WorkerPool(2), new WorkerPool(3));

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(20260215);

    @AfterAll
    static void close() {
        DEFINITION.close();
        FORWARD.close();
        POOLS.forEach(WorkerPool::close);
    }

    // ---- Attention.

    @ParameterizedTest
    @ValueSource(ints = {4, 16, 32, 33, 128, 256})
    void attentionAgreesForEveryHeadSize(int headDim) {
        checkAttention(4, 2, headDim, spans(2, 1, 65));
        checkAttention(3, 3, headDim, spans(17));
    }

    @Test
    void attentionAgreesForEveryLengthAndGroup() {
        checkAttention(4, 2, 32, spans(1, 2, 63, 64, 65, 200));
        checkAttention(8, 1, 20, spans(70, 3));
        checkAttention(60, 1, 8, spans(5, 67));
        checkAttention(1, 1, 8, spans(49));
    }

    @Test
    void attentionInsideFramesAgrees() {
        for (int headDim : new int[] {4, 33, 64}) {
            checkFrames(3, headDim, spans(1, 64, 200, 2, 65));
        }
    }

    @Test
    void attentionIsTheSlopeOfTheForwardPass() {
        int headDim = 16;
        List<Span> spans = spans(37, 5);
        List<Tensor> inputs = List.of(normal(42, 64), normal(42, 32), normal(42, 32));
        Tensor dOut = normal(42, 64);
        Function<List<Tensor>, Tensor> attend = in -> attend(in, headDim, spans);
        AttentionGradient gradient = new AttentionGradient(POOLS.get(1));
        List<Tensor> slopes = like(inputs);
        gradient.attention(
                dOut,
                inputs.get(0),
                inputs.get(1),
                inputs.get(2),
                attend.apply(inputs),
                headDim,
                spans,
                slopes.get(0),
                slopes.get(1),
                slopes.get(2));
        checkSlopes(inputs, dOut, attend, slopes);
    }

    private static Tensor attend(List<Tensor> in, int headDim, List<Span> spans) {
        Tensor out = Tensor.f32(in.get(0).rows(), in.get(0).columns());
        int keyHeads = Math.toIntExact(in.get(1).columns() / headDim);
        try (MemoryPool memory = new MemoryPool()) {
            List<KvCache> caches = new ArrayList<>();
            for (Span span : spans) {
                KvCache cache = new KvCache(memory, DataType.F32, keyHeads, headDim);
                cache.reserve(span.count());
                caches.add(cache);
            }
            FORWARD.attention(in.get(0), in.get(1), in.get(2), spans, caches, out);
            caches.forEach(KvCache::close);
        }
        return out;
    }

    private void checkAttention(int heads, int keyHeads, int headDim, List<Span> spans) {
        int n = tokens(spans);
        List<Tensor> in =
                List.of(normal(n, heads * headDim), normal(n, keyHeads * headDim), normal(n, keyHeads * headDim));
        Tensor dOut = normal(n, heads * headDim);
        Tensor out = attend(in, headDim, spans);
        check(
                "attention of %d/%d heads of %d, %s".formatted(heads, keyHeads, headDim, spans),
                in,
                d -> DEFINITION.attention(
                        dOut, in.get(0), in.get(1), in.get(2), out, headDim, spans, d.get(0), d.get(1), d.get(2)),
                (pool, d) -> new AttentionGradient(pool)
                        .attention(
                                dOut, in.get(0), in.get(1), in.get(2), out, headDim, spans, d.get(0), d.get(1),
                                d.get(2)));
    }

    private void checkFrames(int heads, int headDim, List<Span> frames) {
        int n = tokens(frames);
        int width = heads * headDim;
        List<Tensor> in = List.of(normal(n, width), normal(n, width), normal(n, width));
        Tensor dOut = normal(n, width);
        Tensor out = Tensor.f32(n, width);
        FORWARD.frameAttention(in.get(0), in.get(1), in.get(2), headDim, frames, out);
        check(
                "attention in frames %s of %d heads of %d".formatted(frames, heads, headDim),
                in,
                d -> DEFINITION.frameAttention(
                        dOut, in.get(0), in.get(1), in.get(2), out, headDim, frames, d.get(0), d.get(1), d.get(2)),
                (pool, d) -> new AttentionGradient(pool)
                        .frameAttention(
                                dOut, in.get(0), in.get(1), in.get(2), out, headDim, frames, d.get(0), d.get(1),
                                d.get(2)));
    }

    // ---- The convolution.

    @Test
    void theConvolutionAgreesForEveryLengthAndNumberOfChannels() {
        for (int channels : new int[] {1, 15, 16, 64, 67, 130, 512}) {
            checkConvolution(4, channels, spans(1, 2, 3, 4, 5, 63, 64, 65));
        }
        checkConvolution(2, 40, spans(1, 9));
        checkConvolution(7, 40, spans(1, 9, 3));
    }

    @Test
    void theConvolutionIsTheSlopeOfTheForwardPass() {
        List<Span> spans = spans(30, 2);
        List<Tensor> inputs = List.of(normal(32, 70), normal(4, 70));
        Tensor dOut = normal(32, 70);
        List<Tensor> slopes = like(inputs);
        new ConvolutionGradient(POOLS.get(1))
                .convolution(dOut, inputs.get(0), inputs.get(1), spans, slopes.get(0), slopes.get(1));
        checkSlopes(
                inputs,
                dOut,
                in -> {
                    Tensor out = Tensor.f32(32, 70);
                    List<Tensor> states =
                            spans.stream().map(span -> Tensor.f32(3, 70)).toList();
                    FORWARD.convolution(in.get(0), in.get(1), spans, states, out);
                    return out;
                },
                slopes);
    }

    private void checkConvolution(int taps, int channels, List<Span> spans) {
        int n = tokens(spans);
        List<Tensor> in = List.of(normal(n, channels), normal(taps, channels));
        Tensor dOut = normal(n, channels);
        check(
                "convolution of %d channels with %d taps, %s".formatted(channels, taps, spans),
                in,
                d -> DEFINITION.convolution(dOut, in.get(0), in.get(1), spans, d.get(0), d.get(1)),
                (pool, d) -> new ConvolutionGradient(pool)
                        .convolution(dOut, in.get(0), in.get(1), spans, d.get(0), d.get(1)));
    }

    // ---- The delta rule.

    @ParameterizedTest
    @ValueSource(ints = {4, 16, 32, 33, 128})
    void theDeltaRuleAgreesForEveryHeadSize(int size) {
        for (boolean tiled : new boolean[] {false, true}) {
            checkDelta(new DeltaHeads(2, 4, size, size, tiled), 1, spans(1, 2, 65));
        }
    }

    @Test
    void theDeltaRuleAgreesForEveryLength() {
        checkDelta(new DeltaHeads(2, 2, 32, 32, false), 0.3, spans(1, 2, 63, 64, 65, 200));
        checkDelta(new DeltaHeads(1, 2, 24, 256, true), 1, spans(5, 66));
        checkDelta(new DeltaHeads(1, 3, 33, 20, false), 1, spans(20, 1));
    }

    @Test
    void theDeltaRuleAgreesWhereNotAllStatesAreKept() {
        checkDelta(new DeltaHeads(1, 1, 128, 128, false), 0.1, spans(64, 65, 200));
        checkDelta(new DeltaHeads(1, 1, 256, 256, false), 0.1, spans(129));
    }

    @Test
    void strongAndWeakDecaysHaveExactGradients() {
        for (double decay : new double[] {0, 1e-4, 0.5, 20, 1000}) {
            checkDelta(new DeltaHeads(1, 1, 32, 32, false), decay, spans(130, 5));
        }
    }

    @Test
    void theDeltaRuleIsTheSlopeOfTheForwardPass() {
        for (boolean tiled : new boolean[] {false, true}) {
            DeltaHeads heads = new DeltaHeads(2, 4, 16, 20, tiled);
            List<Span> spans = spans(40, 3, 1);
            List<Tensor> in = deltaInputs(heads, 1, 44);
            Tensor dOut = normal(44, 80);
            List<Tensor> slopes = like(in);
            gatedDelta(new DeltaGradient(POOLS.get(1)), heads, dOut, in, spans, slopes);
            checkSlopes(
                    in,
                    dOut,
                    inputs -> {
                        Tensor out = Tensor.f32(44, 80);
                        Tensor qkv = Tensor.f32(inputs.get(0).toFloats(), 44, heads.qkvWidth());
                        List<Tensor> states = spans.stream()
                                .map(span -> Tensor.f32(4 * 16, 20))
                                .toList();
                        FORWARD.gatedDelta(
                                heads,
                                qkv,
                                inputs.get(1),
                                inputs.get(2),
                                inputs.get(3),
                                inputs.get(4),
                                spans,
                                states,
                                out);
                        return out;
                    },
                    slopes);
        }
    }

    /** qkv, a, b, rate, dtBias. */
    private List<Tensor> deltaInputs(DeltaHeads heads, double decay, int tokens) {
        int n = heads.valueHeads();
        Tensor rate = Tensor.f32(1, n);
        for (int i = 0; i < n; i++) {
            rate.set(0, i, (float) (-decay * (0.5 + random.nextDouble())));
        }
        return List.of(normal(tokens, heads.qkvWidth()), normal(tokens, n), normal(tokens, n), rate, normal(1, n));
    }

    private static void gatedDelta(
            DeltaGradient gradient, DeltaHeads heads, Tensor dOut, List<Tensor> in, List<Span> spans, List<Tensor> d) {
        gradient.gatedDelta(
                heads, dOut, in.get(0), in.get(1), in.get(2), in.get(3), in.get(4), spans, d.get(0), d.get(1), d.get(2),
                d.get(3), d.get(4));
    }

    private void checkDelta(DeltaHeads heads, double decay, List<Span> spans) {
        int n = tokens(spans);
        List<Tensor> in = deltaInputs(heads, decay, n);
        Tensor dOut = normal(n, heads.valueHeads() * heads.valueDim());
        check(
                "%s, decay %s, %s".formatted(heads, decay, spans),
                in,
                d -> DEFINITION.gatedDelta(
                        heads, dOut, in.get(0), in.get(1), in.get(2), in.get(3), in.get(4), spans, d.get(0), d.get(1),
                        d.get(2), d.get(3), d.get(4)),
                (pool, d) -> gatedDelta(new DeltaGradient(pool), heads, dOut, in, spans, d));
    }

    // ---- Operands.

    @Test
    void operandsThatDoNotFitAreRefused() {
        WorkerPool pool = POOLS.getFirst();
        Tensor x = normal(4, 32);
        List<Span> short3 = spans(3);
        assertThatThrownBy(() ->
                        new AttentionGradient(pool).attention(x, x, x, x, x, 16, short3, copy(x), copy(x), copy(x)))
                .hasMessageContaining("the spans cover 3 of 4 rows");
        assertThatThrownBy(() -> new AttentionGradient(pool)
                        .attention(x, x, normal(4, 24), x, x, 16, spans(4), copy(x), copy(x), copy(x)))
                .hasMessageContaining("groups of 16");
        assertThatThrownBy(() -> new ConvolutionGradient(pool)
                        .convolution(x, x, normal(4, 31), spans(4), copy(x), normal(4, 32)))
                .hasMessageContaining("weight: expected F32 [4, 32]");
        DeltaHeads heads = new DeltaHeads(1, 1, 8, 8, false);
        assertThatThrownBy(() -> gatedDelta(
                        new DeltaGradient(pool),
                        heads,
                        x,
                        deltaInputs(heads, 1, 4),
                        spans(4),
                        deltaInputs(heads, 1, 4)))
                .hasMessageContaining("dOut: expected F32 [4, 8]");
    }

    // ---- What all of them share.

    private interface Route {
        void run(WorkerPool pool, List<Tensor> gradients);
    }

    /** What was in a gradient before must not matter, or be added to, as the definition has it. */
    private void check(String what, List<Tensor> inputs, Consumer<List<Tensor>> definition, Route route) {
        List<Tensor> before = inputs.stream()
                .map(t -> normal((int) t.rows(), (int) t.columns()))
                .toList();
        List<Tensor> expected = before.stream().map(SequenceGradientsTest::copy).toList();
        definition.accept(expected);
        List<Tensor> first = before.stream().map(SequenceGradientsTest::copy).toList();
        route.run(POOLS.getFirst(), first);
        for (int i = 0; i < inputs.size(); i++) {
            float[] e = expected.get(i).toFloats();
            float[] a = first.get(i).toFloats();
            double largest = 1e-3;
            double worst = 0;
            for (int j = 0; j < e.length; j++) {
                largest = Math.max(largest, Math.abs(e[j]));
                worst = Math.max(worst, Float.isNaN(a[j]) ? Double.POSITIVE_INFINITY : Math.abs(e[j] - a[j]));
            }
            assertThat(worst / largest).as("%s: gradient %d", what, i).isLessThan(TOLERANCE);
        }
        for (WorkerPool pool : POOLS) {
            List<Tensor> again =
                    before.stream().map(SequenceGradientsTest::copy).toList();
            route.run(pool, again);
            for (int i = 0; i < inputs.size(); i++) {
                assertThat(again.get(i).toFloats())
                        .as("%s: gradient %d with %d threads", what, i, pool.threads())
                        .isEqualTo(first.get(i).toFloats());
            }
        }
    }

    /** For each input, the change of Σ dOut · out along its gradient g must be |g| per unit. */
    private static void checkSlopes(
            List<Tensor> inputs, Tensor dOut, Function<List<Tensor>, Tensor> forward, List<Tensor> slopes) {
        double step = 0.01;
        for (int i = 0; i < inputs.size(); i++) {
            float[] slope = slopes.get(i).toFloats();
            double norm = 0;
            for (float s : slope) {
                norm += (double) s * s;
            }
            norm = Math.sqrt(norm);
            double change = (loss(moved(inputs, i, slope, step / norm), dOut, forward)
                            - loss(moved(inputs, i, slope, -step / norm), dOut, forward))
                    / (2 * step);
            assertThat(change / norm).as("gradient %d", i).isCloseTo(1, within(1e-3));
        }
    }

    private static List<Tensor> moved(List<Tensor> inputs, int i, float[] slope, double factor) {
        List<Tensor> moved = new ArrayList<>(inputs);
        float[] values = inputs.get(i).toFloats();
        for (int j = 0; j < values.length; j++) {
            values[j] = (float) (values[j] + factor * slope[j]);
        }
        moved.set(i, Tensor.f32(values, inputs.get(i).rows(), inputs.get(i).columns()));
        return moved;
    }

    private static double loss(List<Tensor> inputs, Tensor dOut, Function<List<Tensor>, Tensor> forward) {
        float[] out = forward.apply(inputs).toFloats();
        float[] weights = dOut.toFloats();
        return IntStream.range(0, out.length)
                .mapToDouble(i -> (double) out[i] * weights[i])
                .sum();
    }

    private static List<Span> spans(int... counts) {
        List<Span> spans = new ArrayList<>();
        int row = 0;
        for (int count : counts) {
            spans.add(new Span(row, count, 0));
            row += count;
        }
        return spans;
    }

    private static int tokens(List<Span> spans) {
        return spans.stream().mapToInt(Span::count).sum();
    }

    private static List<Tensor> like(List<Tensor> tensors) {
        return tensors.stream().map(t -> Tensor.f32(t.rows(), t.columns())).toList();
    }

    private static Tensor copy(Tensor t) {
        return Tensor.f32(t.toFloats(), t.rows(), t.columns());
    }

    private Tensor normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, columns);
    }
}
