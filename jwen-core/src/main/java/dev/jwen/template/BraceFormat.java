package dev.jwen.template;

/** One run of str.format. */
final class BraceFormat {
    private static final int MANUAL = -1;

    private final Interpreter in;
    private final Formatting formatting;
    private final Arguments arguments;
    private int automatic; // the next unnumbered field, or MANUAL

    BraceFormat(Interpreter in, Formatting formatting, Arguments arguments) {
        this.in = in;
        this.formatting = formatting;
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
                case 'a' -> Formatting.ascii(in.printer.repr(value));
                default -> throw TemplateException.evaluation("Unknown conversion specifier " + rest.charAt(1));
            };
            rest = rest.substring(2);
        }
        return formatting.formatted(value, rest.isEmpty() ? "" : run(rest.substring(1), depth - 1));
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
                    : in.item(value, isIndex(part) ? (Object) (long) Formatting.parsed(part, 0) : part);
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
        int index = name.isEmpty() ? automatic++ : Formatting.parsed(name, 0);
        if (index >= arguments.positional().size()) {
            throw TemplateException.evaluation(
                    "Replacement index %d out of range for positional args tuple".formatted(index));
        }
        return arguments.positional().get(index);
    }
}
