package dev.jwen.checkpoint;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A model file that cannot be used; the message says which, what was expected, what was found and what to do. */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int MAX_WORD = 120;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * An error in a file: its path, then the sentence.
     *
     * @param arguments of the sentence; words from a file are made fit for a message, and an exception in last place is
     *     the cause
     */
    static CheckpointException in(Object where, String sentence, @Nullable Object... arguments) {
        Object[] shown = Arrays.stream(arguments)
                .map(argument -> argument instanceof String word ? clean(word) : argument)
                .toArray();
        String message = where + ": " + sentence.formatted(shown);
        return arguments.length > 0 && arguments[arguments.length - 1] instanceof Throwable cause
                ? new CheckpointException(message, cause)
                : new CheckpointException(message);
    }

    /** An error in a file that only a good copy can mend. */
    static CheckpointException damaged(Object where, String sentence, @Nullable Object... arguments) {
        return in(where, sentence + ". The file is damaged or cut short; get a good copy of it.", arguments);
    }

    /** A word from a file, short and without control characters. */
    static String clean(String word) {
        String head = word.length() <= MAX_WORD ? word : word.substring(0, MAX_WORD) + "…";
        return head.replaceAll("\\p{Cntrl}", "?");
    }
}
