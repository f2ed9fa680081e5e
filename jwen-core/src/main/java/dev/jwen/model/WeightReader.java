package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Experts;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Takes the weights out of a checkpoint by name, with the shapes that the config promises. */
final class WeightReader {
    private final Checkpoint checkpoint;
    private final Config config;
    private final int hidden;

    WeightReader(Checkpoint checkpoint, Config config) {
        this.checkpoint = checkpoint;
        this.config = config;
        this.hidden = config.hiddenSize();
    }

    Weights read() {
        List<Weights.Layer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(layer("layers." + i + ".", config.layerTypes().get(i)));
        }
        Tensor embedTokens = matrix("embed_tokens.weight", config.vocabSize(), hidden);
        boolean untied = checkpoint.has("lm_head.weight");
        if (!untied && !config.tieWordEmbeddings()) {
            throw new CheckpointException(("%s: tensor lm_head.weight is missing and tie_word_embeddings is false."
                            + " The file may be cut short; compare the number of shards with the original.")
                    .formatted(checkpoint.path()));
        }
        Tensor lmHead = untied ? matrix("lm_head.weight", config.vocabSize(), hidden) : embedTokens;
        return new Weights(embedTokens, layers, norm("norm.weight", hidden), lmHead);
    }

    private Weights.Layer layer(String prefix, Config.LayerType type) {
        Weights.Mixer mixer = switch (type) {
            case FULL_ATTENTION -> attention(prefix + "self_attn.");
            case LINEAR_ATTENTION -> deltaNet(prefix + "linear_attn.");
        };
        return new Weights.Layer(
                norm(prefix + "input_layernorm.weight", hidden),
                mixer,
                norm(prefix + "post_attention_layernorm.weight", hidden),
                config.isMoe() ? moe(prefix + "mlp.") : mlp(prefix + "mlp.", config.intermediateSize()));
    }

    private Weights.FullAttention attention(String prefix) {
        int queries = config.numAttentionHeads() * config.headDim();
        int keys = config.numKeyValueHeads() * config.headDim();
        return new Weights.FullAttention(
                matrix(prefix + "q_proj.weight", 2L * queries, hidden),
                matrix(prefix + "k_proj.weight", keys, hidden),
                matrix(prefix + "v_proj.weight", keys, hidden),
                matrix(prefix + "o_proj.weight", hidden, queries),
                norm(prefix + "q_norm.weight", config.headDim()),
                norm(prefix + "k_norm.weight", config.headDim()));
    }

    private Weights.GatedDeltaNet deltaNet(String prefix) {
        DeltaHeads heads = config.deltaHeads();
        int values = heads.valueHeads() * heads.valueDim();
        return new Weights.GatedDeltaNet(
                matrix(prefix + "in_proj_qkv.weight", heads.qkvWidth(), hidden),
                matrix(prefix + "in_proj_z.weight", values, hidden),
                matrix(prefix + "in_proj_b.weight", heads.valueHeads(), hidden),
                matrix(prefix + "in_proj_a.weight", heads.valueHeads(), hidden),
                turned(prefix + "conv1d.weight", heads.qkvWidth(), config.linearConvKernelDim()),
                decayRate(prefix + "A_log", heads.valueHeads()),
                floats(prefix + "dt_bias", heads.valueHeads()),
                floats(prefix + "norm.weight", heads.valueDim()),
                matrix(prefix + "out_proj.weight", hidden, values));
    }

    private Weights.Mlp mlp(String prefix, int width) {
        return new Weights.Mlp(
                matrix(prefix + "gate_proj.weight", width, hidden),
                matrix(prefix + "up_proj.weight", width, hidden),
                matrix(prefix + "down_proj.weight", hidden, width));
    }

    private Weights.Moe moe(String prefix) {
        return new Weights.Moe(
                matrix(prefix + "gate.weight", config.numExperts(), hidden),
                experts(prefix + "experts."),
                mlp(prefix + "shared_expert.", config.sharedExpertIntermediateSize()),
                matrix(prefix + "shared_expert_gate.weight", 1, hidden));
    }

    /** Experts are stored fused (gate rows, then up rows), as separate stacks, or one by one. */
    private Experts experts(String prefix) {
        int count = config.numExperts();
        int width = config.moeIntermediateSize();
        List<Tensor> gate = new ArrayList<>();
        List<Tensor> up = new ArrayList<>();
        List<Tensor> down = new ArrayList<>();
        if (checkpoint.has(prefix + "gate_up_proj")) {
            Tensor fused = shaped(prefix + "gate_up_proj", count, 2L * width, hidden);
            for (int e = 0; e < count; e++) {
                Tensor both = fused.slice(e);
                gate.add(both.rows(0, width));
                up.add(both.rows(width, width));
            }
        } else if (checkpoint.has(prefix + "gate_proj")) {
            Tensor gates = shaped(prefix + "gate_proj", count, width, hidden);
            Tensor ups = shaped(prefix + "up_proj", count, width, hidden);
            for (int e = 0; e < count; e++) {
                gate.add(gates.slice(e));
                up.add(ups.slice(e));
            }
        } else {
            for (int e = 0; e < count; e++) {
                gate.add(matrix(prefix + e + ".gate_proj.weight", width, hidden));
                up.add(matrix(prefix + e + ".up_proj.weight", width, hidden));
            }
        }
        Tensor downs = checkpoint.has(prefix + "down_proj") ? shaped(prefix + "down_proj", count, hidden, width) : null;
        for (int e = 0; e < count; e++) {
            down.add(downs != null ? downs.slice(e) : matrix(prefix + e + ".down_proj.weight", hidden, width));
        }
        return new Experts(List.copyOf(gate), List.copyOf(up), List.copyOf(down));
    }

    private Tensor matrix(String name, long rows, long columns) {
        return shaped(name, rows, columns);
    }

    private Tensor shaped(String name, long... shape) {
        Tensor tensor = checkpoint.tensor(name);
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new CheckpointException(
                    "%s: tensor %s has shape %s, expected %s from the config. The config belongs to another model or the file is damaged."
                            .formatted(
                                    checkpoint.path(), name, Arrays.toString(tensor.shape()), Arrays.toString(shape)));
        }
        if (!tensor.type().isFloating()) {
            throw new CheckpointException(
                    "%s: tensor %s is stored as %s, expected floating or quantised weights. Use a BF16, F16, F32 or FP8 release, or GGUF."
                            .formatted(checkpoint.path(), name, tensor.type()));
        }
        return tensor;
    }

    private Tensor floats(String name, long... shape) {
        return Tensor.f32(shaped(name, shape).toFloats(), shape);
    }

    /** A matrix of floats as (columns, rows). */
    private Tensor turned(String name, int rows, int columns) {
        float[] values = shaped(name, rows, columns).toFloats();
        float[] turned = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            turned[i % columns * rows + i / columns] = values[i];
        }
        return Tensor.f32(turned, columns, rows);
    }

    /** The factor of a norm: stored as it is, or around zero. */
    private Tensor norm(String name, int width) {
        float[] factor = shaped(name, width).toFloats();
        if (checkpoint.conventions().normWeight() == Checkpoint.NormWeight.ZERO_CENTRED) {
            for (int i = 0; i < factor.length; i++) {
                factor[i] += 1;
            }
        }
        return Tensor.f32(factor, width);
    }

    private Tensor decayRate(String name, int heads) {
        float[] rate = shaped(name, heads).toFloats();
        if (checkpoint.conventions().decayWeight() == Checkpoint.DecayWeight.LOG) {
            for (int i = 0; i < rate.length; i++) {
                rate[i] = (float) -Math.exp(rate[i]);
            }
        }
        return Tensor.f32(rate, heads);
    }
}
