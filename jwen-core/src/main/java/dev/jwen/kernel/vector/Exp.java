package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.F;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;

/**
 * The exponential function and what is made of it.
 *
 * <p>Written out instead of {@code VectorOperators.EXP}, which goes to another library, or to scalar code, on every
 * platform and even before and after compilation: results here are the same everywhere. The method is the usual one:
 * x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial for eʳ, and n added to the exponent. Error: below 1.5 ulp.
 */
final class Exp {
    // Constants of the kind 1 / ln 2 are written in hexadecimal, as the float that is meant.

    private static final float LOG2E = 0x1.715476p0f;

    /** ln 2 in two parts; the first has few bits, so that n times it is exact. */
    private static final float LN2_HIGH = 0x1.63p-1f;

    private static final float LN2_LOW = -0x1.bd0106p-13f;

    /** Adding it leaves the nearest integer in the low bits of the mantissa. */
    private static final float ROUND = 0x1.8p23f;

    /** Below this the result would be subnormal; it becomes 0. */
    private static final float LOWEST = -87.33f;

    private static final float HIGHEST = 88f;

    private Exp() {}

    /** eˣ; 0 below -87.33 and e⁸⁸ above 88. */
    static FloatVector exp(FloatVector x) {
        FloatVector bounded = x.max(LOWEST).min(HIGHEST);
        FloatVector shifted = bounded.fma(FloatVector.broadcast(F, LOG2E), FloatVector.broadcast(F, ROUND));
        FloatVector n = shifted.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(F, -LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(F, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(F, 0x1.a0d2cep-13f), FloatVector.broadcast(F, 0x1.6e879cp-10f));
        p = p.fma(r, FloatVector.broadcast(F, 0x1.11121p-7f));
        p = p.fma(r, FloatVector.broadcast(F, 0x1.555382p-5f));
        p = p.fma(r, FloatVector.broadcast(F, 0x1.555554p-3f));
        p = p.fma(r, FloatVector.broadcast(F, 0x1.0p-1f));
        p = p.fma(r.mul(r), r).add(1f);
        FloatVector scaled = p.reinterpretAsInts()
                .add(shifted.reinterpretAsInts().lanewise(LSHL, 23))
                .reinterpretAsFloats();
        return scaled.blend(0f, x.lt(LOWEST));
    }

    static FloatVector sigmoid(FloatVector x) {
        return FloatVector.broadcast(F, 1f).div(exp(x.neg()).add(1f));
    }

    static float sigmoid(float x) {
        return (float) (1 / (1 + Math.exp(-x)));
    }
}
