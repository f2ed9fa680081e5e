package dev.jwen.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a training run came to, as a page of HTML that can be read while it still runs.
 *
 * <p>The run writes one JSON object a line, of three kinds, each with its {@code step}:
 *
 * <ul>
 *   <li>a step: {@code tokens} so far, {@code loss}, {@code learning_rate}, {@code gradient_norm},
 *       {@code tokens_per_second}, {@code seconds} so far;
 *   <li>an evaluation: {@code tokens} and {@code skills}, the accuracy of each from 0 to 1;
 *   <li>a sample: {@code sample}, an object of {@code skill}, {@code prompt}, {@code answer} and {@code solved}.
 * </ul>
 *
 * <p>Where a run went back to an earlier step and went on from there, the later line about a step counts.
 */
public final class Report {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** A curve has no more points than a screen. */
    private static final int MAX_POINTS = 1_500;

    /** The smoothed loss is the mean over this share of all steps, around each. */
    private static final double SMOOTHED_SHARE = 0.02;

    /** Steps apart, hues differ as much as they can for any number of curves. */
    private static final double GOLDEN_ANGLE = 137.508;

    private static final int MAX_SAMPLES = 60;

    private record Step(double tokens, double loss, JsonNode line) {}

    private record Evaluated(double tokens, Map<String, Double> skills) {}

    private final TreeMap<Long, Step> steps = new TreeMap<>();
    private final TreeMap<Long, Evaluated> evaluations = new TreeMap<>();
    private final List<JsonNode> samples = new ArrayList<>();

    private Report() {}

    /**
     * Writes the page.
     *
     * @param metrics lines of JSON; a last line that is cut, as of a run that is writing it, is left out
     * @param command what was typed to start the run
     * @throws IllegalArgumentException naming the line that is not of the kinds above
     * @throws UncheckedIOException if a file cannot be read or written
     */
    public static void write(Path metrics, Path html, String title, String command) {
        Report report = new Report();
        report.read(metrics);
        Page.write(html, title, report.body(metrics, command));
    }

    private void read(Path metrics) {
        List<String> lines;
        try {
            // Not readAllLines, which refuses a character that is cut at the end.
            lines = new String(Files.readAllBytes(metrics), java.nio.charset.StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            JsonNode line;
            try {
                line = JSON.readTree(lines.get(i));
            } catch (JacksonException e) {
                if (i == lines.size() - 1) {
                    return;
                }
                throw new IllegalArgumentException("%s: line %d is not JSON: %s; expected one object a line"
                        .formatted(metrics, i + 1, e.getOriginalMessage()));
            }
            if (!line.path("step").isIntegralNumber()) {
                throw new IllegalArgumentException(
                        "%s: line %d has no step: %s; expected an object with a whole number \"step\""
                                .formatted(metrics, i + 1, lines.get(i)));
            }
            add(line.path("step").asLong(), line);
        }
    }

    private void add(long step, JsonNode line) {
        if (line.has("sample")) {
            samples.add(line);
        } else if (line.has("skills")) {
            Map<String, Double> skills = new LinkedHashMap<>();
            line.path("skills")
                    .properties()
                    .forEach(
                            skill -> skills.put(skill.getKey(), skill.getValue().asDouble(Double.NaN)));
            evaluations.put(step, new Evaluated(line.path("tokens").asDouble(0), skills));
        } else if (line.has("loss")) {
            steps.put(
                    step,
                    new Step(line.path("tokens").asDouble(0), line.path("loss").asDouble(Double.NaN), line));
        }
    }

    private String body(Path metrics, String command) {
        StringBuilder body = new StringBuilder();
        body.append("<pre>").append(Page.escaped(command)).append("</pre>\n");
        if (steps.isEmpty() && evaluations.isEmpty()) {
            body.append("<p>The run has not written anything yet.</p>\n");
        }
        if (!steps.isEmpty()) {
            body.append("<h2>Loss</h2>\n")
                    .append(loss())
                    .append(
                            "<p class=\"faint\">Nats a token of the batches of training, each as it was before the step; the strong line is the mean over %s %% of the steps, around each.</p>\n"
                                    .formatted(Math.round(100 * SMOOTHED_SHARE)));
        }
        if (!evaluations.isEmpty()) {
            body.append("<h2>Skills</h2>\n")
                    .append(skills())
                    .append("<p class=\"faint\">Percent of held-out problems that were solved.</p>\n");
        }
        body.append(lastValues());
        body.append(samples());
        body.append("<p class=\"faint\">From %s.</p>\n".formatted(Page.escaped(String.valueOf(metrics.getFileName()))));
        return body.toString();
    }

    private String loss() {
        int n = steps.size();
        double[] tokens = steps.values().stream().mapToDouble(Step::tokens).toArray();
        double[] raw = steps.values().stream().mapToDouble(Step::loss).toArray();
        double[] smooth = smoothed(raw, (int) (n * SMOOTHED_SHARE / 2));
        double max = 0;
        double min = Double.MAX_VALUE;
        for (int i = 0; i < n; i++) {
            // The first steps of a run fall from heights that would flatten everything after them: they are cut off.
            max = i >= n * SMOOTHED_SHARE - 1 && Double.isFinite(smooth[i]) ? Math.max(max, smooth[i]) : max;
            min = Double.isFinite(raw[i]) ? Math.min(min, raw[i]) : min;
        }
        List<Chart.Curve> curves = List.of(
                curve("", "var(--accent)", 0.3, tokens, raw),
                curve(String.format(Locale.ROOT, "loss %.4f", smooth[n - 1]), "var(--accent)", 1, tokens, smooth));
        return Chart.svg("Loss by tokens", "tokens", Math.min(0, min), max, curves);
    }

    /** Means over up to {@code half} values to each side; less far at the beginning, where values fall steeply. */
    private static double[] smoothed(double[] values, int half) {
        double[] smooth = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            int reach = Math.min(half, i);
            smooth[i] = Arrays.stream(values, i - reach, Math.min(values.length, i + reach + 1))
                    .filter(Double::isFinite)
                    .average()
                    .orElse(Double.NaN);
        }
        return smooth;
    }

