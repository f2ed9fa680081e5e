package dev.jwen.template;

import java.math.BigInteger;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reading numbers as int("…") and float("…") of Python do. */
final class Numerals {
    private static final int MAX_DIGITS = 4300; // Python's own bound
    private static final Pattern REAL =
            Pattern.compile("[+-]?+(?:[0-9]++(?:\\.[0-9]*+)?+|\\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+");
    private static final Pattern SPECIAL = Pattern.compile("(?i)([+-]?)(?:(inf|infinity)|nan)");

    private Numerals() {}

    /** The integer, or null if the text is none in this base; base 0 goes by the prefix. */
    static @Nullable BigInteger integer(String text, int base) {
        String digits = Text.strip(text, null, true, true);
        boolean negative = digits.startsWith("-");
        if (negative || digits.startsWith("+")) {
            digits = digits.substring(1);
        }
        int radix = base;
        int prefixed = digits.length() > 1 && digits.charAt(0) == '0' ? radix(digits.charAt(1)) : 0;
        if (prefixed != 0 && (base == prefixed || base == 0)) {
            radix = prefixed;
            digits = digits.substring(digits.startsWith("_", 2) ? 3 : 2);
        } else if (base == 0) {
            radix = 10;
            if (digits.startsWith("0") && !digits.chars().allMatch(c -> c == '0' || c == '_')) {
                return null;
            }
        }
        String plain = withoutUnderscores(digits);
        if (plain == null || radix < 2 || radix > 36 || plain.length() > MAX_DIGITS) {
            return null;
        }
        StringBuilder ascii = new StringBuilder();
        for (int c : plain.codePoints().toArray()) {
            int digit = Character.digit(c, radix);
            if (digit < 0) {
                return null;
            }
            ascii.append(Character.forDigit(digit, radix));
        }
        BigInteger value = new BigInteger(ascii.toString(), radix);
        return negative ? value.negate() : value;
    }

    private static int radix(char prefix) {
        return switch (prefix) {
            case 'x', 'X' -> 16;
            case 'o', 'O' -> 8;
            case 'b', 'B' -> 2;
            default -> 0;
        };
    }

    /** The digits without the underscores between them, or null if there are no digits or the underscores stand elsewhere. */
    private static @Nullable String withoutUnderscores(String digits) {
        boolean misplaced = digits.startsWith("_") || digits.endsWith("_") || digits.contains("__");
        return digits.isEmpty() || misplaced ? null : digits.replace("_", "");
    }

    /** The number, or null if the text is none. */
    static @Nullable Double real(String text) {
        String stripped = Text.strip(text, null, true, true);
        var special = SPECIAL.matcher(stripped);
        if (special.matches()) {
            double size = special.group(2) == null ? Double.NaN : Double.POSITIVE_INFINITY;
            return "-".equals(special.group(1)) ? -size : size;
        }
        String plain = stripped.indexOf('_') < 0 ? stripped : betweenDigits(stripped);
        return plain != null && REAL.matcher(plain).matches() ? Double.valueOf(plain) : null;
    }

    private static @Nullable String betweenDigits(String text) {
        for (int i = text.indexOf('_'); i >= 0; i = text.indexOf('_', i + 1)) {
            boolean between = i > 0
                    && i + 1 < text.length()
                    && Character.isDigit(text.charAt(i - 1))
                    && Character.isDigit(text.charAt(i + 1));
            if (!between) {
                return null;
            }
        }
        return text.replace("_", "");
    }
}
