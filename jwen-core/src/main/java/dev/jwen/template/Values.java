package dev.jwen.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Python's data model: types, truth, equality, order, iteration.
 *
 * <p>Values are String, Boolean, Long (BigInteger outside its range), Double, {@link None}, java.util.List for list,
 * {@link Tuple}, {@link Dict}, {@link Range}, {@link View}, {@link Generator}, {@link Namespace}, {@link Undefined}
 * and the {@link Invocable}s.
 */
final class Values {
    private final Budget budget;

    Values(Budget budget) {
        this.budget = budget;
    }

    /** A copy of a caller's value in the engine's types. */
    Object fromJava(@Nullable Object value) {
        budget.enter();
        Object converted = switch (value) {
            case null -> None.NONE;
            case String text -> text;
            case Boolean flag -> flag;
            case Double number -> number;
            case Long number -> number;
            case Integer number -> (long) number;
            case BigInteger number -> Arithmetic.integer(number);
            case BigDecimal number -> number.doubleValue();
            case Float number -> (double) number;
            case Map<?, ?> map -> {
                Dict dict = new Dict();
                map.forEach((key, item) -> put(dict, fromJava(key), fromJava(item)));
                yield dict;
            }
            case Iterable<?> items -> {
                List<Object> list = new ArrayList<>();
                items.forEach(item -> list.add(fromJava(item)));
                yield list;
            }
            default ->
                throw new IllegalArgumentException(
                        "A template variable holds a %s. Pass strings, numbers, booleans, null, maps and lists of these."
                                .formatted(value.getClass().getName()));
        };
        budget.leave();
        return converted;
    }

    void put(Dict dict, Object key, Object value) {
        dict.put(hashKey(key), key, value);
    }

