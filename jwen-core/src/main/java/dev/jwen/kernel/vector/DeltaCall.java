package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.DeltaStep;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The operands of one call of the gated delta rule, and what helps to compute it.
 *
 * @param step the step of another room, null where it knows none for these heads
 * @param tile of products, null where another room has none
 * @param loops over single rows, null where another room has none
 * @param keyWeight what keys are multiplied with after their norm, for K values: 1/√K
 * @param queryWeight and queries: 1/K
 */
record DeltaCall(
        DeltaHeads heads,
        Tensor qkv,
        Tensor a,
        Tensor b,
        Tensor rate,
        Tensor dtBias,
        Tensor out,
        @Nullable DeltaStep step,
        @Nullable ProductTile tile,
        @Nullable RowLoops loops,
        Tensor keyWeight,
        Tensor queryWeight) {
    /** log α = rate · softplus(a + dtBias). */
    double logDecay(int token, int head) {
        double x = (double) RAM.get(FLOAT, Lanes.address(a, token) + 4L * head)
                + RAM.get(FLOAT, Lanes.address(dtBias, 0) + 4L * head);
        double small = Math.exp(-Math.abs(x));
        // The logarithm is much faster than log1p, and as exact for all but the smallest.
        double softplus = Math.max(x, 0) + (small < 1e-8 ? small : Math.log(1 + small));
        return RAM.get(FLOAT, Lanes.address(rate, 0) + 4L * head) * softplus;
    }

    float beta(int token, int head) {
        return Exp.sigmoid(RAM.get(FLOAT, Lanes.address(b, token) + 4L * head));
    }

    long query(int token, int head) {
        return Lanes.address(qkv, token) + 4L * heads.keyHeadOf(head) * heads.keyDim();
    }

    long key(int token, int head) {
        return query(token, head) + 4L * heads.keyHeads() * heads.keyDim();
    }

    long value(int token, int head) {
        long values = 2L * heads.keyHeads() * heads.keyDim();
        return Lanes.address(qkv, token) + 4L * (values + (long) head * heads.valueDim());
    }

    long state(Tensor state, int head) {
        return Lanes.address(state, (long) head * heads.keyDim());
    }

    long out(int token, int head) {
        return Lanes.address(out, token) + 4L * head * heads.valueDim();
    }
}
