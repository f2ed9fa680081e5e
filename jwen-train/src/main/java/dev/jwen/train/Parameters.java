package dev.jwen.train;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Experts;
import dev.jwen.model.Config;
import dev.jwen.model.Grid;
import dev.jwen.model.VisionConfig;
import dev.jwen.model.VisionWeights;
import dev.jwen.model.Weights;
import dev.jwen.tensor.Tensor;
import dev.jwen.train.Parameter.Form;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * All that is trained, by name, and twice as the classes that the network computes with: once the weights, once, of the
 * same classes, their gradients.
 */
final class Parameters {
    private final Config config;
    private final @Nullable VisionConfig visionConfig;
    private final Map<String, Parameter> all = new LinkedHashMap<>();
    private final Weights weights;
    private final Weights gradients;
    private final @Nullable VisionWeights visionWeights;
    private final @Nullable VisionWeights visionGradients;

    /** Parameters of zeros for a network of this shape. */
    Parameters(Config config, @Nullable VisionConfig visionConfig) {
        this.config = config;
        this.visionConfig = visionConfig;
        declareText();
        this.weights = text(Parameter::used);
        this.gradients = text(Parameter::usedGradient);
        if (visionConfig == null) {
            this.visionWeights = null;
            this.visionGradients = null;
        } else {
            declareVision(visionConfig);
            this.visionWeights = vision(visionConfig, Parameter::used);
            this.visionGradients = vision(visionConfig, Parameter::usedGradient);
        }
    }

    List<Parameter> all() {
        return List.copyOf(all.values());
    }

    Parameter get(String name) {
        return Objects.requireNonNull(all.get(name), name);
    }

    Weights weights() {
        return weights;
    }

    Weights gradients() {
        return gradients;
    }

    /** Weights of the vision tower, of a network that has one. */
    VisionWeights visionWeights() {
        return Objects.requireNonNull(visionWeights);
    }

    VisionWeights visionGradients() {
        return Objects.requireNonNull(visionGradients);
    }

    /** Number of values. */
    long size() {
        return all.values().stream().mapToLong(p -> p.value().size()).sum();
    }

    /** Makes what the network computes with follow the values, after these have changed. */
    void refresh() {
        all.values().forEach(Parameter::refresh);
    }

    /** Makes the gradients of the values follow those of the network, after a backward pass. */
    void collect() {
        all.values().forEach(Parameter::collect);
    }

    void clearGradients() {
        all.values().forEach(Parameter::clearGradient);
    }

    /** Takes all values from a checkpoint of the same shape. */
    void load(Checkpoint checkpoint) {
        for (Parameter parameter : all.values()) {
            float[] values = checkpoint.tensor(parameter.name()).toFloats();
            parameter.value().copyFrom(Tensor.f32(values, parameter.value().shape()));
        }
        refresh();
    }

