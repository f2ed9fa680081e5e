package dev.jwen.template;

import java.util.ArrayList;
import java.util.List;

/** The wordwrap filter: greedy line filling like Python's textwrap, each line of the text by itself. */
final class WordWrap {
    private WordWrap() {}

    static Object filter(Interpreter in, Object value, Arguments arguments) {
        Arguments.Bound bound =
                arguments.bind("wordwrap", 0, "width", "break_long_words", "wrapstring", "break_on_hyphens");
        if (!(value instanceof String text)) {
            throw TemplateException.evaluation("filter wordwrap needs a str, not " + Values.typeName(value));
        }
        int width = bound.integer(0, 79);
        if (width <= 0) {
            throw TemplateException.evaluation("invalid width %d (must be > 0)".formatted(width));
        }
        String newline = bound.orNone(2) == null ? "\n" : bound.text(2);
        in.budget.steps(text.length());
        StringBuilder out = new StringBuilder();
        String separator = "";
        for (String line : Text.lines(text, false)) {
            in.budget.append(out, separator);
            List<String> wrapped = wrap(chunks(line, bound.flag(3, true)), width, bound.flag(1, true));
            for (int i = 0; i < wrapped.size(); i++) {
                in.budget.append(out, i == 0 ? "" : newline);
                in.budget.append(out, wrapped.get(i));
            }
            separator = newline;
        }
        return out.toString();
    }

    /** Words and the blanks between them; a hyphen inside a word ends a chunk. */
    private static List<String> chunks(String line, boolean atHyphens) {
        List<String> chunks = new ArrayList<>();
        int start = 0;
        for (int i = 1; i <= line.length(); i++) {
            boolean edge = i == line.length()
                    || isBlank(line.charAt(i)) != isBlank(line.charAt(i - 1))
                    || (atHyphens && isHyphenBreak(line, i));
            if (edge) {
                chunks.add(line.substring(start, i));
                start = i;
            }
        }
        return chunks;
    }

    private static boolean isBlank(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
    }

    /** Whether the word may break before i: after a hyphen between letters, and around a dash of several hyphens. */
    private static boolean isHyphenBreak(String line, int i) {
        boolean afterHyphen = line.charAt(i - 1) == '-';
        boolean atHyphen = line.charAt(i) == '-';
        if (afterHyphen == atHyphen) {
            return false;
        }
        if (atHyphen) {
            int end = i;
            while (end < line.length() && line.charAt(end) == '-') {
                end++;
            }
            return end - i > 1 && end < line.length() && isWord(line, end) && isWordEnd(line, i - 1);
        }
        boolean dash = i > 1 && line.charAt(i - 2) == '-';
        if (dash) {
            int start = i - 1;
            while (start > 0 && line.charAt(start - 1) == '-') {
                start--;
            }
            return isWord(line, i) && start > 0 && isWordEnd(line, start - 1);
        }
        return isLetter(line, i - 3)
                && isLetter(line, i - 2)
                && isLetter(line, i)
                && (isLetter(line, i + 1)
                        || (i + 2 < line.length() && line.charAt(i + 1) == '-' && isLetter(line, i + 2)));
    }

    private static boolean isWord(String line, int i) {
        return Character.isLetterOrDigit(line.charAt(i)) || line.charAt(i) == '_';
    }

    private static boolean isWordEnd(String line, int i) {
        return isWord(line, i) || "!\"'&.,?".indexOf(line.charAt(i)) >= 0;
    }

    private static boolean isLetter(String line, int i) {
        return i >= 0 && i < line.length() && Character.isLetter(line.charAt(i));
    }

    private static List<String> wrap(List<String> chunks, int width, boolean breakWords) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < chunks.size(); ) {
            String chunk = chunks.get(i);
            boolean blank = Text.isBlank(chunk, 0);
            if (line.isEmpty() && blank && !lines.isEmpty()) {
                i++; // a line does not start with the blanks it was broken at
            } else if (Text.length(line.toString()) + Text.length(chunk) <= width) {
                line.append(chunk);
                i++;
            } else if (Text.length(chunk) > width && !blank) {
                i += fill(chunks, i, line, width, breakWords);
                finish(line, lines);
            } else {
                i += blank ? 1 : 0;
                finish(line, lines);
            }
        }
        finish(line, lines);
        return lines;
    }

    /** Puts what fits of a word longer than a line into the line; returns how many chunks are used up. */
    private static int fill(List<String> chunks, int i, StringBuilder line, int width, boolean breakWords) {
        String chunk = chunks.get(i);
        if (!breakWords) {
            if (line.isEmpty()) {
                line.append(chunk);
                return 1;
            }
            return 0;
        }
        int room = width - Text.length(line.toString());
        String start = Text.prefix(chunk, Math.max(room, line.isEmpty() ? 1 : 0));
        line.append(start);
        chunks.set(i, chunk.substring(start.length()));
        return chunks.get(i).isEmpty() ? 1 : 0;
    }

    private static void finish(StringBuilder line, List<String> lines) {
        int end = line.length();
        while (end > 0 && isBlank(line.charAt(end - 1))) {
            end--;
        }
        if (end > 0) {
            lines.add(line.substring(0, end));
        }
        line.setLength(0);
    }
}
