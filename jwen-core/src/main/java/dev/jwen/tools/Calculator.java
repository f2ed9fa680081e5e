package dev.jwen.tools;

import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Toolbox;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;

/**
 * The tool {@code calculator}: exact arithmetic on one expression.
 *
 * <p>It knows numbers, {@code + - * / %}, brackets and signs. Everything is exact, except a quotient that has no end: it is
 * rounded to 12 digits. {@code %} is the remainder, with the sign of the left side.
 */
public final class Calculator implements Toolbox {
    private static final String NAME = "calculator";
    private static final String PARAMETER = "expression";
    private static final Tool TOOL = Definition.of(NAME, "Computes + - * / % ( )", PARAMETER);

    /** Bounds the depth of recursion and the length of a result too. */
    private static final int MAX_LENGTH = 400;

    private static final MathContext ENDLESS = new MathContext(12);

    @Override
    public List<Tool> tools() {
        return List.of(TOOL);
    }

    @Override
    public String call(ToolCall call) {
        if (!call.name().equals(NAME)) {
            return EMPTY.call(call);
        }
        // A model may give a lone number as a number.
        Object expression = call.arguments().get(PARAMETER);
        return expression == null ? "Error: the argument expression is missing." : compute(expression.toString());
    }

    /** The value in plain digits, or a sentence that starts with {@code Error:}. */
    public static String compute(String expression) {
        if (expression.length() > MAX_LENGTH) {
            return "Error: the expression has %d characters, at most %d are allowed."
                    .formatted(expression.length(), MAX_LENGTH);
        }
        try {
            BigDecimal value = new Reader(expression).all();
            return value.signum() == 0 ? "0" : value.stripTrailingZeros().toPlainString();
        } catch (ToolException e) {
            return "Error: " + e.getMessage();
        }
    }

    /** Recursive descent: sum → product → signed → number or bracket. */
    private static final class Reader {
        private final String text;
        private int at;

        Reader(String text) {
            this.text = text;
        }

        BigDecimal all() {
            BigDecimal value = sum();
            if (peek() != 0) {
                throw expected("an operator");
            }
            return value;
        }

        private BigDecimal sum() {
            BigDecimal value = product();
            while (true) {
                if (take('+')) {
                    value = value.add(product());
                } else if (take('-')) {
                    value = value.subtract(product());
                } else {
                    return value;
                }
            }
        }

        private BigDecimal product() {
            BigDecimal value = signed();
            while (true) {
                if (take('*')) {
                    value = value.multiply(signed());
                } else if (take('/')) {
                    value = quotient(value, divisor());
                } else if (take('%')) {
                    value = value.remainder(divisor());
                } else {
                    return value;
                }
            }
        }

        private BigDecimal divisor() {
            BigDecimal value = signed();
            if (value.signum() == 0) {
                throw new ToolException("cannot divide by zero.");
            }
            return value;
        }

        private static BigDecimal quotient(BigDecimal left, BigDecimal right) {
            try {
                return left.divide(right);
            } catch (ArithmeticException e) {
                return left.divide(right, ENDLESS);
            }
        }

        private BigDecimal signed() {
            if (take('-')) {
                return signed().negate();
            }
            if (take('+')) {
                return signed();
            }
            if (!take('(')) {
                return number();
            }
            BigDecimal value = sum();
            if (!take(')')) {
                throw expected("a closing bracket");
            }
            return value;
        }

        private BigDecimal number() {
            peek();
            int start = at;
            while (isDigit()) {
                at++;
            }
            int digits = at - start;
            if (at < text.length() && text.charAt(at) == '.') {
                at++;
                while (isDigit()) {
                    at++;
                    digits++;
                }
            }
            if (digits == 0) {
                at = start;
                throw expected("a number");
            }
            return new BigDecimal(text.substring(start, at));
        }

        private boolean isDigit() {
            return at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9';
        }

        private boolean take(char wanted) {
            boolean there = peek() == wanted;
            at += there ? 1 : 0;
            return there;
        }

        /** The next character that is no space, or 0 at the end. */
        private char peek() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : 0;
        }

        private ToolException expected(String what) {
            String found = peek() == 0 ? "the end" : "'" + text.substring(at, text.offsetByCodePoints(at, 1)) + "'";
            return new ToolException("expected %s at character %d, found %s.".formatted(what, at + 1, found));
        }
    }
}
