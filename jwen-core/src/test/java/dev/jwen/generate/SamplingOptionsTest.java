package dev.jwen.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class SamplingOptionsTest {

    @Test
    void aBuilderReturnsWhatItWasBuiltFrom() {
        SamplingOptions options = new SamplingOptions(
                Map.of(5, -1f), 1.1, 0.5, -0.5, 0.7, 20, 0.8, 0.05, 42L, List.of("\n\n", "User:"), 100);
        assertThat(options.toBuilder().build()).isEqualTo(options);
    }

    @Test
    void valuesOutOfRangeAreRefusedByName() {
        refuses(b -> b.temperature(-0.1), "temperature is -0.1, expected 0 (greedy) or from");
        refuses(b -> b.temperature(Double.NaN), "temperature is NaN");
        refuses(b -> b.topK(-1), "topK is -1");
        refuses(b -> b.topP(1.01), "topP is 1.01");
        refuses(b -> b.topP(Double.NaN), "topP is NaN");
        refuses(b -> b.minP(-0.01), "minP is -0.01");
        refuses(b -> b.presencePenalty(2.5), "presencePenalty is 2.5");
        refuses(b -> b.frequencyPenalty(Double.NaN), "frequencyPenalty is NaN");
        refuses(b -> b.repetitionPenalty(0), "repetitionPenalty is 0.0");
        refuses(b -> b.logitBias(Map.of(7, Float.NaN)), "logitBias of token 7 is NaN");
        refuses(b -> b.logitBias(Map.of(-7, 1f)), "logitBias of token -7");
        refuses(b -> b.stop(List.of("a", "")), "expected texts of at least one character");
        refuses(b -> b.maxTokens(0), "maxTokens is 0, expected at least 1");
    }

    private static void refuses(UnaryOperator<SamplingOptions.Builder> change, String message) {
        assertThatThrownBy(() -> change.apply(SamplingOptions.builder()).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void generationConfigOverridesWhatItNames() {
        SamplingOptions base = Preset.INSTRUCT.options();
        assertThat(base.withGenerationConfig(Map.of())).isEqualTo(base);
        Map<String, Object> config = Map.of(
                "do_sample", true, "temperature", 1L, "top_k", 20L, "top_p", 0.95, "eos_token_id", List.of(248_046L));
        assertThat(base.withGenerationConfig(config))
                .isEqualTo(base.toBuilder().temperature(1).topP(0.95).build());
    }

    @Test
    void generationConfigWithoutSamplingIsGreedy() {
        assertThat(SamplingOptions.NEUTRAL
                        .withGenerationConfig(Map.of("do_sample", false, "temperature", 0.6))
                        .isGreedy())
                .isTrue();
        assertThat(Preset.SMALL_THINKING
                        .options()
                        .withGenerationConfig(Map.of("do_sample", false))
                        .presencePenalty())
                .isZero();
    }

    @Test
    void generationConfigOfTheWrongTypeIsNamed() {
        assertThatThrownBy(() -> SamplingOptions.NEUTRAL.withGenerationConfig(Map.of("top_p", "high")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("generation_config.json: top_p is \"high\", expected a number");
    }

    @Test
    void presetsFollowSizeModeAndTask() {
        long small = 2_270_000_000L;
        long large = 4_540_000_000L;
        assertThat(Preset.of(large, true, Preset.Task.GENERAL)).isEqualTo(Preset.THINKING);
        assertThat(Preset.of(large, true, Preset.Task.REASONING)).isEqualTo(Preset.THINKING);
        assertThat(Preset.of(large, true, Preset.Task.CODING)).isEqualTo(Preset.THINKING_CODING);
        assertThat(Preset.of(large, false, Preset.Task.CODING)).isEqualTo(Preset.INSTRUCT);
        assertThat(Preset.of(large, false, Preset.Task.REASONING)).isEqualTo(Preset.INSTRUCT_REASONING);
        assertThat(Preset.of(small, false, Preset.Task.GENERAL)).isEqualTo(Preset.SMALL_INSTRUCT);
        assertThat(Preset.of(small, true, Preset.Task.GENERAL)).isEqualTo(Preset.SMALL_THINKING);
        assertThat(Preset.of(small, true, Preset.Task.CODING)).isEqualTo(Preset.SMALL_THINKING_CODING);
        assertThat(Preset.THINKING.options())
                .isEqualTo(new SamplingOptions(Map.of(), 1, 1.5, 0, 1, 20, 0.95, 0, null, List.of(), 32_768));
    }
}
