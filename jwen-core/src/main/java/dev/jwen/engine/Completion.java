package dev.jwen.engine;

/**
 * What a generation came to.
 *
 * @param text everything that was said, special tokens left out
 * @param promptTokens length of the prompt
 * @param cachedTokens how many of them were not read again because an earlier state knew them
 * @param tokens tokens generated, the end token included
 * @param promptNanos time to read the prompt and sample the first token
 * @param decodeNanos time for the tokens after the first
 */
public record Completion(
        String text,
        FinishReason finishReason,
        int promptTokens,
        int cachedTokens,
        int tokens,
        long promptNanos,
        long decodeNanos) {

    /** Of a prompt that was not even encoded when the listener cancelled. */
    static final Completion CANCELLED_UNREAD = new Completion("", FinishReason.CANCELLED, 0, 0, 0, 0, 0);

    /** Why it ended. */
    public enum FinishReason {
        /** The model ended its turn. */
        STOP,
        /** A stop string of the request appeared. */
        STOP_STRING,
        /** The largest number of tokens was reached. */
        LENGTH,
        /** The context is full. */
        CONTEXT_FULL,
        /** The listener asked for it. */
        CANCELLED
    }

    /** Prompt tokens read per second, those from an earlier state not counted. */
    public double promptTokensPerSecond() {
        return (promptTokens - cachedTokens) * 1e9 / Math.max(1, promptNanos);
    }

    /** Generated tokens per second after the first. */
    public double decodeTokensPerSecond() {
        return tokens < 2 ? 0 : (tokens - 1) * 1e9 / Math.max(1, decodeNanos);
    }
}
