package dev.jwen.template;

import java.util.Iterator;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Something that can be iterated once, as most filters over sequences return it. It is always true and has no length. */
record Generator(Iterator<Object> iterator) {

    /** A generator that looks at its source only when asked for its first item; a wrong source fails then. */
    static Generator of(Budget budget, Supplier<Iterator<Object>> source) {
        return new Generator(new Iterator<>() {
            private @Nullable Iterator<Object> items;

            @Override
            public boolean hasNext() {
                budget.enter(); // the source may be a generator too, and so on
                boolean more = items().hasNext();
                budget.leave();
                return more;
            }

            @Override
            public Object next() {
                budget.enter();
                Object item = items().next();
                budget.leave();
                return item;
            }

            private Iterator<Object> items() {
                items = items == null ? source.get() : items;
                return items;
            }
        });
    }
}