    private static Chart.Curve curve(String label, String colour, double opacity, double[] x, double[] y) {
        int stride = (x.length + MAX_POINTS - 1) / MAX_POINTS;
        int count = (x.length + stride - 1) / stride;
        double[] fewX = new double[count];
        double[] fewY = new double[count];
        for (int i = 0; i < count; i++) {
            // Counted from the end, so that the last value is among them.
            int from = x.length - 1 - (count - 1 - i) * stride;
            fewX[i] = x[from];
            fewY[i] = y[from];
        }
        return new Chart.Curve(label, colour, opacity, fewX, fewY);
    }

    private String skills() {
        Map<String, List<double[]>> points = new LinkedHashMap<>();
        for (Evaluated evaluated : evaluations.values()) {
            evaluated
                    .skills()
                    .forEach((skill, accuracy) -> points.computeIfAbsent(skill, name -> new ArrayList<>())
                            .add(new double[] {evaluated.tokens(), 100 * accuracy}));
        }
        List<Chart.Curve> curves = new ArrayList<>();
        points.forEach((skill, at) -> {
            double[] x = at.stream().mapToDouble(point -> point[0]).toArray();
            double[] y = at.stream().mapToDouble(point -> point[1]).toArray();
            String colour =
                    String.format(Locale.ROOT, "hsl(%.0f 65%% var(--strong))", curves.size() * GOLDEN_ANGLE % 360);
            curves.add(curve(String.format(Locale.ROOT, "%s %.0f", skill, y[y.length - 1]), colour, 1, x, y));
        });
        return Chart.svg("Skills by tokens", "tokens", 0, 100, curves);
    }

    private String lastValues() {
        StringBuilder table = new StringBuilder("<h2>Last values</h2>\n<table>\n");
        if (!steps.isEmpty()) {
            row(table, "step", String.format(Locale.ROOT, "%,d", steps.lastKey()));
            JsonNode last = steps.lastEntry().getValue().line();
            row(
                    table,
                    "tokens",
                    String.format(Locale.ROOT, "%,d", last.path("tokens").asLong(0)));
            row(table, "loss", number(last, "loss", "%.4f"));
            row(table, "learning rate", number(last, "learning_rate", "%.3g"));
            row(table, "gradient norm", number(last, "gradient_norm", "%.3g"));
            row(table, "tokens a second", number(last, "tokens_per_second", "%,.0f"));
            row(table, "seconds", number(last, "seconds", "%,.0f"));
        }
        if (!evaluations.isEmpty()) {
            evaluations
                    .lastEntry()
                    .getValue()
                    .skills()
                    .forEach((skill, accuracy) ->
                            row(table, skill, String.format(Locale.ROOT, "%.1f %%", 100 * accuracy)));
        }
        return table.append("</table>\n").toString();
    }

    private static String number(JsonNode line, String field, String format) {
        return line.path(field).isNumber()
                ? String.format(Locale.ROOT, format, line.path(field).asDouble())
                : "–";
    }

    private static void row(StringBuilder table, String name, String value) {
        table.append("<tr><th>%s</th><td class=\"number\">%s</td></tr>\n"
                .formatted(Page.escaped(name), Page.escaped(value)));
    }

    /** The latest first. */
    private String samples() {
        if (samples.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<h2>Samples</h2>\n");
        for (JsonNode line : samples.reversed().subList(0, Math.min(MAX_SAMPLES, samples.size()))) {
            JsonNode sample = line.path("sample");
            boolean isSolved = sample.path("solved").asBoolean(false);
            html.append(String.format(
                    Locale.ROOT,
                    "<p>%s at step %,d: <span class=\"%s\">%s</span></p>\n<pre>%s\n<b>%s</b></pre>\n",
                    Page.escaped(sample.path("skill").asString("")),
                    line.path("step").asLong(),
                    isSolved ? "good" : "bad",
                    isSolved ? "solved" : "not solved",
                    Page.escaped(sample.path("prompt").asString("")),
                    Page.escaped(sample.path("answer").asString(""))));
        }
        if (samples.size() > MAX_SAMPLES) {
            html.append(String.format(
                    Locale.ROOT,
                    "<p class=\"faint\">%,d earlier samples are in the file alone.</p>\n",
                    samples.size() - MAX_SAMPLES));
        }
        return html.toString();
    }
}
