package dev.jwen.generate;

import java.util.Arrays;
import java.util.Objects;

/** The tokens of one sequence so far: the prompt, then the answer. The penalties of {@link Sampler} look at it. */
public final class History {
    private final int promptLength;
    private int[] tokens;
    private int length;

    /** A history that holds a prompt and no answer yet. */
    public History(int... prompt) {
        promptLength = prompt.length;
        tokens = prompt.clone();
        length = prompt.length;
    }

    /** Adds a token to the answer. */
    public void append(int token) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(64, length + (length >> 1)));
        }
        tokens[length++] = token;
    }

    /** Forgets the newest tokens, for example rejected drafts, so that {@code newLength} remain. */
    public void truncate(int newLength) {
        if (newLength < promptLength || newLength > length) {
            throw new IllegalArgumentException("cannot truncate to %d tokens: the prompt has %d, all have %d"
                    .formatted(newLength, promptLength, length));
        }
        length = newLength;
    }

    /** Number of tokens, prompt included. */
    public int length() {
        return length;
    }

    public int promptLength() {
        return promptLength;
    }

    public int token(int index) {
        return tokens[Objects.checkIndex(index, length)];
    }
}
