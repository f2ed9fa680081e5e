package dev.jwen.cli;

import dev.jwen.generate.SamplingOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How tokens are chosen; what is not given comes from the model. */
final class SamplingFlags {
    @Option(
            names = {"--temperature", "--temp"},
            paramLabel = "X",
            description = "Randomness; 0 always takes the most likely token.")
    @Nullable
    Double temperature;

    @Option(names = "--top-k", paramLabel = "N", description = "Choose among the N most likely tokens; 0 for all.")
    @Nullable
    Integer topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Choose among the fewest tokens that together have probability P.")
    @Nullable
    Double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Leave out tokens less likely than P times the most likely.")
    @Nullable
    Double minP;

    @Option(names = "--presence-penalty", paramLabel = "X", description = "Against words that were already said.")
    @Nullable
    Double presencePenalty;

    @Option(
            names = "--frequency-penalty",
            paramLabel = "X",
            description = "Against words, the more often they were said.")
    @Nullable
    Double frequencyPenalty;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "X",
            description = "Against any repetition, also of the prompt; 1 for none.")
    @Nullable
    Double repetitionPenalty;

    @Option(
            names = "--logit-bias",
            paramLabel = "ID=X",
            description = "Added to the logit of a token; repeat for several.")
    Map<Integer, Double> logitBias = new LinkedHashMap<>();

    @Option(names = "--seed", paramLabel = "N", description = "Same seed, same answer.")
    @Nullable
    Long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "End the answer where this text would begin; repeat for several.")
    List<String> stop = List.of();

    @Option(
            names = {"-n", "--max-tokens"},
            paramLabel = "N",
            description = "Longest answer, thinking included.")
    @Nullable
    Integer maxTokens;

    /** {@code defaults} with what was given on the command line. */
    SamplingOptions over(SamplingOptions defaults) {
        if (maxTokens != null && maxTokens < 1) {
            throw new CommandException("-n must be at least 1, found " + maxTokens);
        }
        SamplingOptions.Builder builder = defaults.toBuilder()
                .temperature(or(temperature, defaults.temperature()))
                .topK(topK == null ? defaults.topK() : topK)
                .topP(or(topP, defaults.topP()))
                .minP(or(minP, defaults.minP()))
                .presencePenalty(or(presencePenalty, defaults.presencePenalty()))
                .frequencyPenalty(or(frequencyPenalty, defaults.frequencyPenalty()))
                .repetitionPenalty(or(repetitionPenalty, defaults.repetitionPenalty()))
                .seed(seed == null ? defaults.seed() : seed)
                .maxTokens(maxTokens == null ? defaults.maxTokens() : maxTokens);
        if (!logitBias.isEmpty()) {
            Map<Integer, Float> bias = new LinkedHashMap<>();
            logitBias.forEach((id, value) -> bias.put(id, value.floatValue()));
            builder.logitBias(bias);
        }
        return (stop.isEmpty() ? builder : builder.stop(stop)).build();
    }

    private static double or(@Nullable Double given, double otherwise) {
        return given == null ? otherwise : given;
    }
}
