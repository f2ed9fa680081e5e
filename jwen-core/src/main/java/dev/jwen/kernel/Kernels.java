package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * The arithmetic of the network on whole batches: what the forward pass calls, and all that a back end must provide.
 *
 * <p>Activations are float32 matrices with one row per token. T is the number of rows, D the hidden width. Weights stay
 * in their stored format and are decoded inside the operations. Outputs may not overlap inputs unless a method says so.
 * Calls come from one thread at a time; an operation spreads its work over the back end's own threads and is complete
 * when it returns. Results do not depend on the number of threads, on the other rows of the batch, or on how a sequence
 * is cut into batches, beyond the order of float additions.
 *
 * <p>Fused operations are default methods that spell out the plain ones; a back end may override them.
 */
public interface Kernels extends AutoCloseable {

    /** Name of the back end, for example "plain" or "vector". */
    String name();

    /** Threads that share the work. */
    int threads();

    /** Opens a frame of temporary tensors; close it to give them all back. Frames nest. */
    Scratch scratch();

    /** Decodes the rows {@code ids} of {@code table} (V, D) into {@code out} (T, D). */
    void embed(Tensor table, int[] ids, Tensor out);

    /**
     * The largest of every {@code size} values of a row, of which the last block may have fewer: {@code out[t][b]} is
     * the largest of {@code x[t][b · size]} and the next ones.
     *
     * @param x (T, V), finite values
     * @param size of a block, at least 1
     * @param out (T, V / size, rounded up)
     */
    void blockMaxima(Tensor x, int size, Tensor out);

    /** Copies the rows {@code rows} of {@code x}, as they are stored, into {@code out}, which has the same type. */
    void gather(Tensor x, int[] rows, Tensor out);

    /**
     * Copies row i of {@code rows} to row {@code at[i]} of {@code x}: how the features of pictures take the place of
     * embeddings. The other rows of {@code x} stay; no row may be named twice.
     */
    void scatter(Tensor rows, int[] at, Tensor x);

    /** out = x. */
    void copy(Tensor x, Tensor out);

    /** x += y, elementwise. */
    void add(Tensor x, Tensor y);

    /**
     * Adds a bias to every row of {@code x}.
     *
     * @param bias float32, one value for each column
     */
    void addBias(Tensor x, Tensor bias);

