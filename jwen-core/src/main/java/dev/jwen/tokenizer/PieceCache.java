package dev.jwen.tokenizer;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Remembers the tokens of recent short pieces; a new piece displaces the one in its place.
 *
 * <p>Threads share it without locks: entries are immutable and published through final fields, so a race costs at most
 * an entry, never a wrong answer.
 */
final class PieceCache {
    /** Longer pieces hardly ever come again. */
    static final int LONGEST = 32;

    private static final int BITS = 15;

    private static final class Entry {
        final char[] piece;
        final int[] ids;

        Entry(char[] piece, int[] ids) {
            this.piece = piece;
            this.ids = ids;
        }
    }

    private final @Nullable Entry[] entries = new @Nullable Entry[1 << BITS];

    /** The tokens of a piece, or null if it is not here. */
    int @Nullable [] find(char[] text, int from, int to, int slot) {
        Entry entry = entries[slot];
        return entry != null && Arrays.equals(entry.piece, 0, entry.piece.length, text, from, to) ? entry.ids : null;
    }

    void put(char[] text, int from, int to, int slot, int[] ids) {
        entries[slot] = new Entry(Arrays.copyOfRange(text, from, to), ids);
    }

    static int slot(char[] text, int from, int to) {
        int hash = 0;
        for (int at = from; at < to; at++) {
            hash = 31 * hash + text[at];
        }
        return (hash * 0x9E3779B9) >>> (32 - BITS);
    }
}
