package dev.jwen.template;

import dev.jwen.template.Formatting.Spec;
import java.math.BigInteger;
import java.util.List;

/** One run of the % operator. */
final class PercentFormat {
    private final Interpreter in;
    private final Formatting formatting;
    private final String format;
    private final Object values;
    private final boolean mapping;
    private final List<Object> items;
    private int used;
    private int at;

    PercentFormat(Interpreter in, Formatting formatting, String format, Object values) {
        this.in = in;
        this.formatting = formatting;
        this.format = format;
        this.values = values;
        this.items = values instanceof Tuple tuple ? tuple.items() : List.of(values);
        this.mapping = values instanceof Dict || values instanceof List || values instanceof Undefined;
    }

    String run() {
        StringBuilder out = new StringBuilder();
        while (at < format.length()) {
            int start = format.indexOf('%', at);
            in.budget.append(out, format.substring(at, start < 0 ? format.length() : start));
            if (start < 0) {
                break;
            }
            at = start + 1;
            in.budget.append(out, conversion());
        }
        if (used < items.size() && !mapping) {
            throw TemplateException.evaluation("not all arguments converted during string formatting");
        }
        return out.toString();
    }

    private char peek() {
        if (at >= format.length()) {
            throw TemplateException.evaluation("incomplete format");
        }
        return format.charAt(at);
    }

    private String conversion() {
        Object named = peek() == '(' ? named() : null;
        boolean left = false;
        boolean zero = false;
        boolean alternate = false;
        char sign = '-';
        while ("-+ #0".indexOf(peek()) >= 0) {
            char flag = format.charAt(at++);
            left |= flag == '-';
            zero |= flag == '0';
            alternate |= flag == '#';
            sign = flag == '+' || (flag == ' ' && sign != '+') ? flag : sign;
        }
        int width = number();
        int precision = -1;
        if (peek() == '.') {
            at++;
            precision = number();
        }
        while ("hlL".indexOf(peek()) >= 0) {
            at++;
        }
        char type = format.charAt(at++);
        if (type == '%') {
            return "%";
        }
        Object value = named == null ? next() : named;
        boolean numeric = "diuoxXeEfFgG".indexOf(type) >= 0;
        char align = left || width < 0 ? '<' : zero && numeric ? '=' : '>';
        Spec spec = new Spec(align, align == '=' ? "0" : " ", sign, alternate, Math.abs(width), "", precision, type);
        return converted(value, spec);
    }

    private Object named() {
        int close = format.indexOf(')', at);
        if (!(values instanceof Dict dict)) {
            throw TemplateException.evaluation("format requires a mapping");
        }
        if (close < 0) {
            throw TemplateException.evaluation("incomplete format key");
        }
        String name = format.substring(at + 1, close);
        at = close + 1;
        Object value = dict.get(name);
        if (value == null) {
            throw TemplateException.evaluation(Printer.quote(name));
        }
        return value;
    }

    private Object next() {
        if (used >= items.size()) {
            throw TemplateException.evaluation("not enough arguments for format string");
        }
        return items.get(used++);
    }

    private int number() {
        if (peek() == '*') {
            at++;
            return Math.clamp(Values.index(next()), -Integer.MAX_VALUE, Integer.MAX_VALUE);
        }
        int start = at;
        while (peek() >= '0' && peek() <= '9') {
            at++;
        }
        return Formatting.parsed(format.substring(start, at), 0);
    }

    private String converted(Object value, Spec spec) {
        return switch (spec.type()) {
            case 's' -> formatting.text(in.printer.str(value), spec);
            case 'r' -> formatting.text(in.printer.repr(value), spec);
            case 'a' -> formatting.text(Formatting.ascii(in.printer.repr(value)), spec);
            case 'c' ->
                formatting.text(
                        value instanceof String text ? text : Character.toString((int) Values.index(value)), spec);
            case 'd', 'i', 'u' -> formatting.integer(toInteger(value, spec.type()), precise(spec));
            case 'o', 'x', 'X' -> {
                if (!Arithmetic.isInteger(value)) {
                    throw needs(spec.type(), "an integer", value);
                }
                yield formatting.integer(Arithmetic.big(value), precise(spec));
            }
            case 'e', 'E', 'f', 'F', 'g', 'G' -> {
                if (!Arithmetic.isNumber(value)) {
                    throw TemplateException.evaluation("must be real number, not " + Values.typeName(value));
                }
                yield formatting.real(Arithmetic.real(value), spec);
            }
            default ->
                throw TemplateException.evaluation("unsupported format character '%s' (0x%x) at index %d"
                        .formatted(spec.type(), (int) spec.type(), at - 1));
        };
    }

    /** For integers the precision is the least number of digits. */
    private Spec precise(Spec spec) {
        char type = spec.type() == 'i' || spec.type() == 'u' ? 'd' : spec.type();
        return new Spec(
                spec.align(), spec.fill(), spec.sign(), spec.alternate(), spec.width(), "", spec.precision(), type);
    }

    private BigInteger toInteger(Object value, char type) {
        if (value instanceof Double number) {
            return Formatting.truncated(number);
        }
        if (!Arithmetic.isInteger(value)) {
            throw needs(type, "a real number", value);
        }
        return Arithmetic.big(value);
    }

    private TemplateException needs(char type, String what, Object value) {
        return TemplateException.evaluation(
                "%%%c format: %s is required, not %s".formatted(type, what, Values.typeName(value)));
    }
}
