package dev.jwen.template;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The values a function, filter or test was called with. */
record Arguments(List<Object> positional, Map<String, Object> keywords) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    static Arguments of(Object... positional) {
        return new Arguments(List.of(positional), Map.of());
    }

    /** The same without the first positional one. */
    Arguments rest(int from) {
        return new Arguments(positional.subList(from, positional.size()), keywords);
    }

    /** Assigns the values to parameters, of which the first {@code required} must be given. */
    Bound bind(String callee, int required, String... parameters) {
        @Nullable Object[] values = new @Nullable Object[parameters.length];
        if (positional.size() > parameters.length) {
            throw TemplateException.evaluation(
                    "%s takes at most %d arguments (%d given)".formatted(callee, parameters.length, positional.size()));
        }
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        keywords.forEach((name, value) -> {
            int i = Arrays.asList(parameters).indexOf(name);
            if (i < 0) {
                throw TemplateException.evaluation(
                        "%s got an unexpected keyword argument '%s'".formatted(callee, name));
            }
            if (values[i] != null) {
                throw TemplateException.evaluation("%s got multiple values for argument '%s'".formatted(callee, name));
            }
            values[i] = value;
        });
        for (int i = 0; i < required; i++) {
            if (values[i] == null) {
                throw TemplateException.evaluation(
                        "%s missing 1 required positional argument: '%s'".formatted(callee, parameters[i]));
            }
        }
        return new Bound(callee, values);
    }

    /** Adds what was passed with {@code **}. */
    static void addKeywords(Map<String, Object> keywords, Object more) {
        if (!(more instanceof Dict dict)) {
            throw TemplateException.evaluation("argument after ** must be a mapping, not " + Values.typeName(more));
        }
        for (Dict.Entry entry : dict.entries()) {
            if (!(entry.key() instanceof String name)) {
                throw TemplateException.evaluation("keywords must be strings");
            }
            if (keywords.put(name, entry.value()) != null) {
                throw TemplateException.evaluation("got multiple values for keyword argument '%s'".formatted(name));
            }
        }
    }

    /** Values by parameter, with the conversions parameters need. */
    static final class Bound {
        private final String callee;
        private final @Nullable Object[] values;

        private Bound(String callee, @Nullable Object[] values) {
            this.callee = callee;
            this.values = values;
        }

        /** The value, or null if none was given. */
        @Nullable
        Object optional(int i) {
            return values[i];
        }

        /** The value, or null if none was given or it is None. */
        @Nullable
        Object orNone(int i) {
            return values[i] == None.NONE ? null : values[i];
        }

        Object value(int i, Object fallback) {
            Object value = values[i];
            return value == null ? fallback : value;
        }

        Object required(int i) {
            return value(i, None.NONE);
        }

        String text(int i) {
            return text(required(i));
        }

        String text(int i, String fallback) {
            return text(value(i, fallback));
        }

        /** The text, or null if it was not given or is None. */
        @Nullable
        String textOrNone(int i) {
            Object value = orNone(i);
            return value == null ? null : text(value);
        }

        private String text(Object value) {
            return switch (value) {
                case String text -> text;
                case Undefined undefined -> throw undefined.failure();
                default ->
                    throw TemplateException.evaluation(
                            "%s argument must be str, not %s".formatted(callee, Values.typeName(value)));
            };
        }

        /** The integer, cut to the range of int, which no length in here exceeds. */
        int integer(int i, int fallback) {
            return clamp(Values.index(value(i, (long) fallback)));
        }

        /** As {@link #integer}, where None too means the fallback. */
        int integerOrNone(int i, int fallback) {
            Object value = orNone(i);
            return value == null ? fallback : clamp(Values.index(value));
        }

        private static int clamp(long value) {
            return Math.clamp(value, -Integer.MAX_VALUE, Integer.MAX_VALUE);
        }

        boolean flag(int i, boolean fallback) {
            return Values.truth(value(i, fallback));
        }
    }
}
