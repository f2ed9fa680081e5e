package dev.jwen.template;

import dev.jwen.template.Arguments.Bound;
import dev.jwen.template.Filters.Filter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Filters over lists, dicts and other things with items. */
final class SequenceFilters {
    private SequenceFilters() {}

    static void addTo(Map<String, Filter> filters) {
        Filters.plain(filters, "length", (in, value) -> (long) in.values.length(value));
        Filters.plain(filters, "count", (in, value) -> (long) in.values.length(value));
        Filters.plain(filters, "list", (in, value) -> in.values.list(value));
        Filters.plain(filters, "first", (in, value) -> {
            Iterator<Object> items = in.values.iterate(value);
            return items.hasNext() ? items.next() : Undefined.because("No first item, sequence was empty.");
        });
        Filters.plain(filters, "last", SequenceFilters::last);
        filters.put("join", SequenceFilters::join);
        Filters.plain(filters, "reverse", SequenceFilters::reverse);
        Filters.plain(filters, "items", SequenceFilters::items);
        filters.put("dictsort", SequenceFilters::dictSort);
        filters.put("sort", SequenceFilters::sort);
        filters.put("unique", SequenceFilters::unique);
        filters.put("min", (in, value, a) -> extreme(in, value, a, "min", "<"));
        filters.put("max", (in, value, a) -> extreme(in, value, a, "max", ">"));
        filters.put("sum", SequenceFilters::sum);
        filters.put("batch", SequenceFilters::batch);
        filters.put("slice", SequenceFilters::slice);
        filters.put("groupby", SequenceFilters::groupBy);
        filters.put("map", SequenceFilters::map);
        filters.put("select", (in, value, a) -> select(in, value, a, false, true));
        filters.put("reject", (in, value, a) -> select(in, value, a, false, false));
        filters.put("selectattr", (in, value, a) -> select(in, value, a, true, true));
        filters.put("rejectattr", (in, value, a) -> select(in, value, a, true, false));
    }

    private static Object last(Interpreter in, Object value) {
        List<Object> items = in.values.list(reversible(value));
        return items.isEmpty() ? Undefined.because("No last item, sequence was empty.") : items.getLast();
    }

    private static Object reversible(Object value) {
        if (value instanceof Generator || Values.size(value) < 0 || value instanceof Loop) {
            throw TemplateException.evaluation("'%s' object is not reversible".formatted(Values.typeName(value)));
        }
        return value;
    }

    private static Object join(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("join", 0, "d", "attribute");
        UnaryOperator<Object> getter = getter(in, bound.orNone(1), false, null);
        String separator = in.printer.str(bound.value(0, ""));
        StringBuilder out = new StringBuilder();
        boolean first = true;
        for (Iterator<Object> items = in.values.iterate(value); items.hasNext(); first = false) {
            in.budget.append(out, first ? "" : separator);
            in.budget.append(out, in.printer.str(getter.apply(items.next())));
        }
        return out.toString();
    }

    private static Object reverse(Interpreter in, Object value) {
        if (value instanceof String text) {
            in.budget.characters(text.length());
            int size = Text.length(text);
            return Text.slice(text, size - 1, -1, size);
        }
        if (!(value instanceof Generator) && Values.size(value) < 0) {
            throw TemplateException.evaluation("argument must be iterable");
        }
        List<Object> items = in.values.list(value);
        Collections.reverse(items);
        return value instanceof Generator ? items : new Generator(items.iterator());
    }

    private static Object items(Interpreter in, Object value) {
        return Generator.of(in.budget, () -> {
            if (value instanceof Undefined) {
                return Collections.emptyIterator();
            }
            if (!(value instanceof Dict dict)) {
                throw TemplateException.evaluation("Can only get item pairs from a mapping.");
            }
            return in.values.iterate(new View(dict, View.Kind.ITEMS));
        });
    }

    private static Object dictSort(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("dictsort", 0, "case_sensitive", "by", "reverse");
        String by = bound.text(1, "key");
        if (!by.equals("key") && !by.equals("value")) {
            throw TemplateException.evaluation("You can only sort by either \"key\" or \"value\"");
        }
        if (!(value instanceof Dict dict)) {
            throw TemplateException.evaluation(
                    "'%s' object has no attribute 'items'".formatted(Values.typeName(value)));
        }
        List<Object> pairs = new ArrayList<>();
        List<Object> keys = new ArrayList<>();
        for (Dict.Entry entry : dict.entries()) {
            in.budget.step();
            pairs.add(Tuple.of(entry.key(), entry.value()));
            Object key = by.equals("key") ? entry.key() : entry.value();
            keys.add(bound.flag(0, false) ? key : folded(key));
        }
        return in.values.sorted(pairs, keys, bound.flag(2, false));
    }

