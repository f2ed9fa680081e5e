package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The definition of every gradient against finite differences of the definition of its operation.
 *
 * <p>With a loss Σ r · out and fixed random r, the slope of the loss must be ⟨gradient, direction⟩ along the gradient
 * itself, which a wrong factor or a missing term changes, and along a random direction, which tells what points elsewhere.
 */
class PlainGradientsTest {
    /** As part of |gradient|, for directions with values around 1. */
    private static final double TOLERANCE = 1e-3;

    /** Values move by about so much; the error of the differences is of its fourth power, that of float32 its inverse. */
    private static final double STEP = 0.02;

    private static final float EPS = 1e-3f;

    /** Found in all gradients before: where they are collected it must stay, where they are written it must go. */
    private static final float BEFORE = 0.25f;

    private static final Kernels KERNELS = new PlainKernels(1);
    private static final Gradients GRADIENTS = new PlainGradients();

    private final SplittableRandom random = new SplittableRandom(20260214);

    @AfterAll
    static void close() {
        GRADIENTS.close();
        KERNELS.close();
    }

    /** An input and whether its gradient is added to what is there. */
    private record Input(Tensor value, boolean collects) {}

    private interface Operation {
        /** The outputs for these inputs, which may be overwritten. */
        List<Tensor> of(List<Tensor> inputs);
    }

    private interface WayBack {
        void run(List<Tensor> dOut, List<Tensor> inputs, List<Tensor> gradients);
    }

    private Input collected(int rows, int columns) {
        return new Input(normal(rows, columns), true);
    }

    private Input written(int rows, int columns) {
        return new Input(normal(rows, columns), false);
    }

