package dev.jwen.engine;

import dev.jwen.model.ModelInput;
import dev.jwen.model.State;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Earlier states of a session, by the tokens and pictures they have read. A recurrent network cannot go back to an
 * earlier position, so a prompt that shares only a part of the last one continues from the longest state kept here.
 */
final class PrefixStates implements AutoCloseable {
    /** A picture or video frame among the tokens, by its content. */
    private record Placed(int start, String key, int index) {}

    @SuppressWarnings("ArrayRecordComponent") // compared by Arrays.equals, never as a record
    private record Entry(int[] tokens, List<Placed> pictures, State state) {}

    private final int capacity;
    /** Least recently used first. */
    private final List<Entry> entries = new ArrayList<>();

    PrefixStates(int capacity) {
        this.capacity = capacity;
    }

    /**
     * Takes over {@code state}, which must not be advanced afterwards, as the one that has read exactly {@code tokens}.
     *
     * @param input whose pictures stand in these tokens
     */
    void keep(int[] tokens, ModelInput input, State state) {
        List<Placed> pictures = pictures(input, tokens.length);
        entries.removeIf(entry -> {
            boolean same = Arrays.equals(entry.tokens, tokens) && entry.pictures.equals(pictures);
            if (same) {
                entry.state.close();
            }
            return same;
        });
        entries.add(new Entry(tokens, pictures, state));
        if (entries.size() > capacity) {
            entries.removeFirst().state.close();
        }
    }

    /** A fork of the longest state that has read a beginning of {@code input} and leaves at least one token, or null. */
    @Nullable
    State longest(ModelInput input) {
        int[] prompt = input.ids();
        Entry best = null;
        for (Entry entry : entries) {
            int length = entry.tokens.length;
            if (length < prompt.length
                    && (best == null || length > best.tokens.length)
                    && Arrays.equals(entry.tokens, 0, length, prompt, 0, length)
                    && entry.pictures.equals(pictures(input, length))) {
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

    /** Those that begin among the first {@code length} tokens: equal placeholders may stand for different pictures. */
    private static List<Placed> pictures(ModelInput input, int length) {
        return input.frames().stream()
                .filter(frame -> frame.start() < length)
                .map(frame -> new Placed(frame.start(), frame.picture().key(), frame.index()))
                .toList();
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
