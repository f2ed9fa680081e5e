package dev.jwen.cli;

import dev.jwen.engine.Completion;
import java.util.List;

/** How a generation went, in one line for people. */
final class Stats {
    private Stats() {}

    /** Answers of one conversation, between which tools were run, as one: its prompt is that of the last. */
    static Completion together(List<Completion> answers) {
        Completion last = answers.getLast();
        int read = 0;
        int tokens = 0;
        long promptNanos = 0;
        long decodeNanos = 0;
        for (Completion answer : answers) {
            read += answer.promptTokens() - answer.cachedTokens();
            tokens += answer.tokens();
            promptNanos += answer.promptNanos();
            decodeNanos += answer.decodeNanos();
        }
        return new Completion(
                last.text(),
                last.finishReason(),
                last.promptTokens(),
                last.promptTokens() - read,
                tokens,
                promptNanos,
                decodeNanos);
    }

    static String line(Completion completion) {
        int read = completion.promptTokens() - completion.cachedTokens();
        return "read %s%s at %.1f tokens/s, wrote %,d at %.1f tokens/s, first token after %.2f s"
                .formatted(
                        Units.counted(read, "token"),
                        completion.cachedTokens() == 0
                                ? ""
                                : " (%,d more were known)".formatted(completion.cachedTokens()),
                        completion.promptTokensPerSecond(),
                        completion.tokens(),
                        completion.decodeTokensPerSecond(),
                        completion.promptNanos() / 1e9);
    }
}
