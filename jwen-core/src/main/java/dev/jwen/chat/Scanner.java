package dev.jwen.chat;

/**
 * Text that arrives in pieces, looked at from one position.
 *
 * <p>Every question about what stands at a place is answered with the index after it, with {@link #NO}, or, while the
 * text that would decide has not arrived, with {@link #MORE}. So the caller's decisions depend on the text alone and
 * not on how it was split. Answers look at most a few hundred characters ahead.
 */
final class Scanner {
    static final int NO = -1;
    static final int MORE = -2;

    private static final int MAX_BLANKS = 64;
    private static final int MAX_NAME = 256;

    private final StringBuilder text = new StringBuilder();
    private int at;
    private boolean complete;

    void append(String more) {
        text.append(more);
    }

    /** No more text will come. */
    void complete() {
        complete = true;
    }

    /** Forgets what has been consumed. */
    void compact() {
        text.delete(0, at);
        at = 0;
    }

    int at() {
        return at;
    }

    int end() {
        return text.length();
    }

    /** Whether a tag may start here; false too when nothing is left to look at yet. */
    boolean atTag() {
        return at < text.length() && text.charAt(at) == '<';
    }

    /** Consumes the text before the next possible tag; may be empty. Never ends in half a surrogate pair. */
    String run() {
        int end = text.indexOf("<", at);
        if (end < 0) {
            end = text.length();
            if (end > at && !complete && Character.isHighSurrogate(text.charAt(end - 1))) {
                end--;
            }
        }
        return take(end);
    }

    String take(int end) {
        String taken = text.substring(at, end);
        at = end;
        return taken;
    }

    void skipTo(int end) {
        at = end;
    }

    void skipBlanks() {
        while (at < text.length() && isBlank(text.charAt(at))) {
            at++;
        }
    }

    int tag(String tag) {
        return tag(at, tag);
    }

    int tag(int from, String tag) {
        if (from < 0) {
            return from;
        }
        for (int i = 0; i < tag.length(); i++) {
            if (from + i >= text.length()) {
                return complete ? NO : MORE;
            }
            if (text.charAt(from + i) != tag.charAt(i)) {
                return NO;
            }
        }
        return from + tag.length();
    }

    /** Optional white space, at most 64 characters of it. */
    int blanks(int from) {
        if (from < 0) {
            return from;
        }
        for (int i = from; i <= from + MAX_BLANKS; i++) {
            if (i >= text.length()) {
                return complete ? i : MORE;
            }
            if (!isBlank(text.charAt(i))) {
                return i;
            }
        }
        return NO;
    }

    /** A name on one line that ends before {@code >}; the answer is the index after that. */
    int name(int from) {
        if (from < 0) {
            return from;
        }
        for (int i = from; i <= from + MAX_NAME; i++) {
            if (i >= text.length()) {
                return complete ? NO : MORE;
            }
            char c = text.charAt(i);
            if (c == '>') {
                return text.substring(from, i).isBlank() ? NO : i + 1;
            }
            if (c == '<' || c == '\n') {
                return NO;
            }
        }
        return NO;
    }

    /** Whether all text ended inside what would have been a name. */
    boolean isCutName(int from) {
        if (!complete || from < 0 || text.length() - from > MAX_NAME) {
            return false;
        }
        return text.indexOf(">", from) < 0 && text.indexOf("<", from) < 0 && text.indexOf("\n", from) < 0;
    }

    /** The name that {@link #name} found to end at {@code end}. */
    String nameBetween(int from, int end) {
        return text.substring(from, end - 1).strip();
    }

    /**
     * Whether one of the tags follows after optional white space, or the end of all text; NO, MORE or an index. What is
     * cut off by the end counts as the tag it began.
     */
    int followed(int from, String... tags) {
        int next = blanks(from);
        if (next < 0) {
            return next;
        }
        int answer = NO;
        for (String tag : tags) {
            int found = tag(next, tag);
            boolean cutOff =
                    complete && tag.startsWith(text.substring(next, Math.min(text.length(), next + tag.length())));
            if (found >= 0 || cutOff) {
                return next;
            }
            answer = Math.min(answer, found);
        }
        return answer;
    }

    private static boolean isBlank(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
    }
}
