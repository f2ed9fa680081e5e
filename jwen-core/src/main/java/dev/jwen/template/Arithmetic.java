package dev.jwen.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;

/** Python's numbers: integers without bounds, floor division, true division, and what + * % do to sequences. */
final class Arithmetic {
    /** What {@link #compare} says when one of them is NaN. */
    static final int UNORDERED = 2;

    private static final int MAX_BITS = 1 << 16;
    private static final long EXACT = 1L << 53; // integers up to here are doubles exactly

    private final Budget budget;
    private final Formatting formatting;

    Arithmetic(Budget budget, Formatting formatting) {
        this.budget = budget;
        this.formatting = formatting;
    }

    static boolean isNumber(Object value) {
        return isInteger(value) || value instanceof Double;
    }

    /** Whether it is an int; a bool is one. */
    static boolean isInteger(Object value) {
        return value instanceof Long || value instanceof Boolean || value instanceof BigInteger;
    }

    /** The integer as a Long where it fits. */
    static Object integer(BigInteger value) {
        if (value.bitLength() > MAX_BITS) {
            throw TemplateException.limit("integer too large: more than %d bits".formatted(MAX_BITS));
        }
        return value.bitLength() < 64 ? (Object) value.longValue() : value;
    }

    static BigInteger big(Object value) {
        return value instanceof BigInteger big ? big : BigInteger.valueOf(Values.index(value));
    }

    static double real(Object value) {
        double real = switch (value) {
            case Double number -> number;
            case BigInteger number -> number.doubleValue();
            default -> Values.index(value);
        };
        if (Double.isInfinite(real) && value instanceof BigInteger) {
            throw TemplateException.evaluation("int too large to convert to float");
        }
        return real;
    }

