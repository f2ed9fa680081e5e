package dev.jwen.generate;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/**
 * The tokens that may come next, each with its probability.
 *
 * @param tokens ids, ascending
 * @param probabilities of these tokens, above 0, with sum 1
 */
@SuppressWarnings("ArrayRecordComponent") // hundreds of thousands of values, read by index and never compared
public record Distribution(int[] tokens, double[] probabilities) {

    /** The probability of a token; 0 if it was left out. */
    public double probability(int token) {
        int index = Arrays.binarySearch(tokens, token);
        return index < 0 ? 0 : probabilities[index];
    }

    /** Draws a token with one {@code nextDouble} of {@code random}. */
    public int sample(RandomGenerator random) {
        double left = random.nextDouble();
        for (int i = 0; i < tokens.length; i++) {
            left -= probabilities[i];
            if (left < 0) {
                return tokens[i];
            }
        }
        return tokens[tokens.length - 1];
    }
}