    static String typeName(Object value) {
        return switch (value) {
            case String ignored -> "str";
            case Boolean ignored -> "bool";
            case Long ignored -> "int";
            case BigInteger ignored -> "int";
            case Double ignored -> "float";
            case None ignored -> "NoneType";
            case List<?> ignored -> "list";
            case Tuple ignored -> "tuple";
            case Dict ignored -> "dict";
            case Range ignored -> "range";
            case View view -> view.kind().typeName;
            case Generator ignored -> "generator";
            case Namespace ignored -> "jinja2.utils.Namespace";
            case Undefined ignored -> "Undefined";
            case Loop ignored -> "jinja2.runtime.LoopContext";
            case Macro ignored -> "jinja2.runtime.Macro";
            case Globals.Cycler ignored -> "jinja2.utils.Cycler";
            default -> "function";
        };
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Boolean flag -> flag;
            case Long number -> number != 0;
            case Double number -> number != 0;
            case None ignored -> false;
            case Undefined ignored -> false;
            case String text -> !text.isEmpty();
            default -> size(value) != 0;
        };
    }

    /** Number of items, or -1 for what has no length. */
    static int size(Object value) {
        return switch (value) {
            case String text -> Text.length(text);
            case List<?> list -> list.size();
            case Tuple tuple -> tuple.items().size();
            case Dict dict -> dict.size();
            case View view -> view.dict().size();
            case Range range -> range.size();
            case Undefined ignored -> 0;
            case Loop loop -> loop.size();
            default -> -1;
        };
    }

    int length(Object value) {
        int size = size(value);
        if (size < 0) {
            throw TemplateException.evaluation("object of type '%s' has no len()".formatted(typeName(value)));
        }
        budget.characters(value instanceof String ? size : 0);
        return size;
    }

    /** The value as a position or a count. */
    static long index(Object value) {
        return switch (value) {
            case Long number -> number;
            case Boolean flag -> flag ? 1 : 0;
            case BigInteger ignored ->
                throw TemplateException.evaluation("cannot fit 'int' into an index-sized integer");
            case Undefined undefined -> throw undefined.failure();
            default ->
                throw TemplateException.evaluation(
                        "'%s' object cannot be interpreted as an integer".formatted(typeName(value)));
        };
    }

    /** What a dict or set finds the value by: equal for equal values, whatever their types. */
    Object hashKey(Object value) {
        return switch (value) {
            case Boolean flag -> flag ? 1L : 0L;
            case Double number -> {
                boolean integral = number == Math.rint(number) && !Double.isInfinite(number);
                yield integral ? Arithmetic.integer(new BigDecimal(number).toBigInteger()) : number;
            }
            case Tuple tuple -> {
                budget.enter();
                List<Object> keys = new ArrayList<>();
                for (Object item : tuple.items()) {
                    budget.step();
                    keys.add(hashKey(item));
                }
                budget.leave();
                yield Tuple.of(keys);
            }
            case Undefined ignored -> Undefined.class;
            case List<?> ignored -> throw unhashable(value);
            case Dict ignored -> throw unhashable(value);
            default -> value;
        };
    }

    private static TemplateException unhashable(Object value) {
        return TemplateException.evaluation("unhashable type: '%s'".formatted(typeName(value)));
    }

    static boolean isHashable(Object value) {
        return !(value instanceof List || value instanceof Dict);
    }

    /** The items in order; each one taken is a step. */
    Iterator<Object> iterate(Object value) {
        return switch (value) {
            case String text -> counted(Text.length(text) == text.length() ? characters(text) : codePoints(text));
            case List<?> list -> counted(list.iterator());
            case Tuple tuple -> counted(tuple.items().iterator());
            case Dict dict ->
                counted(dict.entries().stream().map(Dict.Entry::key).iterator());
            case View view ->
                counted(view.dict().entries().stream().map(view::element).iterator());
            case Range range -> counted(indexed(range.size(), range::get));
            case Generator generator -> generator.iterator();
            case Undefined ignored -> Collections.emptyIterator();
            default -> throw TemplateException.evaluation("'%s' object is not iterable".formatted(typeName(value)));
        };
    }

    private static Iterator<Object> characters(String text) {
        return indexed(text.length(), i -> String.valueOf(text.charAt(i)));
    }

    private static Iterator<Object> codePoints(String text) {
        int[] points = text.codePoints().toArray();
        return indexed(points.length, i -> Character.toString(points[i]));
    }

    private static Iterator<Object> indexed(int size, IntFunction<Object> item) {
        return new Iterator<>() {
            private int next;

            @Override
            public boolean hasNext() {
                return next < size;
            }

            @Override
            public Object next() {
                return item.apply(next++);
            }
        };
    }

    private Iterator<Object> counted(Iterator<?> items) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return items.hasNext();
            }

            @Override
            public Object next() {
                budget.step();
                return Objects.requireNonNull(items.next());
            }
        };
    }

    List<Object> list(Object value) {
        List<Object> list = new ArrayList<>();
        iterate(value).forEachRemaining(list::add);
        return list;
    }

    boolean equal(Object a, Object b) {
        budget.step();
        if (Arithmetic.isNumber(a) && Arithmetic.isNumber(b)) {
            return Arithmetic.compare(a, b) == 0;
        }
        return switch (a) {
            case String text -> {
                budget.characters(text.length());
                yield text.equals(b);
            }
            case List<?> list -> b instanceof List<?> other && equalItems(list, other);
            case Tuple tuple -> b instanceof Tuple other && equalItems(tuple.items(), other.items());
            case Dict dict -> b instanceof Dict other && equalEntries(dict, other);
            case Range range ->
                b instanceof Range other
                        && range.size() == other.size()
                        && (range.size() == 0 || range.start() == other.start())
                        && (range.size() < 2 || range.step() == other.step());
            case Undefined ignored -> b instanceof Undefined;
            default -> same(a, b);
        };
    }

    @SuppressWarnings("ReferenceEquality") // identity is what Python's "is" asks for
    static boolean same(Object a, Object b) {
        return a == b || ((a instanceof Boolean || a instanceof Long || a instanceof String) && a.equals(b));
    }

    private boolean equalItems(List<?> a, List<?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (int i = 0; i < a.size() && equal; i++) {
            equal = equal(a.get(i), b.get(i));
        }
        budget.leave();
        return equal;
    }

    private boolean equalEntries(Dict a, Dict b) {
        if (a.size() != b.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (Map.Entry<Object, Dict.Entry> entry : a.byHashKey().entrySet()) {
            Object other = b.get(entry.getKey());
            equal = equal && other != null && equal(entry.getValue().value(), other);
        }
        budget.leave();
        return equal;
    }

    boolean contains(Object container, Object item) {
        return switch (container) {
            case String text -> {
                if (!(item instanceof String sought)) {
                    throw TemplateException.evaluation(
                            "'in <string>' requires string as left operand, not " + typeName(item));
                }
                budget.search(text.length(), sought.length());
                yield text.contains(sought);
            }
            case Dict dict -> dict.get(hashKey(item)) != null;
            case Generator ignored -> found(container, item);
            default -> {
                if (size(container) < 0 || container instanceof Loop) {
                    throw TemplateException.evaluation(
                            "argument of type '%s' is not iterable".formatted(typeName(container)));
                }
                yield found(container, item);
            }
        };
    }

    private boolean found(Object container, Object item) {
        for (Iterator<Object> items = iterate(container); items.hasNext(); ) {
            if (equal(items.next(), item)) {
                return true;
            }
        }
        return false;
    }

    /** Whether {@code a operator b} holds, for one of &lt; &lt;= &gt; &gt;=. */
    boolean ordered(String operator, Object a, Object b) {
        budget.step();
        if (Arithmetic.isNumber(a) && Arithmetic.isNumber(b)) {
            int order = Arithmetic.compare(a, b);
            return order != Arithmetic.UNORDERED && holds(operator, order);
        }
        if (a instanceof String x && b instanceof String y) {
            budget.characters(x.length());
            return holds(operator, Text.compare(x, y));
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            return orderedItems(operator, x, y);
        }
        if (a instanceof Tuple x && b instanceof Tuple y) {
            return orderedItems(operator, x.items(), y.items());
        }
        if (a instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (b instanceof Undefined undefined) {
            throw undefined.failure();
        }
        throw TemplateException.evaluation(
                "'%s' not supported between instances of '%s' and '%s'".formatted(operator, typeName(a), typeName(b)));
    }

    private boolean orderedItems(String operator, List<?> a, List<?> b) {
        budget.enter();
        int i = 0;
        while (i < a.size() && i < b.size() && equal(a.get(i), b.get(i))) {
            i++;
        }
        boolean differ = i < a.size() && i < b.size();
        boolean ordered =
                differ ? ordered(operator, a.get(i), b.get(i)) : holds(operator, Integer.compare(a.size(), b.size()));
        budget.leave();
        return ordered;
    }

    private static boolean holds(String operator, int order) {
        return switch (operator) {
            case "<" -> order < 0;
            case "<=" -> order <= 0;
            case ">" -> order > 0;
            default -> order >= 0;
        };
    }

    /**
     * Sorts items by their keys, stable also when descending. A merge sort of our own, because keys like NaN have no
     * consistent order, which the library's sort refuses.
     */
    List<Object> sorted(List<Object> items, List<Object> keys, boolean descending) {
        int[] order = new int[items.size()];
        for (int i = 0; i < order.length; i++) {
            order[i] = i;
        }
        mergeSort(order, new int[order.length], 0, order.length, keys, descending);
        List<Object> sorted = new ArrayList<>(order.length);
        for (int i : order) {
            sorted.add(items.get(i));
        }
        return sorted;
    }

    private void mergeSort(int[] order, int[] spare, int from, int to, List<Object> keys, boolean descending) {
        if (to - from < 2) {
            return;
        }
        int middle = (from + to) >>> 1;
        mergeSort(order, spare, from, middle, keys, descending);
        mergeSort(order, spare, middle, to, keys, descending);
        System.arraycopy(order, from, spare, from, to - from);
        int left = from;
        int right = middle;
        for (int i = from; i < to; i++) {
            boolean takeRight = left == middle
                    || (right < to && precedes(keys.get(spare[right]), keys.get(spare[left]), descending));
            order[i] = takeRight ? spare[right++] : spare[left++];
        }
    }

    private boolean precedes(Object a, Object b, boolean descending) {
        return descending ? ordered("<", b, a) : ordered("<", a, b);
    }
}
