package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.Backends;
import dev.jwen.model.Config;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The gradients of the whole network against its own losses, and documents in a batch against documents alone. */
class NetworkTest {
    /** Part of a slope. Finite differences in float32 were off by 1.7e-4 at most. */
    private static final double SLOPE = 1e-3;

    /** The loss for the use of experts, strong enough to be seen in every slope of a router. */
    private static final double BALANCE = 0.5;

    /** A network of this test. */
    private static final class Subject implements AutoCloseable {
        final Parameters parameters;
        final Network network;
        private final Backends.Training backend;

        Subject(Config config, boolean sees, @Nullable String backend, double balance) {
            this.parameters = Tiny.parameters(config, sees, 7);
            this.backend = Backends.openForTraining(backend, 2);
            this.network = new Network(
                    config,
                    sees ? Tiny.tower() : null,
                    parameters,
                    this.backend.kernels(),
                    this.backend.gradients(),
                    Tiny.TOKENS,
                    balance);
        }

        double loss(Packed batch) {
            double loss = loss(batch, network.evaluate(batch));
            return loss + network.balanceLoss();
        }

        static double loss(Packed batch, float[] logProbabilities) {
            double loss = 0;
            for (int i = 0; i < logProbabilities.length; i++) {
                loss -= (double) batch.targetWeights()[i] * logProbabilities[i];
            }
            return loss;
        }

        /** Of the sum of all documents' losses. */
        Map<String, float[]> gradients(Packed... batches) {
            parameters.clearGradients();
            for (Packed batch : batches) {
                network.train(batch, 1, 1);
            }
            parameters.collect();
            Map<String, float[]> gradients = new LinkedHashMap<>();
            for (Parameter parameter : parameters.all()) {
                gradients.put(parameter.name(), parameter.gradient().toFloats());
            }
            return gradients;
        }

        @Override
        public void close() {
            network.close();
            backend.close();
        }
    }

    private static Packed packed(Document... documents) {
        return new Packed(List.of(documents), Tiny.PLACEHOLDERS);
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    // ---- Slopes.

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = "plain")
    void everyGradientIsTheSlopeOfTheLoss(@Nullable String backend) {
        SplittableRandom random = new SplittableRandom(1);
        try (Subject subject = new Subject(Tiny.dense(), true, backend, 0)) {
            checkSlopes(
                    subject, packed(Tiny.text(random, 21), Tiny.pictures(random, 2, 4, 4, 2), Tiny.text(random, 9)));
        }
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = "plain")
    void everyGradientOfAMixtureOfExpertsIsTheSlopeOfBothLosses(@Nullable String backend) {
        SplittableRandom random = new SplittableRandom(12);
        try (Subject subject = new Subject(Tiny.moe(), false, backend, BALANCE)) {
            Packed batch = packed(Tiny.text(random, 5), Tiny.text(random, 4));
            checkSlopes(subject, batch);
            assertThat(subject.network.balanceLoss()).isGreaterThanOrEqualTo(BALANCE);
        }
    }

    private static void checkSlopes(Subject subject, Packed batch) {
        Map<String, float[]> gradients = subject.gradients(batch);
        for (Parameter parameter : subject.parameters.all()) {
            float[] gradient = Objects.requireNonNull(gradients.get(parameter.name()));
            double norm = norm(gradient);
            assertThat(norm).as(parameter.name()).isPositive();
            // The seeds are such that no choice of experts changes on the way: there the loss jumps.
            // Far enough for the loss to move by more than it is rounded, near enough for three terms of a series.
            double step = Math.min(0.025 / norm, 0.02 * Math.sqrt(gradient.length));
            double near = slope(subject, batch, parameter, gradient, step / norm) / norm;
            double far = slope(subject, batch, parameter, gradient, 2 * step / norm) / norm;
            assertThat((4 * near - far) / 3 / norm).as(parameter.name()).isCloseTo(1, within(SLOPE));
        }
    }

    /** Change of the loss per unit along a direction. */
    private static double slope(Subject subject, Packed batch, Parameter parameter, float[] direction, double step) {
        float[] values = parameter.value().toFloats();
        double change = 0;
        for (int sign = -1; sign <= 1; sign += 2) {
            float[] moved = values.clone();
            for (int i = 0; i < moved.length; i++) {
                moved[i] += (float) (sign * step * direction[i]);
            }
            set(parameter, moved);
            change += sign * subject.loss(batch);
        }
        set(parameter, values);
        return change / (2 * step);
    }

