package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.Backends;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MuonTest {
    private static final double RATE = 0.1;

    private final SplittableRandom random = new SplittableRandom(5);

    @AfterEach
    void close() {
        opened.forEach(Muon::close);
        backend.close();
    }

    private final Backends.Training backend = Backends.openForTraining(null, 2);

    private final List<Muon> opened = new ArrayList<>();

    private Muon muon(double decay, List<Long> parts, Optimizer rest) {
        Muon muon = new Muon(new Muon.Options(RATE, 0.95, decay), backend.kernels(), parameter -> parts, rest);
        opened.add(muon);
        return muon;
    }

    private static AdamW adamW() {
        return new AdamW(new AdamW.Options(1e-3, 0.9, 0.95, 1e-8, 0), parameter -> false, parameter -> 1);
    }

    private Parameter random(String name, long... shape) {
        Parameter parameter = new Parameter(name, Parameter.Form.SAME, shape);
        fill(parameter.value());
        fill(parameter.gradient());
        return parameter;
    }

    private void fill(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        tensor.copyFrom(Tensor.f32(values, tensor.shape()));
    }

    /** What a step took from the weights, per unit of rate, by rows. */
    private static double[][] stepped(Muon muon, Parameter parameter, int columns) {
        float[] before = parameter.value().toFloats();
        muon.step(List.of(parameter), 1, 1);
        float[] after = parameter.value().toFloats();
        double[][] step = new double[before.length / columns][columns];
        for (int i = 0; i < before.length; i++) {
            step[i / columns][i % columns] = (before[i] - after[i]) / RATE;
        }
        return step;
    }

    // ---- Singular values.

    /** Rows, columns. */
    @ParameterizedTest
    @CsvSource({"12,40", "40,12", "1,20", "20,1", "33,65", "96,32"})
    void stepsHaveSingularValuesNearOne(int rows, int columns) {
        Parameter parameter = random("layers.0.mlp.up_proj.weight", rows, columns);
        double[][] step = stepped(muon(0, List.of((long) rows), adamW()), parameter, columns);
        // A matrix that makes more of less is allowed longer steps.
        requireNearOne(step, Math.sqrt(Math.max(1, (double) rows / columns)));
    }

    /** A square matrix may hardly reach some directions; these come nearer to 1 by the factor of the polynomial alone. */
    @ParameterizedTest
    @CsvSource({"16,16", "12,40", "40,12"})
    void stepsAreTheIterationOfEachSingularValue(int rows, int columns) {
        Parameter parameter = random("layers.0.mlp.up_proj.weight", rows, columns);
        double[] values = singularValues(rows(parameter.gradient().toFloats(), columns));
        double norm = Math.sqrt(Arrays.stream(values).map(v -> v * v).sum());
        double[] expected = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            double s = values[i] / norm;
            for (int round = 0; round < 5; round++) {
                s = 3.4445 * s - 4.7750 * Math.pow(s, 3) + 2.0315 * Math.pow(s, 5);
            }
            expected[i] = s * Math.sqrt(Math.max(1, (double) rows / columns));
        }
        double[] found = singularValues(stepped(muon(0, List.of((long) rows), adamW()), parameter, columns));
        Arrays.sort(expected);
        Arrays.sort(found);
        assertThat(found).containsExactly(expected, within(1e-4));
    }

    private static void requireNearOne(double[][] step, double factor) {
        for (double value : singularValues(step)) {
            assertThat(value / factor).isBetween(0.6, 1.3);
        }
    }

    @Test
    void partsAreMadeOrthogonalOneByOne() {
        Parameter parameter = random("layers.0.linear_attn.in_proj_qkv.weight", 36, 24);
        float[] large = parameter.gradient().toFloats();
        for (int i = 8 * 24; i < 16 * 24; i++) {
            large[i] *= 100; // one part must not drown the others
        }
        parameter.gradient().copyFrom(Tensor.f32(large, 36, 24));
        double[][] step = stepped(muon(0, List.of(8L, 8L, 20L), adamW()), parameter, 24);
        requireNearOne(Arrays.copyOfRange(step, 0, 8), 1);
        requireNearOne(Arrays.copyOfRange(step, 8, 16), 1);
        requireNearOne(Arrays.copyOfRange(step, 16, 36), 1);
    }

    @Test
    void expertsAreMadeOrthogonalOneByOne() {
        Parameter parameter = random("layers.0.mlp.experts.down_proj", 3, 8, 10);
        double[][] step = stepped(muon(0, List.of(8L, 8L, 8L), adamW()), parameter, 10);
        for (int expert = 0; expert < 3; expert++) {
            requireNearOne(Arrays.copyOfRange(step, 8 * expert, 8 * expert + 8), 1);
        }
    }

    @Test
    void aStepGoesDownTheGradient() {
        Parameter parameter = random("layers.0.mlp.up_proj.weight", 10, 14);
        float[] gradient = parameter.gradient().toFloats();
        double[][] step = stepped(muon(0, List.of(10L), adamW()), parameter, 14);
        double along = 0;
        double norm = 0;
        for (int i = 0; i < gradient.length; i++) {
            along += gradient[i] * step[i / 14][i % 14];
            norm += (double) gradient[i] * gradient[i];
        }
        // Its inner product with an orthogonal matrix of the same directions is the sum of its singular values.
        double sum = 0;
        for (double value : singularValues(rows(gradient, 14))) {
            sum += value;
        }
        assertThat(along).isBetween(0.6 * sum, 1.3 * sum);
        assertThat(sum).isGreaterThan(Math.sqrt(norm));
    }

    @Test
    void momentumIsThatOfNesterov() {
        Parameter parameter = random("layers.0.mlp.up_proj.weight", 6, 6);
        Muon muon = muon(0, List.of(6L), adamW());
        float[] first = parameter.gradient().toFloats();
        muon.step(List.of(parameter), 1, 1);
        fill(parameter.gradient());
        float[] second = parameter.gradient().toFloats();
        muon.step(List.of(parameter), 2, 1);
        float[] momentum = Objects.requireNonNull(muon.memory().get("layers.0.mlp.up_proj.weight.momentum"))
                .toFloats();
        for (int i = 0; i < momentum.length; i++) {
            assertThat(momentum[i]).isCloseTo(0.95f * 0.05f * first[i] + 0.05f * second[i], within(1e-6f));
        }
    }

    @Test
    void weightsDecayByTheirShare() {
        Parameter still = random("layers.0.mlp.up_proj.weight", 5, 7);
        still.clearGradient();
        float[] before = still.value().toFloats();
        muon(0.5, List.of(5L), adamW()).step(List.of(still), 1, 0.5);
        float[] after = still.value().toFloats();
        for (int i = 0; i < before.length; i++) {
            assertThat(after[i]).isCloseTo((float) (before[i] * (1 - RATE * 0.5 * 0.5)), within(1e-6f));
        }
    }

    @Test
    void embeddingsAndNormsAreLeftToTheOther() {
        List<Parameter> others = List.of(
                random("embed_tokens.weight", 6, 4),
                random("lm_head.weight", 6, 4),
                random("norm.weight", 4),
                random("visual.pos_embed.weight", 4, 4),
                random("visual.patch_embed.proj.weight", 4, 3, 2, 2, 2));
        Muon muon = muon(0, List.of(), adamW());
        muon.step(others, 1, 1);
        assertThat(muon.memory().keySet()).hasSize(10).noneMatch(name -> name.endsWith(".momentum"));
    }

    private static double[][] rows(float[] values, int columns) {
        double[][] rows = new double[values.length / columns][columns];
        for (int i = 0; i < values.length; i++) {
            rows[i / columns][i % columns] = values[i];
        }
        return rows;
    }

    /** Roots of the eigenvalues of X·Xᵀ, or of XᵀX where that is smaller, by Jacobi's rotations. */
    private static double[] singularValues(double[][] x) {
        int n = Math.min(x.length, x[0].length);
        double[][] a = new double[n][n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                for (int k = 0; k < Math.max(x.length, x[0].length); k++) {
                    a[i][j] += n == x.length ? x[i][k] * x[j][k] : x[k][i] * x[k][j];
                }
            }
        }
        for (int sweep = 0; sweep < 30; sweep++) {
            for (int p = 0; p < n; p++) {
                for (int q = p + 1; q < n; q++) {
                    rotate(a, p, q);
                }
            }
        }
        double[] values = new double[n];
        for (int i = 0; i < n; i++) {
            values[i] = Math.sqrt(Math.max(0, a[i][i]));
        }
        return values;
    }

    /** Turns the plane of two axes so that their common value becomes 0. */
    private static void rotate(double[][] a, int p, int q) {
        double angle = Math.atan2(2 * a[p][q], a[q][q] - a[p][p]) / 2;
        double c = Math.cos(angle);
        double s = Math.sin(angle);
        for (int k = 0; k < a.length; k++) {
            double kp = a[k][p];
            a[k][p] = c * kp - s * a[k][q];
            a[k][q] = s * kp + c * a[k][q];
        }
        for (int k = 0; k < a.length; k++) {
            double pk = a[p][k];
            a[p][k] = c * pk - s * a[q][k];
            a[q][k] = s * pk + c * a[q][k];
        }
    }

    @Test
    void theSingularValuesOfThisTestAreRight() {
        assertThat(singularValues(new double[][] {{3, 0}, {4, 5}})).satisfies(values -> {
            assertThat(values[0] * values[1]).isCloseTo(15, within(1e-9));
            assertThat(Math.max(values[0], values[1])).isCloseTo(Math.sqrt(45), within(1e-9));
        });
    }
}
