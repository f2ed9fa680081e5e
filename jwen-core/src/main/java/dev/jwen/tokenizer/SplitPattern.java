package dev.jwen.tokenizer;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How text is cut into pieces before byte pairs are merged; no token reaches over the end of a piece.
 *
 * <p>Both patterns are seven alternatives, the first that matches wins:
 * {@snippet lang=text :
 *   (?i:'s|'t|'re|'ve|'m|'ll|'d)     a contraction
 *   [^\r\n\p{L}\p{N}]?WORD+          a word with at most one other character before it
 *   \p{N}                            one digit
 *    ?OTHER+[\r\n]*                  punctuation with at most one space before it and all line ends after it
 *   \s*[\r\n]+                       blank lines, up to the last line end
 *   \s+(?!\S)                        white space, except the last one before something else
 *   \s+                              white space
 * }
 * OTHER is everything but white space, WORD and \p{N}. WORD is \p{L} in Qwen 2 and [\p{L}\p{M}] in Qwen 3.5, so the
 * two differ only in where combining marks belong. An optional character before WORD that is a mark itself changes
 * nothing: with or without it the match ends at the same place. Hence one table of character kinds is a whole pattern.
 *
 * <p>Like the engine that the published files assume, the scanner takes \s as the White_Space property, \p{L}, \p{M}
 * and \p{N} as general categories, and folds U+017F (long s) to s. Categories are those of the running JDK.
 */
public enum SplitPattern {
    /** Qwen 2, 2.5 and 3. */
    QWEN2(
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            SplitPattern.OTHER),
    /** Qwen 3.5 and later. */
    QWEN35(
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                    + "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            SplitPattern.WORD);

    private static final byte OTHER = 0;
    private static final byte WORD = 1;
    private static final byte NUMBER = 2;
    private static final byte SPACE = 3; // white space but for line ends
    private static final byte LINE_END = 4; // \r and \n
    private static final byte SURROGATE = 5; // half of a code point that the table does not hold

    private final String regex;
    private final byte mark;

    @SuppressWarnings("ImmutableEnumChecker") // filled by the constructor, only read afterwards
    private final byte[] kinds = new byte[1 << 16];

    SplitPattern(String regex, byte mark) {
        this.regex = regex;
        this.mark = mark;
        for (int c = 0; c < kinds.length; c++) {
            kinds[c] = Character.isSurrogate((char) c) ? SURROGATE : kindOf(c);
        }
    }

    /** The pattern with this regular expression, as tokenizer.json spells it, or null. */
    static @Nullable SplitPattern ofRegex(String regex) {
        for (SplitPattern pattern : values()) {
            if (pattern.regex.equals(regex)) {
                return pattern;
            }
        }
        return null;
    }

    /** The pattern that GGUF metadata calls by this name, or null. */
    static @Nullable SplitPattern ofName(String name) {
        return switch (name) {
            case "qwen35" -> QWEN35;
            case "qwen2", "deepseek-r1-qwen" -> QWEN2;
            default -> null;
        };
    }

    /** The regular expression as tokenizer.json spells it. */
    public String regex() {
        return regex;
    }

    /**
     * All pieces of the text, in order; nothing is lost.
     *
     * @param text without lone surrogates
     */
    public List<String> pieces(String text) {
        char[] chars = text.toCharArray();
        List<String> pieces = new ArrayList<>();
        for (int from = 0, end; from < chars.length; from = end) {
            end = pieceEnd(chars, from, chars.length);
            pieces.add(text.substring(from, end));
        }
        return pieces;
    }

    /**
     * Where the piece that starts at {@code from} ends.
     *
     * @param text without lone surrogates
     * @param from less than {@code to}, at the start of a code point
     * @param to where the text ends, also for the look-ahead
     */
    int pieceEnd(char[] text, int from, int to) {
        int kind = kind(text, from, to);
        int second = from + width(text[from]);
        if (kind == WORD) {
            return endOf(WORD, text, second, to);
        }
        if (kind == NUMBER) {
            return second;
        }
        if (text[from] == '\'') {
            int contraction = contraction(text, second, to);
            if (contraction > 0) {
                return second + contraction;
            }
        }
        int next = second < to ? kind(text, second, to) : SPACE;
        if (next == WORD && kind != LINE_END) {
            return endOf(WORD, text, second, to);
        }
        if (kind == OTHER || (next == OTHER && text[from] == ' ')) {
            return endOfLineEnds(text, endOf(OTHER, text, second, to), to);
        }
        return endOfSpace(text, from, to);
    }

    /** Length of the letters after an apostrophe that make a contraction, or 0. */
    private static int contraction(char[] text, int at, int to) {
        if (at == to) {
            return 0;
        }
        char second = at + 1 < to ? text[at + 1] : 0;
        return switch (text[at]) {
            case 's', 'S', 'ſ', 't', 'T', 'm', 'M', 'd', 'D' -> 1;
            case 'r', 'R', 'v', 'V' -> second == 'e' || second == 'E' ? 2 : 0;
            case 'l', 'L' -> second == 'l' || second == 'L' ? 2 : 0;
            default -> 0;
        };
    }

    /** End of the piece in a run of white space that starts at {@code from}. */
    private int endOfSpace(char[] text, int from, int to) {
        int afterLineEnd = -1;
        int end = from;
        for (; end < to && kinds[text[end]] >= SPACE && kinds[text[end]] <= LINE_END; end++) {
            if (kinds[text[end]] == LINE_END) {
                afterLineEnd = end + 1;
            }
        }
        if (afterLineEnd >= 0) {
            return afterLineEnd;
        }
        return end == to || end == from + 1 ? end : end - 1; // the last one goes with what follows
    }

    private int endOf(byte kind, char[] text, int from, int to) {
        int at = from;
        while (at < to && kind(text, at, to) == kind) {
            at += width(text[at]);
        }
        return at;
    }

    private int endOfLineEnds(char[] text, int from, int to) {
        int at = from;
        while (at < to && kinds[text[at]] == LINE_END) {
            at++;
        }
        return at;
    }

    private byte kind(char[] text, int at, int to) {
        byte kind = kinds[text[at]];
        return kind == SURROGATE ? kindOf(Character.codePointAt(text, at, to)) : kind;
    }

    private static int width(char first) {
        return Character.isHighSurrogate(first) ? 2 : 1;
    }

    private byte kindOf(int codePoint) {
        if (codePoint == '\r' || codePoint == '\n') {
            return LINE_END;
        }
        if (isWhiteSpace(codePoint)) {
            return SPACE;
        }
        return switch (Character.getType(codePoint)) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> WORD;
            case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK -> mark;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            default -> OTHER;
        };
    }

    /** The White_Space property: the three separator categories and six control characters. */
    private static boolean isWhiteSpace(int codePoint) {
        return Character.isSpaceChar(codePoint) || (codePoint >= '\t' && codePoint <= '\r') || codePoint == 0x85;
    }
}
