package dev.jwen.tokenizer;

import java.util.Arrays;

/** A growing list of token ids. */
final class Ids {
    private int[] ids = new int[64];
    private int size;

    void add(int id) {
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, 2 * size);
        }
        ids[size++] = id;
    }

    void addAll(int[] more) {
        if (size + more.length > ids.length) {
            ids = Arrays.copyOf(ids, Math.max(2 * size, size + more.length));
        }
        System.arraycopy(more, 0, ids, size, more.length);
        size += more.length;
    }

    int size() {
        return size;
    }

    /** A copy of the ids from a position to the end. */
    int[] toArray(int from) {
        return Arrays.copyOfRange(ids, from, size);
    }
}
