package dev.jwen.template;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Slicing: {@code object[start:stop:step]}, any of them absent or negative. */
final class Slices {
    private Slices() {}

    static long bound(Object value) {
        return switch (value) {
            case Long number -> number;
            case Boolean flag -> flag ? 1 : 0;
            case java.math.BigInteger number -> number.signum() < 0 ? -Integer.MAX_VALUE : Integer.MAX_VALUE;
            case Undefined undefined -> throw undefined.failure();
            default ->
                throw TemplateException.evaluation(
                        "slice indices must be integers or None or have an __index__ method");
        };
    }

    static Object slice(Budget budget, Object object, @Nullable Long start, @Nullable Long stop, @Nullable Long step) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        boolean sliceable = object instanceof String
                || object instanceof List
                || object instanceof Tuple
                || object instanceof Range;
        if (!sliceable) {
            throw TemplateException.evaluation(
                    object instanceof Dict
                            ? "unhashable type: 'slice'"
                            : "'%s' object is not subscriptable".formatted(Values.typeName(object)));
        }
        int size = Values.size(object);
        int by = step == null ? 1 : Math.clamp(step, -Integer.MAX_VALUE, Integer.MAX_VALUE);
        if (by == 0) {
            throw TemplateException.evaluation("slice step cannot be zero");
        }
        int from = start == null ? (by > 0 ? 0 : size - 1) : position(start, size, by);
        int to = stop == null ? (by > 0 ? size : -1) : position(stop, size, by);
        long span = by > 0 ? (long) to - from : (long) from - to;
        int count = span <= 0 ? 0 : (int) ((span - 1) / Math.abs((long) by)) + 1;
        return switch (object) {
            case String text -> {
                budget.characters(text.length());
                yield Text.slice(text, from, by, count);
            }
            case List<?> list -> items(budget, list, from, by, count);
            case Tuple tuple -> Tuple.of(items(budget, tuple.items(), from, by, count));
            case Range range -> range.slice(from, by, count, to);
            default -> throw new AssertionError(object);
        };
    }

    /** A bound as a position: counted from the end if negative, then cut to the sequence. */
    private static int position(long bound, int size, int by) {
        long position = bound < 0 ? bound + size : bound;
        return by > 0 ? Math.clamp(position, 0, size) : Math.clamp(position, -1, size - 1);
    }

    private static List<Object> items(Budget budget, List<?> list, int from, int by, int count) {
        budget.steps(count);
        List<Object> items = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            items.add(list.get(from + i * by));
        }
        return items;
    }
}
