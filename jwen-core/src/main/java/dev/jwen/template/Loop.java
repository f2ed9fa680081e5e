package dev.jwen.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The variable {@code loop}: where a for loop stands. It looks one item ahead only when asked for it. */
final class Loop implements Invocable {
    /** Renders a recursive loop's body over other items, one level deeper. */
    interface Recursion {
        String render(Object items, int depth);
    }

    private final @Nullable Recursion recursion;
    private final int depth;
    private Iterator<Object> items;
    private int size; // -1 while not known
    private int index0 = -1;
    private @Nullable Object previous;
    private @Nullable Object current;
    private @Nullable Object next;
    private @Nullable Object changed;

    Loop(Iterator<Object> items, int size, int depth, @Nullable Recursion recursion) {
        this.items = items;
        this.size = size;
        this.depth = depth;
        this.recursion = recursion;
    }

    /** Moves to the next item and returns it, or null at the end. */
    @Nullable
    Object advance() {
        Object item = peek();
        if (item != null) {
            next = null;
            index0++;
            previous = current;
            current = item;
        }
        return item;
    }

    private @Nullable Object peek() {
        if (next == null && items.hasNext()) {
            next = items.next();
        }
        return next;
    }

    int size() {
        if (size < 0) {
            List<Object> rest = new ArrayList<>();
            items.forEachRemaining(rest::add);
            items = rest.iterator();
            size = rest.size() + index0 + 1 + (next == null ? 0 : 1);
        }
        return size;
    }

    int index() {
        return index0 + 1;
    }

    @Nullable
    Object attribute(String name) {
        return switch (name) {
            case "index" -> (long) index();
            case "index0" -> (long) index0;
            case "revindex" -> (long) size() - index0;
            case "revindex0" -> (long) size() - index();
            case "first" -> index0 == 0;
            case "last" -> peek() == null;
            case "length" -> (long) size();
            case "depth" -> (long) depth + 1;
            case "depth0" -> (long) depth;
            case "previtem" ->
                previous == null || index0 == 0 ? Undefined.because("there is no previous item") : previous;
            case "nextitem" -> {
                Object following = peek();
                yield following == null ? Undefined.because("there is no next item") : following;
            }
            case "cycle" -> new Routine(name, (in, arguments) -> cycle(arguments.positional()));
            case "changed" -> new Routine(name, (in, arguments) -> changed(in, Tuple.of(arguments.positional())));
            default -> null;
        };
    }

    private Object cycle(List<Object> values) {
        if (values.isEmpty()) {
            throw TemplateException.evaluation("no items for cycling given");
        }
        return values.get(index0 % values.size());
    }

    private boolean changed(Interpreter in, Tuple values) {
        boolean differs = changed == null || !in.values.equal(changed, values);
        changed = values;
        return differs;
    }

    @Override
    public Object invoke(Interpreter in, Arguments arguments) {
        if (recursion == null) {
            throw TemplateException.evaluation("The loop must have the 'recursive' marker to be called recursively.");
        }
        return recursion.render(arguments.bind("loop()", 1, "iterable").required(0), depth + 1);
    }
}
