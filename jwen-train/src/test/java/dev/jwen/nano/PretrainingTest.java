package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.engine.Engine;
import dev.jwen.train.Schedule;
import dev.jwen.train.TrainOptions;
import dev.jwen.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A whole training in seconds: from nothing to a model that was stopped, went on, and can do what it was taught. */
class PretrainingTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @TempDir
    Path directory;

    /** Writes a few letters as capitals. */
    private static final class Capitals implements Skill {
        @Override
        public String name() {
            return "capitals";
        }

        @Override
        public Problem problem(SplittableRandom random, Split split) {
            while (true) {
                StringBuilder letters = new StringBuilder();
                for (int i = 0; i < 3; i++) {
                    letters.append(i == 0 ? "" : " ").append((char) ('a' + random.nextInt(10)));
                }
                if (Split.of(letters.toString()) == split) {
                    String answer = letters.toString().toUpperCase(Locale.ROOT);
                    Conversation demonstration = new Conversation(
                            List.of(Message.user("Up: " + letters), Message.assistant(answer, "", List.of())),
                            List.of());
                    return new Problem(letters.toString(), demonstration, led -> Verdict.answers(led, answer));
                }
            }
        }
    }

    private static Recipe recipe(int steps, int documents) {
        return new Recipe(
                "tiny",
                new Recipe.Shape(64, 4, 128),
                320,
                200,
                documents,
                new TrainOptions(steps, 1e-2, 0.02, 0.01, 1, Schedule.trapezoid(0.05, 0.5), 2_048),
                Curriculum.of(List.of(new Capitals())));
    }

    /** Stops after a step; the last it heard of, and all notes, are kept. */
    private static final class Watch implements Pretraining.Listener {
        private final long last;
        final List<Double> losses = new ArrayList<>();
        final List<String> notes = new ArrayList<>();
        private long step;

        Watch(long last) {
            this.last = last;
        }

        @Override
        public void step(Trainer.Result result, long steps, double tokensPerSecond, double secondsLeft) {
            step = result.step();
            losses.add(result.loss());
        }

        @Override
        public void begins(long parameters, long bytes) {}

        @Override
        public void note(String message) {
            notes.add(message);
        }

        @Override
        public boolean isStopped() {
            return step >= last;
        }
    }

    private boolean run(Recipe recipe, String name, int threads, int problems, Watch watch) {
        Pretraining.Options options =
                new Pretraining.Options(threads, "jwen pretrain", 1_000, 1_000, problems, problems);
        Path place = Pretraining.prepared(directory.resolve(name));
        return new Pretraining(recipe, place, options, watch).run(watch);
    }

    @Test
    void aStopLeavesNoTrace() throws IOException {
        Recipe recipe = recipe(6, 4);
        Watch whole = new Watch(100);
        assertThat(run(recipe, "whole", 2, 1, whole)).isTrue();
        Watch first = new Watch(3);
        assertThat(run(recipe, "parts", 2, 1, first)).isFalse();
        assertThat(first.losses).isEqualTo(whole.losses.subList(0, 3));
        Watch second = new Watch(100);
        assertThat(run(recipe, "parts", 1, 1, second)).isTrue();
        assertThat(second.notes.getFirst()).isEqualTo("going on after step 3 of 6");
        assertThat(second.losses).isEqualTo(whole.losses.subList(3, 6));
        for (String file : List.of("state.safetensors", "model/model.safetensors", "model/tokenizer.json")) {
            assertThat(Files.readAllBytes(directory.resolve("parts").resolve(file)))
                    .as(file)
                    .isEqualTo(Files.readAllBytes(directory.resolve("whole").resolve(file)));
        }
        List<Long> steps = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("parts/metrics.jsonl"))) {
            JsonNode json = JSON.readTree(line);
            if (json.has("loss")) {
                steps.add(json.get("step").asLong());
            }
        }
        assertThat(steps).containsExactly(1L, 2L, 3L, 4L, 5L, 6L);
        Watch nothing = new Watch(100);
        assertThat(run(recipe, "parts", 1, 1, nothing)).isTrue();
        assertThat(nothing.losses).isEmpty();
    }

    @Test
    void aModelLearnsASkillFromNothing() {
        Watch watch = new Watch(100_000);
        assertThat(run(recipe(200, 8), "learned", 2, 40, watch)).isTrue();
        assertThat(watch.losses.getFirst()).isGreaterThan(5);
        assertThat(watch.losses.getLast()).isLessThan(0.1);
        try (Engine engine = Engine.open(directory.resolve("learned/model"), Engine.Options.DEFAULT)) {
            Score score =
                    new Evaluation(engine, new Evaluation.Options(100, 5, 20, 1)).score(new Capitals(), trial -> {});
            assertThat(score.accuracy()).isGreaterThanOrEqualTo(0.8);
        }
        assertThat(directory.resolve("learned/report.html")).isNotEmptyFile();
        assertThat(directory.resolve("learned/model/README.md")).content().contains("capitals");
    }

    @Test
    void theRecipesOfTheReleaseAreWhatTheyWere() {
        Recipe nano = Recipe.nano();
        assertThat(nano.config().hiddenSize()).isEqualTo(160);
        assertThat(nano.config().numHiddenLayers()).isEqualTo(8);
        assertThat(nano.config().intermediateSize()).isEqualTo(384);
        assertThat(nano.config().vocabSize()).isEqualTo(1536);
        assertThat(nano.vision().outHiddenSize()).isEqualTo(160);
        assertThat(Recipe.smoke().config().hiddenSize()).isEqualTo(160);
    }
}
