package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KernelsProvider;
import dev.jwen.kernel.PlainGradients;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.kernel.Tolerances;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The way back through products and rows: every back end against the definition, at sizes that fill neither vectors nor
 * tiles nor blocks, and with 1, 2 and 3 threads against itself, bit by bit.
 */
class VectorGradientsTest {
    private static final long SEED = 20261125;
    private static final Gradients PLAIN = new PlainGradients();
    private static final int[] WIDTHS = {1, 7, 16, 17, 33, 160, 257};
    /** So large that the norm of a single value is no constant, whose gradient would be all rounding. */
    private static final float EPS = 0.3f;

    /** By back end, with 1, 2 and 3 threads. */
    private static final List<List<Backends.Training>> FAST = Backends.all().stream()
            .filter(provider -> !provider.name().equals("plain"))
            .filter(provider -> provider.unavailable().isEmpty())
            .map(KernelsProvider::name)
            .map(name -> IntStream.of(1, 2, 3)
                    .mapToObj(threads -> Backends.openForTraining(name, threads))
                    .toList())
            .toList();

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);

    @AfterAll
    static void close() {
        FAST.forEach(threads -> threads.forEach(Backends.Training::close));
    }

    private Tensor normal(long rows, long columns) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, columns);
    }

    /** An operation and the tensors that it changes. */
    private interface Operation {
        void run(Gradients gradients, List<Tensor> outs);
    }

    /** Runs {@code operation} on copies of {@code outs} by all back ends. */
    private static void check(double tolerance, List<Tensor> outs, Operation operation) {
        List<Tensor> expected = copies(outs);
        operation.run(PLAIN, expected);
        for (List<Backends.Training> backend : FAST) {
            List<List<Tensor>> found = new ArrayList<>();
            for (Backends.Training training : backend) {
                List<Tensor> own = copies(outs);
                operation.run(training.gradients(), own);
                found.add(own);
            }
            String name = backend.getFirst().gradients().name();
            for (int i = 0; i < outs.size(); i++) {
                float[] first = found.getFirst().get(i).toFloats();
                assertClose(
                        name + ", output " + i + " of " + outs,
                        first,
                        expected.get(i).toFloats(),
                        tolerance);
                for (List<Tensor> other : found) {
                    assertThat(other.get(i).toFloats())
                            .as("%s, output %d with another number of threads", name, i)
                            .isEqualTo(first);
                }
            }
        }
    }

    private static List<Tensor> copies(List<Tensor> tensors) {
        return tensors.stream()
                .map(tensor -> Tensor.f32(tensor.toFloats(), tensor.shape()))
                .toList();
    }

    private static void assertClose(String what, float[] found, float[] expected, double tolerance) {
        double largest = 1; // as the inputs are
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            double difference = Math.abs(found[i] - expected[i]);
            assertThat(difference)
                    .as("%s, value %d: %s expected %s, seed %d", what, i, found[i], expected[i], SEED)
                    .isLessThanOrEqualTo(tolerance * largest);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1,1,1",
        "2,4,1",
        "5,1,7",
        "13,14,31",
        "14,15,32",
        "15,28,33",
        "29,6,65",
        "67,13,160",
        "255,3,17",
        "256,33,16",
        "257,42,48",
        "515,100,4",
        "1100,64,300",
        "33,600,129"
    })
    void products(int tokens, int n, int k) {
        Tensor dy = normal(tokens, n);
        Tensor w = normal(n, k);
        Tensor x = normal(tokens, k);
        check(Tolerances.SUM, List.of(normal(tokens, k)), (gradients, outs) -> {
            gradients.matmulInput(dy, w, outs.getFirst());
        });
        check(Tolerances.SUM, List.of(normal(tokens, k)), (gradients, outs) -> {
            gradients.addMatmulInput(dy, w, outs.getFirst());
        });
        check(Tolerances.SUM, List.of(normal(n, k)), (gradients, outs) -> {
            gradients.matmulWeight(dy, x, outs.getFirst());
        });
        checkForward(x, w);
    }

    /** The product of the forward pass, which is packed as well where there are many tokens. */
    private void checkForward(Tensor x, Tensor w) {
        Tensor expected = Tensor.f32(x.rows(), w.rows());
        try (Kernels plain = new PlainKernels(1)) {
            plain.matmul(x, w, expected);
        }
        for (List<Backends.Training> backend : FAST) {
            Tensor found = normal(x.rows(), w.rows());
            backend.getFirst().kernels().matmul(x, w, found);
            String name = backend.getFirst().kernels().name();
            assertClose(name, found.toFloats(), expected.toFloats(), Tolerances.SUM);
            for (Backends.Training training : backend) {
                Tensor other = normal(x.rows(), w.rows());
                training.kernels().matmul(x, List.of(w), List.of(other));
                assertThat(other.toFloats()).as(name).isEqualTo(found.toFloats());
            }
        }
    }

    @Test
    void productsThatDoNotFitTheCacheArePackedInParts() {
        Tensor dy = normal(3, 1300);
        Tensor w = normal(1300, 1100);
        check(Tolerances.SUM, List.of(normal(3, 1100)), (gradients, outs) -> {
            gradients.matmulInput(dy, w, outs.getFirst());
        });
    }

    @Test
    void embeddingAddsTokensOfOneRowAndPassesOverOthers() {
        int[] ids = {3, -1, 3, 0, 6, 3};
        for (int width : WIDTHS) {
            Tensor dx = normal(ids.length, width);
            check(Tolerances.ELEMENT, List.of(normal(7, width)), (gradients, outs) -> {
                gradients.embed(dx, ids, outs.getFirst());
            });
        }
        Gradients fast = FAST.getFirst().getFirst().gradients();
        assertThatThrownBy(() -> fast.embed(normal(1, 2), new int[] {7}, normal(7, 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("ids: row 7 of a matrix with 7 rows");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 31, 32, 33, 200})
    void bias(int tokens) {
        for (int width : WIDTHS) {
            Tensor dy = normal(tokens, width);
            check(Tolerances.SUM, List.of(normal(1, width)), (gradients, outs) -> {
                gradients.addBias(dy, outs.getFirst());
            });
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void norms(int heads) {
        for (int width : WIDTHS) {
            Tensor dy = normal(70, (long) heads * width);
            Tensor x = normal(70, (long) heads * width);
            Tensor z = normal(70, (long) heads * width);
            Tensor weight = normal(1, width);
            check(Tolerances.SUM, List.of(normal(70, (long) heads * width), normal(1, width)), (gradients, outs) -> {
                gradients.rmsNorm(dy, x, weight, EPS, outs.get(0), outs.get(1));
            });
            List<Tensor> outs = List.of(dy, normal(70, (long) heads * width), normal(1, width));
            check(Tolerances.SUM, outs, (gradients, own) -> {
                gradients.gatedNorm(own.get(0), x, z, weight, EPS, own.get(0), own.get(1), own.get(2));
            });
        }
    }

    @Test
    void layerNorm() {
        // A single value has no spread: its gradient is all rounding, scaled by 1/√eps.
        for (int width : new int[] {2, 7, 16, 17, 33, 160, 257}) {
            Tensor dy = normal(70, width);
            Tensor x = normal(70, width);
            Tensor weight = normal(1, width);
            List<Tensor> outs = List.of(normal(70, width), normal(1, width), normal(1, width));
            check(width == 2 ? 1e-4 : Tolerances.SUM, outs, (gradients, own) -> {
                gradients.layerNorm(dy, x, weight, 1e-3f, own.get(0), own.get(1), own.get(2));
            });
        }
    }

    @ParameterizedTest
    @EnumSource(Gelu.class)
    void biasGelu(Gelu form) {
        for (int width : WIDTHS) {
            Tensor dy = normal(70, width);
            Tensor x = normal(70, width);
            for (int i = 0; i < 70; i++) {
                x.set(i, i % width, (i - 35) * (i - 35) * (i - 35) / 100f);
            }
            Tensor bias = normal(1, width);
            check(Tolerances.SUM, List.of(dy, normal(1, width)), (gradients, outs) -> {
                gradients.biasGelu(outs.get(0), x, bias, form, outs.get(0), outs.get(1));
            });
        }
        Tensor far = Tensor.f32(new float[] {-1e30f, -1e15f, -100, 100, 1e15f, 1e30f}, 1, 6);
        Tensor one = Tensor.f32(new float[] {1, 1, 1, 1, 1, 1}, 1, 6);
        check(Tolerances.ELEMENT, List.of(one, Tensor.f32(1, 6)), (gradients, outs) -> {
            gradients.biasGelu(outs.get(0), far, Tensor.f32(1, 6), form, outs.get(0), outs.get(1));
        });
    }

    @Test
    void gates() {
        for (int width : WIDTHS) {
            Tensor dy = normal(9, width);
            Tensor x = normal(9, width);
            Tensor gate = normal(9, width);
            gate.set(0, 0, -200);
            gate.set(1, 0, 200);
            check(Tolerances.ELEMENT * 2, List.of(dy, normal(9, width)), (gradients, outs) -> {
                gradients.swiGlu(outs.get(0), gate, x, outs.get(0), outs.get(1));
            });
            check(Tolerances.ELEMENT * 2, List.of(dy, normal(9, width)), (gradients, outs) -> {
                gradients.sigmoidGate(outs.get(0), x, gate, outs.get(0), outs.get(1));
            });
            Tensor one = normal(9, 1);
            check(Tolerances.SUM, List.of(normal(9, width), normal(9, 1)), (gradients, outs) -> {
                gradients.addGated(dy, x, one, outs.get(0), outs.get(1));
            });
        }
    }

    @Test
    void queries() {
        for (int headDim : new int[] {2, 6, 32, 33, 64, 70}) {
            Tensor dq = normal(9, 3L * headDim);
            Tensor dGate = normal(9, 3L * headDim);
            check(0, List.of(normal(9, 6L * headDim)), (gradients, outs) -> {
                gradients.splitQueryAndGate(dq, dGate, headDim, outs.getFirst());
            });
            for (int pairs : new int[] {1, headDim / 4, headDim / 2}) {
                Tensor cos = normal(9, pairs);
                Tensor sin = normal(9, pairs);
                check(Tolerances.ELEMENT, List.of(dq), (gradients, outs) -> {
                    gradients.rope(outs.getFirst(), headDim, cos, sin);
                });
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 15, 16, 17, 100, 1999})
    void logSoftmax(int vocabulary) {
        int[] targets = IntStream.range(0, 11).map(t -> t * 7919 % vocabulary).toArray();
        float[] coefficients = new float[targets.length];
        for (int t = 0; t < targets.length; t++) {
            coefficients[t] = t == 3 ? 0 : (float) random.nextGaussian();
        }
        Tensor logits = normal(targets.length, vocabulary + 5L);
        logits.set(5, targets[5], 90);
        logits.set(6, targets[6], -300);
        check(Tolerances.SUM, List.of(logits, Tensor.f32(1, targets.length)), (gradients, outs) -> {
            float[] logProbabilities = new float[targets.length];
            gradients.logSoftmax(outs.get(0), vocabulary, targets, coefficients, logProbabilities);
            outs.get(1).set(0, 0, logProbabilities);
        });
    }

    @Test
    void operandsThatDoNotFitAreRefused() {
        Gradients fast = FAST.getFirst().getFirst().gradients();
        assertThatThrownBy(() -> fast.matmulInput(normal(2, 3), normal(4, 5), normal(2, 5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("dy: expected F32 [2, 4]");
        assertThatThrownBy(() -> fast.matmulWeight(normal(2, 3), normal(3, 5), normal(3, 5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("x: expected F32 [2, 5]");
        assertThatThrownBy(() -> fast.logSoftmax(normal(1, 4), 3, new int[] {3}, new float[1], new float[1]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("targets: row 3 of a matrix with 3 rows");
    }
}
