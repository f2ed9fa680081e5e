package dev.jwen.train;

import java.util.Arrays;

/**
 * The auxiliary loss that keeps experts evenly used: {@code E · Σ_e f_e · P_e} over the tokens of all layers together,
 * with f_e how often e was chosen for a token and P_e its mean probability. f is a constant on the way back.
 */
final class LoadBalance {
    private final double coefficient;
    private final double[] chosen;
    private final double[] probability;
    private long tokens;
    private double share = 1;

    /** @param coefficient what the loss is multiplied with where it is added to that of the tokens */
    LoadBalance(double coefficient, int experts) {
        this.coefficient = coefficient;
        this.chosen = new double[experts];
        this.probability = new double[experts];
    }

    /**
     * Begins a batch.
     *
     * @param share of the tokens of a step that are in it: the loss counts once for a step, however that is cut
     */
    void begin(double share) {
        this.share = share;
        Arrays.fill(chosen, 0);
        Arrays.fill(probability, 0);
        tokens = 0;
    }

    /** Counts one token of one layer. */
    void add(double[] probabilities, int[] experts) {
        tokens++;
        for (int e : experts) {
            chosen[e]++;
        }
        for (int e = 0; e < probabilities.length; e++) {
            probability[e] += probabilities[e];
        }
    }

    /** The loss, multiplied with its coefficient. */
    double loss() {
        double sum = 0;
        for (int e = 0; e < chosen.length && tokens > 0; e++) {
            sum += chosen[e] / tokens * (probability[e] / tokens);
        }
        return share * coefficient * chosen.length * sum;
    }

    /** Gradient for the probability of expert {@code e} at any one token. */
    double gradient(int e) {
        return tokens == 0 ? 0 : share * coefficient * chosen.length * (chosen[e] / tokens) / tokens;
    }
}