    /**
     * Draws values to start from: matrices with a deviation of 0.8/√inputs, those that write to the residual stream
     * smaller by √(2·layers), decays for documents of a few hundred tokens.
     *
     * <p>Looking something up by a token is learned many times sooner if it nearly works from the beginning: embeddings of
     * tokens have a deviation of 0.3, as much as a few layers add to them, lest the first layer drown what a token is; queries
     * and keys of a head begin as one matrix, so that what is alike finds each other; and the heads of a delta net read keys
     * or values of as many tokens before as their convolution reaches, so that what stood near the other is found.
     *
     * <p>The vision tower begins with smooth waves over a patch and over the grid of positions. From noise in which
     * neighbours have nothing in common it would take some hundred thousand pictures until the network knew left from right;
     * colours alone are learned from noise.
     */
    void initialise(SplittableRandom random) {
        for (Parameter parameter : all.values()) {
            initialise(parameter, random.split());
        }
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            switch (config.layerTypes().get(i)) {
                case FULL_ATTENTION -> beginAlike("layers." + i + ".self_attn.");
                case LINEAR_ATTENTION -> beginAlike("layers." + i + ".linear_attn.", i % 2 == 0);
            }
        }
        refresh();
    }

    /** Gives every head the queries that its keys are; between them in q_proj lie the gates. */
    private void beginAlike(String attention) {
        Tensor queries = get(attention + "q_proj.weight").value();
        Tensor keys = get(attention + "k_proj.weight").value();
        int dim = config.headDim();
        int group = config.numAttentionHeads() / config.numKeyValueHeads();
        for (int head = 0; head < config.numAttentionHeads(); head++) {
            queries.rows(2L * head * dim, dim).copyFrom(keys.rows((long) (head / group) * dim, dim));
        }
    }

    /**
     * Gives every head of a delta net the keys that its queries are, but of an earlier token: of the h-th before for head h,
     * so that a query finds what followed; or it gives it values of an earlier token, so that a query finds what stood before.
     */
    private void beginAlike(String delta, boolean keysAreEarlier) {
        DeltaHeads heads = config.deltaHeads();
        long keyWidth = (long) heads.keyHeads() * heads.keyDim();
        Tensor projection = get(delta + "in_proj_qkv.weight").value();
        projection.rows(keyWidth, keyWidth).copyFrom(projection.rows(0, keyWidth));
        Tensor taps = get(delta + "conv1d.weight").value();
        beginAt(taps.rows(0, keyWidth), heads.keyDim(), false);
        beginAt(taps.rows(keyWidth, keyWidth), heads.keyDim(), keysAreEarlier);
        beginAt(taps.rows(2 * keyWidth, taps.rows() - 2 * keyWidth), heads.valueDim(), !keysAreEarlier);
    }

    /** Adds 0.5 to a tap of each channel: to that of the token itself, or of the h-th before in the channels of head h. */
    private static void beginAt(Tensor taps, int headDim, boolean isEarlier) {
        long reach = taps.columns();
        for (long channel = 0; channel < taps.rows(); channel++) {
            long back = isEarlier ? channel / headDim % reach : 0;
            long tap = reach - 1 - back;
            taps.set(channel, tap, taps.get(channel, tap) + 0.5f);
        }
    }

    private void initialise(Parameter parameter, SplittableRandom random) {
        String name = parameter.name();
        Tensor value = parameter.value();
        double inputs = parameter.inputs();
        if (name.endsWith("A_log")) {
            fill(value, () -> Math.log(random.nextDouble(0.01, 2)));
        } else if (name.endsWith("dt_bias")) {
            double least = Math.log(1e-3);
            double most = Math.log(0.1);
            fill(value, () -> Math.log(Math.expm1(Math.exp(random.nextDouble(least, most))))); // before softplus
        } else if (name.endsWith("conv1d.weight")) {
            fill(value, () -> 0.1 * random.nextGaussian());
        } else if (name.endsWith("q_norm.weight") || name.endsWith("k_norm.weight")) {
            fill(value, () -> 0.6); // around zero
        } else if (name.endsWith("linear_attn.norm.weight")) {
            fill(value, () -> 1);
        } else if (name.startsWith("visual.") && name.contains("norm") && name.endsWith("weight")) {
            fill(value, () -> 1);
        } else if (value.rank() < 2) {
            fill(value, () -> 0); // norms around zero, biases
        } else if (name.endsWith("pos_embed.weight")) {
            positionWaves(value, random);
        } else if (name.endsWith("patch_embed.proj.weight")) {
            patchWaves(value, random);
        } else if (name.endsWith("embed_tokens.weight")) {
            fill(value, () -> 0.3 * random.nextGaussian());
        } else {
            double deviation = 0.8 / Math.sqrt(inputs) * (writesToResidual(name) ? residualScale(name) : 1);
            fill(value, () -> deviation * random.nextGaussian());
        }
    }

    /** (positions, hidden), positions by rows of a square: each column up to one period from side to side, deviation 0.7. */
    private static void positionWaves(Tensor value, SplittableRandom random) {
        int side = (int) Math.round(Math.sqrt((double) value.rows()));
        for (int column = 0; column < value.columns(); column++) {
            Wave wave = new Wave(
                    random.nextDouble(-2, 2) * Math.PI / side,
                    random.nextDouble(-2, 2) * Math.PI / side,
                    random.nextDouble(2 * Math.PI));
            for (int row = 0; row < value.rows(); row++) {
                value.set(row, column, (float) wave.at(row % side, row / side));
            }
        }
    }

    /** (hidden, channels, frames, side, side): each output a wave of one colour, some half periods long, of length 0.05. */
    private static void patchWaves(Tensor value, SplittableRandom random) {
        int channels = Math.toIntExact(value.dim(1));
        int side = Math.toIntExact(value.dim(4));
        int inputs = Math.toIntExact(value.size() / value.dim(0));
        int inChannel = inputs / channels;
        float[] values = new float[Math.toIntExact(value.size())];
        for (int first = 0; first < values.length; first += inputs) {
            Wave wave = new Wave(
                    random.nextGaussian() * Math.PI / side,
                    random.nextGaussian() * Math.PI / side,
                    random.nextDouble(2 * Math.PI));
            double[] colour =
                    random.doubles(channels).map(any -> random.nextGaussian()).toArray();
            double squares = 0;
            for (int i = 0; i < inputs; i++) {
                double at = colour[i / inChannel] * wave.at(i % side, i / side % side);
                values[first + i] = (float) at;
                squares += at * at;
            }
            float scale = (float) (0.05 / Math.sqrt(squares));
            for (int i = 0; i < inputs; i++) {
                values[first + i] *= scale;
            }
        }
        value.copyFrom(Tensor.f32(values, value.shape()));
    }

    /** A wave over a plane, of amplitude 1. */
    private record Wave(double dx, double dy, double phase) {
        double at(int x, int y) {
            return Math.cos(dx * x + dy * y + phase);
        }
    }

    private static boolean writesToResidual(String name) {
        return name.endsWith("o_proj.weight")
                || name.endsWith("out_proj.weight")
                || name.endsWith("down_proj.weight")
                || name.endsWith("down_proj")
                || name.endsWith("attn.proj.weight")
                || name.endsWith("mlp.linear_fc2.weight");
    }

    private double residualScale(String name) {
        int layers = name.startsWith("visual.")
                ? Objects.requireNonNull(visionConfig).depth()
                : config.numHiddenLayers();
        return 1 / Math.sqrt(2.0 * layers);
    }

    private interface Draw {
        double next();
    }

    private static void fill(Tensor tensor, Draw draw) {
        for (int row = 0; row < tensor.rows(); row++) {
            for (int column = 0; column < tensor.columns(); column++) {
                tensor.set(row, column, (float) draw.next());
            }
        }
    }

    // ---- The text network.

    private void declare(String name, Form form, long... shape) {
        all.put(name, new Parameter(name, form, shape));
    }

    private void declareText() {
        long hidden = config.hiddenSize();
        declare("embed_tokens.weight", Form.SAME, config.vocabSize(), hidden);
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = "layers." + i + ".";
            declare(layer + "input_layernorm.weight", Form.AROUND_ZERO, hidden);
            switch (config.layerTypes().get(i)) {
                case FULL_ATTENTION -> declareAttention(layer + "self_attn.", hidden);
                case LINEAR_ATTENTION -> declareDelta(layer + "linear_attn.", hidden);
            }
            declare(layer + "post_attention_layernorm.weight", Form.AROUND_ZERO, hidden);
            if (config.isMoe()) {
                declareMoe(layer + "mlp.", hidden);
            } else {
                declareMlp(layer + "mlp.", config.intermediateSize(), hidden);
            }
        }
        declare("norm.weight", Form.AROUND_ZERO, hidden);
        if (!config.tieWordEmbeddings()) {
            declare("lm_head.weight", Form.SAME, config.vocabSize(), hidden);
        }
    }

    private void declareAttention(String prefix, long hidden) {
        long queries = (long) config.numAttentionHeads() * config.headDim();
        long keys = (long) config.numKeyValueHeads() * config.headDim();
        declare(prefix + "q_proj.weight", Form.SAME, 2 * queries, hidden);
        declare(prefix + "k_proj.weight", Form.SAME, keys, hidden);
        declare(prefix + "v_proj.weight", Form.SAME, keys, hidden);
        declare(prefix + "o_proj.weight", Form.SAME, hidden, queries);
        declare(prefix + "q_norm.weight", Form.AROUND_ZERO, config.headDim());
        declare(prefix + "k_norm.weight", Form.AROUND_ZERO, config.headDim());
    }

    private void declareDelta(String prefix, long hidden) {
        DeltaHeads heads = config.deltaHeads();
        long values = (long) heads.valueHeads() * heads.valueDim();
        declare(prefix + "in_proj_qkv.weight", Form.SAME, heads.qkvWidth(), hidden);
        declare(prefix + "in_proj_z.weight", Form.SAME, values, hidden);
        declare(prefix + "in_proj_b.weight", Form.SAME, heads.valueHeads(), hidden);
        declare(prefix + "in_proj_a.weight", Form.SAME, heads.valueHeads(), hidden);
        declare(prefix + "conv1d.weight", Form.TURNED, heads.qkvWidth(), 1, config.linearConvKernelDim());
        declare(prefix + "A_log", Form.LOG_DECAY, heads.valueHeads());
        declare(prefix + "dt_bias", Form.SAME, heads.valueHeads());
        declare(prefix + "norm.weight", Form.SAME, heads.valueDim());
        declare(prefix + "out_proj.weight", Form.SAME, hidden, values);
    }

    private void declareMlp(String prefix, long width, long hidden) {
        declare(prefix + "gate_proj.weight", Form.SAME, width, hidden);
        declare(prefix + "up_proj.weight", Form.SAME, width, hidden);
        declare(prefix + "down_proj.weight", Form.SAME, hidden, width);
    }

    private void declareMoe(String prefix, long hidden) {
        long experts = config.numExperts();
        long width = config.moeIntermediateSize();
        declare(prefix + "gate.weight", Form.SAME, experts, hidden);
        declare(prefix + "experts.gate_up_proj", Form.SAME, experts, 2 * width, hidden);
        declare(prefix + "experts.down_proj", Form.SAME, experts, hidden, width);
        declareMlp(prefix + "shared_expert.", config.sharedExpertIntermediateSize(), hidden);
        declare(prefix + "shared_expert_gate.weight", Form.SAME, 1, hidden);
    }

    private Weights text(Function<Parameter, Tensor> side) {
        Function<String, Tensor> of = name -> side.apply(get(name));
        List<Weights.Layer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = "layers." + i + ".";
            Weights.Mixer mixer = switch (config.layerTypes().get(i)) {
                case FULL_ATTENTION -> attention(layer + "self_attn.", of);
                case LINEAR_ATTENTION -> delta(layer + "linear_attn.", of);
            };
            layers.add(new Weights.Layer(
                    of.apply(layer + "input_layernorm.weight"),
                    mixer,
                    of.apply(layer + "post_attention_layernorm.weight"),
                    config.isMoe() ? moe(layer + "mlp.", of) : mlp(layer + "mlp.", of)));
        }
        Tensor embedTokens = of.apply("embed_tokens.weight");
        Tensor lmHead = config.tieWordEmbeddings() ? embedTokens : of.apply("lm_head.weight");
        return new Weights(embedTokens, layers, of.apply("norm.weight"), lmHead);
    }

    private static Weights.FullAttention attention(String prefix, Function<String, Tensor> of) {
        return new Weights.FullAttention(
                of.apply(prefix + "q_proj.weight"),
                of.apply(prefix + "k_proj.weight"),
                of.apply(prefix + "v_proj.weight"),
                of.apply(prefix + "o_proj.weight"),
                of.apply(prefix + "q_norm.weight"),
                of.apply(prefix + "k_norm.weight"));
    }

    private static Weights.GatedDeltaNet delta(String prefix, Function<String, Tensor> of) {
        return new Weights.GatedDeltaNet(
                of.apply(prefix + "in_proj_qkv.weight"),
                of.apply(prefix + "in_proj_z.weight"),
                of.apply(prefix + "in_proj_b.weight"),
                of.apply(prefix + "in_proj_a.weight"),
                of.apply(prefix + "conv1d.weight"),
                of.apply(prefix + "A_log"),
                of.apply(prefix + "dt_bias"),
                of.apply(prefix + "norm.weight"),
                of.apply(prefix + "out_proj.weight"));
    }

    private static Weights.Mlp mlp(String prefix, Function<String, Tensor> of) {
        return new Weights.Mlp(
                of.apply(prefix + "gate_proj.weight"),
                of.apply(prefix + "up_proj.weight"),
                of.apply(prefix + "down_proj.weight"));
    }

    private Weights.Moe moe(String prefix, Function<String, Tensor> of) {
        Tensor gateUp = of.apply(prefix + "experts.gate_up_proj");
        Tensor downs = of.apply(prefix + "experts.down_proj");
        long width = config.moeIntermediateSize();
        List<Tensor> gate = new ArrayList<>();
        List<Tensor> up = new ArrayList<>();
        List<Tensor> down = new ArrayList<>();
        for (int e = 0; e < config.numExperts(); e++) {
            gate.add(gateUp.slice(e).rows(0, width));
            up.add(gateUp.slice(e).rows(width, width));
            down.add(downs.slice(e));
        }
        return new Weights.Moe(
                of.apply(prefix + "gate.weight"),
                new Experts(List.copyOf(gate), List.copyOf(up), List.copyOf(down)),
                mlp(prefix + "shared_expert.", of),
                of.apply(prefix + "shared_expert_gate.weight"));
    }

    // ---- The vision tower.

    private void declareVision(VisionConfig config) {
        long hidden = config.hiddenSize();
        long merged = Grid.MERGE * Grid.MERGE * hidden;
        declare(
                "visual.patch_embed.proj.weight",
                Form.SAME,
                hidden,
                config.inChannels(),
                config.temporalPatchSize(),
                config.patchSize(),
                config.patchSize());
        declare("visual.patch_embed.proj.bias", Form.SAME, hidden);
        declare("visual.pos_embed.weight", Form.SAME, config.numPositionEmbeddings(), hidden);
        for (int i = 0; i < config.depth(); i++) {
            String block = "visual.blocks." + i + ".";
            declareNorm(block + "norm1", hidden);
            declareLinear(block + "attn.qkv", 3 * hidden, hidden);
            declareLinear(block + "attn.proj", hidden, hidden);
            declareNorm(block + "norm2", hidden);
            declareLinear(block + "mlp.linear_fc1", config.intermediateSize(), hidden);
            declareLinear(block + "mlp.linear_fc2", hidden, config.intermediateSize());
        }
        declareNorm("visual.merger.norm", hidden);
        declareLinear("visual.merger.linear_fc1", merged, merged);
        declareLinear("visual.merger.linear_fc2", config.outHiddenSize(), merged);
    }

    private void declareNorm(String name, long width) {
        declare(name + ".weight", Form.SAME, width);
        declare(name + ".bias", Form.SAME, width);
    }

    private void declareLinear(String name, long rows, long columns) {
        declare(name + ".weight", Form.SAME, rows, columns);
        declare(name + ".bias", Form.SAME, rows);
    }

    private VisionWeights vision(VisionConfig config, Function<Parameter, Tensor> side) {
        Function<String, Tensor> of = name -> side.apply(get("visual." + name));
        Tensor proj = of.apply("patch_embed.proj.weight");
        List<VisionWeights.Block> blocks = new ArrayList<>();
        for (int i = 0; i < config.depth(); i++) {
            String block = "blocks." + i + ".";
            VisionWeights.Linear qkv = linear(block + "attn.qkv", of);
            blocks.add(new VisionWeights.Block(
                    norm(block + "norm1", of),
                    part(qkv, 0),
                    part(qkv, 1),
                    part(qkv, 2),
                    linear(block + "attn.proj", of),
                    norm(block + "norm2", of),
                    linear(block + "mlp.linear_fc1", of),
                    linear(block + "mlp.linear_fc2", of)));
        }
        return new VisionWeights(
                new VisionWeights.Linear(
                        proj.view(config.hiddenSize(), config.patchValues()), of.apply("patch_embed.proj.bias")),
                of.apply("pos_embed.weight"),
                blocks,
                new VisionWeights.Merger(
                        norm("merger.norm", of), linear("merger.linear_fc1", of), linear("merger.linear_fc2", of)));
    }

    private static VisionWeights.Linear linear(String name, Function<String, Tensor> of) {
        return new VisionWeights.Linear(of.apply(name + ".weight"), of.apply(name + ".bias"));
    }

    /** The rows of queries, keys or values: views, so that their gradients add up in the whole. */
    private static VisionWeights.Linear part(VisionWeights.Linear qkv, int which) {
        long hidden = qkv.weight().columns();
        return new VisionWeights.Linear(
                qkv.weight().rows(which * hidden, hidden),
                qkv.bias().view(3, hidden).slice(which));
    }

    private static VisionWeights.LayerNorm norm(String name, Function<String, Tensor> of) {
        return new VisionWeights.LayerNorm(of.apply(name + ".weight"), of.apply(name + ".bias"));
    }
}
