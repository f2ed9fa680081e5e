package dev.jwen.template;

import dev.jwen.template.Arguments.Bound;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The methods of Python's str. */
final class StringMethods {
    private interface Method {
        Object call(Interpreter in, String self, Arguments arguments);
    }

    private static final Map<String, Method> METHODS = new HashMap<>();

    static {
        plain("upper", Text::upper);
        plain("lower", Text::lower);
        plain("casefold", text -> Text.lower(Text.upper(text)));
        plain("capitalize", StringMethods::capitalize);
        plain("title", StringMethods::title);
        plain("swapcase", StringMethods::swapcase);
        predicate("isalpha", Character::isLetter);
        predicate("isalnum", c -> Character.isLetter(c) || isNumeric(c));
        predicate("isdecimal", Character::isDigit);
        predicate("isdigit", StringMethods::isDigit);
        predicate("isnumeric", StringMethods::isNumeric);
        predicate("isspace", Text::isSpace);
        METHODS.put("isascii", (in, self, a) -> self.chars().allMatch(c -> c < 0x80));
        METHODS.put("isprintable", (in, self, a) -> self.codePoints().allMatch(Printer::isPrintable));
        METHODS.put("isidentifier", (in, self, a) -> isIdentifier(self));
        METHODS.put("islower", (in, self, a) -> isCase(self, false));
        METHODS.put("isupper", (in, self, a) -> isCase(self, true));
        METHODS.put("istitle", (in, self, a) -> isTitle(self));
        METHODS.put("strip", (in, self, a) -> strip(in, self, a, true, true));
        METHODS.put("lstrip", (in, self, a) -> strip(in, self, a, true, false));
        METHODS.put("rstrip", (in, self, a) -> strip(in, self, a, false, true));
        METHODS.put(
                "startswith",
                (in, self, a) -> hasAffix(in, self, a.bind("startswith()", 1, "prefix", "start", "end"), true));
        METHODS.put(
                "endswith",
                (in, self, a) -> hasAffix(in, self, a.bind("endswith()", 1, "suffix", "start", "end"), false));
        METHODS.put("removeprefix", (in, self, a) -> {
            String prefix = a.bind("removeprefix()", 1, "prefix").text(0);
            return self.startsWith(prefix) ? self.substring(prefix.length()) : self;
        });
        METHODS.put("removesuffix", (in, self, a) -> {
            String suffix = a.bind("removesuffix()", 1, "suffix").text(0);
            return self.endsWith(suffix) ? self.substring(0, self.length() - suffix.length()) : self;
        });
        METHODS.put("find", (in, self, a) -> (long) find(in, self, a.bind("find()", 1, "sub", "start", "end"), false));
        METHODS.put("rfind", (in, self, a) -> (long) find(in, self, a.bind("rfind()", 1, "sub", "start", "end"), true));
        METHODS.put(
                "index", (in, self, a) -> index(find(in, self, a.bind("index()", 1, "sub", "start", "end"), false)));
        METHODS.put(
                "rindex", (in, self, a) -> index(find(in, self, a.bind("rindex()", 1, "sub", "start", "end"), true)));
        METHODS.put("count", StringMethods::count);
        METHODS.put("replace", StringMethods::replace);
        METHODS.put("split", (in, self, a) -> Splits.split(in, self, a.bind("split()", 0, "sep", "maxsplit"), false));
        METHODS.put("rsplit", (in, self, a) -> Splits.split(in, self, a.bind("rsplit()", 0, "sep", "maxsplit"), true));
        METHODS.put(
                "partition",
                (in, self, a) -> Splits.partition(
                        in, self, a.bind("partition()", 1, "sep").text(0), false));
        METHODS.put(
                "rpartition",
                (in, self, a) -> Splits.partition(
                        in, self, a.bind("rpartition()", 1, "sep").text(0), true));
        METHODS.put("splitlines", (in, self, a) -> {
            in.budget.steps(self.length());
            return new ArrayList<Object>(
                    Text.lines(self, a.bind("splitlines()", 0, "keepends").flag(0, false)));
        });
        METHODS.put("join", StringMethods::join);
        METHODS.put("center", (in, self, a) -> pad(in, self, a.bind("center()", 1, "width", "fillchar"), 1));
        METHODS.put("ljust", (in, self, a) -> pad(in, self, a.bind("ljust()", 1, "width", "fillchar"), 0));
        METHODS.put("rjust", (in, self, a) -> pad(in, self, a.bind("rjust()", 1, "width", "fillchar"), 2));
        METHODS.put("zfill", StringMethods::zfill);
        METHODS.put("expandtabs", StringMethods::expandTabs);
        METHODS.put("format", (in, self, a) -> in.formatting.format(self, a));
        METHODS.put("format_map", (in, self, a) -> {
            Object map = a.bind("format_map()", 1, "mapping").required(0);
            Map<String, Object> keywords = new HashMap<>();
            if (map instanceof Dict dict) {
                dict.entries().forEach(entry -> keywords.put(in.printer.str(entry.key()), entry.value()));
            }
            return in.formatting.format(self, new Arguments(List.of(), keywords));
        });
    }

