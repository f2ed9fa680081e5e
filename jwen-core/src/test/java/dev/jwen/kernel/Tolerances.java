package dev.jwen.kernel;

/**
 * How far a fast back end may be from the plain one. The plain kernels add in double, so what remains is the rounding of
 * the fast one: float has 24 bits, half a unit in the last place is 2⁻²⁴ ≈ 6e-8 of the value.
 */
public final class Tolerances {
    /**
     * A sum of n products, as part of Σ|products|, or of the largest value where products follow products. Lanes and
     * √n keep the error far below the worst case of n units; measured 7e-7.
     */
    public static final double SUM = 2e-6;

    /** Element by element, as part of the largest: a few roundings and an exponential of 1.5 units. Measured 2.1e-7. */
    public static final double ELEMENT = 5e-7;

    /**
     * Attention, as part of the largest value: a score of size s errs by about s·2⁻²⁴·√C, and so does its weight.
     * Scores here reach 50; measured 4e-6.
     */
    public static final double ATTENTION = 1e-5;

    /**
     * The delta rule, as part of the largest output or state: the state is rounded at every token, and the chunked form
     * adds in another order. Measured 3e-6, without decay over 130 tokens.
     */
    public static final double DELTA = 1e-5;

    /**
     * Rounding activations to steps of size s, as multiple of the standard deviation √(Σ w² s² / 12) of the sum of the
     * errors; about 10⁶ sums are tested, of which chance puts none beyond 6.
     */
    public static final double ROUNDING = 6;

    /**
     * A gated MLP with 8-bit activations, as part of the root mean square of the result: a step is 1/50 of the standard
     * deviation of a block, so each product errs by 0.6 %, and the result by the two in front and its own.
     */
    public static final double INT8_MLP = 0.02;

    private Tolerances() {}
}
