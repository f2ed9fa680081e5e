package dev.jwen.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What happens in a training, appended line by line to a file of JSON objects; {@link Report} reads them. */
public final class Metrics {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Path file;
    private final StringBuilder unwritten = new StringBuilder();
    private long tokens;
    private double seconds;

    /**
     * Lines to be appended to this file, which need not exist.
     *
     * @param step the last that was done; tokens and seconds are counted on from there
     */
    public Metrics(Path file, long step) {
        this.file = file;
        if (!Files.exists(file)) {
            return;
        }
        try {
            for (String line : Files.readAllLines(file)) {
                JsonNode json = parsed(line);
                if (json.has("loss") && json.path("step").asLong() <= step) {
                    tokens = json.path("tokens").asLong();
                    seconds = json.path("seconds").asDouble();
                }
            }
            if (!Files.readString(file).endsWith("\n")) {
                unwritten.append('\n'); // a run that was killed left half a line
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JsonNode parsed(String line) {
        try {
            return JSON.readTree(line);
        } catch (JacksonException cut) {
            return JSON.createObjectNode();
        }
    }

    /** Tokens of all steps so far. */
    public long tokens() {
        return tokens;
    }

    /** Adds a step that took so many seconds. */
    public void step(Trainer.Result result, double took) {
        tokens += result.tokens();
        seconds += took;
        ObjectNode json = JSON.createObjectNode();
        json.put("step", result.step());
        json.put("tokens", tokens);
        json.put("loss", rounded(result.loss()));
        json.put("learning_rate", rounded(result.learningRate()));
        json.put("gradient_norm", rounded(result.gradientNorm()));
        json.put("tokens_per_second", Math.round(result.tokens() / took));
        json.put("seconds", Math.round(seconds * 1000) / 1000.0);
        add(json);
    }

    /** Adds the accuracy of skills. */
    public void evaluation(long step, Map<String, Double> skills) {
        ObjectNode json = JSON.createObjectNode();
        json.put("step", step);
        json.put("tokens", tokens);
        ObjectNode values = json.putObject("skills");
        skills.forEach(values::put);
        add(json);
    }

    /** Adds one answer. */
    public void sample(long step, String skill, String prompt, String answer, boolean solved) {
        ObjectNode json = JSON.createObjectNode();
        json.put("step", step);
        json.putObject("sample")
                .put("skill", skill)
                .put("prompt", prompt)
                .put("answer", answer)
                .put("solved", solved);
        add(json);
    }

    private void add(ObjectNode json) {
        unwritten.append(JSON.writeValueAsString(json)).append('\n');
    }

    /** Appends what was added to the file. */
    public void flush() {
        try {
            Files.writeString(file, unwritten, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        unwritten.setLength(0);
    }

    private static double rounded(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.6g", value));
    }
}
