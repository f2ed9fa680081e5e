package dev.jwen.tokenizer;

import java.util.Arrays;
import java.util.List;

/** The merge rules: which two neighbours become which token, and how early. A lower rank goes first. */
final class Merges {
    /** The rank of a pair that does not merge; higher than any other. */
    static final int NEVER = Integer.MAX_VALUE;

    private static final long FREE = -1;

    private final long[] pairs; // open addressing: left id << 32 | right id
    private final int[] ranks; // parallel to pairs
    private final int[] results; // by rank

    /**
     * Resolves the rules to ids.
     *
     * @param source what to call the rules in errors
     * @param written by rank, each "left right" in the byte alphabet
     * @throws TokenizerException if a part or a result is not in the vocabulary, or a rule is given twice
     */
    Merges(String source, List<String> written, Vocabulary vocabulary) {
        int capacity = Integer.highestOneBit(Math.max(8, written.size())) * 4;
        pairs = new long[capacity];
        Arrays.fill(pairs, FREE);
        ranks = new int[capacity];
        results = new int[written.size()];
        byte[] bytes = new byte[256];
        for (int rank = 0; rank < results.length; rank++) {
            String rule = written.get(rank);
            if (rule.length() > bytes.length) {
                bytes = new byte[2 * rule.length()];
            }
            add(source, rule, rank, bytes, vocabulary);
        }
    }

    private void add(String source, String rule, int rank, byte[] bytes, Vocabulary vocabulary) {
        int space = rule.indexOf(' ');
        int middle = space < 1 ? -1 : ByteAlphabet.write(rule, 0, space, bytes, 0);
        int end = middle < 1 ? -1 : ByteAlphabet.write(rule, space + 1, rule.length(), bytes, middle);
        if (end <= middle) {
            throw new TokenizerException(
                    "%s: merge %d is \"%s\", expected two tokens in the byte alphabet with a space between them"
                            .formatted(source, rank, Quote.of(rule)));
        }
        int left = vocabulary.find(bytes, 0, middle);
        int right = vocabulary.find(bytes, middle, end);
        results[rank] = vocabulary.find(bytes, 0, end);
        if (left < 0 || right < 0 || results[rank] < 0) {
            String missing = left < 0 ? "left part" : right < 0 ? "right part" : "result";
            throw new TokenizerException(
                    "%s: merge %d is \"%s\", expected its parts and its result in the vocabulary, found no %s"
                            .formatted(source, rank, Quote.of(rule), missing));
        }
        int slot = slot(left, right);
        if (pairs[slot] != FREE) {
            throw new TokenizerException("%s: merge \"%s\" is listed at %d and at %d, expected once"
                    .formatted(source, Quote.of(rule), ranks[slot], rank));
        }
        pairs[slot] = pair(left, right);
        ranks[slot] = rank;
    }

    /** The rank of the rule for these neighbours, or {@link #NEVER}. */
    int rank(int left, int right) {
        int slot = slot(left, right);
        return pairs[slot] == FREE ? NEVER : ranks[slot];
    }

    /** The token that the rule with this rank makes. */
    int result(int rank) {
        return results[rank];
    }

    private int slot(int left, int right) {
        long pair = pair(left, right);
        long hash = pair * 0x9E3779B97F4A7C15L;
        int slot = (int) (hash >>> 32) & (pairs.length - 1);
        while (pairs[slot] != FREE && pairs[slot] != pair) {
            slot = (slot + 1) & (pairs.length - 1);
        }
        return slot;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }
}
