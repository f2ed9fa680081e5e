package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.engine.Toolbox;
import dev.jwen.tools.Calculator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Addition and subtraction of numbers of up to five digits, column by column.
 *
 * <p>The reasoning names the columns by letters from the right, so that a network finds a digit by its letter and needs not
 * count: 48 + 7 is
 *
 * <pre>
 * b4a8        the numbers, column by column
 * b0a7
 * a8+7+0=15   digit + digit + carry = carry and digit
 * b4+0+1=05
 * b5a5        the result
 * </pre>
 *
 * <p>A subtraction first compares from the left up to the first difference, then takes the smaller from the larger with a
 * borrow where the carry was.
 */
final class Sums implements Skill {
    private static final int MAX_DIGITS = 5;

    private static final List<String> ADD = List.of(
            "%s+%s",
            "%s + %s",
            "%s + %s =",
            "%s+%s=?",
            "What is %s + %s?",
            "What is %s+%s?",
            "What's %s + %s?",
            "What is %s plus %s?",
            "What's %s plus %s?",
            "How much is %s plus %s?",
            "How much is %s + %s?",
            "Add %s and %s.",
            "Add %s to %s.",
            "Compute %s + %s.",
            "Calculate %s+%s.",
            "Work out %s + %s.",
            "The sum of %s and %s?",
            "What is the sum of %s and %s?",
            "Can you add %s and %s?",
            "Tell me %s plus %s.",
            "%s plus %s",
            "Solve %s + %s.");

    private static final List<String> SUBTRACT = List.of(
            "%s-%s",
            "%s - %s",
            "%s - %s =",
            "%s-%s=?",
            "What is %s - %s?",
            "What is %s-%s?",
            "What's %s - %s?",
            "What is %s minus %s?",
            "What's %s minus %s?",
            "How much is %s minus %s?",
            "How much is %s - %s?",
            "Compute %s - %s.",
            "Calculate %s-%s.",
            "Work out %s - %s.",
            "What is the difference of %s and %s?",
            "Tell me %s minus %s.",
            "%s minus %s",
            "Solve %s - %s.");

    private static final List<String> SUBTRACT_FROM =
            List.of("Subtract %s from %s.", "Take %s from %s.", "What is left of %2$s without %1$s?");

    private final boolean adds;

    /** Addition, or else subtraction. */
    Sums(boolean adds) {
        this.adds = adds;
    }

    @Override
    public String name() {
        return adds ? "addition" : "subtraction";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            int a = number(draw);
            int b = draw.oneIn(6) ? neighbour(a, draw) : number(draw);
            // The order of summands does not matter to the sum, nor must it to the split; differences mirror each
            // other.
            String key = name() + " " + Math.min(a, b) + " " + Math.max(a, b);
            if (Split.of(key) == split) {
                return problem(draw, key, a, b);
            }
        }
    }

    private Problem problem(Draw draw, String key, int a, int b) {
        String question;
        if (adds) {
            question = draw.ask(ADD, a, b);
        } else {
            question = draw.oneIn(8) ? draw.ask(SUBTRACT_FROM, b, a) : draw.ask(SUBTRACT, a, b);
        }
        String equation = a + (adds ? " + " : " - ") + b + " = " + (adds ? a + b : a - b);
        String value = Integer.toString(adds ? a + b : a - b);
        boolean tempted = draw.oneIn(5);
        Toolbox tools = tempted ? new Calculator() : Toolbox.EMPTY;
        return new Problem(
                key,
                new Conversation(
                        List.of(
                                Message.user(question),
                                Message.assistant(
                                        equation + ".", adds ? addition(a, b) : subtraction(a, b), List.of())),
                        tools.tools()),
                folder -> tools,
                conversation ->
                        Verdict.calls(conversation).isEmpty() && Verdict.answers(conversation, equation, value));
    }

    /** Every length of number is as likely as every other. */
    private static int number(Draw draw) {
        int digits = draw.between(1, MAX_DIGITS);
        return draw.between(digits == 1 ? 0 : power(digits - 1), power(digits) - 1);
    }

    /** A number that makes long chains of carries with another, or differs from it late. */
    private int neighbour(int a, Draw draw) {
        int digits = Integer.toString(a).length();
        int off = draw.between(-3, 12);
        int b = adds ? power(digits) - a + off : a + draw.between(-1, 1) * power(draw.between(0, digits - 1)) + off;
        return Math.clamp(b, 0, power(MAX_DIGITS) - 1);
    }

    private static int power(int digits) {
        int power = 1;
        for (int i = 0; i < digits; i++) {
            power *= 10;
        }
        return power;
    }

    private static int digit(int number, int column) {
        return number / power(column) % 10;
    }

    private static char label(int column) {
        return (char) ('a' + column);
    }

    /** The digits with the letters of their columns, from the left. */
    private static String labelled(int number, int columns) {
        StringBuilder text = new StringBuilder();
        for (int i = columns - 1; i >= 0; i--) {
            text.append(label(i)).append(digit(number, i));
        }
        return text.append('\n').toString();
    }

    static String addition(int a, int b) {
        int columns = Integer.toString(Math.max(a, b)).length();
        StringBuilder text = new StringBuilder(labelled(a, columns) + labelled(b, columns));
        int carry = 0;
        for (int i = 0; i < columns; i++) {
            int sum = digit(a, i) + digit(b, i) + carry;
            text.append("%c%d+%d+%d=%02d\n".formatted(label(i), digit(a, i), digit(b, i), carry, sum));
            carry = sum / 10;
        }
        return text + labelled(a + b, columns + carry).strip();
    }

    static String subtraction(int a, int b) {
        int columns = Integer.toString(Math.max(a, b)).length();
        StringBuilder text = new StringBuilder(labelled(a, columns) + labelled(b, columns));
        for (int i = columns - 1; i >= 0; i--) {
            int order = Integer.compare(digit(a, i), digit(b, i));
            text.append(label(i))
                    .append(digit(a, i))
                    .append("<=>".charAt(order + 1))
                    .append(digit(b, i));
            if (order != 0) {
                break;
            }
        }
        text.append('\n');
        int large = Math.max(a, b);
        int small = Math.min(a, b);
        int borrow = 0;
        for (int i = 0; i < columns; i++) {
            int difference = digit(large, i) - digit(small, i) - borrow;
            borrow = difference < 0 ? 1 : 0;
            text.append("%c%d-%d-%d=%d%d\n"
                    .formatted(
                            label(i),
                            digit(large, i),
                            digit(small, i),
                            // what was borrowed for the column before
                            digit(large, i) - digit(small, i) - difference,
                            borrow,
                            difference + 10 * borrow));
        }
        return text + (a < b ? "-" : "") + labelled(large - small, columns).strip();
    }
}
