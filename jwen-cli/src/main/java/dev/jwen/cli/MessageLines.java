package dev.jwen.cli;

/** Messages of several lines: a backslash at the end of a line, or three quotes around all of them. */
final class MessageLines {
    private static final String QUOTES = "\"\"\"";

    private MessageLines() {}

    /** True when the message so far goes on in the next line. */
    static boolean isOpen(CharSequence soFar) {
        String text = soFar.toString();
        String stripped = text.strip();
        if (stripped.startsWith(QUOTES)) {
            return stripped.length() < 2 * QUOTES.length() || !stripped.endsWith(QUOTES);
        }
        return text.endsWith("\\");
    }

    /** The message without the marks that held its lines together. */
    static String join(CharSequence lines) {
        String text = lines.toString().strip();
        if (text.startsWith(QUOTES)) {
            String inner = text.substring(QUOTES.length());
            return (inner.endsWith(QUOTES) ? inner.substring(0, inner.length() - QUOTES.length()) : inner).strip();
        }
        return text.replace("\\\n", "\n");
    }
}
