package dev.jwen.cli;

import dev.jwen.engine.Engine;
import dev.jwen.nano.Evaluation;
import dev.jwen.nano.Score;
import dev.jwen.nano.ScorePicture;
import dev.jwen.nano.Skill;
import dev.jwen.nano.Suite;
import dev.jwen.nano.Trial;
import dev.jwen.train.Page;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.json.JsonMapper;

/** Measures what a model can do. */
@Command(
        name = "eval",
        description = "Measures what a model can do, on problems that have one right answer.",
        mixinStandardHelpOptions = true,
        subcommands = PerplexityCommand.class,
        footer = {
            "",
            "Each problem is a chat of its own, with the model's template, thinking and sampling as they are by default, and with tools in an empty folder where the skill has any. An answer is right or wrong; one that is cut is wrong. The interval is that of Wilson for 95 %%. The same seed gives the same problems.",
            "",
            "Examples:",
            "  jwen eval --suite nano -m jwen-nano",
            "  jwen eval --suite nano -m Qwen3.5-0.8B -n 100 --skills addition,reversal --failures failures.jsonl",
            "  jwen eval perplexity book.txt -m Qwen3.5-0.8B"
        })
final class EvalCommand implements Runnable {
    private static final int BAR_WIDTH = 24;
    private static final int MAX_SAMPLES = 3;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    VisionFlags vision = new VisionFlags();

    @Option(names = "--suite", paramLabel = "NAME", description = "What is measured; there is nano, the default.")
    String suite = "nano";

    @Option(
            names = "--skills",
            paramLabel = "NAME",
            split = ",",
            description = "Measure these skills of the suite only.")
    List<String> names = List.of();

    @Option(
            names = {"-n", "--problems"},
            paramLabel = "N",
            description = "Problems of each skill; by default 500.")
    int problems = Evaluation.Options.DEFAULT.problems();

    @Option(names = "--seed", paramLabel = "N", description = "Same seed, same problems; by default 1.")
    long seed = Evaluation.Options.DEFAULT.seed();

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Longest answer, thinking included; by default 400.")
    int maxTokens = Evaluation.Options.DEFAULT.maxTokens();

    @Option(
            names = "--failures",
            paramLabel = "FILE",
            description = "Write what was not solved, one JSON object a line.")
    @Nullable
    Path failures;

    @Option(names = "--svg", paramLabel = "FILE", description = "Draw the scores.")
    @Nullable
    Path svg;

    @Option(names = "--html", paramLabel = "FILE", description = "Write a page with the scores and some failures.")
    @Nullable
    Path html;

    @Option(names = "--json", description = "Print the scores as one JSON object.")
    boolean json;

    @Override
    public void run() {
        Evaluation.Options options =
                new Evaluation.Options(problems, seed, maxTokens, Evaluation.Options.DEFAULT.maxRounds());
        List<Skill> skills = chosen();
        try (Engine engine = model.open(vision);
                PrintWriter failed = failures == null ? null : writer(failures)) {
            List<Score> scores = measure(engine, new Evaluation(engine, options), skills, failed);
            if (scores.isEmpty()) {
                throw new CommandException("nothing was measured, as the model can see no pictures");
            }
            if (failed != null && failed.checkError()) {
                throw new CommandException(failures + " could not be written");
            }
            report(scores);
        }
    }

    private List<Skill> chosen() {
        if (!suite.equals("nano")) {
            throw new CommandException("there is no suite named %s; there is nano".formatted(suite));
        }
        List<Skill> all = Suite.skills();
        for (String name : names) {
            if (all.stream().noneMatch(skill -> skill.name().equals(name))) {
                throw new CommandException("the suite %s has no skill %s; it has %s"
                        .formatted(suite, name, all.stream().map(Skill::name).collect(Collectors.joining(", "))));
            }
        }
        return names.isEmpty()
                ? all
                : all.stream().filter(skill -> names.contains(skill.name())).toList();
    }

    private List<Score> measure(
            Engine engine, Evaluation evaluation, List<Skill> skills, @Nullable PrintWriter failed) {
        List<Skill> shown = new ArrayList<>(skills);
        String blindness = skills.stream().anyMatch(Evaluation::needsSight) ? blindness(engine) : null;
        if (blindness != null) {
            shown.removeIf(Evaluation::needsSight);
            err().printf("skills with pictures are left out: %s%n", blindness);
            err().flush();
        }
        heading();
        List<Score> scores = new ArrayList<>();
        for (int i = 0; i < shown.size(); i++) {
            Skill skill = shown.get(i);
            String label = "%s (%d of %d)".formatted(skill.name(), i + 1, shown.size());
            AtomicInteger done = new AtomicInteger();
            try (Progress progress = new Progress(
                    Streams.messages(), err(), label, problems, n -> "%,d problems".formatted(n), System::nanoTime)) {
                scores.add(evaluation.score(skill, trial -> {
                    progress.update(done.incrementAndGet());
                    if (failed != null && !trial.isSolved()) {
                        failed.println(JSON.writeValueAsString(record(trial)));
                    }
                }));
            }
            row(scores.getLast());
        }
        return scores;
    }