    private Tensor normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, columns);
    }

    private static Tensor copy(Tensor tensor) {
        return Tensor.f32(tensor.toFloats(), tensor.shape());
    }

    private static List<Tensor> values(List<Input> inputs) {
        return inputs.stream().map(input -> copy(input.value)).toList();
    }

    private void check(List<Input> inputs, Operation operation, WayBack back) {
        List<Tensor> dOut = operation.of(values(inputs)).stream()
                .map(out -> normal((int) out.rows(), (int) out.columns()))
                .toList();
        List<Tensor> gradients = new ArrayList<>();
        for (Input input : inputs) {
            Tensor gradient = Tensor.f32(input.value.shape());
            add(gradient, BEFORE);
            gradients.add(gradient);
        }
        back.run(dOut.stream().map(PlainGradientsTest::copy).toList(), values(inputs), gradients);
        for (int i = 0; i < inputs.size(); i++) {
            if (inputs.get(i).collects) {
                add(gradients.get(i), -BEFORE);
            }
            float[] gradient = gradients.get(i).toFloats();
            double norm = Math.sqrt(dot(gradient, gradient));
            assertThat(norm).as("norm of gradient %d", i).isPositive();
            float[] along = gradient.clone();
            for (int j = 0; j < along.length; j++) {
                along[j] *= (float) (Math.sqrt(along.length) / norm);
            }
            float[] anywhere = normal((int) inputs.get(i).value.rows(), (int)
                            inputs.get(i).value.columns())
                    .toFloats();
            for (float[] direction : List.of(along, anywhere)) {
                double expected = dot(gradient, direction);
                double near = slope(inputs, i, direction, STEP, operation, dOut);
                double far = slope(inputs, i, direction, 2 * STEP, operation, dOut);
                assertThat((4 * near - far) / 3)
                        .as("slope for input %d", i)
                        .isCloseTo(expected, within(TOLERANCE * Math.max(norm, Math.abs(expected))));
            }
        }
    }

    private static double slope(
            List<Input> inputs, int i, float[] direction, double step, Operation operation, List<Tensor> dOut) {
        double change = 0;
        for (int sign = -1; sign <= 1; sign += 2) {
            List<Tensor> moved = values(inputs);
            float[] values = moved.get(i).toFloats();
            for (int j = 0; j < values.length; j++) {
                values[j] += (float) (sign * step * direction[j]);
            }
            moved.get(i).copyFrom(Tensor.f32(values, moved.get(i).shape()));
            List<Tensor> out = operation.of(moved);
            for (int o = 0; o < out.size(); o++) {
                change += sign * dot(out.get(o).toFloats(), dOut.get(o).toFloats());
            }
        }
        return change / (2 * step);
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    private static void add(Tensor tensor, float value) {
        float[] values = tensor.toFloats();
        for (int i = 0; i < values.length; i++) {
            values[i] += value;
        }
        tensor.copyFrom(Tensor.f32(values, tensor.shape()));
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

    // ---- Rows.

    @Test
    void products() {
        check(
                List.of(collected(5, 7), collected(3, 7)),
                in -> {
                    Tensor out = Tensor.f32(5, 3);
                    KERNELS.matmul(in.get(0), in.get(1), out);
                    return List.of(out);
                },
                (dOut, in, d) -> {
                    GRADIENTS.addMatmulInput(dOut.getFirst(), in.get(1), d.get(0));
                    GRADIENTS.matmulWeight(dOut.getFirst(), in.get(0), d.get(1));
                });
        check(
                List.of(written(5, 7), collected(3, 7)),
                in -> {
                    Tensor out = Tensor.f32(5, 3);
                    KERNELS.matmul(in.get(0), in.get(1), out);
                    return List.of(out);
                },
                (dOut, in, d) -> {
                    GRADIENTS.matmulInput(dOut.getFirst(), in.get(1), d.get(0));
                    GRADIENTS.matmulWeight(dOut.getFirst(), in.get(0), d.get(1));
                });
    }

    @Test
    void embedding() {
        int[] ids = {3, 0, 3, 3, 1};
        check(
                List.of(collected(4, 6)),
                in -> {
                    Tensor out = Tensor.f32(5, 6);
                    KERNELS.embed(in.getFirst(), ids, out);
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.embed(dOut.getFirst(), ids, d.getFirst()));
    }

    @Test
    void rowsOfNegativeIdsAreNobodys() {
        Tensor table = Tensor.f32(2, 2);
        Tensor dx = Tensor.f32(new float[] {1, 2, 30, 40, 5, 6}, 3, 2);
        GRADIENTS.embed(dx, new int[] {1, -1, 1}, table);
        assertThat(table.toFloats()).containsExactly(0, 0, 6, 8);
    }

    @Test
    void bias() {
        check(
                List.of(collected(1, 6)),
                in -> {
                    Tensor out = Tensor.f32(4, 6);
                    KERNELS.addBias(out, in.getFirst());
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.addBias(dOut.getFirst(), d.getFirst()));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 4}) // whole rows and heads
    void rmsNorm(int width) {
        check(
                List.of(collected(3, 12), collected(1, width)),
                in -> {
                    Tensor out = Tensor.f32(3, 12);
                    KERNELS.rmsNorm(in.get(0), in.get(1), EPS, out);
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.rmsNorm(dOut.getFirst(), in.get(0), in.get(1), EPS, d.get(0), d.get(1)));
    }

    @Test
    void layerNorm() {
        check(
                List.of(collected(3, 9), collected(1, 9), collected(1, 9)),
                in -> {
                    Tensor out = Tensor.f32(3, 9);
                    KERNELS.layerNorm(in.get(0), in.get(1), in.get(2), EPS, out);
                    return List.of(out);
                },
                (dOut, in, d) ->
                        GRADIENTS.layerNorm(dOut.getFirst(), in.get(0), in.get(1), EPS, d.get(0), d.get(1), d.get(2)));
    }

    @ParameterizedTest
    @EnumSource(Gelu.class)
    void biasGelu(Gelu form) {
        check(
                List.of(written(4, 7), collected(1, 7)),
                in -> {
                    KERNELS.biasGelu(in.get(0), in.get(1), form);
                    return List.of(in.get(0));
                },
                (dOut, in, d) -> GRADIENTS.biasGelu(dOut.getFirst(), in.get(0), in.get(1), form, d.get(0), d.get(1)));
    }

    @Test
    void swiGlu() {
        check(
                List.of(written(4, 7), written(4, 7)),
                in -> {
                    Tensor out = Tensor.f32(4, 7);
                    KERNELS.swiGlu(in.get(0), in.get(1), out);
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.swiGlu(dOut.getFirst(), in.get(0), in.get(1), d.get(0), d.get(1)));
    }

    @Test
    void addGated() {
        check(
                List.of(written(4, 7), written(4, 1)),
                in -> {
                    Tensor x = Tensor.f32(4, 7);
                    KERNELS.addGated(x, in.get(0), in.get(1));
                    return List.of(x);
                },
                (dOut, in, d) -> GRADIENTS.addGated(dOut.getFirst(), in.get(0), in.get(1), d.get(0), d.get(1)));
    }

    @Test
    void sigmoidGate() {
        check(
                List.of(written(4, 7), written(4, 7)),
                in -> {
                    KERNELS.sigmoidGate(in.get(0), in.get(1));
                    return List.of(in.get(0));
                },
                (dOut, in, d) -> GRADIENTS.sigmoidGate(dOut.getFirst(), in.get(0), in.get(1), d.get(0), d.get(1)));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 4}) // one head and three
    void gatedNorm(int width) {
        check(
                List.of(written(3, 12), written(3, 12), collected(1, width)),
                in -> {
                    Tensor out = Tensor.f32(3, 12);
                    KERNELS.gatedNorm(in.get(0), in.get(1), in.get(2), EPS, out);
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.gatedNorm(
                        dOut.getFirst(), in.get(0), in.get(1), in.get(2), EPS, d.get(0), d.get(1), d.get(2)));
    }

    @Test
    void gradientsMayTakeThePlaceOfWhatTheyComeFrom() {
        Tensor dy = normal(4, 6);
        Tensor x = normal(4, 6);
        Tensor gate = normal(4, 6);
        Tensor bias = normal(1, 6);
        Tensor apart = Tensor.f32(4, 6);
        Tensor other = Tensor.f32(4, 6);
        GRADIENTS.biasGelu(dy, x, bias, Gelu.TANH, apart, Tensor.f32(1, 6));
        requireSame(apart, dy, t -> GRADIENTS.biasGelu(t, x, bias, Gelu.TANH, t, Tensor.f32(1, 6)));
        GRADIENTS.swiGlu(dy, gate, x, apart, other);
        requireSame(apart, dy, t -> GRADIENTS.swiGlu(t, gate, x, t, Tensor.f32(4, 6)));
        GRADIENTS.sigmoidGate(dy, x, gate, apart, other);
        requireSame(apart, dy, t -> GRADIENTS.sigmoidGate(t, x, gate, t, Tensor.f32(4, 6)));
        GRADIENTS.gatedNorm(dy, x, gate, bias, EPS, apart, other, Tensor.f32(1, 6));
        requireSame(apart, dy, t -> GRADIENTS.gatedNorm(t, x, gate, bias, EPS, t, other, Tensor.f32(1, 6)));
    }

    private static void requireSame(Tensor apart, Tensor dy, java.util.function.Consumer<Tensor> inPlace) {
        Tensor both = copy(dy);
        inPlace.accept(both);
        assertThat(both.toFloats()).isEqualTo(apart.toFloats());
    }

    // ---- Heads.

    @Test
    void queriesAndGates() {
        check(
                List.of(written(3, 2 * 2 * 4)),
                in -> {
                    Tensor q = Tensor.f32(3, 8);
                    Tensor gate = Tensor.f32(3, 8);
                    KERNELS.splitQueryAndGate(in.getFirst(), 4, q, gate);
                    return List.of(q, gate);
                },
                (dOut, in, d) -> GRADIENTS.splitQueryAndGate(dOut.get(0), dOut.get(1), 4, d.getFirst()));
    }

    @Test
    void normAndRope() {
        Tensor cos = Tensor.f32(3, 2); // 4 of the 6 values of a head turn
        Tensor sin = Tensor.f32(3, 2);
        for (int t = 0; t < 3; t++) {
            for (int j = 0; j < 2; j++) {
                double angle = random.nextDouble(0, 6);
                cos.set(t, j, (float) Math.cos(angle));
                sin.set(t, j, (float) Math.sin(angle));
            }
        }
        check(
                List.of(collected(3, 2 * 6), collected(1, 6)),
                in -> {
                    KERNELS.normAndRope(in.get(0), in.get(1), EPS, cos, sin);
                    return List.of(in.get(0));
                },
                (dOut, in, d) -> {
                    GRADIENTS.rope(dOut.getFirst(), 6, cos, sin);
                    GRADIENTS.rmsNorm(dOut.getFirst(), in.get(0), in.get(1), EPS, d.get(0), d.get(1));
                });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4}) // key heads for four query heads
    void attention(int keyHeads) {
        List<Span> spans = spans(1, 5, 3);
        check(
                List.of(written(9, 4 * 6), written(9, keyHeads * 6), written(9, keyHeads * 6)),
                in -> List.of(attended(in, spans, keyHeads)),
                (dOut, in, d) -> GRADIENTS.attention(
                        dOut.getFirst(),
                        in.get(0),
                        in.get(1),
                        in.get(2),
                        attended(in, spans, keyHeads),
                        6,
                        spans,
                        d.get(0),
                        d.get(1),
                        d.get(2)));
    }

    private static Tensor attended(List<Tensor> in, List<Span> spans, int keyHeads) {
        Tensor out = Tensor.f32(in.getFirst().shape());
        try (MemoryPool pool = new MemoryPool()) {
            List<KvCache> caches = new ArrayList<>();
            for (Span span : spans) {
                KvCache cache = new KvCache(pool, DataType.F32, keyHeads, 6);
                cache.reserve(span.count());
                caches.add(cache);
            }
            KERNELS.attention(in.get(0), in.get(1), in.get(2), spans, caches, out);
            caches.forEach(KvCache::close);
        }
        return out;
    }

    @Test
    void attentionWithinFrames() {
        List<Span> frames = spans(4, 1, 3);
        check(
                List.of(written(8, 2 * 6), written(8, 2 * 6), written(8, 2 * 6)),
                in -> List.of(seen(in, frames)),
                (dOut, in, d) -> GRADIENTS.frameAttention(
                        dOut.getFirst(),
                        in.get(0),
                        in.get(1),
                        in.get(2),
                        seen(in, frames),
                        6,
                        frames,
                        d.get(0),
                        d.get(1),
                        d.get(2)));
    }

    private static Tensor seen(List<Tensor> in, List<Span> frames) {
        Tensor out = Tensor.f32(in.getFirst().shape());
        KERNELS.frameAttention(in.get(0), in.get(1), in.get(2), 6, frames, out);
        return out;
    }

    // ---- Sequences.

    @Test
    void convolution() {
        List<Span> spans = spans(6, 1, 2);
        check(
                List.of(written(9, 5), collected(4, 5)),
                in -> {
                    Tensor out = Tensor.f32(9, 5);
                    List<Tensor> states =
                            spans.stream().map(span -> Tensor.f32(3, 5)).toList();
                    KERNELS.convolution(in.get(0), in.get(1), spans, states, out);
                    return List.of(out);
                },
                (dOut, in, d) ->
                        GRADIENTS.convolution(dOut.getFirst(), in.get(0), in.get(1), spans, d.get(0), d.get(1)));
    }

    @ParameterizedTest
    @CsvSource({"2, 2, false", "2, 4, false", "2, 4, true", "1, 3, false"})
    void gatedDelta(int keyHeads, int valueHeads, boolean tiled) {
        DeltaHeads heads = new DeltaHeads(keyHeads, valueHeads, 4, 3, tiled);
        List<Span> spans = spans(7, 1, 4);
        Tensor rate = Tensor.f32(1, valueHeads);
        for (int head = 0; head < valueHeads; head++) {
            rate.set(0, head, (float) random.nextDouble(-1.5, -0.2));
        }
        check(
                List.of(
                        written(12, heads.qkvWidth()),
                        written(12, valueHeads),
                        written(12, valueHeads),
                        new Input(rate, true),
                        collected(1, valueHeads)),
                in -> {
                    Tensor out = Tensor.f32(12, 3L * valueHeads);
                    List<Tensor> states = spans.stream()
                            .map(span -> Tensor.f32(valueHeads, 4, 3))
                            .toList();
                    KERNELS.gatedDelta(
                            heads, in.get(0), in.get(1), in.get(2), in.get(3), in.get(4), spans, states, out);
                    return List.of(out);
                },
                (dOut, in, d) -> GRADIENTS.gatedDelta(
                        heads,
                        dOut.getFirst(),
                        in.get(0),
                        in.get(1),
                        in.get(2),
                        in.get(3),
                        in.get(4),
                        spans,
                        d.get(0),
                        d.get(1),
                        d.get(2),
                        d.get(3),
                        d.get(4)));
    }

    // ---- The loss.

    @Test
    void logSoftmax() {
        int[] targets = {2, 0, 4};
        float[] coefficients = {-0.5f, 2, 0.25f};
        int vocabulary = 5; // of 7 columns
        Tensor logits = normal(3, 7);
        Tensor gradient = copy(logits);
        float[] found = new float[3];
        GRADIENTS.logSoftmax(gradient, vocabulary, targets, coefficients, found);
        for (int t = 0; t < 3; t++) {
            float[] row = logits.rows(t, 1).toFloats();
            assertThat(found[t]).isCloseTo((float) logProbability(row, vocabulary, targets[t]), within(1e-6f));
            for (int j = 0; j < 7; j++) {
                float[] more = row.clone();
                float[] less = row.clone();
                more[j] += 0x1p-10f;
                less[j] -= 0x1p-10f;
                double slope =
                        (logProbability(more, vocabulary, targets[t]) - logProbability(less, vocabulary, targets[t]))
                                / (more[j] - (double) less[j]);
                assertThat((double) gradient.get(t, j)).isCloseTo(coefficients[t] * slope, within(1e-5));
            }
            assertThat(gradient.get(t, 5)).isZero();
            assertThat(gradient.get(t, 6)).isZero();
        }
    }

    private static double logProbability(float[] logits, int vocabulary, int target) {
        double sum = 0;
        for (int j = 0; j < vocabulary; j++) {
            sum += Math.exp(logits[j]);
        }
        return logits[target] - Math.log(sum);
    }
}
