package dev.jwen.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;

/** Python's two ways of putting values into a text: {@code "%s" % value} and {@code "{}".format(value)}. */
final class Formatting {
    private static final int MANUAL = -1;
    private static final int MAX_FRACTION = 1_100; // no double has more digits; the rest are zeros

    private final Interpreter in;

    Formatting(Interpreter in) {
        this.in = in;
    }

    /**
     * How one value is to look.
     *
     * @param align one of &lt; &gt; ^ =, or 0 for the value's own
     * @param grouping "," or "_" or nothing, between groups of digits
     * @param precision -1 for none
     * @param type the conversion, or 0 for the value's own
     */
    private record Spec(
            char align,
            String fill,
            char sign,
            boolean alternate,
            int width,
            String grouping,
            int precision,
            char type) {}

    String percent(String format, Object values) {
        return new Percent(format, values).run();
    }

    /** One run of the % operator. */
    private final class Percent {
        private final String format;
        private final Object values;
        private final boolean mapping;
        private final List<Object> items;
        private int used;
        private int at;

        Percent(String format, Object values) {
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
            Spec spec =
                    new Spec(align, align == '=' ? "0" : " ", sign, alternate, Math.abs(width), "", precision, type);
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
            return parsed(format.substring(start, at), 0);
        }

        private String converted(Object value, Spec spec) {
            return switch (spec.type()) {
                case 's' -> text(in.printer.str(value), spec);
                case 'r' -> text(in.printer.repr(value), spec);
                case 'a' -> text(ascii(in.printer.repr(value)), spec);
                case 'c' ->
                    text(value instanceof String text ? text : Character.toString((int) Values.index(value)), spec);
                case 'd', 'i', 'u' -> integer(toInteger(value, spec.type()), precise(spec));
                case 'o', 'x', 'X' -> {
                    if (!Arithmetic.isInteger(value)) {
                        throw needs(spec.type(), "an integer", value);
                    }
                    yield integer(Arithmetic.big(value), precise(spec));
                }
                case 'e', 'E', 'f', 'F', 'g', 'G' -> {
                    if (!Arithmetic.isNumber(value)) {
                        throw TemplateException.evaluation("must be real number, not " + Values.typeName(value));
                    }
                    yield real(Arithmetic.real(value), spec);
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
                return truncated(number);
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

    static BigInteger truncated(double number) {
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            throw TemplateException.evaluation(
                    "cannot convert float %s to integer".formatted(Double.isNaN(number) ? "NaN" : "infinity"));
        }
        return new BigDecimal(number).toBigInteger();
    }

    private static String ascii(String text) {
        StringBuilder out = new StringBuilder();
        text.codePoints().forEach(c -> out.append(c < 0x80 ? Character.toString(c) : Printer.hexEscape(c)));
        return out.toString();
    }

    private static int parsed(String digits, int fallback) {
        if (digits.length() > 9) {
            throw TemplateException.evaluation("Too many decimal digits in format string");
        }
        return digits.isEmpty() ? fallback : Integer.parseInt(digits);
    }

    String format(String format, Arguments arguments) {
        return new Braces(arguments).run(format, 2);
    }

    /** One run of str.format. */
    private final class Braces {
        private final Arguments arguments;
        private int automatic; // the next unnumbered field, or MANUAL

        Braces(Arguments arguments) {
            this.arguments = arguments;
        }

        String run(String format, int depth) {
            if (depth < 0) {
                throw TemplateException.evaluation("Max string recursion exceeded");
            }
            StringBuilder out = new StringBuilder();
            int i = 0;
            while (i < format.length()) {
                char c = format.charAt(i);
                if (c != '{' && c != '}') {
                    out.append(c);
                    i++;
                } else if (i + 1 < format.length() && format.charAt(i + 1) == c) {
                    out.append(c);
                    i += 2;
                } else if (c == '}') {
                    throw TemplateException.evaluation("Single '}' encountered in format string");
                } else {
                    int end = end(format, i + 1);
                    in.budget.append(out, field(format.substring(i + 1, end), depth));
                    i = end + 1;
                }
            }
            in.budget.characters(out.length());
            return out.toString();
        }

        private int end(String format, int from) {
            int open = 1;
            for (int i = from; i < format.length(); i++) {
                open += format.charAt(i) == '{' ? 1 : format.charAt(i) == '}' ? -1 : 0;
                if (open == 0) {
                    return i;
                }
            }
            throw TemplateException.evaluation(
                    from == format.length()
                            ? "Single '{' encountered in format string"
                            : "expected '}' before end of string");
        }

        private String field(String field, int depth) {
            int nameEnd = 0;
            boolean inBrackets = false;
            while (nameEnd < field.length() && (inBrackets || ":!".indexOf(field.charAt(nameEnd)) < 0)) {
                inBrackets = field.charAt(nameEnd) == '[' || (inBrackets && field.charAt(nameEnd) != ']');
                nameEnd++;
            }
            Object value = value(field.substring(0, nameEnd));
            String rest = field.substring(nameEnd);
            if (rest.startsWith("!")) {
                if (rest.length() < 2 || (rest.length() > 2 && rest.charAt(2) != ':')) {
                    throw TemplateException.evaluation("expected ':' after conversion specifier");
                }
                value = switch (rest.charAt(1)) {
                    case 's' -> in.printer.str(value);
                    case 'r' -> in.printer.repr(value);
                    case 'a' -> ascii(in.printer.repr(value));
                    default -> throw TemplateException.evaluation("Unknown conversion specifier " + rest.charAt(1));
                };
                rest = rest.substring(2);
            }
            return formatted(value, rest.isEmpty() ? "" : run(rest.substring(1), depth - 1));
        }

        private Object value(String name) {
            if (name.isEmpty() ? automatic == MANUAL : isIndex(name) && automatic > 0) {
                throw TemplateException.evaluation(
                        "cannot switch from manual field specification to automatic field numbering");
            }
            automatic = isIndex(name) ? MANUAL : automatic;
            int first = 0;
            while (first < name.length() && ".[".indexOf(name.charAt(first)) < 0) {
                first++;
            }
            Object value = argument(name.substring(0, first));
            int i = first;
            while (i < name.length()) {
                boolean attribute = name.charAt(i) == '.';
                int end = attribute ? nextPart(name, i + 1) : name.indexOf(']', i);
                if (end < 0 || end == i + 1) {
                    throw TemplateException.evaluation("Empty attribute in format string");
                }
                String part = name.substring(i + 1, end);
                value = attribute
                        ? in.attribute(value, part)
                        : in.item(value, isIndex(part) ? (Object) (long) parsed(part, 0) : part);
                i = attribute ? end : end + 1;
            }
            return value;
        }

        private static int nextPart(String name, int from) {
            int i = from;
            while (i < name.length() && ".[".indexOf(name.charAt(i)) < 0) {
                i++;
            }
            return i;
        }

        private static boolean isIndex(String name) {
            return !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9');
        }

        private Object argument(String name) {
            if (!name.isEmpty() && !isIndex(name)) {
                Object value = arguments.keywords().get(name);
                if (value == null) {
                    throw TemplateException.evaluation(Printer.quote(name));
                }
                return value;
            }
            int index = name.isEmpty() ? automatic++ : parsed(name, 0);
            if (index >= arguments.positional().size()) {
                throw TemplateException.evaluation(
                        "Replacement index %d out of range for positional args tuple".formatted(index));
            }
            return arguments.positional().get(index);
        }
    }

    private String formatted(Object value, String spec) {
        if (spec.isEmpty()) {
            return in.printer.str(value);
        }
        return switch (value) {
            case String text -> text(text, spec(spec, value, '<'));
            case Double number -> real(number, spec(spec, value, '>'));
            default -> {
                if (!Arithmetic.isInteger(value)) {
                    throw TemplateException.evaluation(
                            "unsupported format string passed to %s.__format__".formatted(Values.typeName(value)));
                }
                Spec parsed = spec(spec, value, '>');
                boolean real = "eEfFgG%".indexOf(parsed.type()) >= 0;
                if (!real && parsed.precision() >= 0) {
                    throw TemplateException.evaluation("Precision not allowed in integer format specifier");
                }
                yield real ? real(Arithmetic.real(value), parsed) : integer(Arithmetic.big(value), parsed);
            }
        };
    }

    private static Spec spec(String spec, Object value, char ownAlign) {
        int[] points = spec.codePoints().toArray();
        int i = 0;
        String fill = " ";
        char align = 0;
        if (points.length > 1 && "<>=^".indexOf(points[1]) >= 0) {
            fill = Character.toString(points[0]);
            align = (char) points[1];
            i = 2;
        } else if ("<>=^".indexOf(points[0]) >= 0) {
            align = (char) points[0];
            i = 1;
        }
        char sign = i < points.length && "+- ".indexOf(points[i]) >= 0 ? (char) points[i++] : '-';
        boolean alternate = i < points.length && points[i] == '#';
        i += alternate ? 1 : 0;
        if (i < points.length && points[i] == '0') {
            fill = align == 0 ? "0" : fill;
            align = align == 0 ? (value instanceof String ? '<' : '=') : align;
            i++;
        }
        int end = digits(points, i);
        int width = parsed(new String(points, i, end - i), 0);
        String grouping =
                end < points.length && ",_".indexOf(points[end]) >= 0 ? Character.toString(points[end++]) : "";
        int precision = -1;
        if (end < points.length && points[end] == '.') {
            int from = end + 1;
            end = digits(points, from);
            if (end == from) {
                throw TemplateException.evaluation("Format specifier missing precision");
            }
            precision = parsed(new String(points, from, end - from), 0);
        }
        char type = end < points.length ? (char) points[end++] : 0;
        if (value instanceof String && type != 0 && type != 's') {
            throw unknown(type, "str");
        }
        if (value instanceof String && sign != '-') {
            throw TemplateException.evaluation("Sign not allowed in string format specifier");
        }
        if (value instanceof String && !grouping.isEmpty()) {
            throw TemplateException.evaluation("Cannot specify '%s' with 's'.".formatted(grouping));
        }
        if (end < points.length || (value instanceof String && align == '=')) {
            throw TemplateException.evaluation(
                    "Invalid format specifier '%s' for object of type '%s'".formatted(spec, Values.typeName(value)));
        }
        return new Spec(align == 0 ? ownAlign : align, fill, sign, alternate, width, grouping, precision, type);
    }

    private static int digits(int[] points, int from) {
        int i = from;
        while (i < points.length && points[i] >= '0' && points[i] <= '9') {
            i++;
        }
        return i;
    }

    private String text(String text, Spec spec) {
        return padded("", spec.precision() < 0 ? text : Text.prefix(text, spec.precision()), spec);
    }

    private String padded(String prefix, String body, Spec spec) {
        if (spec.align() == '=') {
            int width = Math.max(0, spec.width() - Text.length(prefix));
            return prefix + StringMethods.pad(in, body, width, spec.fill(), 2);
        }
        String text = prefix + body;
        int blanks = Math.max(0, spec.width() - Text.length(text));
        int left = spec.align() == '<' ? 0 : spec.align() == '^' ? blanks / 2 : blanks;
        in.budget.characters((long) text.length() + (long) blanks * spec.fill().length());
        return spec.fill().repeat(left) + text + spec.fill().repeat(blanks - left);
    }

    private String integer(BigInteger value, Spec spec) {
        BigInteger size = value.abs();
        String digits = switch (spec.type()) {
            case 'b' -> size.toString(2);
            case 'o' -> size.toString(8);
            case 'x' -> size.toString(16);
            case 'X' -> Text.upper(size.toString(16));
            case 'c' -> Character.toString((int) Values.index(Arithmetic.integer(size)));
            case 0, 'd', 'n' -> Printer.decimal(size);
            default -> throw unknown(spec.type(), "int");
        };
        digits = StringMethods.pad(in, digits, spec.precision(), "0", 2);
        String base = spec.alternate() && "boxX".indexOf(spec.type()) >= 0 ? "0" + spec.type() : "";
        int group = "boxX".indexOf(spec.type()) >= 0 ? 4 : 3;
        return padded(sign(value.signum() < 0, spec) + base, grouped(digits, spec.grouping(), group), spec);
    }

    private static TemplateException unknown(char type, String name) {
        return TemplateException.evaluation("Unknown format code '%s' for object of type '%s'".formatted(type, name));
    }

    private static String sign(boolean negative, Spec spec) {
        return negative ? "-" : spec.sign() == '-' ? "" : String.valueOf(spec.sign());
    }

    private static String grouped(String digits, String separator, int group) {
        if (separator.isEmpty()) {
            return digits;
        }
        int dot = 0;
        while (dot < digits.length() && Character.digit(digits.charAt(dot), 16) >= 0) {
            dot++;
        }
        StringBuilder out = new StringBuilder(digits);
        for (int i = dot - group; i > 0; i -= group) {
            out.insert(i, separator);
        }
        return out.toString();
    }

    private String real(double value, Spec spec) {
        char type = spec.type();
        boolean negative = value < 0 || (value == 0 && 1 / value < 0);
        double size = Math.abs(value);
        String digits = null;
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            digits = (Double.isNaN(value) ? "nan" : "inf") + (type == '%' ? "%" : "");
        }
        int precision = spec.precision() < 0 ? 6 : spec.precision();
        in.budget.length(precision);
        if (digits == null) {
            digits = switch (type) {
                case 'f', 'F' -> fixed(size, precision, spec.alternate());
                case 'e', 'E' -> scientific(size, precision);
                case 'g', 'G', 'n' -> general(size, precision, spec.alternate());
                case '%' -> fixed(100 * size, precision, spec.alternate()) + "%";
                case 0 -> spec.precision() < 0 ? Printer.real(size) : own(size, precision);
                default -> throw unknown(type, "float");
            };
        }
        String cased = type == 'E' || type == 'G' || type == 'F' ? Text.upper(digits) : digits;
        return padded(sign(negative, spec), grouped(cased, spec.grouping(), 3), spec);
    }

    private static String zeros(int precision) {
        return "0".repeat(Math.max(0, precision - MAX_FRACTION));
    }

    private static String fixed(double size, int precision, boolean alternate) {
        BigDecimal rounded = new BigDecimal(size).setScale(Math.min(precision, MAX_FRACTION), RoundingMode.HALF_EVEN);
        return rounded.toPlainString() + zeros(precision) + (alternate && precision == 0 ? "." : "");
    }

    private static String scientific(double size, int precision) {
        int digits = Math.min(precision, MAX_FRACTION) + 1;
        BigDecimal rounded = new BigDecimal(size).round(new MathContext(digits, RoundingMode.HALF_EVEN));
        String all = rounded.unscaledValue().toString();
        int exponent = size == 0 ? 0 : all.length() - 1 - rounded.scale();
        String padded = (all + "0".repeat(Math.max(0, digits - all.length()))).substring(0, digits);
        String fraction = precision == 0 ? "" : "." + padded.substring(1) + zeros(precision);
        return "%s%se%s%02d".formatted(padded.charAt(0), fraction, exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    private static String general(double size, int precision, boolean alternate) {
        int digits = Math.max(1, Math.min(precision, MAX_FRACTION));
        String scientific = scientific(size, digits - 1);
        int e = scientific.indexOf('e');
        int exponent = Integer.parseInt(scientific.substring(e + 1));
        if (exponent >= -4 && exponent < digits) {
            String fixed = fixed(size, digits - 1 - exponent, false);
            return alternate ? fixed : withoutTrailingZeros(fixed);
        }
        return (alternate ? scientific.substring(0, e) : withoutTrailingZeros(scientific.substring(0, e)))
                + scientific.substring(e);
    }

    /**
     * What a float looks like with a precision but no type: general, but with a digit after the point, and with an
     * exponent as soon as the digits before the point use up the precision.
     */
    private static String own(double size, int precision) {
        int digits = Math.max(1, precision);
        String scientific = scientific(size, digits - 1);
        int e = scientific.indexOf('e');
        if (Integer.parseInt(scientific.substring(e + 1)) >= digits - 1) {
            return withoutTrailingZeros(scientific.substring(0, e)) + scientific.substring(e);
        }
        String general = general(size, digits, false);
        return general.indexOf('.') < 0 && general.indexOf('e') < 0 ? general + ".0" : general;
    }

    private static String withoutTrailingZeros(String digits) {
        if (digits.indexOf('.') < 0) {
            return digits;
        }
        int end = digits.length();
        while (digits.charAt(end - 1) == '0') {
            end--;
        }
        return digits.substring(0, digits.charAt(end - 1) == '.' ? end - 1 : end);
    }
}
