package dev.jwen.model;

import dev.jwen.tensor.Tensor;
import java.util.Arrays;

/** The coarse logits of one row of activations, and the search for the rows that matter. */
final class CoarseLogits {
    private static final int BLOCK = CoarseCopy.BLOCK;

    private final CoarseCopy copy;
    private final int vocabulary;

    /** (1, vocabulary or more); negative infinity for the rows that are not counted. */
    private Tensor logits = Tensor.f32(1, 0);

    /** Those of one block. */
    private final float[] some = new float[BLOCK];

    /** The largest of each block of rows. */
    private final float[] largest;

    private Shortlist shortlist = Shortlist.largest(1, 1);
    private float[] lowered = new float[0];
    private int[] leaders = new int[0];
    private float[] leaderLogits = new float[0];

    /** Some rows, each once, in the order in which they were added. */
    static final class RowSet {
        private final boolean[] holds;
        private final int limit;
        private int[] rows = new int[64];
        private int size;

        /** @param limit it is full with this many rows */
        RowSet(int rows, int limit) {
            this.holds = new boolean[rows];
            this.limit = limit;
        }

        void add(int row) {
            if (!holds[row] && size < limit) {
                rows = size == rows.length ? Arrays.copyOf(rows, 2 * size) : rows;
                rows[size++] = row;
                holds[row] = true;
            }
        }

        void clear() {
            for (int i = 0; i < size; i++) {
                holds[rows[i]] = false;
            }
            size = 0;
        }

        int size() {
            return size;
        }

        /** Whether there may have been rows that found no room. */
        boolean isFull() {
            return size >= limit;
        }

        int[] from(int start, int end) {
            return Arrays.copyOfRange(rows, start, end);
        }
    }

    CoarseLogits(CoarseCopy copy, int vocabulary) {
        this.copy = copy;
        this.vocabulary = vocabulary;
        this.largest = new float[Math.ceilDiv(vocabulary, BLOCK)];
    }

    /** Takes row {@code t} of what {@link CoarseCopy#multiply} gave, until {@link #reach} has read and changed it. */
    void read(Tensor coarse, Tensor largestOfBlocks, int t, Shortlist wanted) {
        logits = coarse.rows(t, 1);
        largestOfBlocks.decode(t, 0, largest.length, largest, 0);
        shortlist = wanted;
        leave();
    }

    /** Takes out what is not counted among the largest; remembers the ones that may be needed nevertheless. */
    private void leave() {
        if (shortlist.vocabularySize() < vocabulary) {
            for (int row = shortlist.vocabularySize(); row < vocabulary; row++) {
                logits.set(0, row, Float.NEGATIVE_INFINITY);
            }
            for (int block = shortlist.vocabularySize() / BLOCK; block < largest.length; block++) {
                measure(block);
            }
        }
        int[] ids = shortlist.lowered();
        lowered = lowered.length < ids.length ? new float[ids.length + ids.length / 2] : lowered;
        for (int i = 0; i < ids.length; i++) {
            lowered[i] = logits.get(0, ids[i]);
        }
        leave(ids);
        leave(shortlist.raised());
    }

    private void leave(int[] ids) {
        for (int id : ids) {
            boolean led = logits.get(0, id) == largest[id / BLOCK];
            logits.set(0, id, Float.NEGATIVE_INFINITY);
            if (led) {
                measure(id / BLOCK);
            }
        }
    }

    private void measure(int block) {
        float max = Float.NEGATIVE_INFINITY;
        int count = readBlock(block);
        for (int i = 0; i < count; i++) {
            max = Math.max(max, some[i]);
        }
        largest[block] = max;
    }

    /** Copies the logits of a block, of which there may be fewer in the last one, to {@link #some}. */
    private int readBlock(int block) {
        int count = Math.min(BLOCK, vocabulary - block * BLOCK);
        logits.decode(0, (long) block * BLOCK, count, some, 0);
        return count;
    }

    /** Adds the rows that lead, and those that are needed in any case; false if there are too few rows to choose from. */
    boolean lead(RowSet rows) {
        leaders = new int[shortlist.count()];
        leaderLogits = new float[shortlist.count()];
        Arrays.fill(leaderLogits, Float.NEGATIVE_INFINITY);
        int last = leaders.length - 1;
        for (int block = 0; block < largest.length; block++) {
            if (largest[block] > leaderLogits[last]) {
                int count = readBlock(block);
                for (int i = 0; i < count; i++) {
                    insert(block * BLOCK + i, some[i]);
                }
            }
        }
        for (int leader : leaders) {
            rows.add(leader);
        }
        for (int id : shortlist.raised()) {
            rows.add(id);
        }
        return leaderLogits[last] != Float.NEGATIVE_INFINITY;
    }

    private void insert(int row, float logit) {
        int at = leaders.length - 1;
        if (logit <= leaderLogits[at]) {
            return;
        }
        for (; at > 0 && leaderLogits[at - 1] < logit; at--) {
            leaderLogits[at] = leaderLogits[at - 1];
            leaders[at] = leaders[at - 1];
        }
        leaderLogits[at] = logit;
        leaders[at] = row;
    }

    /** The smallest logit of the rows that lead, from row {@code t} of the true logits: as many reach it as are wanted. */
    float threshold(Tensor exact, int t) {
        float threshold = Float.POSITIVE_INFINITY;
        for (int leader : leaders) {
            threshold = Math.min(threshold, exact.get(t, leader));
        }
        return threshold;
    }

    /** Adds every row whose logit could be as large as {@code threshold}. */
    void reach(float threshold, CoarseCopy.Bound bound, RowSet rows) {
        for (int block = 0; block < largest.length && !rows.isFull(); block++) {
            if (copy.aboveBlock(block, largest[block], bound) >= threshold) {
                int count = readBlock(block);
                copy.addBound(block, count, bound, some);
                for (int i = 0; i < count; i++) {
                    if (some[i] >= threshold) {
                        rows.add(block * BLOCK + i);
                    }
                }
            }
        }
        int[] ids = shortlist.lowered();
        for (int i = 0; i < ids.length; i++) {
            if (copy.above(ids[i], lowered[i], bound) >= threshold) {
                rows.add(ids[i]);
            }
        }
    }
}
