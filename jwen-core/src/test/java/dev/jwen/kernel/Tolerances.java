package dev.jwen.kernel;

/**
 * How far a fast back end may be from the plain one. The plain kernels add in double, so what remains is the rounding of
 * the fast one: float has 24 bits, half a unit in the last place is 2⁻²⁴ ≈ 6e-8 of the value.
 */
public final class Tolerances {
    /**
     * A sum of n products, as part of Σ|products|: n additions err by n units in the worst case and √n on average. L
     * lanes shorten the chains. 2e-6 is 32 units; the lengths tested need about 10.
     */
    public static final double SUM = 2e-6;

    /** Element by element without sums, one to four roundings and an exponential of 1.5 units: 8 units. */
    public static final double ELEMENT = 5e-7;

    /**
     * Attention, as part of the largest value: scores of size s err by s·2⁻²⁴·√C, and so does the weight in relative
     * terms. With scores below 20 that is 5e-6.
     */
    public static final double ATTENTION = 1e-5;

    /**
     * The delta rule, as part of the largest output: the state is rounded at every token, and the chunked form adds in
     * another order. Measured over 200 tokens without decay 3e-6.
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
