package dev.jwen.model;

import dev.jwen.kernel.Span;
import dev.jwen.tensor.Tensor;
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
    private final List<Integer> nextPositions = new ArrayList<>();
    private final List<Features> features = new ArrayList<>();
    private final List<@Nullable Shortlist> shortlists = new ArrayList<>();
    private int[] ids = new int[1];
    /** By axis (time, height, width), then row. */
    private final int[][] positions = {new int[1], new int[1], new int[1]};

    private int[] logitRows = new int[1];
    private int size;
    private int logitCount;

    /**
     * Rows whose embeddings make room for what was seen.
     *
     * @param rows (count, D)
     * @param at their rows in the batch
     */
    @SuppressWarnings("ArrayRecordComponent") // read once, never compared
    record Features(Tensor rows, int[] at) {}

    /** Appends the next tokens of a sequence, text; a sequence can stand in a batch once. */
    public void add(State state, int[] tokens, Logits logits) {
        int first = state.nextPosition();
        append(state, tokens, logits);
        for (int i = 0; i < tokens.length; i++) {
            setPosition(size - tokens.length + i, first + i, first + i, first + i);
        }
        nextPositions.add(first + tokens.length);
    }

    /**
     * Appends the tokens {@code from} to {@code to - 1} of what a sequence reads; a sequence can stand in a batch once.
     *
     * @param from must be the length of the sequence so far
     */
    public void add(State state, ModelInput input, int from, int to, Logits logits) {
        if (from != state.length()) {
            throw new IllegalArgumentException("the sequence has read %d tokens, so it cannot go on with token %d"
                    .formatted(state.length(), from));
        }
        int row = size;
        append(state, Arrays.copyOfRange(input.ids(), from, to), logits);
        int[][] all = input.positions();
        for (int i = from; i < to; i++) {
            setPosition(row + i - from, all[0][i], all[1][i], all[2][i]);
        }
        for (ModelInput.Frame frame : input.frames()) {
            int start = Math.max(from, frame.start());
            int end = Math.min(to, frame.end());
            if (start < end) {
                int[] at = new int[end - start];
                Arrays.setAll(at, i -> row + start - from + i);
                features.add(new Features(frame.features(start, end), at));
            }
        }
        nextPositions.add(input.positionAfter(to));
    }

    private void setPosition(int row, int time, int height, int width) {
        positions[0][row] = time;
        positions[1][row] = height;
        positions[2][row] = width;
    }

    private void append(State state, int[] tokens, Logits logits) {
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
        for (int axis = 0; axis < positions.length; axis++) {
            positions[axis] = room(positions[axis], size + tokens.length);
        }
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

    /** By axis (time, height, width), then row; may be longer than the batch. */
    int[][] positions() {
        return positions;
    }

    List<Features> features() {
        return features;
    }

    /** The position of the next text token of sequence {@code s} after this batch. */
    int nextPosition(int s) {
        return nextPositions.get(s);
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
