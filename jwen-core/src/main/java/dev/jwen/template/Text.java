package dev.jwen.template;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Strings as Python sees them: positions count code points, and whitespace is Unicode's. */
final class Text {
    private Text() {}

    /** What str.isspace, str.strip and \s of Python take for whitespace. */
    static boolean isSpace(int c) {
        return (c >= 0x09 && c <= 0x0d)
                || (c >= 0x1c && c <= 0x20)
                || c == 0x85
                || c == 0xa0
                || c == 0x1680
                || (c >= 0x2000 && c <= 0x200a)
                || c == 0x2028
                || c == 0x2029
                || c == 0x202f
                || c == 0x205f
                || c == 0x3000;
    }

    /** Whether the rest of the text is at least one character of whitespace and nothing else. */
    static boolean isBlank(String text, int from) {
        for (int i = from; i < text.length(); i++) {
            if (!isSpace(text.charAt(i))) {
                return false;
            }
        }
        return from < text.length();
    }

    /** Removes characters at the ends: whitespace, or any of {@code chars}. */
    static String strip(String text, @Nullable String chars, boolean left, boolean right) {
        int start = 0;
        int end = text.length();
        while (left && start < end && isStripped(text.codePointAt(start), chars)) {
            start += Character.charCount(text.codePointAt(start));
        }
        while (right && end > start && isStripped(text.codePointBefore(end), chars)) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(start, end);
    }

    private static boolean isStripped(int c, @Nullable String chars) {
        return chars == null ? isSpace(c) : chars.indexOf(c) >= 0;
    }

    /** Number of code points. */
    static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    /** The character at a position within the text. */
    static String at(String text, int position) {
        int i = text.offsetByCodePoints(0, position);
        return Character.toString(text.codePointAt(i));
    }

    /** The first {@code count} code points, or all if there are fewer. */
    static String prefix(String text, int count) {
        return count >= text.length() || count >= length(text)
                ? text
                : text.substring(0, text.offsetByCodePoints(0, count));
    }

    /** The code points at {@code start}, {@code start + step}, … */
    static String slice(String text, int start, int step, int count) {
        if (count == 0) {
            return "";
        }
        if (step == 1) {
            int from = text.offsetByCodePoints(0, start);
            return text.substring(from, text.offsetByCodePoints(from, count));
        }
        int[] points = text.codePoints().toArray();
        StringBuilder out = new StringBuilder(count);
        for (int i = 0; i < count; i++) {
            out.appendCodePoint(points[start + i * step]);
        }
        return out.toString();
    }

    /** Lines, cut wherever Python's str.splitlines cuts. */
    static List<String> lines(String text, boolean keepEnds) {
        List<String> lines = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (isLineEnd(text.charAt(i))) {
                int end = i;
                if (text.startsWith("\r\n", i)) {
                    i++;
                }
                lines.add(text.substring(start, keepEnds ? i + 1 : end));
                start = i + 1;
            }
        }
        if (start < text.length()) {
            lines.add(text.substring(start));
        }
        return lines;
    }

    private static boolean isLineEnd(char c) {
        return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    }

    /** Orders by code point, where Java's own order is by UTF-16 unit. */
    static int compare(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean surrogates = Character.isSurrogate(x) != Character.isSurrogate(y);
                return surrogates ? (Character.isSurrogate(x) ? 1 : -1) : Character.compare(x, y);
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    /** Titlecase of one character, which may be several: ß becomes Ss. */
    static String title(int c) {
        int title = Character.toTitleCase(c);
        String upper = upper(Character.toString(c));
        if (title != c || upper.length() <= Character.charCount(c)) {
            return Character.toString(title);
        }
        int first = Character.charCount(upper.codePointAt(0));
        return upper.substring(0, first) + lower(upper.substring(first));
    }

    static String upper(String text) {
        return text.toUpperCase(java.util.Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(java.util.Locale.ROOT);
    }
}
