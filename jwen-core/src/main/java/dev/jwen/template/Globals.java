package dev.jwen.template;

import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions every template can call. */
final class Globals {
    /** As the sandbox bounds it. */
    private static final int MAX_RANGE = 100_000;

    static final Scope SCOPE = new Scope(null);

    static {
        Map<String, Invocable> functions = Map.of(
                "range", Globals::range,
                "dict", Globals::dict,
                "namespace", (in, arguments) -> new Namespace(dict(in, arguments)),
                "joiner",
                        (in, arguments) ->
                                new Joiner(arguments.bind("joiner()", 0, "sep").value(0, ", ")),
                "cycler", (in, arguments) -> new Cycler(arguments.positional()),
                "raise_exception", Globals::raise,
                "strftime_now",
                        (in, arguments) -> Strftime.format(
                                in.budget,
                                arguments.bind("strftime_now()", 1, "format").text(0),
                                LocalDateTime.now(in.clock)));
        functions.forEach((name, function) -> SCOPE.set(name, new Invocable.Routine(name, function)));
    }

    private Globals() {}

    private static Object raise(Interpreter in, Arguments arguments) {
        throw TemplateException.rejected(
                in.printer.str(arguments.bind("raise_exception()", 1, "message").required(0)));
    }

    private static Object range(Interpreter in, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("range()", 1, "start", "stop", "step");
        Object second = bound.optional(1);
        long start = second == null ? 0 : Values.index(bound.required(0));
        long stop = Values.index(second == null ? bound.required(0) : second);
        long step = Values.index(bound.value(2, 1L));
        if (step == 0) {
            throw TemplateException.evaluation("range() arg 3 must not be zero");
        }
        // In doubles, as the difference may not fit; exact as far as it matters.
        double size = Math.ceil(((double) stop - start) / step);
        if (size > MAX_RANGE) {
            throw TemplateException.evaluation(
                    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).".formatted(MAX_RANGE));
        }
        return new Range(start, stop, step, (int) Math.max(0, size));
    }

    private static Dict dict(Interpreter in, Arguments arguments) {
        Dict dict = new Dict();
        if (arguments.positional().size() > 1) {
            throw TemplateException.evaluation("dict expected at most 1 argument, got "
                    + arguments.positional().size());
        }
        for (Object from : arguments.positional()) {
            if (from instanceof Undefined undefined) {
                throw undefined.failure();
            }
            if (from instanceof Dict other) {
                in.budget.steps(other.size());
                other.entries().forEach(entry -> in.values.put(dict, entry.key(), entry.value()));
            } else {
                for (Object pair : in.values.list(from)) {
                    List<Object> items = in.values.list(pair);
                    if (items.size() != 2) {
                        throw TemplateException.evaluation(
                                "dictionary update sequence element has length %d; 2 is required"
                                        .formatted(items.size()));
                    }
                    in.values.put(dict, items.get(0), items.get(1));
                }
            }
        }
        arguments.keywords().forEach(dict::put);
        return dict;
    }

    /** Returns nothing when first called, then the separator. */
    static final class Joiner implements Invocable {
        private final Object separator;
        private boolean used;

        private Joiner(Object separator) {
            this.separator = separator;
        }

        @Override
        public Object invoke(Interpreter in, Arguments arguments) {
            arguments.bind("joiner", 0);
            Object result = used ? separator : "";
            used = true;
            return result;
        }
    }

    /** Returns its values one after the other, over and over. */
    static final class Cycler {
        private final List<Object> values;
        private int position;

        private Cycler(List<Object> values) {
            if (values.isEmpty()) {
                throw TemplateException.evaluation("at least one item has to be provided");
            }
            this.values = values;
        }

        @Nullable
        Object attribute(String name) {
            return switch (name) {
                case "current" -> values.get(position);
                case "items" -> Tuple.of(values);
                case "pos" -> (long) position;
                case "next" -> new Invocable.Routine(name, (in, arguments) -> next());
                case "reset" ->
                    new Invocable.Routine(name, (in, arguments) -> {
                        position = 0;
                        return None.NONE;
                    });
                default -> null;
            };
        }

        private Object next() {
            Object value = values.get(position);
            position = (position + 1) % values.size();
            return value;
        }
    }
}
