package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;

/** Which experts every token of a batch goes to, and with which weight. Reused from batch to batch. */
public final class Routing {
    private int k;
    private int[] experts = new int[0];
    private float[] weights = new float[0];
    private double[] probabilities = new double[0];

    /**
     * Chooses for every row the {@code k} experts of largest probability, largest first and of equals the lower index
     * first; their softmax weights are renormalised to 1.
     *
     * @param logits (T, E)
     */
    public void choose(Tensor logits, int k) {
        int tokens = Math.toIntExact(logits.rows());
        int count = Math.toIntExact(logits.columns());
        if (k < 1 || k > count) {
            throw new IllegalArgumentException("cannot choose %d of %d experts".formatted(k, count));
        }
        this.k = k;
        if (experts.length < tokens * k) {
            experts = new int[tokens * k];
            weights = new float[tokens * k];
        }
        if (probabilities.length < count) {
            probabilities = new double[count];
        }
        for (int t = 0; t < tokens; t++) {
            chooseRow(logits, t, count);
        }
    }

    /** The {@code i}-th choice of {@code token}. */
    public int expert(int token, int i) {
        return experts[token * k + i];
    }

    /** The weight of the {@code i}-th choice of {@code token}. */
    public float weight(int token, int i) {
        return weights[token * k + i];
    }

    private void chooseRow(Tensor logits, int t, int count) {
        double max = Double.NEGATIVE_INFINITY;
        for (int e = 0; e < count; e++) {
            max = Math.max(max, logits.get(t, e));
        }
        for (int e = 0; e < count; e++) {
            probabilities[e] = Math.exp(logits.get(t, e) - max);
        }
        double sum = 0;
        for (int i = 0; i < k; i++) {
            int best = 0;
            for (int e = 1; e < count; e++) {
                best = probabilities[e] > probabilities[best] ? e : best;
            }
            experts[t * k + i] = best;
            weights[t * k + i] = (float) probabilities[best];
            sum += probabilities[best];
            probabilities[best] = -1;
        }
        for (int i = 0; i < k; i++) {
            weights[t * k + i] = (float) (weights[t * k + i] / sum);
        }
    }
}
