package dev.jwen.engine;

import dev.jwen.model.State;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Earlier states of a session, by the tokens they have read. A recurrent network cannot go back to an earlier position,
 * so a prompt that shares only a part of the last one continues from the longest state kept here.
 */
final class PrefixStates implements AutoCloseable {
    @SuppressWarnings("ArrayRecordComponent") // compared by Arrays.equals, never as a record
    private record Entry(int[] tokens, State state) {}

    private final int capacity;
    /** Least recently used first. */
    private final List<Entry> entries = new ArrayList<>();

    PrefixStates(int capacity) {
        this.capacity = capacity;
    }

    /** Takes over {@code state}, which must not be advanced afterwards, as the one that has read exactly {@code tokens}. */
    void keep(int[] tokens, State state) {
        entries.removeIf(entry -> {
            boolean same = Arrays.equals(entry.tokens, tokens);
            if (same) {
                entry.state.close();
            }
            return same;
        });
        entries.add(new Entry(tokens, state));
        if (entries.size() > capacity) {
            entries.removeFirst().state.close();
        }
    }

    /** A fork of the longest state whose tokens begin {@code prompt} and leave at least one to read, or null. */
    @Nullable
    State longest(int[] prompt) {
        Entry best = null;
        for (Entry entry : entries) {
            int length = entry.tokens.length;
            if (length < prompt.length
                    && (best == null || length > best.tokens.length)
                    && Arrays.equals(entry.tokens, 0, length, prompt, 0, length)) {
                best = entry;
            }
        }
        if (best == null) {
            return null;
        }
        entries.remove(best);
        entries.add(best);
        return best.state.fork();
    }

    /** Forgets all of them. */
    @Override
    public void close() {
        entries.forEach(entry -> entry.state.close());
        entries.clear();
    }

    long sizeBytes() {
        return entries.stream().mapToLong(e -> e.state.sizeBytes()).sum();
    }
}
