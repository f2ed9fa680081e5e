package dev.jwen.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads the Python literals that models write where JSON is wanted: {@code {'a': [True, None, (1, .5)]}}.
 *
 * <p>Dictionaries, lists, tuples (as lists), strings with escapes, decimal numbers, True, False and None. Keys become
 * text.
 */
final class PythonLiteral {
    private static final int MAX_DEPTH = 200;
    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_.+-]+");

    private final String text;
    private int at;

    private PythonLiteral(String text) {
        this.text = text;
    }

    /** The value of the literal; null if the text is not one, or is {@code None}. */
    static @Nullable Object parse(String text) {
        try {
            PythonLiteral literal = new PythonLiteral(text);
            Object value = literal.value(0);
            literal.skipSpace();
            return literal.at == text.length() ? value : null;
        } catch (NotALiteral e) {
            return null;
        }
    }

    private @Nullable Object value(int depth) throws NotALiteral {
        if (depth > MAX_DEPTH) {
            throw new NotALiteral();
        }
        skipSpace();
        return switch (peek()) {
            case '{' -> dictionary(depth);
            case '[' -> list(']', depth);
            case '(' -> parenthesised(depth);
            case '\'', '"' -> string();
            default -> word();
        };
    }

    private Map<String, @Nullable Object> dictionary(int depth) throws NotALiteral {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        at++;
        while (!closes('}')) {
            Object key = value(depth + 1);
            if (key instanceof Map<?, ?> || key instanceof List<?>) {
                throw new NotALiteral();
            }
            skipSpace();
            expect(':');
            map.put(key == null ? "None" : key.toString(), value(depth + 1));
            separator('}');
        }
        return map;
    }

    private List<@Nullable Object> list(char close, int depth) throws NotALiteral {
        List<@Nullable Object> list = new ArrayList<>();
        at++;
        while (!closes(close)) {
            list.add(value(depth + 1));
            separator(close);
        }
        return list;
    }

    /** A tuple, or one value in parentheses. */
    private @Nullable Object parenthesised(int depth) throws NotALiteral {
        List<@Nullable Object> list = list(')', depth);
        int before = at - 2;
        while (Character.isWhitespace(text.charAt(before))) {
            before--;
        }
        return list.size() == 1 && text.charAt(before) != ',' ? list.getFirst() : list;
    }

    private String string() throws NotALiteral {
        char quote = text.charAt(at++);
        StringBuilder string = new StringBuilder();
        for (char c = next(); c != quote; c = next()) {
            if (c == '\n') {
                throw new NotALiteral();
            }
            if (c == '\\') {
                escape(string);
            } else {
                string.append(c);
            }
        }
        return string.toString();
    }

    private void escape(StringBuilder string) throws NotALiteral {
        char c = next();
        switch (c) {
            case '\n' -> {} // a line continued
            case '\\', '\'', '"' -> string.append(c);
            case 'n' -> string.append('\n');
            case 't' -> string.append('\t');
            case 'r' -> string.append('\r');
            case 'b' -> string.append('\b');
            case 'f' -> string.append('\f');
            case 'a' -> string.append('\u0007');
            case 'v' -> string.append('\u000B');
            case '0', '1', '2', '3', '4', '5', '6', '7' -> octal(string);
            case 'x' -> hex(string, 2);
            case 'u' -> hex(string, 4);
            case 'U' -> hex(string, 8);
            default -> string.append('\\').append(c);
        }
    }

    private void octal(StringBuilder string) {
        int from = at - 1;
        while (at < text.length() && at < from + 3 && text.charAt(at) >= '0' && text.charAt(at) <= '7') {
            at++;
        }
        string.append((char) Integer.parseInt(text, from, at, 8));
    }

    private void hex(StringBuilder string, int digits) throws NotALiteral {
        int code = 0;
        for (int i = 0; i < digits; i++) {
            int digit = Character.digit(next(), 16);
            if (digit < 0 || code > Character.MAX_CODE_POINT >> 4) {
                throw new NotALiteral();
            }
            code = code << 4 | digit;
        }
        if (!Character.isValidCodePoint(code)) {
            throw new NotALiteral();
        }
        string.appendCodePoint(code);
    }

    private @Nullable Object word() throws NotALiteral {
        Matcher matcher = WORD.matcher(text).region(at, text.length());
        if (!matcher.lookingAt()) {
            throw new NotALiteral();
        }
        at = matcher.end();
        String word = matcher.group();
        return switch (word) {
            case "True", "true" -> true;
            case "False", "false" -> false;
            case "None", "null" -> null;
            default -> number(word);
        };
    }

    private static Number number(String word) throws NotALiteral {
        Number number = ArgumentType.number(word);
        if (number == null) {
            throw new NotALiteral();
        }
        return number;
    }

    private void separator(char close) throws NotALiteral {
        skipSpace();
        if (peek() == ',') {
            at++;
        } else if (peek() != close) {
            throw new NotALiteral();
        }
    }

    private boolean closes(char close) throws NotALiteral {
        skipSpace();
        if (peek() != close) {
            return false;
        }
        at++;
        return true;
    }

    private void expect(char c) throws NotALiteral {
        if (next() != c) {
            throw new NotALiteral();
        }
    }

    private char next() throws NotALiteral {
        char c = peek();
        at++;
        return c;
    }

    private char peek() throws NotALiteral {
        if (at >= text.length()) {
            throw new NotALiteral();
        }
        return text.charAt(at);
    }

    private void skipSpace() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
    }

    /** The text is something else. Never leaves this class. */
    private static final class NotALiteral extends Exception {
        private static final long serialVersionUID = 1L;

        NotALiteral() {
            super(null, null, false, false);
        }
    }
}
