package dev.jwen.tokenizer;

import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * Finds added tokens in text: the leftmost first, the longest of those that start at one place.
 *
 * <p>The tokens are sorted, so those that begin with the characters read so far are neighbours, a range that each
 * further character narrows by binary search. Text is read once, but for looking ahead from a first character no
 * further than the longest token.
 */
final class AddedTokens {
    /**
     * A token that is matched as a whole instead of being built by merging.
     *
     * @param special dropped by decoding on request
     * @param normalized looked for in text after normalization instead of before
     */
    record Token(int id, String content, boolean special, boolean normalized) {}

    private final Token[] sorted;
    private final BitSet firsts = new BitSet();

    AddedTokens(Collection<Token> tokens) {
        sorted = tokens.stream().sorted(Comparator.comparing(Token::content)).toArray(Token[]::new);
        for (Token token : sorted) {
            firsts.set(token.content().charAt(0));
        }
    }

    /** Cuts text into added tokens and what is between them, and hands both over in order. */
    void cut(String text, Consumer<String> between, IntConsumer token) {
        int from = 0;
        for (int at = 0; at < text.length() && sorted.length > 0; ) {
            int found = firsts.get(text.charAt(at)) ? longestAt(text, at) : -1;
            if (found < 0) {
                at++;
                continue;
            }
            if (from < at) {
                between.accept(text.substring(from, at));
            }
            token.accept(sorted[found].id());
            at += sorted[found].content().length();
            from = at;
        }
        if (from < text.length()) {
            between.accept(text.substring(from));
        }
    }

    private int longestAt(String text, int at) {
        int longest = -1;
        int low = 0;
        int high = sorted.length;
        for (int depth = 0; at + depth < text.length() && low < high; depth++) {
            char c = text.charAt(at + depth);
            low = firstFrom(c, depth, low, high);
            high = firstFrom(c + 1, depth, low, high);
            if (low < high && sorted[low].content().length() == depth + 1) {
                longest = low++;
            }
        }
        return longest;
    }

    /** The first token in a range, all longer than {@code depth}, whose character there is not below {@code c}. */
    private int firstFrom(int c, int depth, int low, int high) {
        int from = low;
        int to = high;
        while (from < to) {
            int middle = (from + to) >>> 1;
            if (sorted[middle].content().charAt(depth) < c) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        return from;
    }
}
