package dev.jwen.kernel;

/** One step of the gated delta rule for one value head. */
@FunctionalInterface
public interface DeltaStep {
    /**
     * {@code S = α S; S += k ⊗ β (v - Sᵀ k); out = Sᵀ q}, all float32 at absolute addresses.
     *
     * @param state (K, V), rows contiguous; updated
     * @param k normalised
     * @param q normalised and scaled
     * @param factors {α, β, k · q}
     */
    void advance(long state, long k, long q, long v, long out, long factors);
}
