package dev.jwen.chat;

import org.jspecify.annotations.Nullable;

/**
 * One argument's value as it arrives, and its JSON.
 *
 * <p>Text appears at once, except a last newline, which may belong to the format; a nullable text waits until it can no
 * longer be {@code null} or {@code None}. Every other type appears when it is complete.
 */
final class ArgumentValue {
    private static final int LONGEST_NULL = 4;

    private final ArgumentType type;
    private final StringBuilder raw = new StringBuilder();
    private boolean started;
    private boolean streaming;
    private int written;
    private @Nullable Object value;

    ArgumentValue(ArgumentType type) {
        this.type = type;
    }

    /** Takes more of the value and returns the JSON it settles. */
    String add(String text) {
        raw.append(text, !started && text.startsWith("\n") ? 1 : 0, text.length());
        started = true;
        if (!type.isText() || (type.nullable() && !streaming && raw.length() <= LONGEST_NULL + 1)) {
            return "";
        }
        int end = raw.length();
        return write(end > written && raw.charAt(end - 1) == '\n' ? end - 1 : end);
    }

    /** The rest of the JSON. */
    String end() {
        int end = raw.length();
        if (end > 0 && raw.charAt(end - 1) == '\n') {
            raw.setLength(--end);
        }
        value = type.convert(raw.toString());
        return streaming ? write(end) + '"' : Json.write(value);
    }

    /** The value, after {@link #end}. */
    @Nullable
    Object value() {
        return value;
    }

    private String write(int end) {
        if (end <= written) {
            return "";
        }
        String json = Json.write(raw.substring(written, end));
        written = end;
        String text = json.substring(1, json.length() - 1);
        if (streaming) {
            return text;
        }
        streaming = true;
        return '"' + text;
    }
}
