package dev.jwen.tokenizer;

import java.util.Arrays;

/**
 * Merges the bytes of one piece after the other into tokens; working memory for one thread.
 *
 * <p>The tokens of a piece are a linked list over byte positions, each at the position of its first byte. A binary
 * heap holds the pairs that may merge, lowest rank first and leftmost among equals. A pair that changed since it was
 * queued shows by its rank, since a pair has one rule and a rule one pair; it is passed over when it comes up. A piece
 * of n bytes queues fewer than 3n pairs, so it takes O(n log n) whatever it holds.
 */
final class PieceMerger {
    private final int[] byteIds;
    private final Merges merges;

    private int length; // of the piece, in bytes
    private int[] token = new int[96];
    private int[] next = new int[96];
    private int[] previous = new int[96];
    private int[] rank = new int[96]; // of the pair of this token and the next
    private long[] heap = new long[96]; // rank << 32 | position
    private int queued;

    /** @param byteIds the tokens of the 256 bytes */
    PieceMerger(int[] byteIds, Merges merges) {
        this.byteIds = byteIds;
        this.merges = merges;
    }

    /** Appends the tokens of a piece of well-formed text to {@code out}. */
    void merge(char[] text, int from, int to, Ids out) {
        makeRoom(3 * (to - from)); // a character takes at most three bytes, a surrogate pair four
        length = 0;
        for (int at = from; at < to; at++) {
            if (Character.isHighSurrogate(text[at])) {
                append(Character.toCodePoint(text[at], text[++at]));
            } else {
                append(text[at]);
            }
        }
        link();
        while (queued > 0) {
            long best = poll();
            int at = (int) best;
            if (rank[at] == (int) (best >>> 32)) {
                mergeAt(at);
            }
        }
        for (int at = 0; at < length; at = next[at]) {
            out.add(token[at]);
        }
    }

    private void makeRoom(int bytes) {
        if (bytes > token.length) {
            int room = Math.max(bytes, 2 * token.length);
            token = new int[room];
            next = new int[room];
            previous = new int[room];
            rank = new int[room];
        }
    }

    /** Appends the UTF-8 bytes of a code point. */
    private void append(int c) {
        if (c < 0x80) {
            token[length++] = byteIds[c];
            return;
        }
        if (c < 0x800) {
            token[length++] = byteIds[0xc0 | c >> 6];
        } else {
            if (c < 0x10000) {
                token[length++] = byteIds[0xe0 | c >> 12];
            } else {
                token[length++] = byteIds[0xf0 | c >> 18];
                token[length++] = byteIds[0x80 | (c >> 12 & 0x3f)];
            }
            token[length++] = byteIds[0x80 | (c >> 6 & 0x3f)];
        }
        token[length++] = byteIds[0x80 | (c & 0x3f)];
    }

    private void link() {
        queued = 0;
        for (int at = 0; at < length; at++) {
            next[at] = at + 1;
            previous[at] = at - 1;
            queue(at);
        }
    }

    private void mergeAt(int at) {
        int right = next[at];
        token[at] = merges.result(rank[at]);
        rank[right] = Merges.NEVER;
        next[at] = next[right];
        if (next[at] < length) {
            previous[next[at]] = at;
        }
        queue(at);
        if (at > 0) {
            queue(previous[at]);
        }
    }

    /** Sets the rank of the pair that starts at a position and queues it if it merges. */
    private void queue(int at) {
        rank[at] = next[at] < length ? merges.rank(token[at], token[next[at]]) : Merges.NEVER;
        if (rank[at] != Merges.NEVER) {
            offer((long) rank[at] << 32 | at);
        }
    }

    private void offer(long entry) {
        if (queued == heap.length) {
            heap = Arrays.copyOf(heap, 2 * queued);
        }
        int child = queued++;
        while (child > 0) {
            int parent = (child - 1) >>> 1;
            if (heap[parent] <= entry) {
                break;
            }
            heap[child] = heap[parent];
            child = parent;
        }
        heap[child] = entry;
    }

    private long poll() {
        long best = heap[0];
        long last = heap[--queued];
        int parent = 0;
        for (int child = 1; child < queued; child = 2 * parent + 1) {
            if (child + 1 < queued && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[child] >= last) {
                break;
            }
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = last;
        return best;
    }
}