    private static Object folded(Object value) {
        return value instanceof String text ? Text.lower(text) : value;
    }

    private static Object sort(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
        List<UnaryOperator<Object>> getters = new ArrayList<>();
        Object attribute = bound.orNone(2);
        if (attribute instanceof String names) {
            for (Object name :
                    (List<?>) Splits.split(in, names, Arguments.of(",").bind("sort", 1, "sep", "max"), false)) {
                getters.add(getter(in, name, !bound.flag(1, false), null));
            }
        } else {
            getters.add(getter(in, attribute, !bound.flag(1, false), null));
        }
        List<Object> items = in.values.list(value);
        List<Object> keys = new ArrayList<>();
        for (Object item : items) {
            List<Object> key = new ArrayList<>();
            getters.forEach(getter -> key.add(getter.apply(item)));
            keys.add(key);
        }
        return in.values.sorted(items, keys, bound.flag(0, false));
    }

    /** What looks up an attribute path like "address.city" or "rows.0"; null is the item itself. */
    private static UnaryOperator<Object> getter(
            Interpreter in, @Nullable Object attribute, boolean fold, @Nullable Object fallback) {
        List<Object> path = new ArrayList<>();
        if (attribute instanceof String names) {
            for (Object name :
                    (List<?>) Splits.split(in, names, Arguments.of(".").bind("attribute", 1, "sep", "max"), false)) {
                boolean position = name instanceof String text
                        && !text.isEmpty()
                        && text.chars().allMatch(Character::isDigit);
                path.add(position ? Arithmetic.integer(new java.math.BigInteger((String) name)) : name);
            }
        } else if (attribute != null) {
            path.add(attribute);
        }
        return item -> {
            Object value = item;
            for (Object part : path) {
                in.budget.step();
                value = in.item(value, part);
                value = fallback != null && value instanceof Undefined ? fallback : value;
            }
            return fold ? folded(value) : value;
        };
    }

    private static Object unique(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("unique", 0, "case_sensitive", "attribute");
        UnaryOperator<Object> getter = getter(in, bound.orNone(1), !bound.flag(0, false), null);
        Set<Object> seen = new HashSet<>();
        return kept(in, value, item -> seen.add(in.values.hashKey(getter.apply(item))));
    }

    private static Generator kept(Interpreter in, Object value, Predicate<Object> test) {
        return Generator.of(in.budget, () -> {
            Iterator<Object> items = in.values.iterate(value);
            return new Lookahead(() -> {
                while (items.hasNext()) {
                    Object item = items.next();
                    if (test.test(item)) {
                        return item;
                    }
                }
                return null;
            });
        });
    }

    private static Object extreme(Interpreter in, Object value, Arguments arguments, String name, String operator) {
        Bound bound = arguments.bind(name, 0, "case_sensitive", "attribute");
        UnaryOperator<Object> getter = getter(in, bound.orNone(1), !bound.flag(0, false), null);
        Object best = null;
        Object bestKey = None.NONE;
        for (Iterator<Object> items = in.values.iterate(value); items.hasNext(); ) {
            Object item = items.next();
            Object key = getter.apply(item);
            if (best == null || in.values.ordered(operator, key, bestKey)) {
                best = item;
                bestKey = key;
            }
        }
        return best == null ? Undefined.because("No aggregated item, sequence was empty.") : best;
    }

    private static Object sum(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("sum", 0, "attribute", "start");
        UnaryOperator<Object> getter = getter(in, bound.orNone(0), false, null);
        Object sum = bound.value(1, 0L);
        if (sum instanceof String) {
            throw TemplateException.evaluation("sum() can't sum strings [use ''.join(seq) instead]");
        }
        for (Iterator<Object> items = in.values.iterate(value); items.hasNext(); ) {
            sum = in.arithmetic.binary("+", sum, getter.apply(items.next()));
        }
        return sum;
    }

