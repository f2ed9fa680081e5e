package dev.jwen.template;

import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Tests by name: {@code value is name(arguments)}. */
final class Tests {
    private interface Test {
        boolean holds(Interpreter in, Object value, Arguments arguments);
    }

    private interface PlainTest {
        boolean holds(Interpreter in, Object value);
    }

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        plain("defined", (in, value) -> !(value instanceof Undefined));
        plain("undefined", (in, value) -> value instanceof Undefined);
        plain("none", (in, value) -> value == None.NONE);
        plain("boolean", (in, value) -> value instanceof Boolean);
        plain("true", (in, value) -> Boolean.TRUE.equals(value));
        plain("false", (in, value) -> Boolean.FALSE.equals(value));
        plain("integer", (in, value) -> value instanceof Long || value instanceof BigInteger);
        plain("float", (in, value) -> value instanceof Double);
        plain("number", (in, value) -> Arithmetic.isNumber(value));
        plain("string", (in, value) -> value instanceof String);
        plain("mapping", (in, value) -> value instanceof Dict);
        plain("sequence", (in, value) -> isSequence(value));
        plain("iterable", (in, value) -> value instanceof Generator || Values.size(value) >= 0);
        plain("callable", (in, value) -> value instanceof Invocable || value instanceof Undefined);
        plain("escaped", (in, value) -> false);
        TESTS.put("sameas", (in, value, a) -> Values.same(value, other("sameas", a)));
        TESTS.put("in", (in, value, a) -> in.values.contains(other("in", a), value));
        TESTS.put("odd", (in, value, a) -> remainderIs(in, value, 2L, 1L));
        TESTS.put("even", (in, value, a) -> remainderIs(in, value, 2L, 0L));
        TESTS.put("divisibleby", (in, value, a) -> remainderIs(in, value, other("divisibleby", a), 0L));
        plain("lower", (in, value) -> StringMethods.isCase(in.printer.str(value), false));
        plain("upper", (in, value) -> StringMethods.isCase(in.printer.str(value), true));
        plain("filter", (in, value) -> value instanceof String name && Filters.exists(name));
        plain("test", (in, value) -> value instanceof String name && exists(name));
        comparison("==", "eq", "equalto");
        comparison("!=", "ne");
        comparison("<", "lt", "lessthan");
        comparison("<=", "le");
        comparison(">", "gt", "greaterthan");
        comparison(">=", "ge");
    }

    private Tests() {}

    private static void plain(String name, PlainTest test) {
        TESTS.put(name, (in, value, arguments) -> {
            arguments.bind(name, 0);
            return test.holds(in, value);
        });
    }

    private static void comparison(String operator, String... names) {
        Test test = (in, value, a) -> in.holds(operator, value, other(operator, a));
        TESTS.put(operator, test);
        for (String name : names) {
            TESTS.put(name, test);
        }
    }

    private static Object other(String test, Arguments arguments) {
        return arguments.bind(test, 1, "other").required(0);
    }

    private static boolean isSequence(Object value) {
        return value instanceof String
                || value instanceof List
                || value instanceof Tuple
                || value instanceof Dict
                || value instanceof Range
                || value instanceof Undefined;
    }

    private static boolean remainderIs(Interpreter in, Object value, Object divisor, Object remainder) {
        return in.values.equal(in.arithmetic.binary("%", value, divisor), remainder);
    }

    static boolean exists(String name) {
        return TESTS.containsKey(name);
    }

    static boolean apply(Interpreter in, String name, Object value, Arguments arguments) {
        Test test = TESTS.get(name);
        if (test == null) {
            throw TemplateException.evaluation("No test named %s.".formatted(Printer.quote(name)));
        }
        in.budget.step();
        return test.holds(in, value, arguments);
    }
}
