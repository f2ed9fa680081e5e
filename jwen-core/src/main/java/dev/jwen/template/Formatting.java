package dev.jwen.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;

/** Python's two ways of putting values into a text: {@code "%s" % value} and {@code "{}".format(value)}. */
final class Formatting {
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
    record Spec(
            char align,
            String fill,
            char sign,
            boolean alternate,
            int width,
            String grouping,
            int precision,
            char type) {}

    String percent(String format, Object values) {
        return new PercentFormat(in, this, format, values).run();
    }

    static BigInteger truncated(double number) {
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            throw TemplateException.evaluation(
                    "cannot convert float %s to integer".formatted(Double.isNaN(number) ? "NaN" : "infinity"));
        }
        return new BigDecimal(number).toBigInteger();
    }

    static String ascii(String text) {
        StringBuilder out = new StringBuilder();
        text.codePoints().forEach(c -> out.append(c < 0x80 ? Character.toString(c) : Printer.hexEscape(c)));
        return out.toString();
    }

    static int parsed(String digits, int fallback) {
        if (digits.length() > 9) {
            throw TemplateException.evaluation("Too many decimal digits in format string");
        }
        return digits.isEmpty() ? fallback : Integer.parseInt(digits);
    }

    String format(String format, Arguments arguments) {
        return new BraceFormat(in, this, arguments).run(format, 2);
    }

    String formatted(Object value, String spec) {
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

    String text(String text, Spec spec) {
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

    String integer(BigInteger value, Spec spec) {
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

    String real(double value, Spec spec) {
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
