package dev.jwen.nano;

import dev.jwen.chat.AddedToken;
import dev.jwen.chat.ChatTemplate;
import dev.jwen.chat.Message;
import dev.jwen.chat.RenderOptions;
import dev.jwen.chat.Role;
import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.engine.Engine;
import dev.jwen.kernel.Backends;
import dev.jwen.media.ImageProcessor;
import dev.jwen.tensor.Blocks;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import dev.jwen.tokenizer.Tokenizer;
import dev.jwen.train.CheckpointFiles;
import dev.jwen.train.ConversationEncoder;
import dev.jwen.train.Document;
import dev.jwen.train.Metrics;
import dev.jwen.train.Report;
import dev.jwen.train.TrainedVocabulary;
import dev.jwen.train.Trainer;
import dev.jwen.train.VocabularyTrainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Makes a model from nothing by a recipe, in a directory that tells how far it is:
 *
 * <ul>
 *   <li>{@code model/}: the checkpoint, as it was when last saved;
 *   <li>{@code state.safetensors}: all that is needed to go on, to the bit;
 *   <li>{@code metrics.jsonl} and {@code report.html}: what happened.
 * </ul>
 *
 * <p>What is learned in a step follows from the recipe and the number of the step alone, so a stop between two steps
 * leaves no trace.
 */
public final class Pretraining {
    private static final int LONGEST = 1_024;

    private final Recipe recipe;
    private final Path directory;
    private final Options options;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final ConversationEncoder encoder;

    /**
     * How it is run; none of it changes what comes out.
     *
     * @param threads that compute
     * @param command what was typed, for the report
     * @param saveSeconds between two saves
     * @param evaluateSeconds between two evaluations
     * @param problems of each skill in an evaluation on the way
     * @param lastProblems of each skill in the last one, whose scores are on the card
     */
    public record Options(
            int threads, String command, long saveSeconds, long evaluateSeconds, int problems, int lastProblems) {}

    /** Follows a training, and may end it. */
    public interface Listener {
        /**
         * Hears of a step.
         *
         * @param tokensPerSecond since the last pause
         * @param secondsLeft at the speed so far
         */
        void step(Trainer.Result result, long steps, double tokensPerSecond, double secondsLeft);

        /**
         * Hears what is about to be trained.
         *
         * @param parameters values
         * @param bytes of memory that it will take at most
         */
        void begins(long parameters, long bytes);

        /** Hears of something that takes a while, or is done. */
        void note(String message);

        /** Whether to save and stop after this step. */
        boolean isStopped();
    }

    /** A training in this directory, which may hold the beginning of it. */
    public Pretraining(Recipe recipe, Path directory, Options options, Listener listener) {
        this.recipe = recipe;
        this.directory = directory;
        this.options = options;
        this.template = ChatTemplate.of(Recipe.chatTemplate(), addedTokens(), Map.of());
        if (!Files.exists(model().resolve("config.json"))) {
            listener.note("training the tokenizer on %,d conversations".formatted(recipe.corpus()));
            files(vocabulary()).write(model());
        }
        this.tokenizer = Tokenizer.open(model());
        ImageProcessor images = new ImageProcessor(Recipe.pictures());
        this.encoder = new ConversationEncoder(template, tokenizer, images);
    }

    /** Where the checkpoint is written. */
    public Path model() {
        return directory.resolve("model");
    }

    private Path state() {
        return directory.resolve("state.safetensors");
    }

    private static List<AddedToken> addedTokens() {
        TrainedVocabulary bytes = new VocabularyTrainer().train(VocabularyTrainer.SMALLEST, joined -> {});
        Tokenizer smallest = bytes.tokenizer();
        return smallest.addedTokens().entrySet().stream()
                .map(token -> new AddedToken(token.getKey(), smallest.isSpecial(token.getValue())))
                .toList();
    }

    private TrainedVocabulary vocabulary() {
        List<String> texts = IntStream.range(0, recipe.corpus())
                .parallel()
                .mapToObj(i -> {
                    SplittableRandom random = random(-1, i);
                    Curriculum.Lesson lesson = recipe.curriculum().lesson(random, random.nextDouble());
                    return template.render(
                                    lesson.conversation(), new RenderOptions(false, lesson.thinking(), false, Map.of()))
                            .text();
                })
                .toList();
        VocabularyTrainer trainer = new VocabularyTrainer();
        texts.forEach(trainer::add);
        return trainer.train(recipe.vocabulary(), joined -> {});
    }

    private CheckpointFiles files(TrainedVocabulary vocabulary) {
        return new CheckpointFiles(
                recipe.config(),
                DataType.BF16,
                vocabulary,
                Recipe.chatTemplate(),
                new CheckpointFiles.Sight(recipe.vision(), Recipe.pictures(), Recipe.videos()));
    }

    /** The random numbers of a document. */
    private static SplittableRandom random(long step, int document) {
        return new SplittableRandom(1_000_003 * (1_000_003 * Recipe.SEED + step) + document);
    }

    private List<Document> documents(long step) {
        double done = (double) step / recipe.options().steps();
        return IntStream.range(0, recipe.documents())
                .parallel()
                .mapToObj(i -> document(random(step, i), done))
                .toList();
    }

    private Document document(SplittableRandom random, double done) {
        while (true) {
            Curriculum.Lesson lesson = recipe.curriculum().lesson(random, done);
            Document document = encoder.encode(lesson.conversation(), lesson.thinking());
            if (document.length() <= LONGEST) {
                // One word that decides would be lost among the hundred letters of a long sum.
                return document.weighted(1 / Math.sqrt(document.targets()));
            }
        }
    }