    private static Object batch(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("batch", 1, "linecount", "fill_with");
        int size = bound.integer(0, 0);
        Object fill = bound.orNone(1);
        return Generator.of(in.budget, () -> {
            Iterator<Object> items = in.values.iterate(value);
            return new Lookahead(() -> {
                List<Object> batch = new ArrayList<>();
                while (items.hasNext() && (batch.size() < size || batch.isEmpty())) {
                    batch.add(items.next());
                }
                while (fill != null && !batch.isEmpty() && batch.size() < size) {
                    in.budget.step();
                    batch.add(fill);
                }
                return batch.isEmpty() ? null : batch;
            });
        });
    }

    private static Object slice(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("slice", 1, "slices", "fill_with");
        int slices = bound.integer(0, 0);
        return Generator.of(
                in.budget,
                () -> slices(in, in.values.list(value), slices, bound.orNone(1)).iterator());
    }

    private static List<Object> slices(Interpreter in, List<Object> items, int slices, @Nullable Object fill) {
        if (slices == 0) {
            throw TemplateException.evaluation("integer division or modulo by zero");
        }
        in.budget.steps(Math.max(0, slices));
        List<Object> result = new ArrayList<>();
        int each = items.size() / Math.abs(slices);
        int longer = items.size() % Math.abs(slices);
        int start = 0;
        for (int i = 0; i < slices; i++) {
            int end = start + each + (i < longer ? 1 : 0);
            List<Object> part = new ArrayList<>(items.subList(start, end));
            if (fill != null && i >= longer) {
                part.add(fill);
            }
            result.add(part);
            start = end;
        }
        return result;
    }

    private static Object groupBy(Interpreter in, Object value, Arguments arguments) {
        Bound bound = arguments.bind("groupby", 1, "attribute", "default", "case_sensitive");
        boolean fold = !bound.flag(2, false);
        UnaryOperator<Object> getter = getter(in, bound.orNone(0), fold, bound.orNone(1));
        UnaryOperator<Object> shown = getter(in, bound.orNone(0), false, bound.orNone(1));
        List<Object> items = in.values.list(value);
        List<Object> keys = new ArrayList<>();
        items.forEach(item -> keys.add(getter.apply(item)));
        List<Object> groups = new ArrayList<>();
        List<Object> group = new ArrayList<>();
        Object groupKey = None.NONE;
        for (Object item : in.values.sorted(items, keys, false)) {
            Object key = getter.apply(item);
            if (group.isEmpty() || !in.values.equal(key, groupKey)) {
                group = new ArrayList<>();
                groups.add(new Tuple(List.of(shown.apply(item), group), true));
                groupKey = key;
            }
            group.add(item);
        }
        return groups;
    }

    private static Object map(Interpreter in, Object value, Arguments arguments) {
        return Generator.of(in.budget, () -> {
            if (!Values.truth(value)) {
                return Collections.emptyIterator();
            }
            UnaryOperator<Object> change = change(in, arguments);
            Iterator<Object> items = in.values.iterate(value);
            return new Lookahead(() -> items.hasNext() ? change.apply(items.next()) : null);
        });
    }

    private static UnaryOperator<Object> change(Interpreter in, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            if (!arguments.keywords().containsKey("attribute")) {
                throw TemplateException.evaluation("map requires a filter argument");
            }
            Bound bound = arguments.bind("map", 0, "attribute", "default");
            return getter(in, bound.orNone(0), false, bound.orNone(1));
        }
        String filter = Filters.name(in, arguments.positional().getFirst(), "filter");
        Arguments rest = arguments.rest(1);
        return item -> Filters.apply(in, filter, item, rest);
    }

    private static Object select(Interpreter in, Object value, Arguments arguments, boolean attribute, boolean wanted) {
        return Generator.of(
                in.budget,
                () -> Values.truth(value)
                        ? kept(in, value, selection(in, arguments, attribute, wanted))
                                .iterator()
                        : Collections.emptyIterator());
    }

    private static Predicate<Object> selection(Interpreter in, Arguments arguments, boolean attribute, boolean wanted) {
        List<Object> positional = arguments.positional();
        if (attribute && positional.isEmpty()) {
            throw TemplateException.evaluation("Missing parameter for attribute name");
        }
        UnaryOperator<Object> getter = getter(in, attribute ? positional.getFirst() : null, false, null);
        int at = attribute ? 1 : 0;
        if (positional.size() <= at) {
            return item -> Values.truth(getter.apply(item)) == wanted;
        }
        String test = Filters.name(in, positional.get(at), "test");
        Arguments rest = arguments.rest(at + 1);
        return item -> Tests.apply(in, test, getter.apply(item), rest) == wanted;
    }
}
