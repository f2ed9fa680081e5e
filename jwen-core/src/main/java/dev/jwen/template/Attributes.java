package dev.jwen.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Attributes and items of values, as the immutable sandbox lets templates see them. */
final class Attributes {
    private static final Set<String> DICT_CHANGES = Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private Attributes() {}

    /** The attribute of this name, or null if the value has none. What would change the value is undefined. */
    static @Nullable Object find(Object object, String name) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (name.startsWith("__") && name.endsWith("__")) {
            return Undefined.unsafe(object, name);
        }
        return switch (object) {
            case String text -> StringMethods.find(text, name);
            case Dict dict -> DICT_CHANGES.contains(name) ? Undefined.unsafe(object, name) : ofDict(dict, name);
            case List<?> list ->
                LIST_CHANGES.contains(name) ? Undefined.unsafe(object, name) : ofSequence(list, list, name);
            case Tuple tuple -> ofTuple(tuple, name);
            case Range range -> ofRange(range, name);
            case Namespace namespace -> {
                Object value = namespace.attributes().get(name);
                yield value != null && name.startsWith("_") ? Undefined.unsafe(object, name) : value;
            }
            case Loop loop -> loop.attribute(name);
            case Macro macro -> ofMacro(macro, name);
            case Globals.Cycler cycler -> cycler.attribute(name);
            default -> Arithmetic.isNumber(object) ? ofNumber(object, name) : null;
        };
    }

    private static @Nullable Object ofDict(Dict dict, String name) {
        return switch (name) {
            case "items" -> view(dict, View.Kind.ITEMS, name);
            case "keys" -> view(dict, View.Kind.KEYS, name);
            case "values" -> view(dict, View.Kind.VALUES, name);
            case "get" ->
                new Invocable.Routine(name, (in, arguments) -> {
                    Arguments.Bound bound = arguments.bind("dict.get()", 1, "key", "default");
                    Object value = dict.get(in.values.hashKey(bound.required(0)));
                    return value == null ? bound.value(1, None.NONE) : value;
                });
            case "copy" ->
                new Invocable.Routine(name, (in, arguments) -> {
                    arguments.bind("dict.copy()", 0);
                    Dict copy = new Dict();
                    in.budget.steps(dict.size());
                    dict.entries().forEach(entry -> in.values.put(copy, entry.key(), entry.value()));
                    return copy;
                });
            default -> null;
        };
    }

    private static Object view(Dict dict, View.Kind kind, String name) {
        return new Invocable.Routine(name, (in, arguments) -> {
            arguments.bind("dict.%s()".formatted(name), 0);
            return new View(dict, kind);
        });
    }

    /** What lists, tuples and ranges have in common; {@code items} holds the items of {@code self}. */
    private static @Nullable Object ofSequence(Object self, @Nullable List<?> items, String name) {
        return switch (name) {
            case "index" ->
                new Invocable.Routine(name, (in, arguments) -> {
                    Arguments.Bound bound = arguments.bind("index()", 1, "value", "start", "stop");
                    return index(in, in.values.list(self), bound);
                });
            case "count" ->
                new Invocable.Routine(name, (in, arguments) -> {
                    Object sought = arguments.bind("count()", 1, "value").required(0);
                    long count = 0;
                    for (Object item : in.values.list(self)) {
                        count += in.values.equal(item, sought) ? 1 : 0;
                    }
                    return count;
                });
            case "copy" ->
                items == null
                        ? null
                        : new Invocable.Routine(name, (in, arguments) -> {
                            arguments.bind("list.copy()", 0);
                            in.budget.steps(items.size());
                            return new ArrayList<Object>(items);
                        });
            default -> null;
        };
    }

    private static Object index(Interpreter in, List<Object> items, Arguments.Bound bound) {
        int size = items.size();
        int start = bound.integer(1, 0);
        int stop = bound.integer(2, size);
        int from = Math.max(0, start < 0 ? start + size : start);
        int to = Math.min(size, stop < 0 ? stop + size : stop);
        for (int i = from; i < to; i++) {
            if (in.values.equal(items.get(i), bound.required(0))) {
                return (long) i;
            }
        }
        throw TemplateException.evaluation(in.printer.repr(bound.required(0)) + " is not in list");
    }

    private static @Nullable Object ofTuple(Tuple tuple, String name) {
        if (tuple.isGroup() && name.equals("grouper")) {
            return tuple.items().get(0);
        }
        if (tuple.isGroup() && name.equals("list")) {
            return tuple.items().get(1);
        }
        return ofSequence(tuple, null, name);
    }

    private static @Nullable Object ofRange(Range range, String name) {
        return switch (name) {
            case "start" -> range.start();
            case "stop" -> range.stop();
            case "step" -> range.step();
            default -> ofSequence(range, null, name);
        };
    }

    private static @Nullable Object ofMacro(Macro macro, String name) {
        return switch (name) {
            case "name" -> macro.name();
            case "arguments" -> Tuple.of(new ArrayList<>(macro.signature().parameters()));
            case "caller" -> macro.signature().takesCaller();
            case "catch_kwargs" -> macro.signature().takesKeywords();
            case "catch_varargs" -> macro.signature().takesMore();
            default -> null;
        };
    }

    private static @Nullable Object ofNumber(Object number, String name) {
        return switch (name) {
            case "real" -> Arithmetic.signed(false, number);
            case "imag" -> number instanceof Double ? (Object) 0.0 : (Object) 0L;
            case "is_integer" ->
                number instanceof Double real
                        ? new Invocable.Routine(
                                name, (in, arguments) -> !Double.isInfinite(real) && real == Math.rint(real))
                        : null;
            case "bit_length" ->
                number instanceof Double
                        ? null
                        : new Invocable.Routine(name, (in, arguments) ->
                                (long) Arithmetic.big(number).abs().bitLength());
            default -> null;
        };
    }

    /** {@code object[key]}, or null if there is no such item or the value has no items. */
    static @Nullable Object item(Interpreter in, Object object, Object key) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (object instanceof Dict dict) {
            return Values.isHashable(key) ? dict.get(in.values.hashKey(key)) : null;
        }
        if (!(key instanceof Long || key instanceof Boolean)) {
            return null;
        }
        long index = Values.index(key);
        return switch (object) {
            case String text -> {
                in.budget.characters(text.length());
                int i = within(index, Text.length(text));
                yield i < 0 ? null : Text.at(text, i);
            }
            case List<?> list -> {
                int i = within(index, list.size());
                yield i < 0 ? null : list.get(i);
            }
            case Tuple tuple -> {
                int i = within(index, tuple.items().size());
                yield i < 0 ? null : tuple.items().get(i);
            }
            case Range range -> {
                int i = within(index, range.size());
                yield i < 0 ? null : range.get(i);
            }
            default -> null;
        };
    }

    private static int within(long index, int size) {
        long position = index < 0 ? index + size : index;
        return position >= 0 && position < size ? (int) position : -1;
    }
}
