package dev.jwen.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How values become text: Python's str, repr and json.dumps. */
final class Printer {
    private static final int MAX_DIGITS = 4300; // Python refuses to write longer integers in decimal

    private final Budget budget;

    Printer(Budget budget) {
        this.budget = budget;
    }

    String str(Object value) {
        return switch (value) {
            case String text -> text;
            case Undefined ignored -> "";
            default -> repr(value);
        };
    }

    String repr(Object value) {
        StringBuilder out = new StringBuilder();
        repr(value, out);
        return out.toString();
    }

    private void repr(Object value, StringBuilder out) {
        switch (value) {
            case List<?> list -> repr("[", list.iterator(), "]", out);
            case Tuple tuple ->
                repr("(", tuple.items().iterator(), tuple.items().size() == 1 ? ",)" : ")", out);
            case Dict dict -> repr(dict, out);
            case View view -> {
                out.append(view.kind().typeName);
                repr("([", view.dict().entries().stream().map(view::element).iterator(), "])", out);
            }
            case Namespace namespace -> {
                out.append("<Namespace ");
                repr(namespace.attributes(), out);
                out.append('>');
            }
            default -> budget.append(out, scalar(value));
        }
    }

    private void repr(String open, Iterator<?> items, String close, StringBuilder out) {
        budget.enter();
        out.append(open);
        while (items.hasNext()) {
            budget.step();
            repr(items.next(), out);
            out.append(items.hasNext() ? ", " : "");
        }
        out.append(close);
        budget.leave();
    }

    private void repr(Dict dict, StringBuilder out) {
        budget.enter();
        String separator = "{";
        for (Dict.Entry entry : dict.entries()) {
            budget.step();
            out.append(separator);
            repr(entry.key(), out);
            out.append(": ");
            repr(entry.value(), out);
            separator = ", ";
        }
        out.append(dict.size() == 0 ? "{}" : "}");
        budget.leave();
    }

    private static String scalar(Object value) {
        return switch (value) {
            case String text -> quote(text);
            case Boolean flag -> flag ? "True" : "False";
            case Long number -> Long.toString(number);
            case BigInteger number -> decimal(number);
            case Double number -> real(number);
            case None ignored -> "None";
            case Undefined ignored -> "Undefined";
            case Range range ->
                range.step() == 1
                        ? "range(%d, %d)".formatted(range.start(), range.stop())
                        : "range(%d, %d, %d)".formatted(range.start(), range.stop(), range.step());
            case Loop loop -> "<LoopContext %d/%d>".formatted(loop.index(), loop.size());
            case Macro macro -> "<Macro %s>".formatted(quote(macro.name()));
            case Invocable.Routine routine -> "<function %s>".formatted(routine.name());
            default -> "<%s object>".formatted(Values.typeName(value));
        };
    }

    static String decimal(BigInteger number) {
        String digits = number.toString();
        if (digits.length() > MAX_DIGITS + 1) {
            throw TemplateException.evaluation(
                    "Exceeds the limit (%d digits) for integer string conversion".formatted(MAX_DIGITS));
        }
        return digits;
    }