    /** -1, 0 or 1, exact also between int and float; UNORDERED with NaN. */
    static int compare(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y) {
            return Long.compare(x, y);
        }
        if (!(a instanceof Double) && !(b instanceof Double)) {
            return big(a).compareTo(big(b));
        }
        double x = a instanceof Double number ? number : big(a).doubleValue();
        double y = b instanceof Double number ? number : big(b).doubleValue();
        if (Double.isNaN(x) || Double.isNaN(y)) {
            return UNORDERED;
        }
        if (x != y || Double.isInfinite(x)) {
            return x < y ? -1 : x > y ? 1 : 0;
        }
        return decimal(a).compareTo(decimal(b));
    }

    private static BigDecimal decimal(Object value) {
        return value instanceof Double number ? new BigDecimal(number) : new BigDecimal(big(value));
    }

    Object binary(String operator, Object a, Object b) {
        budget.step();
        if (a instanceof Long x && b instanceof Long y) {
            return longs(operator, x, y);
        }
        if (isInteger(a) && isInteger(b)) {
            return integers(operator, big(a), big(b));
        }
        if (isNumber(a) && isNumber(b)) {
            return reals(operator, real(a), real(b));
        }
        return switch (operator) {
            case "+" -> concatenate(a, b);
            case "*" -> isInteger(b) ? repeat(a, b) : isInteger(a) ? repeat(b, a) : refuse(operator, a, b);
            case "%" -> a instanceof String format ? formatting.percent(format, b) : refuse(operator, a, b);
            default -> refuse(operator, a, b);
        };
    }

    private static Object refuse(String operator, Object a, Object b) {
        if (a instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (b instanceof Undefined undefined) {
            throw undefined.failure();
        }
        throw TemplateException.evaluation("unsupported operand type(s) for %s: '%s' and '%s'"
                .formatted(operator.equals("**") ? "** or pow()" : operator, Values.typeName(a), Values.typeName(b)));
    }

    private Object concatenate(Object a, Object b) {
        if (a instanceof String x && b instanceof String y) {
            budget.characters((long) x.length() + y.length());
            return x + y;
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            return joined(x, y);
        }
        if (a instanceof Tuple x && b instanceof Tuple y) {
            return Tuple.of(joined(x.items(), y.items()));
        }
        if (!(b instanceof Undefined) && (a instanceof String || a instanceof List || a instanceof Tuple)) {
            String type = Values.typeName(a);
            throw TemplateException.evaluation(
                    "can only concatenate %s (not \"%s\") to %s".formatted(type, Values.typeName(b), type));
        }
        return refuse("+", a, b);
    }

    private List<Object> joined(List<?> a, List<?> b) {
        budget.steps((long) a.size() + b.size());
        List<Object> joined = new ArrayList<>(a.size() + b.size());
        joined.addAll(a);
        joined.addAll(b);
        return joined;
    }

    private Object repeat(Object value, Object count) {
        long times = Math.max(0, Values.index(count));
        return switch (value) {
            case String text -> {
                budget.characters(product(text.length(), times));
                yield text.repeat((int) (text.isEmpty() ? 0 : times));
            }
            case List<?> list -> repeated(list, times);
            case Tuple tuple -> Tuple.of(repeated(tuple.items(), times));
            default -> refuse("*", value, count);
        };
    }

    private List<Object> repeated(List<?> items, long times) {
        budget.steps(product(items.size(), times));
        List<Object> repeated = new ArrayList<>();
        for (long i = 0; i < times && !items.isEmpty(); i++) {
            repeated.addAll(items);
        }
        return repeated;
    }

    private static long product(long size, long times) {
        return size != 0 && times > Long.MAX_VALUE / size ? Long.MAX_VALUE : size * times;
    }

    private static Object longs(String operator, long a, long b) {
        boolean small = a > -EXACT && a < EXACT && b > -EXACT && b < EXACT;
        if (small && b != 0) {
            switch (operator) {
                case "+" -> {
                    return a + b;
                }
                case "-" -> {
                    return a - b;
                }
                case "//" -> {
                    return Math.floorDiv(a, b);
                }
                case "%" -> {
                    return Math.floorMod(a, b);
                }
                default -> {
                    // the result may need more bits
                }
            }
        }
        return integers(operator, BigInteger.valueOf(a), BigInteger.valueOf(b));
    }

    private static Object integers(String operator, BigInteger a, BigInteger b) {
        return switch (operator) {
            case "+" -> integer(a.add(b));
            case "-" -> integer(a.subtract(b));
            case "*" -> integer(a.multiply(b));
            case "/" -> quotient(a, b);
            case "//" -> integer(floorDivide(a, b, "integer division or modulo by zero"));
            case "%" ->
                integer(a.subtract(floorDivide(a, b, "integer modulo by zero").multiply(b)));
            default -> power(a, b);
        };
    }

    private static BigInteger floorDivide(BigInteger a, BigInteger b, String whenZero) {
        if (b.signum() == 0) {
            throw TemplateException.evaluation(whenZero);
        }
        BigInteger[] parts = a.divideAndRemainder(b);
        boolean below = parts[1].signum() != 0 && parts[1].signum() != b.signum();
        return below ? parts[0].subtract(BigInteger.ONE) : parts[0];
    }

    private static Object quotient(BigInteger a, BigInteger b) {
        if (b.signum() == 0) {
            throw TemplateException.evaluation("division by zero");
        }
        if (a.bitLength() <= 53 && b.bitLength() <= 53) {
            return a.doubleValue() / b.doubleValue();
        }
        // 60 digits leave no doubt about the nearest double but for contrived ties.
        double quotient =
                new BigDecimal(a).divide(new BigDecimal(b), new MathContext(60)).doubleValue();
        if (Double.isInfinite(quotient)) {
            throw TemplateException.evaluation("integer division result too large for a float");
        }
        return quotient;
    }

    private static Object power(BigInteger base, BigInteger exponent) {
        if (exponent.signum() < 0) {
            return reals("**", real(integer(base)), real(integer(exponent)));
        }
        boolean tiny = base.bitLength() <= 1 && base.abs().compareTo(BigInteger.ONE) <= 0;
        if (tiny) {
            return integer(base.pow(exponent.signum() == 0 ? 0 : exponent.testBit(0) ? 1 : 2));
        }
        if (exponent.bitLength() > 31 || (base.bitLength() - 1L) * exponent.longValue() > MAX_BITS) {
            throw TemplateException.limit("integer too large: more than %d bits".formatted(MAX_BITS));
        }
        return integer(base.pow(exponent.intValue()));
    }

    private static Object reals(String operator, double a, double b) {
        if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
            throw TemplateException.evaluation(
                    switch (operator) {
                        case "/" -> "float division by zero";
                        case "//" -> "float floor division by zero";
                        default -> "float modulo";
                    });
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> floorDivide(a, b);
            case "%" -> modulo(a, b);
            default -> power(a, b);
        };
    }

    private static double modulo(double a, double b) {
        double remainder = a % b;
        if (remainder == 0) {
            return Math.copySign(0, b);
        }
        return (remainder < 0) == (b < 0) ? remainder : remainder + b;
    }

    private static double floorDivide(double a, double b) {
        double quotient = (a - modulo(a, b)) / b;
        if (quotient == 0) {
            return Math.copySign(0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double power(double a, double b) {
        if (a == 0 && b < 0) {
            throw TemplateException.evaluation("0.0 cannot be raised to a negative power");
        }
        if (a < 0 && !Double.isInfinite(a) && !Double.isInfinite(b) && b != Math.rint(b)) {
            throw TemplateException.evaluation("complex numbers are not available: %s ** %s".formatted(a, b));
        }
        double power = a == 1 || b == 0 ? 1 : a == -1 && Double.isInfinite(b) ? 1 : Math.pow(a, b);
        if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
            throw TemplateException.evaluation("(34, 'Numerical result out of range')");
        }
        return power;
    }

    static Object signed(boolean negative, Object value) {
        return switch (value) {
            case Double number -> negative ? -number : number;
            case Undefined undefined -> throw undefined.failure();
            default -> {
                if (!isInteger(value)) {
                    throw TemplateException.evaluation("bad operand type for unary %s: '%s'"
                            .formatted(negative ? "-" : "+", Values.typeName(value)));
                }
                yield integer(negative ? big(value).negate() : big(value));
            }
        };
    }
}
