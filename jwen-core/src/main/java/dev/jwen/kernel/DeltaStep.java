package dev.jwen.kernel;

/** One step of the gated delta rule for one value head. */
@FunctionalInterface
public interface DeltaStep {
    /**
     * {@code S = α S; S += k ⊗ β (v - Sᵀ k); out = Sᵀ q}, all float32 at absolute addresses, after k and q were divided
     * by √(Σx² + 1e-6) and q also by √K.
     *
     * @param state (K, V), rows contiguous; updated
     * @param factors {α, β}
     */
    void advance(long state, long k, long q, long v, long out, long factors);
}
