package dev.jwen.template;

import dev.jwen.template.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens and settles all whitespace control on the way.
 *
 * <p>A minus inside a tag strips all whitespace on that side. Without a sign, a block or comment that is alone with
 * blanks on its line loses the blanks before it (lstrip_blocks) and the newline after it (trim_blocks); a plus keeps
 * them. Variables are only affected by a minus.
 */
final class Lexer {
    // Longest first, so that ** is not read as two stars.
    private static final List<String> OPERATORS = List.of(
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";");
    private static final int MAX_DIGITS = 4300; // Python's own bound for integers in decimal

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private boolean lineStarting = true;

    /** Takes a source whose newlines are {@link #normalise normalised}. */
    Lexer(String source) {
        this.source = source;
    }

    /** Newlines become \n, and one at the very end is dropped. */
    static String normalise(String source) {
        String lines = source.replace("\r\n", "\n").replace('\r', '\n');
        return lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
    }

    List<Token> tokens() {
        while (at < source.length()) {
            int tag = nextTag(at);
            if (tag < 0) {
                data(source.substring(at), at);
                at = source.length();
                break;
            }
            tag(tag);
        }
        tokens.add(new Token(Kind.END, "", source.length()));
        return tokens;
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char kind = source.charAt(i + 1);
            if (kind == '{' || kind == '%' || kind == '#') {
                return i;
            }
        }
        return -1;
    }

    private void tag(int tag) {
        char kind = source.charAt(tag + 1);
        char sign = signAt(tag + 2);
        data(textBefore(tag, sign, kind == '{'), at);
        at = tag + 2 + (sign == ' ' ? 0 : 1);
        lineStarting = false;
        if (kind == '#') {
            comment(tag);
        } else if (kind == '{') {
            tokens.add(new Token(Kind.VARIABLE_BEGIN, "", tag));
            expression(true);
        } else if (!raw(tag)) {
            tokens.add(new Token(Kind.BLOCK_BEGIN, "", tag));
            expression(false);
        }
    }

    private void data(String text, int from) {
        if (!text.isEmpty()) {
            tokens.add(new Token(Kind.DATA, text, from));
        }
    }

    private char signAt(int i) {
        char c = i < source.length() ? source.charAt(i) : ' ';
        return c == '-' || c == '+' ? c : ' ';
    }

    /** The text from here to the tag, with what the tag's sign or lstrip_blocks takes away removed. */
    private String textBefore(int tag, char sign, boolean variable) {
        String text = source.substring(at, tag);
        if (sign == '-') {
            return Text.strip(text, null, false, true);
        }
        int line = text.lastIndexOf('\n') + 1;
        boolean strips = sign == ' ' && !variable && (line > 0 || lineStarting);
        return strips && Text.isBlank(text, line) ? text.substring(0, line) : text;
    }

    private void comment(int tag) {
        int end = source.indexOf("#}", at);
        if (at == source.length()) {
            return; // Jinja takes an opening at the very end for a comment
        }
        if (end < 0) {
            throw TemplateException.syntax("Missing end of comment tag", source, tag);
        }
        char sign = end > at ? signAt(end - 1) : ' ';
        at = end + 2;
        afterBlock(sign);
    }

    /** Eats what the end of a block or comment with this sign eats. */
    private void afterBlock(char sign) {
        if (sign == '-') {
            at = skipSpace(at);
        } else if (sign == ' ' && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
        lineStarting = source.charAt(at - 1) == '\n';
    }

    /** Reads a raw block if there is one here, after its opening bracket and sign. */
    private boolean raw(int tag) {
        int i = skipSpace(at);
        if (!source.startsWith("raw", i)) {
            return false;
        }
        i = skipSpace(i + 3);
        if (source.startsWith("-%}", i)) {
            at = skipSpace(i + 3);
        } else if (source.startsWith("%}", i)) {
            at = i + 2;
        } else {
            return false;
        }
        lineStarting = source.charAt(at - 1) == '\n';
        for (int end = source.indexOf("{%", at); end >= 0; end = source.indexOf("{%", end + 1)) {
            if (endRaw(end)) {
                return true;
            }
        }
        if (at == source.length()) {
            return true; // as with comments
        }
        throw TemplateException.syntax("Missing end of raw directive", source, tag);
    }

    private boolean endRaw(int tag) {
        char sign = signAt(tag + 2);
        int i = skipSpace(tag + (sign == ' ' ? 2 : 3));
        if (!source.startsWith("endraw", i)) {
            return false;
        }
        i = skipSpace(i + 6);
        char endSign = signAt(i);
        i += endSign == ' ' ? 0 : 1;
        if (!source.startsWith("%}", i)) {
            return false;
        }
        data(textBefore(tag, sign, false), at);
        at = i + 2;
        afterBlock(endSign);
        return true;
    }

    private int skipSpace(int from) {
        int i = from;
        while (i < source.length() && Text.isSpace(source.charAt(i))) {
            i++;
        }
        return i;
    }

    /** Tokens up to the end of a variable or block. Inside brackets, braces that look like the end are operators. */
    private void expression(boolean variable) {
        Deque<Character> open = new ArrayDeque<>();
        while (at < source.length()) {
            if (open.isEmpty() && (variable ? variableEnd() : blockEnd())) {
                return;
            }
            char c = source.charAt(at);
            if (Text.isSpace(c)) {
                at++;
            } else if (c >= '0' && c <= '9') {
                number();
            } else if (isWord(source.codePointAt(at))) {
                name();
            } else if (c == '\'' || c == '"') {
                string(c);
            } else {
                operator(open);
            }
        }
    }

    private boolean variableEnd() {
        boolean strips = source.startsWith("-}}", at);
        if (!strips && !source.startsWith("}}", at)) {
            return false;
        }
        tokens.add(new Token(Kind.VARIABLE_END, "", at));
        at = strips ? skipSpace(at + 3) : at + 2;
        lineStarting = source.charAt(at - 1) == '\n';
        return true;
    }

    private boolean blockEnd() {
        char sign = signAt(at);
        int end = sign == ' ' ? at : at + 1;
        if (!source.startsWith("%}", end)) {
            return false;
        }
        tokens.add(new Token(Kind.BLOCK_END, "", at));
        at = end + 2;
        afterBlock(sign);
        return true;
    }

    private static boolean isWord(int c) {
        return c == '_' || Character.isLetterOrDigit(c) || (Character.isUnicodeIdentifierPart(c) && c > 0x9f);
    }

    private void name() {
        int start = at;
        while (at < source.length() && isWord(source.codePointAt(at))) {
            at += Character.charCount(source.codePointAt(at));
        }
        int first = source.codePointAt(start);
        if (first != '_' && !Character.isUnicodeIdentifierStart(first)) {
            throw TemplateException.syntax("Invalid character in identifier", source, start);
        }
        tokens.add(new Token(Kind.NAME, source.substring(start, at), start));
    }

    private void number() {
        int start = at;
        int end = digits(start, 10);
        int fraction = isDigit(end + 1, 10) && source.charAt(end) == '.' ? digits(end + 1, 10) : end;
        int exponent = exponent(fraction);
        // After a dot comes a position, as in row.0.1, never a fraction.
        boolean afterDot = start > 0 && source.charAt(start - 1) == '.';
        if (exponent > end && !afterDot) {
            String text = source.substring(start, exponent);
            tokens.add(new Token(Kind.FLOAT, text, Double.valueOf(text.replace("_", "")), start));
            at = exponent;
        } else {
            integer(start, end);
        }
    }

    private void integer(int start, int end) {
        int radix = radixAt(start);
        int from = radix == 10 ? start : start + 2;
        int to = radix == 10 ? end : digits(from, radix);
        if (radix == 10 && source.charAt(start) == '0') {
            to = start + 1; // 00 is zero, 01 is not a number
            while (to < end && (source.charAt(to) == '0' || source.startsWith("_0", to))) {
                to++;
            }
        }
        String digits = source.substring(from, to).replace("_", "");
        if (digits.length() > MAX_DIGITS) {
            throw TemplateException.syntax("Integers may have at most %d digits".formatted(MAX_DIGITS), source, start);
        }
        Object value = Arithmetic.integer(new BigInteger(digits, radix));
        tokens.add(new Token(Kind.INTEGER, source.substring(start, to), value, start));
        at = to;
    }

    private int radixAt(int start) {
        if (source.charAt(start) != '0' || start + 1 >= source.length()) {
            return 10;
        }
        int radix = switch (source.charAt(start + 1)) {
            case 'b', 'B' -> 2;
            case 'o', 'O' -> 8;
            case 'x', 'X' -> 16;
            default -> 10;
        };
        boolean underscore = source.startsWith("_", start + 2);
        return isDigit(start + (underscore ? 3 : 2), radix) ? radix : 10;
    }

    /** End of the run of digits here; single underscores may stand between digits, and before them after a prefix. */
    private int digits(int start, int radix) {
        int i = start;
        while (isDigit(i, radix) || (i < source.length() && source.charAt(i) == '_' && isDigit(i + 1, radix))) {
            i++;
        }
        return i;
    }

    private boolean isDigit(int i, int radix) {
        return i < source.length() && source.charAt(i) < 0x80 && Character.digit(source.charAt(i), radix) >= 0;
    }

    private int exponent(int i) {
        if (i >= source.length() || (source.charAt(i) != 'e' && source.charAt(i) != 'E')) {
            return i;
        }
        int digits = signAt(i + 1) == ' ' ? i + 1 : i + 2;
        return isDigit(digits, 10) ? digits(digits, 10) : i;
    }

    private void string(char quote) {
        int start = at;
        int end = start + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw TemplateException.syntax("String without closing quote", source, start);
        }
        tokens.add(new Token(Kind.STRING, unescape(start + 1, end), start));
        at = end + 1;
    }

    private String unescape(int start, int end) {
        StringBuilder out = new StringBuilder(end - start);
        int i = start;
        while (i < end) {
            char c = source.charAt(i);
            if (c != '\\') {
                out.append(c);
                i++;
            } else {
                i = escape(i, end, out);
            }
        }
        return out.toString();
    }

    /** One backslash escape as in Python; an unknown one stands for itself. Returns where it ends. */
    private int escape(int start, int end, StringBuilder out) {
        char c = source.charAt(start + 1);
        int simple = "\n\\'\"abfnrtv".indexOf(c);
        if (simple >= 0) {
            if (c != '\n') {
                out.append("\n\\'\"\u0007\b\f\n\r\t\u000b".charAt(simple));
            }
            return start + 2;
        }
        if (c >= '0' && c <= '7') {
            int i = start + 1;
            int value = 0;
            while (i < Math.min(end, start + 4) && source.charAt(i) >= '0' && source.charAt(i) <= '7') {
                value = 8 * value + source.charAt(i++) - '0';
            }
            out.append((char) value);
            return i;
        }
        return switch (c) {
            case 'x' -> hexEscape(start, end, 2, out);
            case 'u' -> hexEscape(start, end, 4, out);
            case 'U' -> hexEscape(start, end, 8, out);
            case 'N' -> namedEscape(start, end, out);
            default -> {
                out.append('\\').append(c > 0x7f ? Printer.hexEscape(c).substring(1) : String.valueOf(c));
                yield start + 2;
            }
        };
    }

    private int hexEscape(int start, int end, int digits, StringBuilder out) {
        int from = start + 2;
        int value = 0;
        for (int i = from; i < from + digits; i++) {
            if (i >= end || !isDigit(i, 16) || value > 0x10ffff) {
                throw TemplateException.syntax(
                        "Broken escape in string: expected %d hex digits".formatted(digits), source, start);
            }
            value = 16 * value + Character.digit(source.charAt(i), 16);
        }
        if (!Character.isValidCodePoint(value)) {
            throw TemplateException.syntax("Broken escape in string: not a Unicode character", source, start);
        }
        out.appendCodePoint(value);
        return from + digits;
    }

    private int namedEscape(int start, int end, StringBuilder out) {
        int close = source.indexOf('}', start);
        if (!source.startsWith("{", start + 2) || close < 0 || close >= end) {
            throw TemplateException.syntax("Broken escape in string: expected \\N{name}", source, start);
        }
        String name = source.substring(start + 3, close);
        try {
            out.appendCodePoint(Character.codePointOf(name));
        } catch (IllegalArgumentException e) {
            throw TemplateException.syntax("Unknown Unicode character name " + name, source, start);
        }
        return close + 1;
    }

    private void operator(Deque<Character> open) {
        String operator = OPERATORS.stream()
                .filter(o -> source.startsWith(o, at))
                .findFirst()
                .orElseThrow(() -> TemplateException.syntax(
                        "unexpected char " + Printer.quote(Character.toString(source.codePointAt(at))), source, at));
        switch (operator) {
            case "(" -> open.push(')');
            case "[" -> open.push(']');
            case "{" -> open.push('}');
            case ")", "]", "}" -> close(open, operator.charAt(0));
            default -> {
                // no bracket
            }
        }
        tokens.add(new Token(Kind.OPERATOR, operator, at));
        at += operator.length();
    }

    private void close(Deque<Character> open, char bracket) {
        if (open.isEmpty()) {
            throw TemplateException.syntax("unexpected '%s'".formatted(bracket), source, at);
        }
        char expected = open.pop();
        if (expected != bracket) {
            throw TemplateException.syntax("unexpected '%s', expected '%s'".formatted(bracket, expected), source, at);
        }
    }
}
