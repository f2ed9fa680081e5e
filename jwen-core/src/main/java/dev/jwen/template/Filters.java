package dev.jwen.template;

import dev.jwen.template.Arguments.Bound;
import dev.jwen.template.Printer.JsonStyle;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Filters by name. Those over sequences are in {@link SequenceFilters}. */
final class Filters {
    interface Filter {
        Object apply(Interpreter in, Object value, Arguments arguments);
    }

    /** A filter without arguments. */
    interface PlainFilter {
        Object apply(Interpreter in, Object value);
    }

    private static final Map<String, Filter> FILTERS = new HashMap<>();

    static {
        SequenceFilters.addTo(FILTERS);
        FILTERS.put("tojson", Filters::toJson);
        FILTERS.put("default", Filters::orDefault);
        FILTERS.put("d", Filters::orDefault);
        plain(FILTERS, "string", (in, value) -> in.printer.str(value));
        plain(FILTERS, "safe", (in, value) -> in.printer.str(value));
        FILTERS.put(
                "trim",
                (in, value, a) -> StringMethods.strip(
                        in, in.printer.str(value), a.bind("trim", 0, "chars").textOrNone(0), true, true));
        for (String name : List.of("upper", "lower", "capitalize")) {
            FILTERS.put(name, (in, value, a) -> method(in, value, name, a));
        }
        plain(FILTERS, "title", (in, value) -> title(in, in.printer.str(value)));
        FILTERS.put(
                "center",
                (in, value, a) -> StringMethods.pad(
                        in, in.printer.str(value), a.bind("center", 0, "width").integer(0, 80), " ", 1));
        FILTERS.put("replace", Filters::replace);
        FILTERS.put("indent", Filters::indent);
        FILTERS.put("truncate", Filters::truncate);
        plain(FILTERS, "wordcount", (in, value) -> wordCount(in, in.printer.str(value)));
        FILTERS.put("wordwrap", WordWrap::filter);
        plain(FILTERS, "escape", Filters::escape);
        plain(FILTERS, "e", Filters::escape);
        plain(FILTERS, "forceescape", Filters::escape);
        plain(FILTERS, "urlencode", Filters::urlEncode);
        FILTERS.put("format", Filters::format);
        FILTERS.put("int", Filters::toInteger);
        FILTERS.put("float", Filters::toFloat);
        FILTERS.put("round", Filters::round);
        plain(FILTERS, "abs", (in, value) -> absolute(value));
        FILTERS.put("attr", (in, value, a) -> {
            String name = a.bind("attr", 1, "name").text(0);
            Object found = Attributes.find(value, name);
            return found == null ? Undefined.attribute(value, name) : found;
        });
    }

    private Filters() {}

    static void plain(Map<String, Filter> filters, String name, PlainFilter filter) {
        filters.put(name, (in, value, arguments) -> {
            arguments.bind(name, 0);
            return filter.apply(in, value);
        });
    }

    static boolean exists(String name) {
        return FILTERS.containsKey(name);
    }

