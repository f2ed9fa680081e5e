package dev.jwen.template;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** An iterator over what a source returns until it returns null; the source is asked no earlier than needed. */
final class Lookahead implements Iterator<Object> {
    private final Supplier<@Nullable Object> source;
    private @Nullable Object next;
    private boolean ended;

    Lookahead(Supplier<@Nullable Object> source) {
        this.source = source;
    }

    @Override
    public boolean hasNext() {
        if (next == null && !ended) {
            next = source.get();
            ended = next == null;
        }
        return next != null;
    }

    @Override
    public Object next() {
        if (!hasNext() || next == null) {
            throw new NoSuchElementException();
        }
        Object item = next;
        next = null;
        return item;
    }
}
