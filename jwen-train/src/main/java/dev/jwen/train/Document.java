package dev.jwen.train;

import java.util.List;

/**
 * Something to learn from, as the network reads it.
 *
 * @param ids tokens, with one placeholder for each token of a picture
 * @param weights by token, how much it counts as a target: 0 for what is read, 1 for what is to be written
 * @param pictures in the order of their placeholders
 */
@SuppressWarnings("ArrayRecordComponent") // read, never compared
public record Document(int[] ids, float[] weights, List<Picture> pictures) {
    public Document {
        if (ids.length != weights.length) {
            throw new IllegalArgumentException("%d tokens but %d weights".formatted(ids.length, weights.length));
        }
        pictures = List.copyOf(pictures);
    }

    public int length() {
        return ids.length;
    }

    /** The same with every weight multiplied. */
    public Document weighted(double factor) {
        float[] multiplied = weights.clone();
        for (int t = 0; t < multiplied.length; t++) {
            multiplied[t] = (float) (factor * multiplied[t]);
        }
        return new Document(ids, multiplied, pictures);
    }

    /** Sum of the weights of its targets; the first token is nobody's target. */
    public double targets() {
        double sum = 0;
        for (int t = 1; t < weights.length; t++) {
            sum += weights[t];
        }
        return sum;
    }
}
