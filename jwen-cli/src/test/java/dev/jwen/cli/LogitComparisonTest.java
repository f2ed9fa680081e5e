package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.tensor.Tensor;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogitComparisonTest {
    private static final float FORBIDDEN = Float.NEGATIVE_INFINITY;

    @TempDir
    Path directory;

    private Path file(String name, int tokens, float... logits) {
        Path file = directory.resolve(name + ".safetensors");
        Tensor tensor = Tensor.f32(logits, tokens, logits.length / tokens);
        SafetensorsWriter.write(file, Map.of("logits", tensor), Map.of());
        return file;
    }

    @Test
    void equalLogitsAreNoDistanceApart() {
        Path one = file("one", 2, 1, 2, FORBIDDEN, 3, 2, 1);
        assertThat(LogitComparison.of(one, one)).isEqualTo(new LogitComparison(2, 3, 0, 0, 1, 0));
    }

    @Test
    void distancesAreThoseOfTheDefinitions() {
        float ln2 = (float) Math.log(2);
        float ln3 = (float) Math.log(3);
        Path found = file("found", 2, 0, 0, 5, 4); // probabilities 1/2 1/2
        Path reference = file("reference", 2, 0, ln3, 5, 4); // 1/4 3/4
        LogitComparison actual = LogitComparison.of(found, reference);
        assertThat(actual.maxDifference()).isEqualTo(ln3);
        assertThat(actual.meanDifference()).isEqualTo(ln3 / 4, within(1e-12));
        assertThat(actual.argMaxAgreement()).isEqualTo(0.5);
        double kl = 0.25 * -ln2 + 0.75 * (ln3 - ln2);
        assertThat(actual.meanKl()).isEqualTo(kl / 2, within(1e-7));
    }

    @Test
    void addingAConstantChangesLogitsAndNotProbabilities() {
        LogitComparison actual = LogitComparison.of(file("found", 1, 1, 2, 3), file("reference", 1, 2, 3, 4));
        assertThat(actual.meanDifference()).isEqualTo(1);
        assertThat(actual.meanKl()).isEqualTo(0, within(1e-12));
    }

    @Test
    void aTokenThatOnlyTheReferenceAllowsIsInfinitelyFar() {
        LogitComparison actual = LogitComparison.of(file("found", 1, 1, FORBIDDEN), file("reference", 1, 1, 1));
        assertThat(actual.maxDifference()).isInfinite();
        assertThat(actual.meanKl()).isInfinite();
    }

    @Test
    void theFieldsAreJson() {
        StringWriter json = new StringWriter();
        Path one = file("one", 1, 1, 2);
        Output.json(new PrintWriter(json), LogitComparison.of(one, one));
        assertThat(json.toString())
                .contains("tokens", "vocabulary", "maxDifference", "meanDifference", "argMaxAgreement", "meanKl");
    }

    @Test
    void mistakesAreNamed() {
        Path good = file("good", 2, 1, 2, 3, 4);
        assertThatThrownBy(() -> LogitComparison.of(good, file("short", 1, 1, 2)))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("good.safetensors holds logits of shape [2, 2], but")
                .hasMessageContaining("short.safetensors of [1, 2]");
        assertThatThrownBy(() -> LogitComparison.of(good, file("nan", 2, 1, 2, 3, Float.NaN)))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("nan.safetensors: the logit of token 1 in row 1 is NaN");
        Path other = directory.resolve("other.safetensors");
        SafetensorsWriter.write(other, Map.of("weight", Tensor.f32(1)), Map.of());
        assertThatThrownBy(() -> LogitComparison.of(other, good))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("other.safetensors holds no tensor logits, but weight;");
        assertThatThrownBy(() -> LogitComparison.of(good, directory.resolve("missing")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("missing");
    }
}
