package dev.jwen.train;

import dev.jwen.tokenizer.ByteAlphabet;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;

/**
 * Joins the most frequent pair of neighbours again and again, keeping the counts of all pairs up to date.
 *
 * <p>Each pair knows in which pieces it occurred, so joining it visits only those, and changes only the counts of pairs
 * that touch a place where it stood. No token comes into being twice, so a count only falls after the step that made
 * the pair; the queue may hold counts that were true earlier, and a pair that comes up with such a count goes back with
 * the true one.
 */
final class PairMerging {
    private static final Comparator<Queued> MOST_FREQUENT_THEN_OLDEST = Comparator.comparingLong(Queued::count)
            .reversed()
            .thenComparingInt(queued -> queued.pair.left)
            .thenComparingInt(queued -> queued.pair.right);

    private final List<String> tokens = new ArrayList<>(); // by id, in the byte alphabet
    private final Set<String> spellings = new HashSet<>();
    private final List<String> rules = new ArrayList<>();
    private final int[][] pieces; // the tokens of each; after a step the first of `lengths` are valid
    private final int[] lengths;
    private final long[] occurrences; // of each piece in the corpus
    private final Map<Long, Pair> pairs = new HashMap<>(); // by left id << 32 | right id
    private final Set<Pair> grown = new HashSet<>(); // since the queue was last filled
    private final PriorityQueue<Queued> queue = new PriorityQueue<>(MOST_FREQUENT_THEN_OLDEST);

    /** Neighbours: how often they stand side by side, and in which pieces, some of which may have lost them since. */
    private static final class Pair {
        final int left;
        final int right;
        long count;
        int[] pieces = new int[2];
        int size;

        Pair(int left, int right) {
            this.left = left;
            this.right = right;
        }

        void occursIn(int piece) {
            if (size > 0 && pieces[size - 1] == piece) {
                return;
            }
            if (size == pieces.length) {
                pieces = Arrays.copyOf(pieces, 2 * size);
            }
            pieces[size++] = piece;
        }
    }

    private record Queued(Pair pair, long count) {}

    /** @param counts how often each piece occurs; well-formed text */
    PairMerging(Map<String, Long> counts) {
        int[] byteIds = new int[256];
        Integer[] bytes = new Integer[256];
        Arrays.setAll(bytes, b -> b);
        Arrays.sort(bytes, Comparator.comparingInt(ByteAlphabet::characterOf));
        for (int b : bytes) {
            byteIds[b] = tokens.size();
            tokens.add(String.valueOf(ByteAlphabet.characterOf(b)));
        }
        pieces = new int[counts.size()][];
        lengths = new int[pieces.length];
        occurrences = new long[pieces.length];
        int piece = 0;
        for (Map.Entry<String, Long> entry : counts.entrySet()) {
            byte[] utf8 = entry.getKey().getBytes(StandardCharsets.UTF_8);
            pieces[piece] = new int[utf8.length];
            lengths[piece] = utf8.length;
            occurrences[piece] = entry.getValue();
            for (int i = 0; i < utf8.length; i++) {
                pieces[piece][i] = byteIds[utf8[i] & 0xff];
                if (i > 0) {
                    gain(pieces[piece][i - 1], pieces[piece][i], piece);
                }
            }
            piece++;
        }
        queueGrown();
    }

    /** The tokens by id, in the byte alphabet: the bytes, then one for every rule. */
    List<String> tokens() {
        return tokens;
    }

    /** The rules in the order in which they were made, each "left right" in the byte alphabet. */
    List<String> rules() {
        return rules;
    }

    /** Makes one more token, or returns false if no pair is worth it. */
    boolean joinMostFrequent() {
        while (!queue.isEmpty()) {
            Queued best = queue.poll();
            Pair pair = best.pair;
            if (best.count != pair.count) {
                queue(pair);
                continue;
            }
            String left = tokens.get(pair.left);
            String right = tokens.get(pair.right);
            if (spellings.add(left + right)) {
                tokens.add(left + right);
                rules.add(left + " " + right);
                for (int i = 0; i < pair.size; i++) {
                    join(pair, tokens.size() - 1, pair.pieces[i]);
                }
                queueGrown();
                return true;
            }
        }
        return false;
    }

    /** Puts a token in the place of the pair in a piece, from left to right, and counts what stands side by side then. */
    private void join(Pair pair, int made, int piece) {
        int[] ids = pieces[piece];
        int length = lengths[piece];
        int kept = 0;
        boolean justMade = false; // the token before the current one
        for (int i = 0; i < length; i++) {
            boolean joins = i + 1 < length && ids[i] == pair.left && ids[i + 1] == pair.right;
            if (joins) {
                lose(pair.left, pair.right, piece);
                if (kept > 0 && !justMade) {
                    lose(ids[kept - 1], pair.left, piece);
                }
                if (i + 2 < length) {
                    lose(pair.right, ids[i + 2], piece);
                }
            }
            int id = joins ? made : ids[i];
            if (kept > 0 && (joins || justMade)) {
                gain(ids[kept - 1], id, piece);
            }
            ids[kept++] = id;
            i += joins ? 1 : 0;
            justMade = joins;
        }
        lengths[piece] = kept;
    }

    private void gain(int left, int right, int piece) {
        Pair pair = pairs.computeIfAbsent(key(left, right), absent -> new Pair(left, right));
        pair.count += occurrences[piece];
        pair.occursIn(piece);
        grown.add(pair);
    }

    private void lose(int left, int right, int piece) {
        Pair pair = pairs.get(key(left, right));
        if (pair == null) {
            throw new AssertionError("the pair %d %d was never counted".formatted(left, right));
        }
        pair.count -= occurrences[piece];
    }

    private void queueGrown() {
        grown.forEach(this::queue);
        grown.clear();
    }

    /** A pair that occurs once teaches nothing. */
    private void queue(Pair pair) {
        if (pair.count > 1) {
            queue.add(new Queued(pair, pair.count));
        }
    }

    private static long key(int left, int right) {
        return (long) left << 32 | right;
    }
}
