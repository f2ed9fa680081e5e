package dev.jwen.train;

import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.model.Config;
import dev.jwen.model.Grid;
import dev.jwen.model.Rope;
import dev.jwen.model.VisionConfig;
import dev.jwen.model.Weights;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The Qwen 3.5 network as it is trained: the forward pass of {@link dev.jwen.model.Qwen35}, operation by operation, on
 * packed documents, and the way back.
 *
 * <p>One thread at a time calls; the operations share their work among threads, and no result depends on how many.
 */
final class Network implements AutoCloseable {
    /** Rows whose logits exist at a time. */
    private static final int HEAD_ROWS = 512;

    private final Config config;
    private final @Nullable VisionConfig visionConfig;
    private final Parameters parameters;
    private final Kernels kernels;
    private final Gradients gradients;
    private final Rope rope;
    private final int vocabulary;
    private final LoadBalance balance;
    private final MemoryPool pool = new MemoryPool();

    /**
     * A network on these parameters.
     *
     * @param vocabulary tokens that exist; further rows of the embedding get no probability
     * @param balanceCoefficient of {@link LoadBalance}; 0 for none
     */
    Network(
            Config config,
            @Nullable VisionConfig visionConfig,
            Parameters parameters,
            Kernels kernels,
            Gradients gradients,
            int vocabulary,
            double balanceCoefficient) {
        this.config = config;
        this.visionConfig = visionConfig;
        this.parameters = parameters;
        this.kernels = kernels;
        this.gradients = gradients;
        this.rope = new Rope(config.rope());
        this.vocabulary = vocabulary;
        this.balance = new LoadBalance(balanceCoefficient, Math.max(1, config.numExperts()));
    }

    /**
     * Forward and backward through a batch; gradients are added to those of the parameters, which are collected by
     * {@link Parameters#collect}.
     *
     * @param scale what each target's weight is multiplied with: one over the sum of the weights of a whole step
     * @param share of the tokens of the step that are in the batch
     * @return by target, log p
     */
    float[] train(Packed batch, double scale, double share) {
        balance.begin(share);
        return pass(batch, scale, true);
    }

    /** log p of every target. */
    float[] evaluate(Packed batch) {
        balance.begin(1);
        return pass(batch, 0, false);
    }

    /** What the last batch adds to the loss for the use of experts. */
    double balanceLoss() {
        return balance.loss();
    }

    /** One layer of a pass: its two blocks, the residual stream before each, and its norms. All are (T, D). */
    private record Layer(Tensor x, Tensor h, Block mixer, Tensor middle, Tensor h2, Block feedForward) {}

    private float[] pass(Packed batch, double scale, boolean back) {
        Weights w = parameters.weights();
        Weights dw = parameters.gradients();
        long tokens = batch.size();
        long hidden = config.hiddenSize();
        try (Scratch kept = kernels.scratch()) {
            Arithmetic math = new Arithmetic(kernels, gradients, kept, pool);
            Tensor cos = kept.f32(tokens, config.rope().rotaryDim() / 2);
            Tensor sin = kept.f32(tokens, config.rope().rotaryDim() / 2);
            rope.fill(batch.positions(), cos, sin);
            List<Layer> layers = layers(math, batch, cos, sin);
            Tensor last = kept.f32(tokens, hidden); // the residual stream after all layers
            Tensor h = kept.f32(tokens, hidden); // its norm
            Tensor y = kept.f32(tokens, hidden); // output of each block

            Tensor x = layers.getFirst().x;
            kernels.embed(w.embedTokens(), batch.ids(), x);
            VisionPass seen = see(math, batch);
            if (seen != null) {
                kernels.scatter(seen.forward(), batch.pictureRows(), x);
            }
            for (int i = 0; i < layers.size(); i++) {
                Layer layer = layers.get(i);
                Weights.Layer weights = w.layers().get(i);
                kernels.rmsNorm(layer.x, weights.inputLayernorm(), config.rmsNormEps(), layer.h);
                layer.mixer.forward(layer.h, y);
                kernels.copy(layer.x, layer.middle);
                kernels.addRmsNorm(layer.middle, y, weights.postAttentionLayernorm(), config.rmsNormEps(), layer.h2);
                layer.feedForward.forward(layer.h2, y);
                Tensor next = i + 1 < layers.size() ? layers.get(i + 1).x : last;
                kernels.copy(layer.middle, next);
                kernels.add(next, y);
            }
            kernels.rmsNorm(last, w.norm(), config.rmsNormEps(), h);

            Tensor dh = math.zeros(tokens, hidden);
            float[] logProbabilities = head(batch, h, scale, back, dh);
            if (!back) {
                return logProbabilities;
            }
            Tensor dx = math.zeros(tokens, hidden); // gradient of the residual stream
            gradients.rmsNorm(dh, last, w.norm(), config.rmsNormEps(), dx, dw.norm());
            for (int i = layers.size() - 1; i >= 0; i--) {
                Layer layer = layers.get(i);
                Weights.Layer weights = w.layers().get(i);
                Weights.Layer dWeights = dw.layers().get(i);
                layer.feedForward.backward(layer.h2, dx, dh);
                gradients.rmsNorm(
                        dh,
                        layer.middle,
                        weights.postAttentionLayernorm(),
                        config.rmsNormEps(),
                        dx,
                        dWeights.postAttentionLayernorm());
                layer.mixer.backward(layer.h, dx, dh);
                gradients.rmsNorm(
                        dh, layer.x, weights.inputLayernorm(), config.rmsNormEps(), dx, dWeights.inputLayernorm());
            }
            gradients.embed(dx, batch.embeddedIds(), dw.embedTokens());
            if (seen != null) {
                Tensor dFeatures = kept.f32(batch.pictureRows().length, hidden);
                kernels.gather(dx, batch.pictureRows(), dFeatures);
                seen.backward(dFeatures);
            }
            return logProbabilities;
        }
    }

