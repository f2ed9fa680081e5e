package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.Experts;
import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * All weights of the text model. Matrices stay in the format and the memory of their file; norms and other vectors are
 * small and are kept as float32 factors.
 *
 * @param embedTokens (V, D)
 * @param norm (D)
 * @param lmHead (V, D); the embedding itself when tied
 */
public record Weights(Tensor embedTokens, List<Layer> layers, Tensor norm, Tensor lmHead) {

    /** One layer: a mixer of tokens and a feed-forward block, each behind its norm. */
    public record Layer(Tensor inputLayernorm, Mixer mixer, Tensor postAttentionLayernorm, FeedForward feedForward) {}

    /** What mixes tokens. */
    public sealed interface Mixer {}

    /**
     * Gated softmax attention.
     *
     * @param qProj (2·H·C, D): per head the query, then the gate
     * @param kProj (G·C, D)
     * @param vProj (G·C, D)
     * @param oProj (D, H·C)
     * @param qNorm (C)
     * @param kNorm (C)
     */
    public record FullAttention(Tensor qProj, Tensor kProj, Tensor vProj, Tensor oProj, Tensor qNorm, Tensor kNorm)
            implements Mixer {}

    /**
     * The gated delta net; Hv value heads of width V, W the width of queries, keys and values together.
     *
     * @param inProjQkv (W, D)
     * @param inProjZ (Hv·V, D)
     * @param inProjB (Hv, D)
     * @param inProjA (Hv, D)
     * @param conv1d (taps, W), which is the published tensor turned
     * @param decayRate (Hv): -exp(A_log)
     * @param dtBias (Hv)
     * @param norm (V)
     * @param outProj (D, Hv·V)
     */
    public record GatedDeltaNet(
            Tensor inProjQkv,
            Tensor inProjZ,
            Tensor inProjB,
            Tensor inProjA,
            Tensor conv1d,
            Tensor decayRate,
            Tensor dtBias,
            Tensor norm,
            Tensor outProj)
            implements Mixer {}

    /** What follows the mixer. */
    public sealed interface FeedForward {}

    /**
     * A gated MLP.
     *
     * @param gateProj (F, D)
     * @param upProj (F, D)
     * @param downProj (D, F)
     */
    public record Mlp(Tensor gateProj, Tensor upProj, Tensor downProj) implements FeedForward {}

    /**
     * A mixture of experts with one expert that all tokens share.
     *
     * @param router (E, D)
     * @param sharedExpertGate (1, D)
     */
    public record Moe(Tensor router, Experts experts, Mlp sharedExpert, Tensor sharedExpertGate)
            implements FeedForward {}

    public Weights {
        layers = List.copyOf(layers);
    }

    /**
     * Finds and checks the weights of a checkpoint; their memory stays the checkpoint's.
     *
     * @throws dev.jwen.checkpoint.CheckpointException if one is missing or has another shape than the config says
     */
    public static Weights of(Checkpoint checkpoint, Config config) {
        return new WeightReader(checkpoint, config).read();
    }
}