    /**
     * {@code out = x / √(mean(x²) + eps) · weight} for every group of {@code weight.columns()} values: whole rows, or the
     * heads of a row. {@code out} may be {@code x}.
     *
     * @param weight float32, the factor itself (zero-centred weights already have their 1 added)
     */
    void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out);

    /** x += y, then {@code out = rmsNorm(x)}: the step between two blocks. */
    default void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
        add(x, y);
        rmsNorm(x, weight, eps, out);
    }

    /**
     * {@code out = (x - mean(x)) / √(var(x) + eps) · weight + bias} for every row; var is the mean of the squares, not
     * an estimate. {@code out} may be {@code x}.
     *
     * @param weight float32, one value for each column
     * @param bias float32, one value for each column
     */
    void layerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor out);

    /**
     * {@code out = x · wᵀ}.
     *
     * @param x (T, K)
     * @param w (N, K), any floating data type
     * @param out (T, N)
     */
    void matmul(Tensor x, Tensor w, Tensor out);

    /** Several products of the same {@code x}, so that a back end prepares it once. */
    default void matmul(Tensor x, List<Tensor> weights, List<Tensor> outs) {
        for (int i = 0; i < weights.size(); i++) {
            matmul(x, weights.get(i), outs.get(i));
        }
    }

    /**
     * The activations that {@link #matmul} multiplies with {@code w} where it is given {@code x}: a back end may round
     * them to suit the format of the weight. What remains between a product of theirs and the result of {@code matmul} is
     * the rounding of float32 sums: with u = 2⁻²⁴, at most (K + 32) · u · ‖x‖ · ‖w[n]‖, and underflow.
     *
     * @param x (T, K)
     * @param w (N, K)
     * @param out (T, K); must not overlap {@code x}
     */
    default void asMultiplied(Tensor x, Tensor w, Tensor out) {
        out.copyFrom(x);
    }

    /**
     * Copies a weight into fewer bits, and says how far the copy is off: per block of 32 values a factor
     * {@code d = max |w| / L}, rounded to a half float, and {@code q = w / d} in -L..L, rounded to nearest. L is 127 for
     * Q8_0 and 15 for Q5_0_R16. Magnitudes that do not fit are cut; the norms tell.
     *
     * @param w (N, K), any floating data type, K a multiple of 32
     * @param copy Q8_0 (N, K), or Q5_0_R16 (N rounded up to whole groups, K), whose last rows become zeros
     * @param norms (N, 2): bounds from above of ‖w[n] - copy[n]‖ and of ‖copy[n]‖; tight within 10⁻⁶; infinite for a row
     *     with a value that is no finite number, and where float32 cannot hold them
     */
    void coarsen(Tensor w, Tensor copy, Tensor norms);

    /**
     * Whether the product of one row of activations with rows of this type and length takes no longer than reading them,
     * so that fewer bytes are less time.
     */
    default boolean keepsUpWithMemory(DataType type, long columns) {
        return switch (type) {
            case F32, F16, BF16, Q8_0 -> true;
            default -> false;
        };
    }

    /** {@code out = x · wᵀ + bias}. */
    default void linear(Tensor x, Tensor w, Tensor bias, Tensor out) {
        matmul(x, w, out);
        addBias(out, bias);
    }

    /** {@code x = gelu(x + bias)}: what stands between the two products of an MLP with biases. */
    void biasGelu(Tensor x, Tensor bias, Gelu form);

    /** {@code out = silu(gate) · up}, elementwise; {@code out} may be {@code gate}. */
    void swiGlu(Tensor gate, Tensor up, Tensor out);

    /** The gated MLP {@code out = (silu(x·gateᵀ) · (x·upᵀ)) · downᵀ}. */
    default void mlp(Tensor x, Tensor gate, Tensor up, Tensor down, Tensor out) {
        try (Scratch scratch = scratch()) {
            Tensor g = scratch.f32(x.rows(), gate.rows());
            Tensor u = scratch.f32(x.rows(), up.rows());
            matmul(x, List.of(gate, up), List.of(g, u));
            swiGlu(g, u, g);
            matmul(g, down, out);
        }
    }

    /**
     * The mixture {@code out = Σ w_e · mlp_e(x)} over the {@code k} experts with the largest router probability.
     * Probabilities are the softmax over all experts; the weights of the chosen ones are renormalised to 1. Of equal
     * probabilities the lower index wins.
     *
     * @param routerLogits (T, E)
     * @param k experts per token
     */
    void experts(Tensor x, Tensor routerLogits, Experts experts, int k, Tensor out);

    /**
     * {@code x += sigmoid(gate) · y} with one gate for each row.
     *
     * @param gate (T, 1), before the sigmoid
     */
    void addGated(Tensor x, Tensor y, Tensor gate);

    /** {@code x *= sigmoid(gate)}, elementwise. */
    void sigmoidGate(Tensor x, Tensor gate);

    /**
     * Takes apart what the query projection of a gated attention layer makes.
     *
     * @param queryAndGate (T, H, 2, C): per head the query, then the gate
     * @param q (T, H, C)
     * @param gate (T, H, C)
     */
    void splitQueryAndGate(Tensor queryAndGate, int headDim, Tensor q, Tensor gate);

    /**
     * Rotates the first 2·P values of every head in place; the pairs are (j, j + P).
     *
     * @param x (T, heads · headDim)
     * @param cos (T, P)
     * @param sin (T, P)
     */
    void rope(Tensor x, int headDim, Tensor cos, Tensor sin);

    /** Root-mean-square norm of every head, then {@link #rope}: what happens to queries and keys. */
    default void normAndRope(Tensor x, Tensor weight, float eps, Tensor cos, Tensor sin) {
        rmsNorm(x, weight, eps, x);
        rope(x, Math.toIntExact(weight.columns()), cos, sin);
    }

    /**
     * Appends the new keys and values to the caches, then causal softmax attention of every query over its sequence,
     * scaled by 1/√C. Query head h reads key/value head h / (H / G).
     *
     * @param q (T, H · C), after norm and rope
     * @param k (T, G · C), after norm and rope
     * @param v (T, G · C)
     * @param spans the rows of each sequence; together they cover the batch
     * @param caches by span; each holds {@code span.past()} positions and room for {@code span.count()} more
     * @param out (T, H · C)
     */
    void attention(Tensor q, Tensor k, Tensor v, List<Span> spans, List<KvCache> caches, Tensor out);

    /**
     * Softmax attention of every query over all keys of its frame, in both directions, scaled by 1/√C. Needs memory for
     * keys and values once more, never for a square of scores.
     *
     * @param q (T, H · C), after the rotation
     * @param k (T, H · C), after the rotation
     * @param v (T, H · C)
     * @param headDim C
     * @param frames the rows of each frame, without a past; together they cover all rows
     * @param out (T, H · C); may be {@code q}
     */
    void frameAttention(Tensor q, Tensor k, Tensor v, int headDim, List<Span> frames, Tensor out);

    /**
     * Causal depthwise convolution, then SiLU: {@code out[t][c] = silu(Σ_j weight[j][c] · x[t - taps + 1 + j][c])},
     * where rows before the batch come from the state, which then keeps the last taps - 1 rows of {@code x}.
     *
     * @param x (T, C)
     * @param weight float32 (taps, C)
     * @param states by span, float32 (taps - 1, C), oldest row first; updated
     * @param out (T, C); may be {@code x}
     */
    void convolution(Tensor x, Tensor weight, List<Span> spans, List<Tensor> states, Tensor out);

    /**
     * Advances the gated delta rule by the tokens of every sequence.
     *
     * <p>Per value head, with state S (K × V), decay α = exp(rate · softplus(a + dtBias)) and write strength
     * β = sigmoid(b):
     * {@snippet :
     *   S   = α S
     *   S   = S + k ⊗ β (v - Sᵀ k)
     *   out = Sᵀ q
     * }
     * q and k are L2-normalised here with 1e-6 inside the root; q is also divided by √K.
     *
     * <p>Precision: state and sums are float32 or better. A back end may compute several tokens at once (the chunked
     * form); the result agrees with the recurrence within rounding.
     *
     * @param qkv (T, Hk·K | Hk·K | Hv·V) after the convolution; may be overwritten
     * @param a (T, Hv), before softplus
     * @param b (T, Hv), before sigmoid
     * @param rate float32 (Hv), -exp(A_log)
     * @param dtBias float32 (Hv)
     * @param states by span, float32 (Hv, K, V); updated
     * @param out (T, Hv · V); must not overlap {@code qkv}
     * @see <a href="https://arxiv.org/abs/2412.06464">Gated Delta Networks</a>, section 3
     */
    void gatedDelta(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            List<Tensor> states,
            Tensor out);

    /**
     * {@code out = rmsNorm(x) · weight · silu(z)} for every group of {@code weight.columns()} values; {@code out} may be
     * {@code x}.
     */
    void gatedNorm(Tensor x, Tensor z, Tensor weight, float eps, Tensor out);

    /** Stops the threads and frees the temporary memory. */
    @Override
    void close();
}