    /**
     * Trains to the end of the recipe or until it is stopped, from where the directory says it is.
     *
     * @return whether it is at the end
     */
    public boolean run(Listener listener) {
        try (Backends.Training backend = Backends.openForTraining(null, options.threads());
                Trainer trainer = new Trainer(
                        recipe.config(),
                        recipe.vision(),
                        tokenizer.vocabularySize(),
                        encoder.placeholders(),
                        backend.kernels(),
                        backend.gradients(),
                        recipe.options(),
                        Recipe.SEED)) {
            listener.begins(trainer.size(), trainer.sizeBytes());
            if (Files.exists(state())) {
                trainer.restore(state());
                listener.note("going on after step %,d of %,d"
                        .formatted(trainer.step(), recipe.options().steps()));
            }
            train(trainer, new Metrics(directory.resolve("metrics.jsonl"), trainer.step()), listener);
            return trainer.step() >= recipe.options().steps();
        }
    }

    private void train(Trainer trainer, Metrics metrics, Listener listener) {
        long steps = recipe.options().steps();
        long saved = System.nanoTime();
        long evaluated = saved;
        long tokens = 0;
        double seconds = 0;
        while (trainer.step() < steps && !listener.isStopped()) {
            long start = System.nanoTime();
            Trainer.Result result = trainer.step(documents(trainer.step()));
            double took = (System.nanoTime() - start) / 1e9;
            seconds += took;
            tokens += result.tokens();
            double left = seconds / tokens * result.tokens() * (steps - trainer.step());
            metrics.step(result, took);
            listener.step(result, steps, tokens / seconds, left);
            if (secondsSince(saved) > options.saveSeconds()) {
                save(trainer, metrics);
                saved = System.nanoTime();
            }
            if (secondsSince(evaluated) > options.evaluateSeconds() && trainer.step() < steps) {
                save(trainer, metrics);
                evaluate(trainer.step(), metrics, listener);
                evaluated = System.nanoTime();
            }
        }
        save(trainer, metrics);
        if (trainer.step() >= steps) {
            finish(trainer, metrics, listener);
        }
        report(metrics);
    }

    /** Measures what came out, and writes it on the card. */
    private void finish(Trainer trainer, Metrics metrics, Listener listener) {
        listener.note("measuring the finished model");
        List<Score> scores = new ArrayList<>();
        Evaluation.Options last = Evaluation.Options.DEFAULT;
        try (Engine engine = Engine.open(model(), Engine.Options.DEFAULT)) {
            Evaluation evaluation = new Evaluation(
                    engine,
                    new Evaluation.Options(options.lastProblems(), last.seed(), last.maxTokens(), last.maxRounds()));
            for (Skill skill : recipe.curriculum().measured()) {
                Score score = evaluation.score(skill, trial -> {});
                scores.add(score);
                listener.note(String.format(Locale.ROOT, "%-20s %5.1f %%", skill.name(), 100 * score.accuracy()));
                score.failures().stream().limit(2).forEach(trial -> sample(trainer.step(), trial, metrics));
            }
        }
        Map<String, Double> skills = new LinkedHashMap<>();
        scores.forEach(score -> skills.put(score.skill(), score.accuracy()));
        metrics.evaluation(trainer.step(), skills);
        try {
            Files.writeString(
                    model().resolve("README.md"), ModelCard.of(trainer.size(), metrics.tokens(), scores, last.seed()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static double secondsSince(long time) {
        return (System.nanoTime() - time) / 1e9;
    }

    private void save(Trainer trainer, Metrics metrics) {
        metrics.flush();
        trainer.save(state());
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        trainer.weights().forEach((name, tensor) -> tensors.put(publishedName(name), rounded(tensor)));
        SafetensorsWriter.write(model().resolve("model.safetensors"), tensors, Map.of("format", "pt"));
    }

    private static String publishedName(String name) {
        return name.startsWith("visual.") ? "model." + name : "model.language_model." + name;
    }

    private static Tensor rounded(Tensor tensor) {
        Tensor half = Tensor.allocate(Arena.ofAuto(), DataType.BF16, tensor.shape());
        float[] values = tensor.toFloats();
        Blocks.encode(DataType.BF16, values, 0, values.length, half.segment(), 0);
        return half;
    }

    private void evaluate(long step, Metrics metrics, Listener listener) {
        listener.note("evaluating after step %,d".formatted(step));
        Map<String, Double> skills = new LinkedHashMap<>();
        try (Engine engine = Engine.open(model(), Engine.Options.DEFAULT)) {
            Evaluation evaluation = new Evaluation(engine, new Evaluation.Options(options.problems(), step, 400, 8));
            for (Skill skill : recipe.curriculum().measured()) {
                Score score = evaluation.score(skill, trial -> {});
                skills.put(skill.name(), score.accuracy());
                score.failures().stream().limit(2).forEach(trial -> sample(step, trial, metrics));
            }
        }
        metrics.evaluation(step, skills);
        listener.note(skills.toString());
        report(metrics);
    }

    private static void sample(long step, Trial trial, Metrics metrics) {
        List<Message> led = trial.conversation().messages();
        Message answer = led.getLast();
        String said = answer.reasoning() == null ? answer.text() : answer.reasoning() + "\n\n" + answer.text();
        String asked = led.stream()
                .filter(message -> message.role() == Role.USER)
                .reduce((first, second) -> second)
                .map(Message::text)
                .orElse("");
        metrics.sample(step, trial.skill(), asked, said, trial.isSolved());
    }

    private void report(Metrics metrics) {
        metrics.flush();
        Report.write(
                directory.resolve("metrics.jsonl"),
                directory.resolve("report.html"),
                "Training of jwen-" + recipe.name(),
                options.command());
    }

    /** Makes the directory. */
    public static Path prepared(Path directory) {
        try {
            return Files.createDirectories(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
