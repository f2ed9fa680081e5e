package dev.jwen.tools;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.ToolCall;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CalculatorTest {
    @ParameterizedTest
    @CsvSource({
        "48231 + 9977, 58208",
        "2+3*4, 14",
        "(2+3)*4, 20",
        "10-4-3, 3",
        "100/5/2, 10",
        "17 % 5, 2",
        "-17 % 5, -2",
        "0.1+0.2, 0.3",
        "1/8, 0.125",
        "10/3, 3.33333333333",
        "-(-3), 3",
        "2*-3, -6",
        "--4, 4",
        ".5*4, 2",
        "5.-5, 0",
        "1000*1000, 1000000",
        "99999999999999999999*99999999999999999999, 9999999999999999999800000000000000000001",
    })
    void computesExactly(String expression, String value) {
        assertThat(Calculator.compute(expression)).isEqualTo(value);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''|Error: expected a number at character 1, found the end.",
                "1+|Error: expected a number at character 3, found the end.",
                "2 x 3|Error: expected an operator at character 3, found 'x'.",
                "(1|Error: expected a closing bracket at character 3, found the end.",
                "1)|Error: expected an operator at character 2, found ')'.",
                "1 2|Error: expected an operator at character 3, found '2'.",
                "1/0|Error: cannot divide by zero.",
                "1%(2-2)|Error: cannot divide by zero.",
                ".|Error: expected a number at character 1, found '.'.",
                "1e9|Error: expected an operator at character 2, found 'e'.",
                "\uD83D\uDE00|Error: expected a number at character 1, found '\uD83D\uDE00'.",
                "System.exit(1)|Error: expected a number at character 1, found 'S'.",
            })
    void saysWhatIsWrong(String expression, String error) {
        assertThat(Calculator.compute(expression)).isEqualTo(error);
    }

    @Test
    void takesHostileExpressions() {
        assertThat(Calculator.compute("(".repeat(400))).startsWith("Error: expected a number");
        assertThat(Calculator.compute("-".repeat(399) + "1")).isEqualTo("-1");
        assertThat(Calculator.compute("1".repeat(401)))
                .isEqualTo("Error: the expression has 401 characters, at most 400 are allowed.");
        assertThat(Calculator.compute("1" + "/8".repeat(199))).startsWith("0.000");
        assertThat(Calculator.compute("1" + "/.7".repeat(133))).doesNotStartWith("Error");
    }

    @Test
    void answersCalls() {
        Calculator calculator = new Calculator();
        assertThat(calculator.call(new ToolCall("", "calculator", Map.of("expression", "6*7"))))
                .isEqualTo("42");
        assertThat(calculator.call(new ToolCall("", "calculator", Map.of("expression", 42))))
                .isEqualTo("42");
        assertThat(calculator.call(new ToolCall("", "calculator", Map.of("x", "1"))))
                .isEqualTo("Error: the argument expression is missing.");
        assertThat(calculator.call(new ToolCall("", "abacus", Map.of())))
                .isEqualTo("Error: there is no tool named abacus.");
    }
}
