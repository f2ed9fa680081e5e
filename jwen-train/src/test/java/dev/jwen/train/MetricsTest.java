package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class MetricsTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void name() {
        file = directory.resolve("metrics.jsonl");
    }

    private static Trainer.Result result(long step, double loss) {
        return new Trainer.Result(step, loss, 0.001, 1.23456789, 100, 10);
    }

    private List<JsonNode> lines() throws IOException {
        return Files.readAllLines(file).stream().map(JSON::readTree).toList();
    }

    @Test
    void eachStepIsALineThatCountsOn() throws IOException {
        Metrics metrics = new Metrics(file, 0);
        metrics.step(result(1, 2.5), 0.5);
        metrics.step(result(2, 2.25), 0.25);
        assertThat(file).doesNotExist();
        metrics.flush();
        JsonNode last = lines().get(1);
        assertThat(lines()).hasSize(2);
        assertThat(last.get("step").asLong()).isEqualTo(2);
        assertThat(last.get("tokens").asLong()).isEqualTo(200);
        assertThat(last.get("loss").asDouble()).isEqualTo(2.25);
        assertThat(last.get("gradient_norm").asDouble()).isEqualTo(1.23457);
        assertThat(last.get("tokens_per_second").asLong()).isEqualTo(400);
        assertThat(last.get("seconds").asDouble()).isEqualTo(0.75);
    }

    @Test
    void flushingTwiceWritesOnce() throws IOException {
        Metrics metrics = new Metrics(file, 0);
        metrics.step(result(1, 2.5), 0.5);
        metrics.flush();
        metrics.flush();
        assertThat(lines()).hasSize(1);
    }

    @Test
    void skillsAndSamplesStandBesideTheSteps() throws IOException {
        Metrics metrics = new Metrics(file, 0);
        metrics.step(result(1, 2.5), 0.5);
        metrics.evaluation(1, Map.of("addition", 0.75));
        metrics.sample(1, "addition", "1 + 1\n\"?\"", "3", false);
        metrics.flush();
        assertThat(lines().get(1).get("skills").get("addition").asDouble()).isEqualTo(0.75);
        assertThat(lines().get(1).get("tokens").asLong()).isEqualTo(100);
        JsonNode sample = lines().get(2).get("sample");
        assertThat(sample.get("prompt").asString()).isEqualTo("1 + 1\n\"?\"");
        assertThat(sample.get("solved").asBoolean()).isFalse();
    }

    @Test
    void aRunThatGoesOnCountsFromTheStepItGoesOnFrom() throws IOException {
        Metrics killed = new Metrics(file, 0);
        for (int step = 1; step <= 5; step++) {
            killed.step(result(step, 1), 1);
        }
        killed.flush();
        Metrics metrics = new Metrics(file, 3); // what was saved; steps 4 and 5 are lost
        metrics.step(result(4, 1), 1);
        metrics.flush();
        assertThat(lines()).hasSize(6);
        assertThat(lines().get(5).get("tokens").asLong()).isEqualTo(400);
        assertThat(lines().get(5).get("seconds").asDouble()).isEqualTo(4);
    }

    @Test
    void halfALineOfAKilledRunSpoilsNoOther() throws IOException {
        Metrics killed = new Metrics(file, 0);
        killed.step(result(1, 1), 1);
        killed.flush();
        Files.writeString(file, "{\"step\":2,\"tokens\":2", StandardOpenOption.APPEND);
        Metrics metrics = new Metrics(file, 1);
        metrics.step(result(2, 1), 1);
        metrics.flush();
        List<String> lines = Files.readAllLines(file);
        assertThat(lines).hasSize(3);
        assertThat(lines.get(1)).isEqualTo("{\"step\":2,\"tokens\":2");
        JsonNode last = JSON.readTree(lines.get(2));
        assertThat(last.get("step").asLong()).isEqualTo(2);
        assertThat(last.get("tokens").asLong()).isEqualTo(200);
    }
}
