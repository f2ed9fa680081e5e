package dev.jwen.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What kind of answer is wanted, and how much of it is shown. */
final class AnswerFlags {
    @Option(names = "--system", paramLabel = "TEXT", description = "Instructions that come before everything else.")
    @Nullable
    String system;

    @Option(
            names = "--think",
            negatable = true,
            defaultValue = Option.NULL_VALUE,
            fallbackValue = "true",
            description = "Let the model think first, or not; by default what it was made for.")
    @Nullable
    Boolean think;

    @Option(names = "--hide-thinking", description = "Fold the thinking to one line.")
    boolean hideThinking;
}