    private static void set(Parameter parameter, float[] values) {
        parameter.value().copyFrom(Tensor.f32(values, parameter.value().shape()));
        parameter.refresh();
    }

    // ---- Packing.

    @Test
    void packedDocumentsGiveWhatTheyGiveAlone() {
        SplittableRandom random = new SplittableRandom(6);
        Document a = Tiny.text(random, 70);
        Document b = Tiny.pictures(random, 4, 2, 2, 2);
        Document c = Tiny.text(random, 13);
        Document d = Tiny.pictures(random, 6, 4);
        try (Subject subject = new Subject(Tiny.dense(), true, null, 0)) {
            float[] together = subject.network.evaluate(packed(a, b, c, d));
            List<Float> alone = new ArrayList<>();
            for (Document document : List.of(a, b, c, d)) {
                for (float logProbability : subject.network.evaluate(packed(document))) {
                    alone.add(logProbability);
                }
            }
            assertThat(together).hasSize(alone.size());
            for (int i = 0; i < together.length; i++) {
                assertThat(together[i]).isCloseTo(alone.get(i), within(1e-5f));
            }
            Map<String, float[]> packed = subject.gradients(packed(a, b, c, d));
            Map<String, float[]> summed = subject.gradients(packed(a), packed(b), packed(c), packed(d));
            packed.forEach((name, gradient) -> {
                float[] expected = Objects.requireNonNull(summed.get(name));
                double largest = 0;
                for (int i = 0; i < gradient.length; i++) {
                    largest = Math.max(largest, Math.abs(gradient[i] - expected[i]));
                }
                assertThat(largest).as(name).isLessThan(1e-5 * norm(expected));
            });
        }
    }

    @Test
    void aDocumentIsBlindToItsNeighbours() {
        SplittableRandom random = new SplittableRandom(4);
        Document before = unlearned(Tiny.text(random, 30));
        Document learned = Tiny.pictures(random, 4, 4);
        Document after = unlearned(Tiny.pictures(random, 2, 2));
        int[] other = before.ids().clone();
        other[3] = (other[3] + 1) % 30;
        other[29] = (other[29] + 1) % 30;
        Document changed = new Document(other, before.weights(), List.of());
        Document otherPicture = new Document(
                after.ids(),
                after.weights(),
                unlearned(Tiny.pictures(random, 2, 2)).pictures());
        try (Subject subject = new Subject(Tiny.dense(), true, null, 0)) {
            Packed one = packed(before, learned, after);
            Packed two = packed(changed, learned, otherPicture);
            assertThat(subject.network.evaluate(two)).isEqualTo(subject.network.evaluate(one));
            Map<String, float[]> gradients = subject.gradients(one);
            subject.gradients(two).forEach((name, gradient) -> {
                float[] same = Objects.requireNonNull(gradients.get(name));
                for (int i = 0; i < gradient.length; i++) {
                    assertThat(gradient[i] == same[i]).as(name).isTrue(); // zeros have two signs
                }
            });
        }
    }

    private static Document unlearned(Document document) {
        return new Document(document.ids(), new float[document.length()], document.pictures());
    }

    @Test
    void whatIsNoTargetOfADocumentIsNotLearned() {
        Document document = new Document(new int[] {5, 6, 7}, new float[] {1, 0, 0.5f}, List.of());
        Packed batch = packed(document, document);
        assertThat(batch.targetRows()).containsExactly(1, 4);
        assertThat(batch.targets()).containsExactly(7, 7);
        assertThat(batch.targetWeights()).containsExactly(0.5f, 0.5f);
        assertThat(document.targets()).isEqualTo(0.5);
    }

    @Test
    void rowsAboveTheVocabularyHaveNoProbability() {
        SplittableRandom random = new SplittableRandom(5);
        try (Subject subject = new Subject(Tiny.moe(), false, null, 0)) {
            float[] head = Objects.requireNonNull(
                    subject.gradients(packed(Tiny.text(random, 12))).get("lm_head.weight"));
            int hidden = Tiny.moe().hiddenSize();
            for (int i = 0; i < head.length; i++) {
                if (i >= Tiny.TOKENS * hidden) {
                    assertThat(head[i]).isZero();
                }
            }
            assertThat(norm(head)).isPositive();
        }
    }
}
