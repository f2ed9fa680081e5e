package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.Tolerances;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The operations of the vision tower against the plain ones, and with 1, 2, 3 and 5 threads against themselves. */
class VectorVisionTest {
    private static final long SEED = 20260314;
    private static final Kernels PLAIN = new PlainKernels(2);
    private static final List<Kernels> VECTOR = Stream.of(1, 2, 3, 5)
            .map(threads -> Backends.open("vector", threads))
            .toList();
    private static final int[] WIDTHS = {1, 7, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1152};

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);

    @AfterAll
    static void close() {
        PLAIN.close();
        VECTOR.forEach(Kernels::close);
    }

    private Tensor normal(long rows, long columns, double scale) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (scale * random.nextGaussian());
        }
        return Tensor.f32(values, rows, columns);
    }

    private static Tensor copy(Tensor tensor) {
        return Tensor.f32(tensor.toFloats(), tensor.shape());
    }

    /** Runs {@code operation}, which changes its tensor, on a copy of {@code x} for each of the kernels. */
    private static void check(Tensor x, double tolerance, BiConsumer<Kernels, Tensor> operation) {
        Tensor expected = copy(x);
        operation.accept(PLAIN, expected);
        List<float[]> found = new ArrayList<>();
        for (Kernels kernels : VECTOR) {
            Tensor own = copy(x);
            operation.accept(kernels, own);
            found.add(own.toFloats());
        }
        float[] plain = expected.toFloats();
        double largest = 1e-30;
        for (float value : plain) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < plain.length; i++) {
            double difference = Math.abs(found.getFirst()[i] - plain[i]);
            assertThat(difference)
                    .as("%s, value %d: %s expected %s, seed %d", x, i, found.getFirst()[i], plain[i], SEED)
                    .isLessThanOrEqualTo(tolerance * largest);
        }
        for (float[] other : found) {
            assertThat(other).as("other numbers of threads").isEqualTo(found.getFirst());
        }
    }

    @Test
    void biasesAreAddedToEveryRow() {
        for (int width : WIDTHS) {
            Tensor bias = normal(1, width, 1);
            check(normal(37, width, 1), 0, (kernels, x) -> kernels.addBias(x, bias));
        }
    }

    @Test
    void rowsAreScatteredExactly() {
        for (int width : WIDTHS) {
            Tensor rows = normal(3, width, 1);
            check(normal(70, width, 1), 0, (kernels, x) -> kernels.scatter(rows, new int[] {69, 0, 33}, x));
        }
        Tensor x = normal(2, 4, 1);
        assertThatThrownBy(() -> VECTOR.getFirst().scatter(normal(1, 4, 1), new int[] {2}, x))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("row 2 of a matrix with 2 rows");
        assertThatThrownBy(() -> PLAIN.scatter(normal(2, 4, 1), new int[] {1}, x))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @EnumSource(Gelu.class)
    void geluIsThatOfTheDefinition(Gelu form) {
        for (int width : WIDTHS) {
            Tensor bias = normal(1, width, 1);
            check(normal(37, width, 2), Tolerances.ELEMENT, (kernels, x) -> kernels.biasGelu(x, bias, form));
        }
        int steps = 4001;
        float[] line = new float[steps];
        for (int i = 0; i < steps; i++) {
            line[i] = (i - steps / 2) / 200f;
        }
        Tensor zero = Tensor.f32(1, steps);
        Tensor bend = Tensor.f32(line, 1, steps);
        check(bend, 1e-7, (kernels, x) -> kernels.biasGelu(x, zero, form));
    }

    @ParameterizedTest
    @EnumSource(Gelu.class)
    void geluOfExtremesIsTheLimit(Gelu form) {
        float[] extremes = {0, -0f, 1e-30f, -1e-30f, 20, -20, 1e4f, -1e4f, 3e38f, -3e38f};
        for (Kernels kernels : List.of(PLAIN, VECTOR.getFirst())) {
            Tensor x = Tensor.f32(extremes, 1, extremes.length);
            kernels.biasGelu(x, Tensor.f32(1, extremes.length), form);
            float[] limits = {0, 0, 0, 0, 20, 0, 1e4f, 0, 3e38f, 0};
            assertThat(x.toFloats()).as(kernels.name()).containsExactly(limits, within());
            Tensor notANumber = Tensor.f32(new float[] {Float.NaN}, 1, 1);
            kernels.biasGelu(notANumber, Tensor.f32(1, 1), form);
            assertThat(notANumber.get(0, 0)).as(kernels.name()).isNaN();
        }
    }

    private static Offset<Float> within() {
        return Offset.offset(1e-6f);
    }

    @Test
    void layerNormIsThatOfTheDefinition() {
        for (int width : WIDTHS) {
            Tensor weight = normal(1, width, 1);
            Tensor bias = normal(1, width, 1);
            Tensor in = normal(37, width, 3);
            check(in, 4 * Tolerances.SUM, (kernels, x) -> kernels.layerNorm(x, weight, bias, 1e-6f, x));
            check(Tensor.f32(37, width), 4 * Tolerances.SUM, (kernels, out) -> {
                kernels.layerNorm(in, weight, bias, 1e-6f, out);
            });
        }
    }

    @Test
    void layerNormOfAConstantRowIsItsBias() {
        Tensor bias = normal(1, 100, 1);
        for (Kernels kernels : List.of(PLAIN, VECTOR.getFirst())) {
            Tensor x = Tensor.f32(3, 100);
            kernels.layerNorm(x, normal(1, 100, 1), bias, 1e-6f, x);
            assertThat(x.rows(1, 1).toFloats()).isEqualTo(bias.toFloats());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 5, 16, 33, 64, 72})
    void attentionInsideFramesIsThatOfTheDefinition(int headDim) {
        for (int[] counts : new int[][] {{1}, {2, 1, 3}, {63}, {64}, {65}, {31, 96, 97}, {200}, {16, 16, 16}}) {
            List<Span> frames = new ArrayList<>();
            int rows = 0;
            for (int count : counts) {
                frames.add(new Span(rows, count, 0));
                rows += count;
            }
            for (int heads : new int[] {1, 3}) {
                Tensor q = normal(rows, (long) heads * headDim, 2);
                Tensor k = normal(rows, (long) heads * headDim, 2);
                Tensor v = normal(rows, (long) heads * headDim, 1);
                Tensor out = Tensor.f32(rows, (long) heads * headDim);
                check(out, Tolerances.ATTENTION, (kernels, o) -> kernels.frameAttention(q, k, v, headDim, frames, o));
            }
        }
    }

    @Test
    void theResultOfAttentionMayTakeThePlaceOfTheQueries() {
        Tensor q = normal(130, 48, 2);
        Tensor k = normal(130, 48, 2);
        Tensor v = normal(130, 48, 1);
        List<Span> frames = List.of(new Span(0, 100, 0), new Span(100, 30, 0));
        for (Kernels kernels : List.of(PLAIN, VECTOR.getFirst(), VECTOR.getLast())) {
            Tensor apart = Tensor.f32(130, 48);
            kernels.frameAttention(q, k, v, 16, frames, apart);
            Tensor inPlace = copy(q);
            kernels.frameAttention(inPlace, k, v, 16, frames, inPlace);
            assertThat(inPlace.toFloats()).as(kernels.name()).isEqualTo(apart.toFloats());
        }
    }

    @Test
    void veryLargeScoresLeaveOneWeight() {
        Tensor q = normal(130, 16, 100);
        Tensor k = normal(130, 16, 100);
        Tensor v = normal(130, 16, 1);
        List<Span> frames = List.of(new Span(0, 130, 0));
        check(Tensor.f32(130, 16), 1e-3, (kernels, o) -> kernels.frameAttention(q, k, v, 16, frames, o));
    }

    @Test
    void framesMustCoverTheRowsAndHaveNoPast() {
        Tensor x = normal(4, 8, 1);
        for (Kernels kernels : List.of(PLAIN, VECTOR.getFirst())) {
            assertThatThrownBy(() -> kernels.frameAttention(x, x, x, 8, List.of(new Span(0, 3, 0)), copy(x)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the spans cover 3 of 4 rows");
            assertThatThrownBy(() -> kernels.frameAttention(x, x, x, 8, List.of(new Span(0, 4, 1)), copy(x)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("a frame has no past");
            assertThatThrownBy(() -> kernels.frameAttention(x, x, x, 3, List.of(new Span(0, 4, 0)), copy(x)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