    private StringMethods() {}

    static @Nullable Object find(String self, String name) {
        Method method = METHODS.get(name);
        return method == null
                ? null
                : new Invocable.Routine(name, (in, arguments) -> {
                    in.budget.characters(self.length());
                    return method.call(in, self, arguments);
                });
    }

    private static void plain(String name, UnaryOperator<String> change) {
        METHODS.put(name, (in, self, arguments) -> {
            arguments.bind(name + "()", 0);
            return change.apply(self);
        });
    }

    private static void predicate(String name, IntPredicate test) {
        METHODS.put(name, (in, self, arguments) -> {
            arguments.bind(name + "()", 0);
            return !self.isEmpty() && self.codePoints().allMatch(test);
        });
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return Text.title(first)
                + Text.lower(text)
                        .substring(Text.lower(Character.toString(first)).length());
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder(text.length());
        String lower = Text.lower(text);
        boolean sameLength = lower.length() == text.length();
        boolean inWord = false;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            int size = Character.charCount(c);
            if (!inWord) {
                out.append(Text.title(c));
            } else {
                out.append(sameLength ? lower.substring(i, i + size) : Text.lower(Character.toString(c)));
            }
            inWord = isCased(c);
            i += size;
        }
        return out.toString();
    }

    private static String swapcase(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            String character = Character.toString(c);
            out.append(Character.isUpperCase(c) ? Text.lower(character) : Text.upper(character));
        });
        return out.toString();
    }

    private static boolean isCased(int c) {
        return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
    }

    private static boolean isDigit(int c) {
        boolean superscript = c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079);
        boolean subscript = c >= 0x2080 && c <= 0x2089;
        boolean circled = (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247c) || (c >= 0x2488 && c <= 0x2490);
        return Character.isDigit(c) || superscript || subscript || circled;
    }

    private static boolean isNumeric(int c) {
        int type = Character.getType(c);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER
                || "一二三四五六七八九十百千万億兆零〇".indexOf(c) >= 0;
    }

    private static boolean isIdentifier(String text) {
        if (text.isEmpty()) {
            return false;
        }
        int first = text.codePointAt(0);
        return (first == '_' || Character.isUnicodeIdentifierStart(first))
                && text.codePoints().allMatch(c -> Character.isUnicodeIdentifierPart(c) && c > 0x1f);
    }

    /** Whether there is a cased character and all of them have this case. */
    static boolean isCase(String text, boolean upper) {
        return text.codePoints().anyMatch(StringMethods::isCased)
                && text.codePoints()
                        .filter(StringMethods::isCased)
                        .allMatch(upper ? Character::isUpperCase : Character::isLowerCase);
    }

    private static boolean isTitle(String text) {
        boolean found = false;
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            boolean capital = Character.isUpperCase(c) || Character.isTitleCase(c);
            if ((capital && inWord) || (Character.isLowerCase(c) && !inWord)) {
                return false;
            }
            inWord = isCased(c);
            found |= inWord;
        }
        return found;
    }

    private static Object strip(Interpreter in, String self, Arguments arguments, boolean left, boolean right) {
        String chars = arguments.bind("strip()", 0, "chars").textOrNone(0);
        return strip(in, self, chars, left, right);
    }

    static String strip(Interpreter in, String text, @Nullable String chars, boolean left, boolean right) {
        in.budget.search(text.length(), chars == null ? 1 : chars.length());
        return Text.strip(text, chars, left, right);
    }

    /** The part of {@code self} between the optional bounds at 1 and 2, or null if the start lies beyond the end. */
    private static @Nullable String part(String self, Bound bound) {
        if (bound.orNone(1) == null && bound.orNone(2) == null) {
            return self;
        }
        int size = Text.length(self);
        int from = start(bound, size);
        int end = bound.integerOrNone(2, size);
        int to = Math.clamp(end < 0 ? (long) end + size : end, 0, size);
        return from > to ? null : Text.slice(self, from, 1, to - from);
    }

    private static int start(Bound bound, int size) {
        int start = bound.integerOrNone(1, 0);
        return Math.max(0, start < 0 ? start + size : start);
    }

    private static Object hasAffix(Interpreter in, String self, Bound bound, boolean prefix) {
        String part = part(self, bound);
        Object affixes = bound.required(0);
        if (affixes instanceof Tuple tuple) {
            for (Object affix : tuple.items()) {
                in.budget.step();
                if (part != null && matches(part, affix, prefix)) {
                    return true;
                }
            }
            return false;
        }
        return matches(part == null ? "" : part, affixes, prefix) && part != null;
    }

    private static boolean matches(String text, Object affix, boolean prefix) {
        return switch (affix) {
            case String string -> prefix ? text.startsWith(string) : text.endsWith(string);
            case Undefined ignored -> throw wrongAffix(affix, prefix);
            default -> throw wrongAffix(affix, prefix);
        };
    }

    private static TemplateException wrongAffix(Object affix, boolean prefix) {
        return TemplateException.evaluation("%s first arg must be str or a tuple of str, not %s"
                .formatted(prefix ? "startswith" : "endswith", Values.typeName(affix)));
    }

    private static int find(Interpreter in, String self, Bound bound, boolean last) {
        String sought = bound.text(0);
        String part = part(self, bound);
        in.budget.search(self.length(), sought.length());
        if (part == null) {
            return -1;
        }
        int i = last ? part.lastIndexOf(sought) : part.indexOf(sought);
        return i < 0 ? -1 : start(bound, Text.length(self)) + part.codePointCount(0, i);
    }

    private static Object index(int position) {
        if (position < 0) {
            throw TemplateException.evaluation("substring not found");
        }
        return (long) position;
    }

    private static Object count(Interpreter in, String self, Arguments arguments) {
        Bound bound = arguments.bind("count()", 1, "sub", "start", "end");
        String sought = bound.text(0);
        String part = part(self, bound);
        in.budget.search(self.length(), sought.length());
        if (part == null) {
            return 0L;
        }
        if (sought.isEmpty()) {
            return Text.length(part) + 1L;
        }
        long count = 0;
        for (int i = part.indexOf(sought); i >= 0; i = part.indexOf(sought, i + sought.length())) {
            count++;
        }
        return count;
    }

    private static Object replace(Interpreter in, String self, Arguments arguments) {
        Bound bound = arguments.bind("replace()", 2, "old", "new", "count");
        return replace(in, self, bound.text(0), bound.text(1), bound.integer(2, -1));
    }

    static String replace(Interpreter in, String text, String old, String with, int count) {
        in.budget.search(text.length(), old.length());
        StringBuilder out = new StringBuilder();
        int left = count < 0 ? Integer.MAX_VALUE : count;
        int from = 0;
        int i = left == 0 ? -1 : text.indexOf(old);
        while (i >= 0) {
            in.budget.length((long) out.length() + i - from + with.length());
            out.append(text, from, i).append(with);
            from = i + old.length();
            // Between characters an empty string is found everywhere, also at the end.
            int next = old.isEmpty() ? i + (i < text.length() ? Character.charCount(text.codePointAt(i)) : 1) : from;
            i = --left == 0 || next > text.length() ? -1 : text.indexOf(old, next);
        }
        out.append(text, from, text.length());
        in.budget.characters(out.length());
        return out.toString();
    }

    private static Object join(Interpreter in, String self, Arguments arguments) {
        List<Object> parts =
                in.values.list(arguments.bind("join()", 1, "iterable").required(0));
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < parts.size(); i++) {
            if (!(parts.get(i) instanceof String part)) {
                throw TemplateException.evaluation("sequence item %d: expected str instance, %s found"
                        .formatted(i, Values.typeName(parts.get(i))));
            }
            in.budget.append(out, i == 0 ? "" : self);
            in.budget.append(out, part);
        }
        return out.toString();
    }

    /** Pads to a width; {@code side} is 0 for text on the left, 1 in the middle, 2 on the right. */
    private static Object pad(Interpreter in, String self, Bound bound, int side) {
        String fill = bound.text(1, " ");
        if (Text.length(fill) != 1) {
            throw TemplateException.evaluation("The fill character must be exactly one character long");
        }
        return pad(in, self, bound.integer(0, 0), fill, side);
    }

    static String pad(Interpreter in, String text, int width, String fill, int side) {
        int size = Text.length(text);
        if (width <= size) {
            return text;
        }
        int margin = width - size;
        in.budget.characters((long) text.length() + (long) margin * fill.length());
        int left = switch (side) {
            case 0 -> 0;
            case 1 -> margin / 2 + (margin & width & 1); // as CPython breaks the tie
            default -> margin;
        };
        return fill.repeat(left) + text + fill.repeat(margin - left);
    }

    private static Object zfill(Interpreter in, String self, Arguments arguments) {
        int width = arguments.bind("zfill()", 1, "width").integer(0, 0);
        boolean signed = self.startsWith("-") || self.startsWith("+");
        String digits = signed ? self.substring(1) : self;
        return (signed ? self.substring(0, 1) : "") + pad(in, digits, signed ? width - 1 : width, "0", 2);
    }

    private static Object expandTabs(Interpreter in, String self, Arguments arguments) {
        int size = Math.max(0, arguments.bind("expandtabs()", 0, "tabsize").integer(0, 8));
        StringBuilder out = new StringBuilder();
        int column = 0;
        for (int c : self.codePoints().toArray()) {
            if (c == '\t') {
                int blanks = size == 0 ? 0 : size - column % size;
                in.budget.length((long) out.length() + blanks);
                in.budget.steps(blanks >> 4);
                out.repeat(' ', blanks);
                column += blanks;
            } else {
                out.appendCodePoint(c);
                column = c == '\n' || c == '\r' ? 0 : column + 1;
            }
        }
        return out.toString();
    }
}