    /** The shortest decimal that reads back as the same double, in Python's notation. */
    static String real(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return 1 / number < 0 ? "-0.0" : "0.0";
        }
        BigDecimal shortest = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        // Java always writes two digits, as in 4.9E-324 for what is 5e-324 in one.
        BigDecimal shorter = shortest.round(new MathContext(1, RoundingMode.HALF_EVEN));
        if (shortest.precision() == 2 && shorter.doubleValue() == number) {
            shortest = shorter.stripTrailingZeros();
        }
        String digits = shortest.unscaledValue().abs().toString();
        int exponent = digits.length() - 1 - shortest.scale();
        String sign = number < 0 ? "-" : "";
        if (exponent < -4 || exponent >= 16) {
            String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
            return "%s%c%se%s%02d"
                    .formatted(sign, digits.charAt(0), fraction, exponent < 0 ? "-" : "+", Math.abs(exponent));
        }
        String plain = shortest.abs().toPlainString();
        return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
    }

    /** A string as repr writes it. */
    static String quote(String text) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder out = new StringBuilder(text.length() + 2).append(quote);
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(quote);
                    } else if (isPrintable(c)) {
                        out.appendCodePoint(c);
                    } else {
                        out.append(hexEscape(c));
                    }
                }
            }
        }
        return out.append(quote).toString();
    }

    static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }

    /** The escape with as few hex digits as the character allows. */
    static String hexEscape(int c) {
        return (c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x").formatted(c);
    }

    /**
     * How json.dumps is to write.
     *
     * @param indent what one level is indented by; null writes all on one line
     */
    record JsonStyle(
            boolean ascii, @Nullable String indent, String itemSeparator, String keySeparator, boolean sortKeys) {}

    String json(Object value, JsonStyle style) {
        StringBuilder out = new StringBuilder();
        json(value, style, 0, out);
        return out.toString();
    }

    private void json(Object value, JsonStyle style, int level, StringBuilder out) {
        budget.step();
        budget.enter();
        switch (value) {
            case String text -> jsonString(text, style.ascii(), out);
            case None ignored -> out.append("null");
            case Boolean flag -> out.append(flag ? "true" : "false");
            case Long ignored -> out.append(value);
            case BigInteger number -> out.append(decimal(number));
            case Double number -> out.append(jsonReal(number));
            case List<?> list -> jsonList(list, style, level, out);
            case Tuple tuple -> jsonList(tuple.items(), style, level, out);
            case Dict dict -> jsonDict(dict, style, level, out);
            default ->
                throw TemplateException.evaluation(
                        "Object of type %s is not JSON serializable".formatted(shortTypeName(value)));
        }
        budget.leave();
    }

    private static String shortTypeName(Object value) {
        String name = Values.typeName(value);
        return name.substring(name.lastIndexOf('.') + 1);
    }

    private static String jsonReal(double number) {
        if (Double.isNaN(number)) {
            return "NaN";
        }
        return Double.isInfinite(number) ? (number > 0 ? "Infinity" : "-Infinity") : real(number);
    }

    private void jsonList(List<?> items, JsonStyle style, int level, StringBuilder out) {
        String separator = "[";
        for (Object item : items) {
            budget.append(out, separator);
            newLine(style, level + 1, out);
            json(item, style, level + 1, out);
            separator = style.itemSeparator();
        }
        close(items.isEmpty(), "[", "]", style, level, out);
    }

    private void jsonDict(Dict dict, JsonStyle style, int level, StringBuilder out) {
        String separator = "{";
        for (Dict.Entry entry : jsonEntries(dict, style)) {
            budget.append(out, separator);
            newLine(style, level + 1, out);
            jsonString(jsonKey(entry.key()), style.ascii(), out);
            budget.append(out, style.keySeparator());
            json(entry.value(), style, level + 1, out);
            separator = style.itemSeparator();
        }
        close(dict.size() == 0, "{", "}", style, level, out);
    }

    private Iterable<Dict.Entry> jsonEntries(Dict dict, JsonStyle style) {
        if (!style.sortKeys()) {
            return dict.entries();
        }
        List<Object> keys = new ArrayList<>();
        dict.entries().forEach(entry -> keys.add(entry.key()));
        List<Object> sorted = new Values(budget).sorted(new ArrayList<>(dict.entries()), keys, false);
        return sorted.stream().map(Dict.Entry.class::cast).toList();
    }

    private String jsonKey(Object key) {
        return switch (key) {
            case String text -> text;
            case None ignored -> "null";
            case Boolean flag -> flag ? "true" : "false";
            case Double number -> jsonReal(number);
            case Long ignored -> str(key);
            case BigInteger ignored -> str(key);
            default ->
                throw TemplateException.evaluation(
                        "keys must be str, int, float, bool or None, not " + shortTypeName(key));
        };
    }

    private void close(boolean empty, String open, String close, JsonStyle style, int level, StringBuilder out) {
        if (empty) {
            out.append(open);
        } else {
            newLine(style, level, out);
        }
        out.append(close);
    }

    private void newLine(JsonStyle style, int level, StringBuilder out) {
        if (style.indent() != null) {
            out.append('\n');
            for (int i = 0; i < level; i++) {
                budget.append(out, style.indent());
            }
        }
    }

    private void jsonString(String text, boolean ascii, StringBuilder out) {
        budget.length((long) out.length() + text.length());
        budget.characters(text.length());
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\f' -> out.append("\\f");
                case '\b' -> out.append("\\b");
                default -> {
                    if (c < 0x20 || (ascii && c > 0x7e)) {
                        out.append("\\u%04x".formatted((int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