    private List<Layer> layers(Arithmetic math, Packed batch, Tensor cos, Tensor sin) {
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            Weights.Layer w = parameters.weights().layers().get(i);
            Weights.Layer dw = parameters.gradients().layers().get(i);
            Block mixer = switch (w.mixer()) {
                case Weights.FullAttention attention ->
                    new AttentionBlock(math, config, attention, (Weights.FullAttention) dw.mixer(), batch, cos, sin);
                case Weights.GatedDeltaNet delta ->
                    new DeltaBlock(math, config, delta, (Weights.GatedDeltaNet) dw.mixer(), batch);
            };
            Block feedForward = switch (w.feedForward()) {
                case Weights.Mlp mlp -> new MlpBlock(math, mlp, (Weights.Mlp) dw.feedForward(), batch.size());
                case Weights.Moe moe ->
                    new MoeBlock(
                            math,
                            moe,
                            (Weights.Moe) dw.feedForward(),
                            config.numExpertsPerTok(),
                            balance,
                            batch.size());
            };
            layers.add(new Layer(
                    stream(math, batch),
                    stream(math, batch),
                    mixer,
                    stream(math, batch),
                    stream(math, batch),
                    feedForward));
        }
        return layers;
    }

    private Tensor stream(Arithmetic math, Packed batch) {
        return math.kept().f32(batch.size(), config.hiddenSize());
    }

    private @Nullable VisionPass see(Arithmetic math, Packed batch) {
        if (visionConfig == null || batch.pictures().isEmpty()) {
            return null;
        }
        return new VisionPass(
                math, visionConfig, parameters.visionWeights(), parameters.visionGradients(), batch.pictures());
    }

    /** The last product and the loss, some rows at a time: logits of all rows never exist together. */
    private float[] head(Packed batch, Tensor h, double scale, boolean back, Tensor dh) {
        int[] rows = batch.targetRows();
        float[] all = new float[rows.length];
        Tensor e = parameters.weights().lmHead();
        for (int from = 0; from < rows.length; from += HEAD_ROWS) {
            int to = Math.min(rows.length, from + HEAD_ROWS);
            int[] some = Arrays.copyOfRange(rows, from, to);
            float[] coefficients = Arrays.copyOfRange(batch.targetWeights(), from, to);
            for (int i = 0; i < coefficients.length; i++) {
                coefficients[i] = (float) (-scale * coefficients[i]);
            }
            float[] logProbabilities = new float[some.length];
            try (Scratch scratch = kernels.scratch()) {
                Tensor asked = scratch.f32(some.length, config.hiddenSize());
                Tensor logits = scratch.f32(some.length, config.vocabSize());
                kernels.gather(h, some, asked);
                kernels.matmul(asked, e, logits);
                gradients.logSoftmax(
                        logits,
                        vocabulary,
                        Arrays.copyOfRange(batch.targets(), from, to),
                        coefficients,
                        logProbabilities);
                if (back) {
                    Tensor dAsked = scratch.f32(some.length, config.hiddenSize());
                    gradients.matmulInput(logits, e, dAsked);
                    gradients.matmulWeight(logits, asked, parameters.gradients().lmHead());
                    kernels.scatter(dAsked, some, dh);
                }
            }
            System.arraycopy(logProbabilities, 0, all, from, some.length);
        }
        return all;
    }

    /**
     * Bytes that a batch of so many tokens takes at most: what its blocks keep, and the largest of what they work with
     * for a while. Counted by the tensors of the blocks; states and packed weights are the last tenth.
     */
    long sizeBytes(long tokens) {
        long hidden = config.hiddenSize();
        long queries = (long) config.numAttentionHeads() * config.headDim();
        long keys = (long) config.numKeyValueHeads() * config.headDim();
        long qkv = config.deltaHeads().qkvWidth();
        long values = (long) config.linearNumValueHeads() * config.linearValueHeadDim();
        long wide = config.isMoe()
                ? (long) config.numExpertsPerTok() * config.moeIntermediateSize()
                        + config.sharedExpertIntermediateSize()
                : config.intermediateSize();
        long kept = 5 * hidden;
        long working = 0;
        for (Config.LayerType type : config.layerTypes()) {
            kept += 4 * hidden + 3 * wide;
            kept += switch (type) {
                case FULL_ATTENTION -> 6 * queries + 3 * keys;
                case LINEAR_ATTENTION -> 2 * qkv + 4 * values;
            };
            working = Math.max(working, Math.max(2 * wide, 8 * queries + 4 * keys));
            working = Math.max(working, 3 * qkv + 3 * values);
        }
        long floats = tokens * (kept + working) + HEAD_ROWS * (2L * config.vocabSize() + 2 * hidden);
        if (visionConfig != null) {
            int merge = Grid.MERGE * Grid.MERGE;
            long tower = (8L * visionConfig.hiddenSize() + 2L * visionConfig.intermediateSize()) * visionConfig.depth()
                    + visionConfig.patchValues()
                    + 10L * visionConfig.hiddenSize();
            floats += merge * tokens * tower;
        }
        return floats * Float.BYTES * 11 / 10;
    }

    /** Frees the memory of states; kernels and gradients belong to whoever opened them. */
    @Override
    public void close() {
        pool.close();
    }
}
