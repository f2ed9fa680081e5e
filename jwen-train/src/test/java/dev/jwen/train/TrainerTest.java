package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.kernel.Backends;
import dev.jwen.model.Config;
import dev.jwen.model.ModelInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class TrainerTest {
    private static final double MUON = 0.02;

    @TempDir
    Path directory;

    private static TrainOptions options(double muon, int tokensAtOnce) {
        return new TrainOptions(6, 3e-3, muon, 0.05, 1, Schedule.trapezoid(0.2, 0.5), tokensAtOnce);
    }

    /** A trainer with a back end of its own. */
    private static final class Subject implements AutoCloseable {
        final Backends.Training backend;
        final Trainer trainer;

        Subject(@Nullable String backend, int threads, Config config, boolean sees, TrainOptions options) {
            this.backend = Backends.openForTraining(backend, threads);
            this.trainer = new Trainer(
                    config,
                    sees ? Tiny.tower() : null,
                    Tiny.TOKENS,
                    Tiny.PLACEHOLDERS,
                    this.backend.kernels(),
                    this.backend.gradients(),
                    options,
                    11);
        }

        Subject(double muon) {
            this(null, 2, Tiny.dense(), true, options(muon, 64));
        }

        List<Double> steps(int count) {
            List<Double> losses = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                losses.add(trainer.step(documents(trainer.step())).loss());
            }
            return losses;
        }

        Map<String, float[]> weights() {
            Map<String, float[]> weights = new LinkedHashMap<>();
            trainer.weights().forEach((name, tensor) -> weights.put(name, tensor.toFloats()));
            return weights;
        }

        @Override
        public void close() {
            trainer.close();
            backend.close();
        }
    }

    private static List<Document> documents(long step) {
        SplittableRandom random = new SplittableRandom(100 + step);
        return List.of(
                Tiny.text(random, 40),
                Tiny.pictures(random, 4, 2),
                Tiny.text(random, 23),
                Tiny.pictures(random, 2, 2, 4, 4));
    }

    private static void requireSame(Map<String, float[]> found, Map<String, float[]> expected) {
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        found.forEach((name, values) -> assertThat(values).as(name).isEqualTo(expected.get(name)));
    }

    // ---- The same bits.

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = "vector")
    void weightsDoNotDependOnTheNumberOfThreads(@Nullable String backend) {
        for (Config config : List.of(Tiny.dense(), Tiny.moe())) {
            List<Map<String, float[]>> weights = new ArrayList<>();
            for (int threads = 1; threads <= 3; threads++) {
                try (Subject subject = new Subject(backend, threads, config, true, options(MUON, 64))) {
                    subject.steps(3);
                    weights.add(subject.weights());
                }
            }
            requireSame(weights.get(1), weights.get(0));
            requireSame(weights.get(2), weights.get(0));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, MUON})
    void aStopLeavesNoTrace(double muon) {
        Path state = directory.resolve("state.safetensors");
        Map<String, float[]> expected;
        List<Double> losses;
        try (Subject subject = new Subject(muon)) {
            losses = subject.steps(6);
            expected = subject.weights();
        }
        try (Subject subject = new Subject(muon)) {
            assertThat(subject.steps(3)).isEqualTo(losses.subList(0, 3));
            subject.trainer.save(state);
        }
        try (Subject subject = new Subject(muon)) {
            subject.steps(1); // which must be forgotten
            subject.trainer.restore(state);
            assertThat(subject.trainer.step()).isEqualTo(3);
            assertThat(subject.steps(3)).isEqualTo(losses.subList(3, 6));
            requireSame(subject.weights(), expected);
        }
    }

    @Test
    void aStateBeforeTheFirstStepIsOneToo() {
        Path state = directory.resolve("state.safetensors");
        try (Subject subject = new Subject(MUON)) {
            subject.trainer.save(state);
            List<Double> losses = subject.steps(2);
            try (Subject other = new Subject(MUON)) {
                other.trainer.restore(state);
                assertThat(other.trainer.step()).isZero();
                assertThat(other.steps(2)).isEqualTo(losses);
            }
        }
    }

    @Test
    void everyWeightIsTrained() {
        try (Subject subject = new Subject(MUON)) {
            Map<String, float[]> before = subject.weights();
            subject.steps(2); // at the first, the warm-up is at zero
            subject.weights()
                    .forEach((name, values) -> assertThat(Arrays.equals(values, before.get(name)))
                            .as(name)
                            .isFalse());
        }
    }

    // ---- States that are none.

    private void requireRefused(Path file, double muon, String... words) {
        try (Subject subject = new Subject(muon)) {
            assertThatThrownBy(() -> subject.trainer.restore(file))
                    .hasMessageContaining(file.toString())
                    .message()
                    .contains(words)
                    .doesNotContain("\n");
        }
    }

    private Path saved(double muon) {
        Path state = directory.resolve("state.safetensors");
        try (Subject subject = new Subject(muon)) {
            subject.steps(2);
            subject.trainer.save(state);
        }
        return state;
    }

    @Test
    void aCutStateIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(saved(MUON));
        Path cut = directory.resolve("cut.safetensors");
        for (int length : new int[] {0, 5, 100, whole.length / 2, whole.length - 1}) {
            Files.write(cut, Arrays.copyOf(whole, length));
            requireRefused(cut, MUON, "cut short");
        }
    }

    @Test
    void aStateOfAnotherNetworkIsRefused() {
        Path state = directory.resolve("state.safetensors");
        try (Subject subject = new Subject(null, 2, Tiny.moe(), true, options(MUON, 64))) {
            subject.steps(1);
            subject.trainer.save(state);
        }
        requireRefused(state, MUON, "layers.0.mlp.gate_proj.weight is missing", "another network");
        Config wider = Tiny.config(true, Tiny.VOCABULARY, 32, 52, 0);
        try (Subject subject = new Subject(null, 2, wider, true, options(MUON, 64))) {
            subject.trainer.save(state);
        }
        requireRefused(state, MUON, "layers.0.mlp.gate_proj.weight is F32 [52, 32]", "expected", "[48, 32]");
    }

    @Test
    void aStateOfAnotherOptimiserIsRefused() {
        requireRefused(saved(MUON), 0, "first_moment is missing", "other options");
        requireRefused(saved(0), MUON, "momentum is missing", "other options");
    }

    @Test
    void weightsAloneAreNoState() {
        Path weights = directory.resolve("model.safetensors");
        try (Subject subject = new Subject(MUON)) {
            SafetensorsWriter.write(weights, subject.trainer.weights(), Map.of("format", "pt"));
        }
        requireRefused(weights, MUON, "no state of a training");
    }

    // ---- Steps.

    @Test
    void batchesOfAStepTakenInTurnsGiveTheSameStep() {
        Trainer.Result whole;
        Trainer.Result turns;
        Map<String, float[]> expected;
        try (Subject subject = new Subject(null, 2, Tiny.dense(), true, constant(1000))) {
            whole = subject.trainer.step(documents(0));
            expected = subject.weights();
        }
        try (Subject subject = new Subject(null, 2, Tiny.dense(), true, constant(1))) {
            double before = subject.trainer.loss(documents(0));
            turns = subject.trainer.step(documents(0));
            assertThat(before).isCloseTo(turns.loss(), within(1e-7));
            assertThat(turns.targets()).isEqualTo(whole.targets());
            assertThat(turns.tokens()).isEqualTo(whole.tokens());
            assertThat(turns.loss()).isCloseTo(whole.loss(), within(1e-6));
            assertThat(turns.gradientNorm()).isCloseTo(whole.gradientNorm(), within(1e-5 * whole.gradientNorm()));
            // The step is the rate times the sign of a gradient: only where that is zero may they differ.
            Map<String, float[]> found = subject.weights();
            int apart = 0;
            int all = 0;
            for (Map.Entry<String, float[]> entry : found.entrySet()) {
                float[] same = Objects.requireNonNull(expected.get(entry.getKey()));
                for (int i = 0; i < entry.getValue().length; i++) {
                    all++;
                    apart += Math.abs(entry.getValue()[i] - same[i]) > 1e-5 ? 1 : 0;
                }
            }
            assertThat((double) apart / all).isLessThan(1e-3);
        }
    }

    private static TrainOptions constant(int tokensAtOnce) {
        return new TrainOptions(6, 1e-3, 0, 0, 1e9, Schedule.constant(), tokensAtOnce);
    }

    @Test
    void documentsWithoutTargetsAreRefused() {
        Document silent = new Document(new int[] {1, 2, 3}, new float[] {1, 0, 0}, List.of());
        try (Subject subject = new Subject(MUON)) {
            assertThatThrownBy(() -> subject.trainer.step(List.of(silent)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("no token is a target");
            assertThat(subject.trainer.step()).isZero();
        }
    }

    @Test
    void anUntrainedNetworkGuesses() {
        TrainOptions options = new TrainOptions(40, 1e-2, MUON, 0, 1, Schedule.constant(), 4096);
        // With a head of its own: large embeddings would tell more of the last token than of the next.
        Config config = Tiny.config(false, Tiny.VOCABULARY, Tiny.HIDDEN, 48, 0);
        try (Subject subject = new Subject(null, 2, config, true, options)) {
            assertThat(subject.trainer.loss(documents(0))).isCloseTo(Math.log(Tiny.TOKENS), within(0.5));
        }
    }

    @Test
    void aFewStepsLearnWhatIsShown() {
        TrainOptions options = new TrainOptions(40, 1e-2, MUON, 0, 1, Schedule.constant(), 4096);
        try (Subject subject = new Subject(null, 2, Tiny.dense(), true, options)) {
            List<Document> same = documents(0);
            for (int i = 0; i < 40; i++) {
                subject.trainer.step(same);
            }
            assertThat(subject.trainer.loss(same)).isLessThan(0.3);
        }
    }

    // ---- Another implementation.

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = "plain")
    void fiveStepsOfAdamWAreThoseOfTheReference(@Nullable String backendName) {
        try (Golden golden = new Golden("golden/post-training/adamw-all-weights");
                Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/dense-text/checkpoint"));
                Backends.Training backend = Backends.openForTraining(backendName, 2)) {
            Config config = Config.of(checkpoint);
            Parameters parameters = new Parameters(config, null);
            parameters.load(checkpoint);
            JsonNode facts = golden.facts();
            JsonNode said = facts.get("optimizer");
            AdamW optimizer = new AdamW(
                    new AdamW.Options(
                            said.get("lr").asDouble(),
                            said.get("betas").get(0).asDouble(),
                            said.get("betas").get(1).asDouble(),
                            said.get("eps").asDouble(),
                            said.get("weight_decay").asDouble()),
                    parameter -> true,
                    parameter -> 1);
            TrainOptions options =
                    new TrainOptions(5, 0, 0, 0, facts.get("clip").asDouble(), Schedule.constant(), 4096);
            List<Document> documents = documents(golden);
            Network network = new Network(
                    config, null, parameters, backend.kernels(), backend.gradients(), config.vocabSize(), 0);
            try (Trainer trainer = new Trainer(parameters, network, optimizer, options, ModelInput.Placeholders.NONE)) {
                for (int step = 0; step < 5; step++) {
                    Trainer.Result result = trainer.step(documents);
                    double loss = facts.get("losses").get(step).asDouble();
                    double norm =
                            facts.get("grad_norms_before_clipping").get(step).asDouble();
                    double tolerance = 1e-5;
                    assertThat(result.loss()).isCloseTo(loss, within(tolerance * loss));
                    assertThat(result.gradientNorm()).isCloseTo(norm, within(tolerance * norm));
                }
                double after = facts.get("loss_after").asDouble();
                assertThat(trainer.loss(documents)).isCloseTo(after, within(1e-3 * after));
                int compared = 0;
                for (String name : golden.arrays().keySet()) {
                    if (name.startsWith("after.")) {
                        float[] found = parameters
                                .get(name.replaceFirst("^after\\.model\\.", ""))
                                .value()
                                .toFloats();
                        float[] expected = golden.floats(name);
                        double worst = 0;
                        for (int i = 0; i < expected.length; i++) {
                            worst = Math.max(worst, Math.abs(found[i] - expected[i]));
                        }
                        assertThat(worst).as(name).isLessThan(2e-5); // of five steps of a thousandth
                        compared++;
                    }
                }
                assertThat(compared).isEqualTo(17);
            }
        }
    }

    private static List<Document> documents(Golden golden) {
        List<Document> documents = new ArrayList<>();
        for (int row = 0; row < 2; row++) {
            int[] labels = golden.row("labels", row);
            float[] weights = new float[labels.length];
            for (int t = 0; t < labels.length; t++) {
                weights[t] = labels[t] == -100 ? 0 : 1;
            }
            documents.add(new Document(golden.row("input_ids", row), weights, List.of()));
        }
        return documents;
    }
}
