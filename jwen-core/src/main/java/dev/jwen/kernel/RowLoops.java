package dev.jwen.kernel;

/**
 * Loops over single rows of float32 activations, all at absolute addresses.
 *
 * <p>Every {@code count} is one that {@link #fits}. An output may be an input, at the same address.
 */
public interface RowLoops {
    /** Floats that a loop takes at a time. */
    int STEP = 16;

    /** Whether the loops can take so many floats. */
    static boolean fits(int count) {
        return count > 0 && count % STEP == 0;
    }

    /** {@code x += factor · y}. */
    void addScaled(long x, long y, float factor, int count);

    /** {@code out = factor · x}. */
    void scale(long x, float factor, int count, long out);

    /** {@code out = x / √(mean(x²) + eps) · weight} for each of {@code groups} (1 or more) runs of {@code count} floats. */
    void rmsNorm(long x, long weight, int count, int groups, float eps, long out);

    /** {@code out = gate · sigmoid(gate) · up}. */
    void swiGlu(long gate, long up, int count, long out);

    /** The way back of {@link #swiGlu}: with g = gate and s = sigmoid(g), {@code dGate = dy up s (1 + g (1 - s))}, {@code dUp = dy g s}. */
    void swiGluBack(long dy, long gate, long up, int count, long dGate, long dUp);

    /** {@code x = x · sigmoid(gate)}. */
    void sigmoidGate(long x, long gate, int count);

    /**
     * Rotates the first {@code pairs} floats of each head with the next ones: {@link Kernels#rope} of one row.
     *
     * @param heads 1 or more
     * @param pairs fits
     */
    void rope(long x, int headDim, int heads, int pairs, long cos, long sin);

    /**
     * A convolution of four taps, then SiLU: {@code s = Σ_j xj · weights[j]}, {@code out = s · sigmoid(s)}.
     *
     * @param tapBytes from the weights of one tap to those of the next
     */
    void fourTaps(long x0, long x1, long x2, long x3, long weights, long tapBytes, int count, long out);

    /**
     * Online softmax of one block: turns scores into weights, and what was summed before into the new scale.
     *
     * @param scores {@value KvCache#BLOCK} floats
     * @param seen how many of the scores count; the weights of the others become 0
     * @param max the largest score so far, one float; updated
     * @param sums {@value #STEP} partial sums of the weights so far; updated
     * @param result what was summed with these weights, {@code count} floats
     */
    void soften(long scores, int seen, long max, long sums, long result, int count);

    /**
     * To bfloat16, as {@link KvCache#write} rounds.
     *
     * @param count a multiple of 2 · {@value #STEP}
     */
    void toBf16(long x, int count, long out);
}
