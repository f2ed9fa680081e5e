package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * The way back through {@link Kernels}: one method for each of its operations, which takes the gradient of a loss with
 * respect to the output and gives those with respect to the inputs.
 *
 * <p>Names: {@code dX} is the gradient for {@code x}, of its shape, float32. Gradients of weights are always added to
 * what is there, because several batches and several places share a weight. Gradients of activations are added where the
 * text says "+=", because the residual stream and the input of several projections collect them, and are written where it
 * says "=". What the forward pass computed and is cheap is computed again. Outputs may not overlap inputs unless a method
 * says so. Tokens of different spans never see each other; every span starts from a zero state, without a past.
 *
 * <p>Calls come from one thread at a time; an operation spreads its work over threads and is complete when it returns.
 * Every sum is added up in an order that does not depend on the number of threads: results are the same bit for bit.
 */
public interface Gradients extends AutoCloseable {

    /** Name of the back end, for example "plain" or "vector". */
    String name();

    /**
     * {@code dx = dy · w}.
     *
     * @param dy (T, N)
     * @param w (N, K), float32
     * @param dx (T, K)
     */
    void matmulInput(Tensor dy, Tensor w, Tensor dx);

    /** {@code dx += dy · w}; see {@link #matmulInput}. */
    void addMatmulInput(Tensor dy, Tensor w, Tensor dx);

    /**
     * {@code dw += dyᵀ · x}.
     *
     * @param dy (T, N)
     * @param x (T, K)
     * @param dw (N, K)
     */
    void matmulWeight(Tensor dy, Tensor x, Tensor dw);

    /** {@code dTable[ids[t]] += dx[t]}; rows with a negative id are passed over. */
    void embed(Tensor dx, int[] ids, Tensor dTable);

    /** {@code dBias += Σ_t dy[t]}. */
    void addBias(Tensor dy, Tensor dBias);

    /**
     * Of {@link Kernels#rmsNorm}, for whole rows or heads: with r = 1/√(mean(x²) + eps) and u = dy · weight,
     * {@code dx += r u - x r³ mean(u · x)} and {@code dWeight += Σ dy · x r}.
     */
    void rmsNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight);

    /** Of {@link Kernels#layerNorm}; {@code dx} +=. */
    void layerNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight, Tensor dBias);

    /**
     * Of {@link Kernels#biasGelu}.
     *
     * @param x before the bias was added
     * @param dx =; may be {@code dy}
     */
    void biasGelu(Tensor dy, Tensor x, Tensor bias, Gelu form, Tensor dx, Tensor dBias);

    /** Of {@link Kernels#swiGlu}; {@code dGate} = and {@code dUp} =; {@code dGate} may be {@code dy}. */
    void swiGlu(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp);

    /**
     * Of {@link Kernels#addGated}: with s = sigmoid(gate), {@code dy = s dx} and {@code dGate = <dx, y> s (1 - s)}.
     *
     * @param dx (T, D), gradient of the sum
     * @param y (T, D)
     * @param gate (T, 1)
     */
    void addGated(Tensor dx, Tensor y, Tensor gate, Tensor dy, Tensor dGate);

    /**
     * Of {@link Kernels#sigmoidGate}; {@code dx} = and {@code dGate} =.
     *
     * @param x before the gate
     * @param dx may be {@code dy}
     */
    void sigmoidGate(Tensor dy, Tensor x, Tensor gate, Tensor dx, Tensor dGate);

    /** Of {@link Kernels#splitQueryAndGate}: puts the two together again; {@code dQueryAndGate} =. */
    void splitQueryAndGate(Tensor dq, Tensor dGate, int headDim, Tensor dQueryAndGate);

    /** Of {@link Kernels#rope}: turns back, in place. */
    void rope(Tensor dx, int headDim, Tensor cos, Tensor sin);

    /**
     * Of {@link Kernels#attention} without a past; {@code dq}, {@code dk} and {@code dv} =.
     *
     * @param dOut (T, H · C)
     * @param q (T, H · C), after norm and rope, as k
     * @param k (T, G · C)
     * @param v (T, G · C)
     * @param out (T, H · C), what the forward pass gave
     * @param headDim C
     * @param spans the rows of each sequence; together they cover the batch
     */
    void attention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> spans,
            Tensor dq,
            Tensor dk,
            Tensor dv);

    /** Of {@link Kernels#frameAttention}; {@code dq}, {@code dk} and {@code dv} =. All are (T, H · C). */
    void frameAttention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> frames,
            Tensor dq,
            Tensor dk,
            Tensor dv);

    /**
     * Of {@link Kernels#convolution} from zero states.
     *
     * @param dOut (T, C)
     * @param x (T, C), input of the convolution
     * @param weight (taps, C)
     * @param dx (T, C), =
     */
    void convolution(Tensor dOut, Tensor x, Tensor weight, List<Span> spans, Tensor dx, Tensor dWeight);

    /**
     * Of {@link Kernels#gatedDelta} from zero states.
     *
     * @param dOut (T, Hv · V)
     * @param qkv (T, W), after the convolution, before the L2 norms
     * @param a (T, Hv)
     * @param b (T, Hv)
     * @param dQkv =
     * @param dA =
     * @param dB =
     * @param dRate += ; with rate = -exp(A_log), the gradient for A_log is rate · dRate
     * @param dDtBias +=
     */
    void gatedDelta(
            DeltaHeads heads,
            Tensor dOut,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            Tensor dQkv,
            Tensor dA,
            Tensor dB,
            Tensor dRate,
            Tensor dDtBias);

    /** Of {@link Kernels#gatedNorm}; {@code dx} = and {@code dz} =; {@code dx} may be {@code dy}. */
    void gatedNorm(Tensor dy, Tensor x, Tensor z, Tensor weight, float eps, Tensor dx, Tensor dz, Tensor dWeight);

    /**
     * Turns rows of logits into the gradient of {@code Σ_t coefficients[t] · log p(targets[t])}, in place:
     * {@code logits[t][j] = coefficients[t] · (1[j = targets[t]] - p_t[j])} with p the softmax over the first
     * {@code vocabulary} columns; the others become 0.
     *
     * @param logits (T, V)
     * @param logProbabilities log p(targets[t]) is written here
     */
    void logSoftmax(Tensor logits, int vocabulary, int[] targets, float[] coefficients, float[] logProbabilities);

    /** Frees what the operations need; the threads belong to whoever started them. */
    @Override
    void close();
}
