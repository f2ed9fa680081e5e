package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Engine;
import dev.jwen.engine.ToolLoop;
import dev.jwen.engine.Toolbox;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** A model with random weights: it answers anything, and now and then ends by itself. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EvaluationTest {
    private static final Path CORE = Path.of("../jwen-core/src/test/resources");

    private Engine engine;

    @BeforeAll
    void open(@TempDir Path directory) throws IOException {
        try (Stream<Path> files = Files.list(CORE.resolve("golden/dense-text/checkpoint-bf16-sharded"))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Files.copy(CORE.resolve("chat/qwen-format.jinja"), directory.resolve("chat_template.jinja"));
        engine = Engine.open(directory, new Engine.Options("plain", 1, true, null, 0));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    /** A folder with one file in it, and a tool that nobody calls. */
    private static final class Desk implements Toolbox {
        Desk(Path folder) {
            try {
                Files.writeString(Files.createDirectory(folder.resolve("src")).resolve("Main.java"), "class Main {}");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public List<Tool> tools() {
            return List.of(Tool.of(Map.of("name", "look")));
        }

        @Override
        public String call(ToolCall call) {
            return "nothing";
        }
    }

    /** Asks for a number; every answer solves it. */
    private static final class Easy implements Skill {
        final List<Path> folders = new ArrayList<>();

        @Override
        public String name() {
            return "easy";
        }

        @Override
        public Problem problem(SplittableRandom random, Split split) {
            assertThat(split).isEqualTo(Split.HELD_OUT);
            int number = random.nextInt(1000);
            Conversation demonstration = new Conversation(
                    List.of(
                            Message.user("hello"),
                            Message.assistant("hi", "", List.of()),
                            Message.user("say " + number),
                            Message.assistant(String.valueOf(number), "", List.of())),
                    List.of());
            return new Problem(
                    "number " + number,
                    demonstration,
                    folder -> {
                        folders.add(folder);
                        return new Desk(folder);
                    },
                    led -> true);
        }
    }

    private static Evaluation.Options options(int problems, long seed, int maxTokens) {
        return new Evaluation.Options(problems, seed, maxTokens, 2);
    }

    private List<Trial> trials(Skill skill, Evaluation.Options options) {
        List<Trial> trials = new ArrayList<>();
        Score score = new Evaluation(engine, options).score(skill, trials::add);
        assertThat(score.problems()).isEqualTo(options.problems()).isEqualTo(trials.size());
        assertThat(score.solved())
                .isEqualTo((int) trials.stream().filter(Trial::isSolved).count());
        assertThat(score.failures())
                .isEqualTo(trials.stream().filter(t -> !t.isSolved()).limit(5).toList());
        return trials;
    }

    @Test
    void theModelIsAskedWhatTheDemonstrationAsksAndJudgedByItsOwnAnswer() {
        for (Trial trial : trials(new Easy(), options(3, 1, 5))) {
            List<Message> asked = trial.problem().demonstration().messages().subList(0, 3);
            List<Message> led = trial.conversation().messages();
            assertThat(led).hasSize(4).startsWith(asked.toArray(Message[]::new));
            assertThat(trial.conversation().tools()).extracting(Tool::name).containsExactly("look");
        }
    }

    @Test
    void anAnswerThatIsCutIsWrongHoweverItIsJudged() {
        List<Trial> trials = trials(new Easy(), options(12, 1, 8));
        assertThat(trials)
                .allSatisfy(t -> assertThat(t.isSolved()).isEqualTo(t.ending() == ToolLoop.Ending.ANSWERED))
                .anyMatch(Trial::isSolved)
                .anyMatch(t -> t.ending() == ToolLoop.Ending.CUT);
    }

    @Test
    void theSameSeedGivesTheSameConversations() {
        List<Conversation> one = trials(new Easy(), options(4, 7, 8)).stream()
                .map(Trial::conversation)
                .toList();
        assertThat(trials(new Easy(), options(4, 7, 8)))
                .extracting(Trial::conversation)
                .isEqualTo(one);
        assertThat(trials(new Easy(), options(4, 8, 8)))
                .extracting(Trial::conversation)
                .isNotEqualTo(one);
    }

    @Test
    void eachProblemHasAFolderThatIsGoneAfterwards() {
        Easy skill = new Easy();
        trials(skill, options(3, 1, 3));
        assertThat(skill.folders).hasSize(3).doesNotHaveDuplicates().allMatch(Files::notExists);
    }

    @Test
    void skillsThatShowPicturesAreKnown() {
        assertThat(SightSkills.all()).allMatch(Evaluation::needsSight);
        assertThat(TextSkills.all()).noneMatch(Evaluation::needsSight);
    }

    @Test
    void everyTargetIsOfASkill() {
        assertThat(Suite.skills().stream().map(Skill::name).toList())
                .doesNotHaveDuplicates()
                .containsAll(Suite.targets().keySet());
    }

    @Test
    void noProblemsAreRefused() {
        assertThatThrownBy(() -> options(0, 1, 1)).hasMessageContaining("expected 1 or more");
    }
}
