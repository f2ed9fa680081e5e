package dev.jwen.cli;

import dev.jwen.engine.Completion;

/** How a generation went, in one line for people. */
final class Stats {
    private Stats() {}

    static String line(Completion completion) {
        int read = completion.promptTokens() - completion.cachedTokens();
        return "read %,d tokens%s at %.1f tokens/s, wrote %,d at %.1f tokens/s, first token after %.2f s"
                .formatted(
                        read,
                        completion.cachedTokens() == 0
                                ? ""
                                : " (%,d more were known)".formatted(completion.cachedTokens()),
                        completion.promptTokensPerSecond(),
                        completion.tokens(),
                        completion.decodeTokensPerSecond(),
                        completion.promptNanos() / 1e9);
    }
}
