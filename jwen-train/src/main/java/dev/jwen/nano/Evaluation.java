package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.engine.ChatSession;
import dev.jwen.engine.ConversationBatch;
import dev.jwen.engine.Engine;
import dev.jwen.engine.ToolLoop;
import dev.jwen.engine.Toolbox;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.model.State;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
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

    /** Conversations led at a time; with more, a step takes longer in proportion. */
    private static final int MAX_WIDTH = 32;

    /** What the states of these conversations may take. */
    private static final long MAX_STATE_BYTES = 1L << 30;

    /** A conversation without tools has one that goes on, one before the answer, and one at its end. */
    private static final int STATES = 3;

    private final Engine engine;
    private final Options options;
    private final SamplingOptions sampling;
    private final int width;

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
        try (ChatSession chat = new ChatSession(engine);
                State state = engine.network().newState(engine.kvType())) {
            this.sampling = engine.samplingDefaults(chat.thinks(null)).toBuilder()
                    .maxTokens(options.maxTokens())
                    .build();
            this.width = Math.clamp(MAX_STATE_BYTES / (STATES * state.sizeBytes() + 1), 1, MAX_WIDTH);
        }
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
     * @param trials hears of each problem when it is judged, not always in the order of their numbers
     * @throws UncheckedIOException if no folder can be made for a problem
     */
    public Score score(Skill skill, Consumer<Trial> trials) {
        long start = System.nanoTime();
        SplittableRandom random =
                new SplittableRandom(31 * options.seed() + skill.name().hashCode());
        List<Trial> failures = new ArrayList<>();
        Set<Path> folders = new HashSet<>();
        int[] solved = new int[1];
        Iterator<ConversationBatch.Task> tasks = IntStream.range(0, options.problems())
                .mapToObj(number -> task(skill, number, random.split(), folders, trial -> {
                    trials.accept(trial);
                    if (trial.isSolved()) {
                        solved[0]++;
                    } else {
                        failures.add(trial);
                    }
                }))
                .iterator();
        try {
            ConversationBatch.lead(engine, width, tasks);
        } finally {
            folders.forEach(Evaluation::delete);
        }
        // Short conversations end before longer ones that began earlier.
        failures.sort(Comparator.comparingInt(Trial::number));
        return new Score(
                skill.name(),
                options.problems(),
                solved[0],
                (System.nanoTime() - start) / 1e9,
                failures.subList(0, Math.min(KEPT_FAILURES, failures.size())));
    }

    private ConversationBatch.Task task(
            Skill skill, int number, SplittableRandom random, Set<Path> folders, Consumer<Trial> trials) {
        Problem problem = skill.problem(random, Split.HELD_OUT);
        Path folder = newFolder();
        folders.add(folder);
        Toolbox desk = problem.desk().apply(folder);
        Conversation asked = new Conversation(question(problem), desk.tools());
        SamplingOptions seeded = sampling.toBuilder().seed(random.nextLong()).build();
        ToolLoop loop = new ToolLoop(asked, desk, options.maxRounds(), event -> {});
        return new ConversationBatch.Task(loop, null, seeded, ended -> {
            ToolLoop.Ending ending = Objects.requireNonNull(ended.ending());
            boolean isSolved =
                    ending == ToolLoop.Ending.ANSWERED && problem.solved().test(ended.conversation());
            delete(folder);
            folders.remove(folder);
            trials.accept(new Trial(skill.name(), number, problem, ended.conversation(), ending, isSolved));
        });
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
