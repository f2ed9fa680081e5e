package dev.jwen.template;

import java.util.List;

/** A Python tuple; one made by groupby also has its items as attributes {@code grouper} and {@code list}. */
record Tuple(List<Object> items, boolean isGroup) {
    static final Tuple EMPTY = of(List.of());

    static Tuple of(List<Object> items) {
        return new Tuple(items, false);
    }

    static Tuple of(Object first, Object second) {
        return new Tuple(List.of(first, second), false);
    }
}
