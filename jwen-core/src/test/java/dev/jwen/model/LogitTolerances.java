package dev.jwen.model;

/** How far logits may be from a reference; their standard deviation is 2 to 3. */
final class LogitTolerances {
    /** Float32 against float32: two reference implementations differ by up to 1.1e-5. */
    static final float FLOAT = 1e-4f;

    /** The 8-layer model of the goldens sums more rounding than the others. */
    static final float FLOAT_DEEP = 2e-4f;

    /** Float32 against the same network in float64; the float32 reference itself is up to 1e-5 away. */
    static final float FLOAT_TO_DOUBLE = 5e-5f;

    /** Outputs of single modules inside the network, relative to their largest value. */
    static final float MODULE = 2e-5f;

    /** Mean difference that 16-bit keys and values may cause; the reference with 16-bit arithmetic has up to 0.1. */
    static final float BF16_CACHE_MEAN = 0.02f;

    /** Two ways through the same network in the same arithmetic: only the order of additions differs. */
    static final float ROUTES = 5e-5f;

    /** Mean difference that 8-bit keys and values may cause; measured 1.4e-3, and 8e-3 where activations are rounded too. */
    static final float Q8_CACHE_MEAN = 0.02f;

    /**
     * Two ways through the same network where activations are rounded, to 8 bits or to bfloat16: a float on the other side
     * of the middle between two steps moves by a whole one, 0.4 % of the largest of 32. Measured 0.073, in the mean 0.008.
     */
    static final float ROUNDED_ROUTES = 0.15f;

    /** Mean difference with 8-bit activations; that of the reference with such activations is up to 0.047. */
    static final float INT8_MEAN = 0.06f;

    private LogitTolerances() {}
}
