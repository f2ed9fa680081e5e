package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.engine.ChatSession;
import dev.jwen.engine.Engine;
import dev.jwen.engine.Listener;
import dev.jwen.engine.ToolLoop;
import dev.jwen.engine.Toolbox;
import dev.jwen.generate.SamplingOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Measures what a model can do: it is asked problems that it did not learn from, as a user would ask them.
 *
 * <p>Each problem is a chat of its own with the checkpoint's template, its default mode of thinking and its default
 * sampling; what the model calls is run in a folder that exists for this problem alone. The final conversation is judged
 * by the problem itself, see {@link Problem#solved}.
 *
 * <p>Problems and sampling follow from the seed and the name of the skill, so one skill measured alone gives what it
 * gives among others.
 */
public final class Evaluation {
    private static final int KEPT_FAILURES = 5;

    private final Engine engine;
    private final Options options;

    /**
     * What is asked.
     *
     * @param problems of each skill
     * @param seed of the problems and of the sampling
     * @param maxTokens of each answer, thinking included
     * @param maxRounds how many answers to a problem may call tools
     */
    public record Options(int problems, long seed, int maxTokens, int maxRounds) {
        public static final Options DEFAULT = new Options(500, 1, 400, 8);

        public Options {
            if (problems < 1) {
                throw new IllegalArgumentException(
                        "%d problems were asked for, expected 1 or more of each skill".formatted(problems));
            }
        }
    }

    /**
     * An evaluation of an opened model.
     *
     * @throws IllegalArgumentException if the model has no chat template
     */
    public Evaluation(Engine engine, Options options) {
        new ChatSession(engine).close(); // refuses a model that holds no conversation
        this.engine = engine;
        this.options = options;
    }

    /** Whether problems of a skill show pictures, which only some models see. */
    public static boolean needsSight(Skill skill) {
        return question(skill.problem(new SplittableRandom(0), Split.HELD_OUT)).stream()
                .anyMatch(Message::hasMedia);
    }

    /**
     * Asks held-out problems of one skill.
     *
     * @param trials hears of each problem when it is judged
     * @throws UncheckedIOException if no folder can be made for a problem
     */
    public Score score(Skill skill, Consumer<Trial> trials) {
        long start = System.nanoTime();
        SplittableRandom random =
                new SplittableRandom(31 * options.seed() + skill.name().hashCode());
        List<Trial> failures = new ArrayList<>();
        int solved = 0;
        for (int i = 0; i < options.problems(); i++) {
            Trial trial = ask(skill, i, random.split());
            trials.accept(trial);
            if (trial.isSolved()) {
                solved++;
            } else if (failures.size() < KEPT_FAILURES) {
                failures.add(trial);
            }
        }
        return new Score(skill.name(), options.problems(), solved, (System.nanoTime() - start) / 1e9, failures);
    }

    private Trial ask(Skill skill, int number, SplittableRandom random) {
        Problem problem = skill.problem(random, Split.HELD_OUT);
        Path folder = newFolder();
        try (ChatSession chat = new ChatSession(engine)) {
            Toolbox desk = problem.desk().apply(folder);
            SamplingOptions sampling = engine.samplingDefaults(chat.thinks(null)).toBuilder()
                    .maxTokens(options.maxTokens())
                    .seed(random.nextLong())
                    .build();
            Conversation asked = new Conversation(question(problem), desk.tools());
            ToolLoop loop = chat.converse(asked, desk, options.maxRounds(), null, sampling, event -> {}, Listener.NONE);
            ToolLoop.Ending ending = Objects.requireNonNull(loop.ending());
            boolean isSolved =
                    ending == ToolLoop.Ending.ANSWERED && problem.solved().test(loop.conversation());
            return new Trial(skill.name(), number, problem, loop.conversation(), ending, isSolved);
        } finally {
            delete(folder);
        }
    }

    /** The demonstration up to the last words of the user: what follows is the model's to say. */
    private static List<Message> question(Problem problem) {
        List<Message> messages = problem.demonstration().messages();
        int end = messages.size();
        while (end > 0 && messages.get(end - 1).role() != Role.USER) {
            end--;
        }
        if (end == 0) {
            throw new IllegalArgumentException(
                    "the problem %s asks nothing: its demonstration has no user message".formatted(problem.key()));
        }
        return messages.subList(0, end);
    }

    private static Path newFolder() {
        try {
            return Files.createTempDirectory("jwen-desk-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
