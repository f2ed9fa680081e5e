package dev.jwen.model;

import dev.jwen.kernel.Span;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one step advances: any mix of prompt chunks and single decode steps of several sequences. Rows of one sequence
 * are contiguous.
 *
 * {@snippet :
 * Batch batch = new Batch();
 * batch.add(first, promptIds, Batch.Logits.LAST);
 * batch.add(second, new int[] {sampled}, Batch.Logits.LAST);
 * Tensor logits = model.forward(batch); // (2, V)
 * }
 */
public final class Batch {

    /** Which rows of a sequence get logits. */
    public enum Logits {
        NONE,
        LAST,
        ALL
    }

    private final List<State> states = new ArrayList<>();
    private final List<Span> spans = new ArrayList<>();
    private final List<@Nullable Shortlist> shortlists = new ArrayList<>();
    private int[] ids = new int[1];
    private int[] logitRows = new int[1];
    private int size;
    private int logitCount;

    /** Appends the next tokens of a sequence; a sequence can stand in a batch once. */
    public void add(State state, int[] tokens, Logits logits) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("a batch advances each sequence by at least one token");
        }
        if (states.contains(state)) {
            throw new IllegalArgumentException("the same sequence is already in this batch");
        }
        states.add(state);
        spans.add(new Span(size, tokens.length, state.length()));
        ids = room(ids, size + tokens.length);
        System.arraycopy(tokens, 0, ids, size, tokens.length);
        int first = switch (logits) {
            case NONE -> tokens.length;
            case LAST -> tokens.length - 1;
            case ALL -> 0;
        };
        logitRows = room(logitRows, logitCount + tokens.length);
        for (int i = first; i < tokens.length; i++) {
            logitRows[logitCount++] = size + i;
        }
        size += tokens.length;
    }

    /** Says that the rows of logits of the sequence added last are needed no further than {@code shortlist}. */
    public void shorten(Shortlist shortlist) {
        int first = spans.getLast().row();
        while (shortlists.size() < logitCount) {
            shortlists.add(logitRows[shortlists.size()] >= first ? shortlist : null);
        }
    }

    /** Rows in all. */
    public int size() {
        return size;
    }

    List<State> states() {
        return states;
    }

    List<Span> spans() {
        return spans;
    }

    int[] ids() {
        return Arrays.copyOf(ids, size);
    }

    /** By row of logits; null where all logits are wanted. */
    List<@Nullable Shortlist> shortlists() {
        while (shortlists.size() < logitCount) {
            shortlists.add(null);
        }
        return shortlists;
    }

    int[] logitRows() {
        return Arrays.copyOf(logitRows, logitCount);
    }

    private static int[] room(int[] array, int length) {
        return array.length >= length ? array : Arrays.copyOf(array, Math.max(length, 2 * array.length));
    }
}
