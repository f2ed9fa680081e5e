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

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        TESTS.put("defined", (in, value, a) -> !(value instanceof Undefined));
        TESTS.put("undefined", (in, value, a) -> value instanceof Undefined);
        TESTS.put("none", (in, value, a) -> value == None.NONE);
        TESTS.put("boolean", (in, value, a) -> value instanceof Boolean);
        TESTS.put("true", (in, value, a) -> Boolean.TRUE.equals(value));
        TESTS.put("false", (in, value, a) -> Boolean.FALSE.equals(value));
        TESTS.put("integer", (in, value, a) -> value instanceof Long || value instanceof BigInteger);
        TESTS.put("float", (in, value, a) -> value instanceof Double);
        TESTS.put("number", (in, value, a) -> Arithmetic.isNumber(value));
        TESTS.put("string", (in, value, a) -> value instanceof String);
        TESTS.put("mapping", (in, value, a) -> value instanceof Dict);
        TESTS.put("sequence", (in, value, a) -> isSequence(value));
        TESTS.put("iterable", (in, value, a) -> value instanceof Generator || Values.size(value) >= 0);
        TESTS.put("callable", (in, value, a) -> value instanceof Invocable || value instanceof Undefined);
        TESTS.put("escaped", (in, value, a) -> false);
        TESTS.put("sameas", (in, value, a) -> Values.same(value, other("sameas", a)));
        TESTS.put("in", (in, value, a) -> in.values.contains(other("in", a), value));
        TESTS.put("odd", (in, value, a) -> remainderIs(in, value, 2L, 1L));
        TESTS.put("even", (in, value, a) -> remainderIs(in, value, 2L, 0L));
        TESTS.put("divisibleby", (in, value, a) -> remainderIs(in, value, other("divisibleby", a), 0L));
        TESTS.put("lower", (in, value, a) -> StringMethods.isCase(in.printer.str(value), false));
        TESTS.put("upper", (in, value, a) -> StringMethods.isCase(in.printer.str(value), true));
        TESTS.put("filter", (in, value, a) -> value instanceof String name && Filters.exists(name));
        TESTS.put("test", (in, value, a) -> value instanceof String name && exists(name));
        comparison("==", "eq", "equalto");
        comparison("!=", "ne");
        comparison("<", "lt", "lessthan");
        comparison("<=", "le");
        comparison(">", "gt", "greaterthan");
        comparison(">=", "ge");
    }

    private Tests() {}

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
