package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.kernel.DeltaHeads;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The shape of a Qwen 3.5 text model, in the words of config.json.
 *
 * <p>{@code numExperts} is 0 for a dense model; then the other expert fields are 0 too, as {@code intermediateSize} is
 * for a mixture of experts.
 *
 * @param layerTypes what mixes the tokens in each layer
 * @param valueHeadsTiled how the container orders the value heads, see {@link DeltaHeads}
 */
public record Config(
        int hiddenSize,
        int numHiddenLayers,
        int vocabSize,
        boolean tieWordEmbeddings,
        float rmsNormEps,
        int maxPositionEmbeddings,
        List<LayerType> layerTypes,
        int numAttentionHeads,
        int numKeyValueHeads,
        int headDim,
        RopeParameters rope,
        int linearNumKeyHeads,
        int linearNumValueHeads,
        int linearKeyHeadDim,
        int linearValueHeadDim,
        int linearConvKernelDim,
        boolean valueHeadsTiled,
        int intermediateSize,
        int numExperts,
        int numExpertsPerTok,
        int moeIntermediateSize,
        int sharedExpertIntermediateSize,
        int mtpNumHiddenLayers) {

    private static final Set<String> MODEL_TYPES = Set.of("qwen3_5_text", "qwen3_5_moe_text", "qwen3_5", "qwen3_5_moe");

    /** How a layer mixes tokens. */
    public enum LayerType {
        LINEAR_ATTENTION,
        FULL_ATTENTION
    }

    public Config {
        layerTypes = List.copyOf(layerTypes);
        if (layerTypes.size() != numHiddenLayers) {
            throw new IllegalArgumentException(
                    "%d layer types for %d layers".formatted(layerTypes.size(), numHiddenLayers));
        }
    }

    /**
     * Reads and checks the configuration of an opened checkpoint.
     *
     * @throws CheckpointException if a field is missing or impossible, or asks for something Qwen 3.5 does not have
     */
    public static Config of(Checkpoint checkpoint) {
        ConfigFields fields = new ConfigFields(checkpoint.path() + ": config", checkpoint.config());
        refuseStrangers(fields);
        int layers = fields.count("num_hidden_layers", 1024);
        int headDim = fields.count("head_dim", 1, 4096, 256);
        boolean moe = fields.has("num_experts") && fields.count("num_experts", 0, 65_536, 0) > 0;
        Config config = new Config(
                fields.count("hidden_size", 1 << 20),
                layers,
                fields.count("vocab_size", 1 << 24),
                fields.flag("tie_word_embeddings", false),
                (float) fields.number("rms_norm_eps", 0, 1e-6),
                fields.count("max_position_embeddings", 1, 1 << 30, 32_768),
                layerTypes(fields, layers),
                fields.count("num_attention_heads", 4096),
                fields.count("num_key_value_heads", 4096),
                headDim,
                RopeParameters.of(fields, headDim),
                fields.count("linear_num_key_heads", 4096),
                fields.count("linear_num_value_heads", 4096),
                fields.count("linear_key_head_dim", 1, 4096, 128),
                fields.count("linear_value_head_dim", 1, 4096, 128),
                fields.count("linear_conv_kernel_dim", 2, 64, 4),
                checkpoint.conventions().valueHeadOrder() == Checkpoint.ValueHeadOrder.TILED,
                moe ? 0 : fields.count("intermediate_size", 1 << 24),
                moe ? fields.count("num_experts", 65_536) : 0,
                moe ? fields.count("num_experts_per_tok", 65_536) : 0,
                moe ? fields.count("moe_intermediate_size", 1 << 24) : 0,
                moe ? fields.count("shared_expert_intermediate_size", 1 << 24) : 0,
                fields.count("mtp_num_hidden_layers", 0, 16, 0));
        config.checkRatios(fields);
        return config;
    }

    private static void refuseStrangers(ConfigFields fields) {
        String modelType = fields.text("model_type", "");
        if (!MODEL_TYPES.contains(modelType)) {
            throw fields.wrong("model_type", "a Qwen 3.5 text model (qwen3_5_text or qwen3_5_moe_text)", modelType);
        }
        String activation = fields.text("hidden_act", "silu");
        if (!activation.equals("silu")) {
            throw fields.wrong("hidden_act", "silu", activation);
        }
        String outputGate = fields.text("output_gate_type", "swish");
        if (!outputGate.equals("swish") && !outputGate.equals("silu")) {
            throw fields.wrong("output_gate_type", "swish", outputGate);
        }
        if (fields.flag("attention_bias", false)) {
            throw fields.wrong("attention_bias", "false", true);
        }
        if (!fields.flag("attn_output_gate", true)) {
            throw fields.wrong("attn_output_gate", "true", false);
        }
    }

    private static List<LayerType> layerTypes(ConfigFields fields, int layers) {
        List<LayerType> types = new ArrayList<>();
        if (fields.has("layer_types")) {
            for (Object type : fields.list("layer_types", List.of())) {
                types.add(
                        switch (String.valueOf(type)) {
                            case "full_attention" -> LayerType.FULL_ATTENTION;
                            case "linear_attention" -> LayerType.LINEAR_ATTENTION;
                            default ->
                                throw fields.wrong(
                                        "layer_types", "a list of linear_attention and full_attention", type);
                        });
            }
            if (types.size() != layers) {
                throw fields.wrong("layer_types", "a list of %d entries".formatted(layers), types.size() + " entries");
            }
            return types;
        }
        int interval = fields.count("full_attention_interval", 1, layers, Math.min(4, layers));
        for (int i = 0; i < layers; i++) {
            types.add((i + 1) % interval == 0 ? LayerType.FULL_ATTENTION : LayerType.LINEAR_ATTENTION);
        }
        return types;
    }

    private void checkRatios(ConfigFields fields) {
        if (numAttentionHeads % numKeyValueHeads != 0) {
            throw fields.wrong(
                    "num_attention_heads", "a multiple of num_key_value_heads " + numKeyValueHeads, numAttentionHeads);
        }
        if (linearNumValueHeads % linearNumKeyHeads != 0) {
            throw fields.wrong(
                    "linear_num_value_heads",
                    "a multiple of linear_num_key_heads " + linearNumKeyHeads,
                    linearNumValueHeads);
        }
        if (isMoe() && numExpertsPerTok > numExperts) {
            throw fields.wrong("num_experts_per_tok", "at most num_experts " + numExperts, numExpertsPerTok);
        }
    }

    public boolean isMoe() {
        return numExperts > 0;
    }

    /** The heads of the delta net. */
    public DeltaHeads deltaHeads() {
        return new DeltaHeads(
                linearNumKeyHeads, linearNumValueHeads, linearKeyHeadDim, linearValueHeadDim, valueHeadsTiled);
    }

    /** Layers with a KV cache. */
    public int fullAttentionLayers() {
        return (int)
                layerTypes.stream().filter(t -> t == LayerType.FULL_ATTENTION).count();
    }

    /** Bytes of KV cache for one token, with {@code bytesPerValue} bytes for a key or value element. */
    public long kvBytesPerToken(int bytesPerValue) {
        return (long) fullAttentionLayers() * 2 * numKeyValueHeads * headDim * bytesPerValue;
    }

    /** Bytes of recurrent and convolution state of one sequence, whatever its length. */
    public long stateBytes() {
        DeltaHeads heads = deltaHeads();
        long recurrent = (long) heads.valueHeads() * heads.keyDim() * heads.valueDim();
        long convolution = (long) (linearConvKernelDim - 1) * heads.qkvWidth();
        return (numHiddenLayers - fullAttentionLayers()) * (recurrent + convolution) * Float.BYTES;
    }
}
