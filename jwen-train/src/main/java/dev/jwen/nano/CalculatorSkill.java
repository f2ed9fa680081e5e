package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.ToolCall;
import dev.jwen.tools.Calculator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Products, quotients, long expressions, sums that are too large to be thought, and whatever the calculator is asked for:
 * one call, then the result.
 */
final class CalculatorSkill implements Skill {
    private static final Calculator CALCULATOR = new Calculator();

    private static final List<String> PLAIN = List.of(
            "What is %s?",
            "What's %s?",
            "How much is %s?",
            "Compute %s.",
            "Calculate %s.",
            "Work out %s.",
            "Solve %s.",
            "Tell me %s.",
            "%s",
            "%s =",
            "%s = ?",
            "Can you compute %s?",
            "I need %s.");

    private static final List<String> EXPLICIT = List.of(
            "Use the calculator: %s",
            "Use the calculator for %s.",
            "Use your calculator to compute %s.",
            "With the calculator, what is %s?",
            "Use the calculator to work out %s.",
            "Calculator: %s",
            "Compute %s with the calculator.",
            "What is %s? Use the calculator.",
            "Ask the calculator for %s.");

    private static final List<String> TIMES = List.of(
            "What is %s times %s?",
            "What's %s times %s?",
            "How much is %s times %s?",
            "Multiply %s by %s.",
            "Multiply %s and %s.",
            "%s times %s",
            "What is the product of %s and %s?");

    private static final List<String> OVER = List.of(
            "What is %s divided by %s?",
            "What's %s divided by %s?", "How much is %s divided by %s?", "Divide %s by %s.", "%s divided by %s");

    private final boolean judgesCall;

    /** Judged by the call, or else by the answer. */
    CalculatorSkill(boolean judgesCall) {
        this.judgesCall = judgesCall;
    }

    @Override
    public String name() {
        return judgesCall ? "calculator-call" : "calculator-answer";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            Problem problem = problem(draw);
            if (Split.of(problem.key()) == split) {
                return problem;
            }
        }
    }

    private Problem problem(Draw draw) {
        return switch (draw.between(0, 11)) {
            case 0, 1 -> {
                String a = number(draw);
                String b = number(draw);
                yield problem(a + " * " + b, draw.ask(TIMES, a, b));
            }
            case 2 -> {
                int b = draw.between(2, 99);
                String a = Integer.toString(draw.oneIn(4) ? draw.between(1, 9999) : b * draw.between(2, 999));
                yield problem(a + " / " + b, draw.ask(OVER, a, b));
            }
            case 3, 4 -> {
                String expression = spaced(number(draw) + (draw.oneIn(2) ? " + " : " - ") + number(draw), draw);
                yield problem(expression, draw.ask(EXPLICIT, expression));
            }
            case 5 -> {
                String expression = spaced(large(draw), draw);
                yield problem(expression, draw.ask(PLAIN, expression));
            }
            default -> {
                String expression = spaced(expression(draw), draw);
                yield problem(expression, draw.ask(draw.oneIn(3) ? EXPLICIT : PLAIN, expression));
            }
        };
    }

    private Problem problem(String expression, String question) {
        String value = Calculator.compute(expression);
        Conversation demonstration = new Conversation(
                List.of(
                        Message.user(question),
                        Message.assistant(
                                "",
                                "This is for the calculator.",
                                List.of(new ToolCall("call_1", "calculator", Map.of("expression", expression)))),
                        Message.tool("call_1", value),
                        Message.assistant(expression + " = " + value + ".", "That is the result.", List.of())),
                CALCULATOR.tools());
        return new Problem(
                // Spaces are words, not what is asked.
                "calculator " + expression.replace(" ", ""),
                demonstration,
                folder -> CALCULATOR,
                conversation -> judgesCall
                        ? calls(conversation, expression)
                        : Verdict.answers(conversation, expression + " = " + value, value));
    }

    private static boolean calls(Conversation conversation, String expression) {
        List<ToolCall> calls = Verdict.calls(conversation);
        return calls.size() == 1
                && calls.getFirst().name().equals("calculator")
                && calls.getFirst().arguments().equals(Map.of("expression", expression));
    }

    private static String spaced(String expression, Draw draw) {
        return draw.oneIn(3) ? expression.replace(" ", "") : expression;
    }

    private static String number(Draw draw) {
        int digits = draw.between(1, 5);
        String number = Integer.toString(
                draw.between(digits == 1 ? 1 : (int) Math.pow(10, digits - 1), (int) Math.pow(10, digits) - 1));
        return draw.oneIn(8) ? number + "." + draw.between(1, 9) : number;
    }

    /** A sum with more than five digits, or with more than two numbers. */
    private static String large(Draw draw) {
        String sign = draw.oneIn(2) ? " + " : " - ";
        if (draw.oneIn(2)) {
            return number(draw) + " + " + number(draw) + sign + number(draw);
        }
        String million = Integer.toString(draw.between(100_000, 99_999_999));
        return draw.oneIn(3) && sign.equals(" + ") ? number(draw) + sign + million : million + sign + number(draw);
    }

    private static String small(Draw draw) {
        return Integer.toString(draw.between(1, draw.oneIn(2) ? 9 : 99));
    }

    private static String sign(Draw draw) {
        return draw.of(List.of(" + ", " - ", " * "));
    }

    private static String expression(Draw draw) {
        String left = small(draw);
        String middle = small(draw);
        String right = small(draw);
        return switch (draw.between(0, 7)) {
            case 0, 1 -> number(draw) + " * " + number(draw);
            case 2 -> {
                int divisor = draw.between(2, 99);
                yield divisor * draw.between(2, 999) + " / " + divisor;
            }
            case 3 -> "(" + left + " + " + middle + ") * " + right;
            case 4 -> left + " * (" + middle + sign(draw) + right + ")";
            case 5 -> left + sign(draw) + middle + " * " + right;
            case 6 -> left + " * " + middle + sign(draw) + right + sign(draw) + small(draw);
            default -> left + sign(draw) + middle + sign(draw) + right + " * " + number(draw);
        };
    }
}
