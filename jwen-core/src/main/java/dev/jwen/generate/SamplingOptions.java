package dev.jwen.generate;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How the next token is chosen from the logits, and when to stop.
 *
 * <p>The steps apply in the order of the fields, as {@link Sampler} says; a step with its neutral value does nothing.
 *
 * {@snippet :
 *   SamplingOptions options = SamplingOptions.builder().temperature(0.6).topK(20).topP(0.95).seed(42L).build();
 * }
 *
 * @param logitBias added to the logits of these token ids; -100 to 100, or negative infinity to forbid one; neutral: empty
 * @param repetitionPenalty divides the positive and multiplies the negative logits of tokens that occur in the prompt
 *     or the answer; above 0, neutral: 1
 * @param presencePenalty subtracted once from each token that the answer already holds; -2 to 2, neutral: 0
 * @param frequencyPenalty subtracted from each token once per occurrence in the answer; -2 to 2, neutral: 0
 * @param temperature divides the logits; 0 takes the most likely token, neutral: 1
 * @param topK keeps this many most likely tokens, and those equal to the last of them; neutral: 0
 * @param topP keeps the most likely tokens whose probabilities together reach this; 0 to 1, neutral: 1
 * @param minP keeps tokens at least this fraction as likely as the most likely one; 0 to 1, neutral: 0
 * @param seed makes the choices reproducible; null lets the caller of the sampler pick one
 * @param stop ends the answer before any of these texts
 * @param maxTokens the longest answer, in tokens
 */
public record SamplingOptions(
        Map<Integer, Float> logitBias,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        double temperature,
        int topK,
        double topP,
        double minP,
        @Nullable Long seed,
        List<String> stop,
        int maxTokens) {

    /** Samples from the model's own probabilities, for at most 32,768 tokens (the budget the makers suggest). */
    public static final SamplingOptions NEUTRAL = builder().build();

    /** Always takes the most likely token. */
    public static final SamplingOptions GREEDY = builder().temperature(0).build();

    public SamplingOptions {
        logitBias = Map.copyOf(logitBias);
        logitBias.forEach((token, bias) -> check(
                token >= 0 && (Math.abs(bias) <= 100 || bias == Float.NEGATIVE_INFINITY),
                "logitBias of token " + token,
                bias,
                "from -100 to 100 or -Infinity, on a token id of 0 or more"));
        check(
                repetitionPenalty > 0 && repetitionPenalty <= 10,
                "repetitionPenalty",
                repetitionPenalty,
                "above 0, up to 10");
        check(Math.abs(presencePenalty) <= 2, "presencePenalty", presencePenalty, "from -2 to 2");
        check(Math.abs(frequencyPenalty) <= 2, "frequencyPenalty", frequencyPenalty, "from -2 to 2");
        check(
                temperature == 0 || (temperature >= 1e-6 && temperature <= 100),
                "temperature",
                temperature,
                "0 (greedy) or from 0.000001 to 100");
        check(topK >= 0, "topK", topK, "0 (off) or more");
        check(topP >= 0 && topP <= 1, "topP", topP, "from 0 to 1 (off)");
        check(minP >= 0 && minP <= 1, "minP", minP, "from 0 (off) to 1");
        stop = List.copyOf(stop);
        check(!stop.contains(""), "stop", stop, "texts of at least one character");
        check(maxTokens > 0, "maxTokens", maxTokens, "at least 1");
    }

    private static void check(boolean holds, String name, Object found, String expected) {
        if (!holds) {
            throw new IllegalArgumentException("%s is %s, expected %s".formatted(name, found, expected));
        }
    }

    /** Whether the most likely token is always taken. */
    public boolean isGreedy() {
        return temperature == 0;
    }

    /**
     * These options, overridden by what a checkpoint's generation_config.json says.
     *
     * @param config as read from JSON: {@code do_sample}, {@code temperature}, {@code top_k}, {@code top_p},
     *     {@code min_p}, {@code repetition_penalty} and {@code max_new_tokens} count, other entries are left alone.
     *     Without sampling there is no presence penalty either
     */
    public SamplingOptions withGenerationConfig(Map<String, ?> config) {
        Builder builder = toBuilder()
                .repetitionPenalty(number(config, "repetition_penalty", repetitionPenalty))
                .temperature(number(config, "temperature", temperature))
                .topK((int) number(config, "top_k", topK))
                .topP(number(config, "top_p", topP))
                .minP(number(config, "min_p", minP))
                .maxTokens((int) number(config, "max_new_tokens", maxTokens));
        // Greedy search has no penalty for what is there already; that of the model card is for sampling.
        return Boolean.FALSE.equals(config.get("do_sample"))
                ? builder.temperature(0).presencePenalty(0).build()
                : builder.build();
    }

    private static double number(Map<String, ?> config, String key, double otherwise) {
        Object value = config.get(key);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException(
                "generation_config.json: %s is \"%s\", expected a number".formatted(key, value));
    }

    /** A builder that starts from neutral values. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these values. */
    public Builder toBuilder() {
        return new Builder()
                .logitBias(logitBias)
                .repetitionPenalty(repetitionPenalty)
                .presencePenalty(presencePenalty)
                .frequencyPenalty(frequencyPenalty)
                .temperature(temperature)
                .topK(topK)
                .topP(topP)
                .minP(minP)
                .seed(seed)
                .stop(stop)
                .maxTokens(maxTokens);
    }

    /** Collects options; each method sets the field of its name. */
    @SuppressWarnings("MissingSummary") // the setters say nothing that the record does not
    public static final class Builder {
        private Map<Integer, Float> logitBias = Map.of();
        private double repetitionPenalty = 1;
        private double presencePenalty;
        private double frequencyPenalty;
        private double temperature = 1;
        private int topK;
        private double topP = 1;
        private double minP;
        private @Nullable Long seed;
        private List<String> stop = List.of();
        private int maxTokens = 32_768;

        private Builder() {}

        public Builder logitBias(Map<Integer, Float> value) {
            logitBias = value;
            return this;
        }

        public Builder repetitionPenalty(double value) {
            repetitionPenalty = value;
            return this;
        }

        public Builder presencePenalty(double value) {
            presencePenalty = value;
            return this;
        }

        public Builder frequencyPenalty(double value) {
            frequencyPenalty = value;
            return this;
        }

        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        public Builder topK(int value) {
            topK = value;
            return this;
        }

        public Builder topP(double value) {
            topP = value;
            return this;
        }

        public Builder minP(double value) {
            minP = value;
            return this;
        }

        public Builder seed(@Nullable Long value) {
            seed = value;
            return this;
        }

        public Builder stop(List<String> value) {
            stop = value;
            return this;
        }

        public Builder maxTokens(int value) {
            maxTokens = value;
            return this;
        }

        /** The options; throws {@link IllegalArgumentException} that names the first value out of range. */
        public SamplingOptions build() {
            return new SamplingOptions(
                    logitBias,
                    repetitionPenalty,
                    presencePenalty,
                    frequencyPenalty,
                    temperature,
                    topK,
                    topP,
                    minP,
                    seed,
                    stop,
                    maxTokens);
        }
    }
}
