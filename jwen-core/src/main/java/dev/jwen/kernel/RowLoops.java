package dev.jwen.kernel;

/**
 * Loops over single rows of float32 activations, all at absolute addresses.
 *
 * <p>Every {@code count} is one that {@link #fits}. An output may be an input, at the same address.
 */
public interface RowLoops {
    /** Floats that a loop takes at a time. */
    int STEP = 16;

    /** Rows of {@link #solve}. */
    int SOLVED = 8;

    /** Whether the loops can take so many floats. */
    static boolean fits(int count) {
        return count > 0 && count % STEP == 0;
    }

    /** {@code x += factor · y}. */
    void addScaled(long x, long y, float factor, int count);

    /** {@code out[b]} = the largest of {@code x[b · count]} and the next ones, of {@code count} floats, for 1 block or more. */
    void maxima(long x, int count, int blocks, long out);

    /** {@code x[r] *= factors[r]} for some rows. */
    void scaleRows(long x, long rowBytes, long factors, int rows, int count);

    /** {@code x[r] = xFactors[r] · x[r] + yFactors[r] · y[r]} for some rows. */
    void mixRows(long x, long y, long rowBytes, long xFactors, long yFactors, int rows, int count);

    /** For r = 1 to {@value #SOLVED} - 1: {@code x[r] += Σ_{s < r} weights[r][s] · x[s]}. */
    void solve(long x, long rowBytes, long weights, long weightRowBytes, int count);

    /** {@code out = factor · x}. */
    void scale(long x, float factor, int count, long out);

    /**
     * {@code out = x / √(mean(x²) + eps) · weight} for each of {@code groups} (1 or more) runs of {@code count} floats.
     *
     * @param outBytes from run to run of {@code out}; those of {@code x} follow each other
     */
    void rmsNorm(long x, long weight, int count, int groups, float eps, long out, long outBytes);

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
     * Online softmax of one block: turns the scores of each row into weights, and what was summed before into the new scale.
     *
     * @param scores (rows, {@value KvCache#BLOCK})
     * @param seen how many of the scores of a row count; the weights of the others become 0
     * @param max (rows), the largest score so far; updated
     * @param sums (rows, {@value #STEP}), partial sums of the weights so far; updated
     * @param result (rows, count), what was summed with these weights
     */
    void soften(long scores, int seen, long max, long sums, long result, int count, int rows);

    /**
     * {@link #soften} of one block where lanes are rows: {@code scores[p][lane]} becomes a weight.
     *
     * @param positions of the block
     * @param lanes fits
     * @param max of each lane the largest score so far; behind them the sums of the weights so far; both are updated
     * @param result (width, lanes), what was summed with these weights
     */
    void softenLanes(long scores, int positions, int lanes, long max, long result, int width);

    /** {@code out = exp(x)}. */
    void exp(long x, int count, long out);

    /** With {@code e = exp(min(log - logs, 0))}: {@code x *= factor · e}, {@code y *= e}. */
    void decay(long x, long y, long logs, float log, float factor, int count);

    /**
     * Turns {@value #STEP} rows into columns.
     *
     * @param rowBytes from row to row of {@code x}
     * @param count floats of a row
     * @param outRowBytes from row to row of {@code out}, of which there are {@code count}
     */
    void transpose(long x, long rowBytes, int count, long out, long outRowBytes);

    /** From bfloat16. */
    void fromBf16(long x, int count, long out);

    /**
     * To bfloat16, as {@link KvCache#write} rounds.
     *
     * @param count a multiple of 2 · {@value #STEP}
     */
    void toBf16(long x, int count, long out);
}
