package dev.jwen.cli;

/** Makes text safe to show: a terminal obeys control characters, and text from a model must not give it orders. */
final class Printable {
    private static final char SYMBOL_FOR_NULL = '\u2400';
    private static final char SYMBOL_FOR_DELETE = '\u2421';
    private static final char REPLACEMENT = '\ufffd';

    private Printable() {}

    /** The text with every control character but newline and tab replaced by a visible sign. */
    static String text(String text) {
        int i = 0;
        while (i < text.length() && isSafe(text.charAt(i))) {
            i++;
        }
        if (i == text.length()) {
            return text;
        }
        StringBuilder safe = new StringBuilder(text);
        for (; i < safe.length(); i++) {
            safe.setCharAt(i, visible(safe.charAt(i)));
        }
        return safe.toString();
    }

    private static boolean isSafe(char c) {
        return !Character.isISOControl(c) || c == '\n' || c == '\t';
    }

    private static char visible(char c) {
        if (isSafe(c)) {
            return c;
        }
        if (c < ' ') {
            return (char) (SYMBOL_FOR_NULL + c);
        }
        return c == 0x7f ? SYMBOL_FOR_DELETE : REPLACEMENT; // 0x80 to 0x9f are the C1 controls
    }
}