    /** Why the model sees no pictures, or null if it does. */
    private static @Nullable String blindness(Engine engine) {
        try {
            engine.vision();
            return null;
        } catch (IllegalArgumentException e) {
            return Objects.requireNonNull(e.getMessage());
        }
    }

    private static Map<String, Object> record(Trial trial) {
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("skill", trial.skill());
        record.put("number", trial.number());
        record.put("ending", trial.ending().name().toLowerCase(java.util.Locale.ROOT));
        record.put("conversation", JSON.readTree(trial.conversation().toJson()));
        record.put(
                "demonstration", JSON.readTree(trial.problem().demonstration().toJson()));
        return record;
    }

    private void heading() {
        if (!json) {
            out().printf("%-22s %10s %17s %8s%n", "skill", "accuracy", "95 % interval", "target");
            out().flush();
        }
    }

    private void row(Score score) {
        if (json) {
            return;
        }
        Double target = Suite.targets().get(score.skill());
        out().printf(
                        "%-22s %8.1f %% %7.1f - %5.1f %% %8s  %s  %s%n",
                        score.skill(),
                        100 * score.accuracy(),
                        100 * score.low(),
                        100 * score.high(),
                        target == null ? "-" : "%.0f %%".formatted(100 * target),
                        bar(score.accuracy(), target),
                        Units.time(Duration.ofMillis(Math.round(1000 * score.seconds()))));
        out().flush();
    }

    /** The accuracy as a bar; the upright line in it is the target. */
    private static String bar(double accuracy, @Nullable Double target) {
        StringBuilder bar = new StringBuilder();
        int filled = (int) Math.round(accuracy * BAR_WIDTH);
        for (int i = 0; i < BAR_WIDTH; i++) {
            boolean isTarget = target != null && i == Math.min(BAR_WIDTH - 1, (int) (target * BAR_WIDTH));
            bar.append(isTarget ? '│' : i < filled ? '█' : '░');
        }
        return bar.toString();
    }

    private void report(List<Score> scores) {
        String title = "%s: suite %s, %d problems a skill, seed %d"
                .formatted(model.path().getFileName(), suite, problems, seed);
        String picture = ScorePicture.svg(title, scores, Suite.targets());
        if (svg != null) {
            try {
                Files.writeString(svg, picture);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        if (html != null) {
            Page.write(html, title, picture + samples(scores));
        }
        if (json) {
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("model", model.path().toString());
            result.put("seed", seed);
            result.put("skills", scores.stream().map(EvalCommand::record).toList());
            Output.json(out(), result);
        } else {
            double mean = scores.stream().mapToDouble(Score::accuracy).average().orElseThrow();
            double seconds = scores.stream().mapToDouble(Score::seconds).sum();
            out().printf(
                            "%-22s %8.1f %%  of %,d skills in %s%n",
                            "mean",
                            100 * mean,
                            scores.size(),
                            Units.time(Duration.ofMillis(Math.round(1000 * seconds))));
            String below = scores.stream()
                    .filter(score -> score.accuracy() < Suite.targets().getOrDefault(score.skill(), 0.0))
                    .map(Score::skill)
                    .collect(Collectors.joining(", "));
            out().println(below.isEmpty() ? "No skill is below its target." : "Below target: " + below + ".");
            out().flush();
        }
    }

    private static Map<String, Object> record(Score score) {
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("name", score.skill());
        record.put("n", score.problems());
        record.put("accuracy", score.accuracy());
        record.put("low", score.low());
        record.put("high", score.high());
        return record;
    }

    private static String samples(List<Score> scores) {
        StringBuilder body = new StringBuilder("<h2>Some that were not solved</h2>\n");
        for (Score score : scores) {
            for (Trial trial : score.failures()
                    .subList(0, Math.min(MAX_SAMPLES, score.failures().size()))) {
                body.append("<p>").append(Page.escaped(score.skill())).append("</p>\n<pre>");
                trial.conversation()
                        .messages()
                        .forEach(message -> body.append(Page.escaped("%s: %s%s%s\n"
                                .formatted(
                                        message.role().wireName(),
                                        message.reasoning() == null
                                                        || message.reasoning().isEmpty()
                                                ? ""
                                                : "(" + message.reasoning() + ") ",
                                        message.text(),
                                        message.toolCalls().stream()
                                                .map(call -> " " + call.name() + call.argumentsJson())
                                                .collect(Collectors.joining())))));
                body.append("<span class=\"faint\">expected: ")
                        .append(Page.escaped(trial.problem()
                                .demonstration()
                                .messages()
                                .getLast()
                                .text()))
                        .append("</span></pre>\n");
            }
        }
        return body.toString();
    }

    private static PrintWriter writer(Path file) {
        try {
            return new PrintWriter(Files.newBufferedWriter(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private PrintWriter out() {
        return Objects.requireNonNull(spec).commandLine().getOut();
    }

    private PrintWriter err() {
        return Objects.requireNonNull(spec).commandLine().getErr();
    }
}