    static Object apply(Interpreter in, String name, Object value, Arguments arguments) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw TemplateException.evaluation("No filter named %s.".formatted(Printer.quote(name)));
        }
        in.budget.step();
        return filter.apply(in, value, arguments);
    }

    private static Object method(Interpreter in, Object value, String name, Arguments arguments) {
        Invocable method =
                (Invocable) java.util.Objects.requireNonNull(StringMethods.find(in.printer.str(value), name));
        return method.invoke(in, arguments);
    }

    private static Object orDefault(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("default", 0, "default_value", "boolean");
        boolean absent = value instanceof Undefined || (bound.flag(1, false) && !Values.truth(value));
        return absent ? bound.value(0, "") : value;
    }

    private static Object toJson(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        Object indent = bound.orNone(1);
        String unit = indent == null
                ? null
                : indent instanceof String text ? text : " ".repeat(blanks(in, bound.integer(1, 0)));
        String itemSeparator = indent == null ? ", " : ",";
        String keySeparator = ": ";
        if (bound.orNone(2) != null) {
            List<Object> separators = in.values.list(bound.required(2));
            if (separators.size() != 2) {
                throw TemplateException.evaluation("tojson separators must be two, not " + separators.size());
            }
            itemSeparator = in.printer.str(separators.get(0));
            keySeparator = in.printer.str(separators.get(1));
        }
        JsonStyle style = new JsonStyle(bound.flag(0, false), unit, itemSeparator, keySeparator, bound.flag(3, false));
        return in.printer.json(value, style);
    }

    private static int blanks(Interpreter in, int width) {
        in.budget.characters(width);
        return Math.max(0, width);
    }

    /** Titlecases after blanks, hyphens and opening brackets only, unlike the method of the same name. */
    private static Object title(Interpreter in, String text) {
        in.budget.characters(text.length());
        StringBuilder out = new StringBuilder(text.length());
        int wordStart = 0;
        for (int i = 0; i <= text.length(); i++) {
            boolean separator =
                    i == text.length() || "-({[<".indexOf(text.charAt(i)) >= 0 || Text.isSpace(text.charAt(i));
            if (separator) {
                if (i > wordStart) {
                    int first = text.offsetByCodePoints(wordStart, 1);
                    out.append(Text.upper(text.substring(wordStart, first)))
                            .append(Text.lower(text.substring(first, i)));
                }
                out.append(i < text.length() ? String.valueOf(text.charAt(i)) : "");
                wordStart = i + 1;
            }
        }
        return out.toString();
    }

    private static Object replace(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("replace", 2, "old", "new", "count");
        String old = in.printer.str(bound.required(0));
        String with = in.printer.str(bound.required(1));
        return StringMethods.replace(in, in.printer.str(value), old, with, bound.integerOrNone(2, -1));
    }

    private static String requireText(Object value, String filter) {
        return switch (value) {
            case String text -> text;
            case Undefined undefined -> throw undefined.failure();
            default ->
                throw TemplateException.evaluation(
                        "filter %s needs a str, not %s".formatted(filter, Values.typeName(value)));
        };
    }

    private static Object indent(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("indent", 0, "width", "first", "blank");
        String text = requireText(value, "indent");
        Object width = bound.value(0, 4L);
        String indentation = width instanceof String unit ? unit : " ".repeat(blanks(in, bound.integer(0, 4)));
        boolean blank = bound.flag(2, false);
        StringBuilder out = new StringBuilder(bound.flag(1, false) ? indentation : "");
        List<String> lines = Text.lines(text + "\n", false);
        for (int i = 0; i < lines.size(); i++) {
            in.budget.step();
            String line = lines.get(i);
            in.budget.append(out, i == 0 ? "" : "\n");
            in.budget.append(out, i > 0 && (blank || !line.isEmpty()) ? indentation : "");
            in.budget.append(out, line);
        }
        return out.toString();
    }

    private static Object truncate(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("truncate", 0, "length", "killwords", "end", "leeway");
        int length = bound.integer(0, 255);
        int leeway = bound.integerOrNone(3, 5);
        String end = bound.text(2, "...");
        int endLength = Text.length(end);
        if (length < endLength || leeway < 0) {
            throw TemplateException.evaluation(
                    leeway < 0
                            ? "expected leeway >= 0, got %d".formatted(leeway)
                            : "expected length >= %d, got %d".formatted(endLength, length));
        }
        if (in.values.length(value) <= (long) length + leeway) {
            return value;
        }
        String start = Text.prefix(requireText(value, "truncate"), length - endLength);
        int lastBlank = bound.flag(1, false) ? -1 : start.lastIndexOf(' ');
        return (lastBlank < 0 ? start : start.substring(0, lastBlank)) + end;
    }

    private static Object wordCount(Interpreter in, String text) {
        in.budget.characters(text.length());
        long words = 0;
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            boolean word = c == '_' || Character.isLetterOrDigit(c);
            words += word && !inWord ? 1 : 0;
            inWord = word;
        }
        return words;
    }

    private static Object escape(Interpreter in, Object value) {
        String text = in.printer.str(value);
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&#39;");
                case '"' -> out.append("&#34;");
                default -> out.append(c);
            }
        }
        in.budget.characters(out.length());
        return out.toString();
    }

    private static Object urlEncode(Interpreter in, Object value) {
        if (value instanceof String || Arithmetic.isNumber(value) || value == None.NONE) {
            return percentEncoded(in, in.printer.str(value), "/");
        }
        StringBuilder out = new StringBuilder();
        Object pairs = value instanceof Dict dict ? new View(dict, View.Kind.ITEMS) : value;
        for (Iterator<Object> i = in.values.iterate(pairs); i.hasNext(); ) {
            List<Object> pair = in.values.list(i.next());
            if (pair.size() != 2) {
                throw TemplateException.evaluation("urlencode needs pairs of key and value");
            }
            in.budget.append(out, out.isEmpty() ? "" : "&");
            in.budget.append(
                    out, percentEncoded(in, in.printer.str(pair.get(0)), "").replace("%20", "+"));
            in.budget.append(out, "=");
            in.budget.append(
                    out, percentEncoded(in, in.printer.str(pair.get(1)), "").replace("%20", "+"));
        }
        return out.toString();
    }

    private static String percentEncoded(Interpreter in, String text, String safe) {
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain =
                    c < 0x80 && (Character.isLetterOrDigit(c) || "_.-~".indexOf(c) >= 0 || safe.indexOf(c) >= 0);
            out.append(plain ? String.valueOf(c) : "%%%02X".formatted((int) c));
        }
        in.budget.characters(out.length());
        return out.toString();
    }

    private static Object format(Interpreter in, Object value, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.keywords().isEmpty()) {
            throw TemplateException.evaluation("can't handle positional and keyword arguments at the same time");
        }
        Dict named = new Dict();
        arguments.keywords().forEach(named::put);
        Object values = named.size() > 0 ? named : Tuple.of(arguments.positional());
        return in.formatting.percent(in.printer.str(value), values);
    }

    private static Object toInteger(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("int", 0, "default", "base");
        Object fallback = bound.value(0, 0L);
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (value instanceof String text) {
            BigInteger parsed = Numerals.integer(text, bound.integer(1, 10));
            if (parsed != null) {
                return Arithmetic.integer(parsed);
            }
            Double real = Numerals.real(text);
            return real == null || !Double.isFinite(real) ? fallback : Arithmetic.integer(Formatting.truncated(real));
        }
        if (value instanceof Double number) {
            return number.isNaN() ? fallback : Arithmetic.integer(Formatting.truncated(number));
        }
        return Arithmetic.isInteger(value) ? Arithmetic.integer(Arithmetic.big(value)) : fallback;
    }

    private static Object toFloat(Interpreter in, Object value, Arguments arguments) {
        Object fallback = arguments.bind("float", 0, "default").value(0, 0.0);
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        Double parsed = value instanceof String text ? Numerals.real(text) : null;
        return Arithmetic.isNumber(value) ? (Object) Arithmetic.real(value) : parsed == null ? fallback : parsed;
    }

    private static Object round(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("round", 0, "precision", "method");
        int precision = bound.integer(0, 0);
        String method = bound.text(1, "common");
        if (!List.of("common", "ceil", "floor").contains(method)) {
            throw TemplateException.evaluation("method must be common, ceil or floor");
        }
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (!Arithmetic.isNumber(value)) {
            throw TemplateException.evaluation(
                    "type %s doesn't define __round__ method".formatted(Values.typeName(value)));
        }
        if (method.equals("common")) {
            return rounded(value, Math.clamp(precision, -400, 1100));
        }
        Object scale = in.arithmetic.binary("**", 10L, (long) precision);
        Object scaled = in.arithmetic.binary("*", value, scale);
        Object whole = scaled instanceof Double number
                ? Arithmetic.integer(
                        Formatting.truncated(method.equals("ceil") ? Math.ceil(number) : Math.floor(number)))
                : scaled;
        return in.arithmetic.binary("/", whole, scale);
    }

    /** To the nearest; ties, which only exact decimals have, go to the even digit. */
    private static Object rounded(Object value, int precision) {
        if (value instanceof Double number) {
            return number.isNaN() || number.isInfinite()
                    ? number
                    : (Object) Math.copySign(
                            new BigDecimal(number)
                                    .setScale(precision, RoundingMode.HALF_EVEN)
                                    .doubleValue(),
                            number);
        }
        BigDecimal integer = new BigDecimal(Arithmetic.big(value));
        return Arithmetic.integer(
                precision >= 0
                        ? integer.toBigInteger()
                        : integer.setScale(precision, RoundingMode.HALF_EVEN).toBigInteger());
    }

    private static Object absolute(Object value) {
        if (value instanceof Double number) {
            return Math.abs(number);
        }
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (!Arithmetic.isInteger(value)) {
            throw TemplateException.evaluation("bad operand type for abs(): '%s'".formatted(Values.typeName(value)));
        }
        return Arithmetic.integer(Arithmetic.big(value).abs());
    }

    /** The name of a filter or test that was passed as an argument, as to map and select. */
    static String name(Interpreter in, Object name, String kind) {
        if (name instanceof String text) {
            return text;
        }
        String hint = name instanceof Undefined undefined
                ? " (%s; did you forget to quote the callable name?)"
                        .formatted(undefined.problem().get())
                : "";
        throw TemplateException.evaluation("No %s named %s.%s".formatted(kind, in.printer.repr(name), hint));
    }
}
