package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.Scratch;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The Qwen 3.5 text network, every size, dense and mixture of experts.
 *
 * <p>Letters in shapes: T tokens in the batch, D hidden, H query heads, G key/value heads, C head size, F feed-forward,
 * E experts, Hk and Hv key and value heads of the delta net with widths K and V, W the width of its queries, keys and
 * values together. Activations are float32.
 *
 * <p>One thread at a time calls {@link #forward}. Kernels and checkpoint belong to whoever opened them; the memory of the
 * states belongs to the network.
 */
public final class Qwen35 implements AutoCloseable {
    private final Config config;
    private final Weights weights;
    private final Kernels kernels;
    private final Rope rope;
    private final float eps;
    private final MemoryPool pool = new MemoryPool();
    private final LmHead lmHead;

    public Qwen35(Config config, Weights weights, Kernels kernels) {
        this.config = config;
        this.weights = weights;
        this.kernels = kernels;
        this.rope = new Rope(config.rope());
        this.eps = config.rmsNormEps();
        this.lmHead = new LmHead(weights.lmHead(), kernels, pool);
    }

    /** The network of an opened checkpoint, which must stay open as long as it is used. */
    public static Qwen35 of(Checkpoint checkpoint, Kernels kernels) {
        Config config = Config.of(checkpoint);
        return new Qwen35(config, Weights.of(checkpoint, config), kernels);
    }

    public Config config() {
        return config;
    }

    public Kernels kernels() {
        return kernels;
    }

    /**
     * Makes the coarse copy of the output matrix that shortlists need now, not over the first steps with one. For
     * measurements.
     */
    public void completeCoarseCopy() {
        lmHead.complete();
    }

    /**
     * Bytes of the coarse copy of the output matrix that the first steps with a shortlist make; 0 if there will be none.
     */
    public static long coarseCopyBytes(Weights weights, Kernels kernels) {
        return LmHead.copyBytes(weights.lmHead(), kernels);
    }

    /** Bytes of the output matrix that are not read where a coarse copy stands in for it. */
    public long coarseSavingBytes() {
        long copy = coarseCopyBytes(weights, kernels);
        return copy == 0 ? 0 : weights.lmHead().sizeBytes() - copy;
    }

    /**
     * Tokens of a prompt for one forward pass: so few that what a layer makes of them stays in the caches, and where there
     * are experts, so many that each of these gets several.
     */
    public int promptTokens() {
        return config.numExperts() == 0 ? 256 : 512;
    }

    /** The state of a sequence before its first token, with its KV cache in {@code kvType}. */
    public State newState(DataType kvType) {
        return State.empty(config, pool, kvType);
    }

    /**
     * Advances every sequence of the batch by its tokens.
     *
     * @return (rows asked for, vocabulary), in batch order, to be read only; overwritten by the next call
     */
    public Tensor forward(Batch batch) {
        return forward(batch, Probe.NONE);
    }

    /** Like {@link #forward(Batch)}, and shows the intermediate values. */
    public Tensor forward(Batch batch, Probe probe) {
        check(batch);
        for (int s = 0; s < batch.states().size(); s++) {
            batch.states().get(s).advance(batch.spans().get(s).count());
        }
        Tensor logits;
        try (Scratch scratch = kernels.scratch()) {
            Tensor x = scratch.f32(batch.size(), config.hiddenSize()); // (T, D), the residual stream
            Tensor h = scratch.f32(batch.size(), config.hiddenSize()); // (T, D), its norm, input of each block
            Tensor y = scratch.f32(batch.size(), config.hiddenSize()); // (T, D), output of each block
            Tensor cos = scratch.f32(batch.size(), config.rope().rotaryDim() / 2);
            Tensor sin = scratch.f32(batch.size(), config.rope().rotaryDim() / 2);
            rope.fill(batch.positions(), cos, sin);

            kernels.embed(weights.embedTokens(), batch.ids(), x);
            for (Batch.Features seen : batch.features()) {
                kernels.scatter(seen.rows(), seen.at(), x);
            }
            probe.see(-1, "embed_tokens", x);
            kernels.rmsNorm(x, weights.layers().getFirst().inputLayernorm(), eps, h);
            for (int i = 0; i < config.numHiddenLayers(); i++) {
                Weights.Layer layer = weights.layers().get(i);
                probe.see(i, "input_layernorm", h);
                switch (layer.mixer()) {
                    case Weights.FullAttention w -> attention(w, i, batch, h, cos, sin, y);
                    case Weights.GatedDeltaNet w -> deltaNet(w, i, batch, h, y);
                }
                probe.see(i, "mixer", y);
                kernels.addRmsNorm(x, y, layer.postAttentionLayernorm(), eps, h);
                probe.see(i, "post_attention_layernorm", h);
                switch (layer.feedForward()) {
                    case Weights.Mlp w -> kernels.mlp(h, w.gateProj(), w.upProj(), w.downProj(), y);
                    case Weights.Moe w -> moe(w, h, y);
                }
                probe.see(i, "mlp", y);
                kernels.addRmsNorm(x, y, normAfter(i), eps, h);
                probe.see(i, "layer", x);
            }
            probe.see(-1, "norm", h);
            logits = lmHead(h, batch.logitRows(), batch.shortlists());
        }
        for (int s = 0; s < batch.states().size(); s++) {
            batch.states().get(s).advanced(batch.spans().get(s).count(), batch.nextPosition(s));
        }
        return logits;
    }

    /** Softmax attention over all earlier positions, with a sigmoid gate on its output. */
    private void attention(
            Weights.FullAttention w, int layer, Batch batch, Tensor h, Tensor cos, Tensor sin, Tensor out) {
        int tokens = batch.size();
        int queryWidth = config.numAttentionHeads() * config.headDim();
        int keyWidth = config.numKeyValueHeads() * config.headDim();
        try (Scratch scratch = kernels.scratch()) {
            Tensor queryAndGate = scratch.f32(tokens, 2L * queryWidth); // (T, H, 2, C)
            Tensor q = scratch.f32(tokens, queryWidth); // (T, H, C)
            Tensor gate = scratch.f32(tokens, queryWidth); // (T, H, C)
            Tensor k = scratch.f32(tokens, keyWidth); // (T, G, C)
            Tensor v = scratch.f32(tokens, keyWidth); // (T, G, C)
            Tensor attended = scratch.f32(tokens, queryWidth); // (T, H, C)
            kernels.matmul(h, List.of(w.qProj(), w.kProj(), w.vProj()), List.of(queryAndGate, k, v));
            kernels.splitQueryAndGate(queryAndGate, config.headDim(), q, gate);
            kernels.normAndRope(q, w.qNorm(), eps, cos, sin);
            kernels.normAndRope(k, w.kNorm(), eps, cos, sin);
            kernels.attention(q, k, v, batch.spans(), caches(batch, layer), attended);
            kernels.sigmoidGate(attended, gate);
            kernels.matmul(attended, w.oProj(), out);
        }
    }

    /** The gated delta net: a recurrent state in place of the KV cache. */
    private void deltaNet(Weights.GatedDeltaNet w, int layer, Batch batch, Tensor h, Tensor out) {
        int tokens = batch.size();
        int heads = config.linearNumValueHeads();
        int valueWidth = heads * config.linearValueHeadDim();
        try (Scratch scratch = kernels.scratch()) {
            Tensor qkv = scratch.f32(tokens, config.deltaHeads().qkvWidth()); // (T, W)
            Tensor z = scratch.f32(tokens, valueWidth); // (T, Hv, V)
            Tensor a = scratch.f32(tokens, heads); // (T, Hv)
            Tensor b = scratch.f32(tokens, heads); // (T, Hv)
            Tensor o = scratch.f32(tokens, valueWidth); // (T, Hv, V)
            kernels.matmul(h, List.of(w.inProjQkv(), w.inProjZ(), w.inProjA(), w.inProjB()), List.of(qkv, z, a, b));
            kernels.convolution(qkv, w.conv1d(), batch.spans(), convolutions(batch, layer), qkv);
            kernels.gatedDelta(
                    config.deltaHeads(),
                    qkv,
                    a,
                    b,
                    w.decayRate(),
                    w.dtBias(),
                    batch.spans(),
                    recurrents(batch, layer),
                    o);
            kernels.gatedNorm(o, z, w.norm(), eps, o);
            kernels.matmul(o, w.outProj(), out);
        }
    }

    /** The chosen experts, and one that all tokens share behind a gate of its own. */
    private void moe(Weights.Moe w, Tensor h, Tensor out) {
        try (Scratch scratch = kernels.scratch()) {
            Tensor routerLogits = scratch.f32(h.rows(), config.numExperts()); // (T, E)
            Tensor sharedGate = scratch.f32(h.rows(), 1); // (T, 1)
            Tensor shared = scratch.f32(h.rows(), config.hiddenSize()); // (T, D)
            kernels.matmul(h, List.of(w.router(), w.sharedExpertGate()), List.of(routerLogits, sharedGate));
            kernels.experts(h, routerLogits, w.experts(), config.numExpertsPerTok(), out);
            Weights.Mlp expert = w.sharedExpert();
            kernels.mlp(h, expert.gateProj(), expert.upProj(), expert.downProj(), shared);
            kernels.addGated(out, shared, sharedGate);
        }
    }

    /** The last product, for the rows that were asked for only: it reads as many weights as several layers. */
    private Tensor lmHead(Tensor h, int[] rows, List<@Nullable Shortlist> shortlists) {
        if (rows.length == 0) {
            return Tensor.f32(0, config.vocabSize());
        }
        try (Scratch scratch = kernels.scratch()) {
            Tensor asked = scratch.f32(rows.length, config.hiddenSize());
            kernels.gather(h, rows, asked);
            return lmHead.multiply(asked, shortlists);
        }
    }

    private Tensor normAfter(int layer) {
        return layer + 1 < config.numHiddenLayers()
                ? weights.layers().get(layer + 1).inputLayernorm()
                : weights.norm();
    }

    private static List<KvCache> caches(Batch batch, int layer) {
        List<KvCache> caches = new ArrayList<>(batch.states().size());
        for (State state : batch.states()) {
            caches.add(state.kv(layer));
        }
        return caches;
    }

    private static List<Tensor> convolutions(Batch batch, int layer) {
        List<Tensor> tensors = new ArrayList<>(batch.states().size());
        for (State state : batch.states()) {
            tensors.add(state.convolution(layer));
        }
        return tensors;
    }

    private static List<Tensor> recurrents(Batch batch, int layer) {
        List<Tensor> tensors = new ArrayList<>(batch.states().size());
        for (State state : batch.states()) {
            tensors.add(state.recurrent(layer));
        }
        return tensors;
    }

    /** Frees the memory of all its states. */
    @Override
    public void close() {
        pool.close();
    }

    private void check(Batch batch) {
        if (batch.size() == 0) {
            throw new IllegalArgumentException("the batch is empty");
        }
        for (int id : batch.ids()) {
            if (id < 0 || id >= config.vocabSize()) {
                throw new IllegalArgumentException(
                        "token id %d is outside the vocabulary of %d rows".formatted(id, config.vocabSize()));
            }
        }
    }
}
