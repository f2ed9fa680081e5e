package dev.jwen.tokenizer;

/** Words of a broken file, fit for an error message. */
final class Quote {
    private static final int LONGEST = 80;

    private Quote() {}

    /** The text on one line, cut where it is long. */
    static String of(String text) {
        String line = text.codePoints()
                .limit(LONGEST)
                .collect(StringBuilder::new, Quote::append, StringBuilder::append)
                .toString();
        return text.codePointCount(0, text.length()) > LONGEST ? line + "…" : line;
    }

    private static void append(StringBuilder line, int codePoint) {
        if (Character.isISOControl(codePoint) || Character.getType(codePoint) == Character.SURROGATE) {
            line.append("\\u%04x".formatted(codePoint));
        } else {
            line.appendCodePoint(codePoint);
        }
    }
}
