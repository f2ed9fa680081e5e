package dev.jwen.checkpoint;

import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Says what GGUF metadata means in the words of config.json and generation_config.json. */
final class GgufConfig {
    private static final String DENSE = "qwen35";
    private static final String MOE = "qwen35moe";
    private static final long USUAL_INTERVAL = 4;

    private final GgufMetadata metadata;
    private final String architecture;

    GgufConfig(GgufMetadata metadata) {
        this.metadata = metadata;
        this.architecture = requireKnown(metadata);
    }

    private static String requireKnown(GgufMetadata metadata) {
        String architecture = String.valueOf(metadata.string("general.architecture"));
        if (architecture.equals(DENSE) || architecture.equals(MOE)) {
            return architecture;
        }
        if (architecture.equals("clip")) {
            throw CheckpointException.in(
                    metadata.path(),
                    "is the vision file (mmproj) of a model, which has no text layers. Name the text model's .gguf file.");
        }
        throw CheckpointException.in(
                metadata.path(),
                "general.architecture is '%s', expected qwen35 or qwen35moe. Only Qwen 3.5 and its relatives of the same architecture can be run.",
                architecture);
    }

    /** Layers of the trunk; {@code block_count} also counts the MTP layer. */
    long layers() {
        long blocks = metadata.count(key("block_count"));
        long mtp = mtpLayers();
        if (mtp >= blocks) {
            throw CheckpointException.in(
                    metadata.path(),
                    "%d of %d blocks are said to be MTP layers. Convert the model again.",
                    mtp,
                    blocks);
        }
        return blocks - mtp;
    }

    private long mtpLayers() {
        Long layers = metadata.id(key("nextn_predict_layers"));
        return layers == null ? 0 : layers;
    }

    /** The configuration, completed by what only the shapes of the tensors say. */
    Map<String, Object> config(Map<String, Tensor> tensors) {
        long layers = layers();
        if (layers > tensors.size()) {
            throw CheckpointException.damaged(
                    metadata.path(), "claims %d layers but has %d tensors", layers, tensors.size());
        }
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("model_type", architecture.equals(MOE) ? "qwen3_5_moe_text" : "qwen3_5_text");
        config.put("hidden_size", count("embedding_length"));
        config.put("num_hidden_layers", layers);
        config.put("num_attention_heads", metadata.uniformCount(key("attention.head_count")));
        config.put("num_key_value_heads", metadata.uniformCount(key("attention.head_count_kv")));
        config.put("head_dim", count("attention.key_length"));
        config.put("rms_norm_eps", metadata.number(key("attention.layer_norm_rms_epsilon")));
        config.put("max_position_embeddings", count("context_length"));
        config.put("tie_word_embeddings", !tensors.containsKey("lm_head.weight"));
        config.put("mtp_num_hidden_layers", mtpLayers());
        Tensor embedding = tensors.get("embed_tokens.weight");
        if (embedding != null && embedding.rank() == 2) {
            config.put("vocab_size", embedding.dim(0));
        }
        putDeltaNet(config);
        putLayerTypes(config, layers);
        putFeedForward(config, tensors);
        config.put("rope_parameters", rope());
        putId(config, "eos_token_id", "tokenizer.ggml.eos_token_id");
        putId(config, "bos_token_id", "tokenizer.ggml.bos_token_id");
        putId(config, "pad_token_id", "tokenizer.ggml.padding_token_id");
        return config;
    }

    private void putDeltaNet(Map<String, Object> config) {
        long valueHeads = count("ssm.time_step_rank");
        long inner = count("ssm.inner_size");
        if (inner % valueHeads != 0) {
            throw CheckpointException.in(
                    metadata.path(),
                    "%s is %d, expected a multiple of its %d value heads. Convert the model again.",
                    key("ssm.inner_size"),
                    inner,
                    valueHeads);
        }
        config.put("linear_num_key_heads", count("ssm.group_count"));
        config.put("linear_num_value_heads", valueHeads);
        config.put("linear_key_head_dim", count("ssm.state_size"));
        config.put("linear_value_head_dim", inner / valueHeads);
        config.put("linear_conv_kernel_dim", count("ssm.conv_kernel"));
    }

    private void putLayerTypes(Map<String, Object> config, long layers) {
        long interval = metadata.count(key("full_attention_interval"), USUAL_INTERVAL);
        List<?> recurrent = metadata.list(key("attention.recurrent_layers"));
        if (recurrent != null && recurrent.size() < layers) {
            throw CheckpointException.in(
                    metadata.path(),
                    "%s lists %d layers, expected %d. Convert the model again.",
                    key("attention.recurrent_layers"),
                    recurrent.size(),
                    layers);
        }
        List<String> types = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            boolean linear = recurrent == null ? (i + 1) % interval != 0 : Boolean.TRUE.equals(recurrent.get(i));
            types.add(linear ? "linear_attention" : "full_attention");
        }
        if (recurrent == null || metadata.has(key("full_attention_interval"))) {
            config.put("full_attention_interval", interval);
        }
        config.put("layer_types", types);
    }

    private void putFeedForward(Map<String, Object> config, Map<String, Tensor> tensors) {
        if (architecture.equals(DENSE)) {
            config.put("intermediate_size", metadata.uniformCount(key("feed_forward_length")));
            return;
        }
        config.put("num_experts", count("expert_count"));
        config.put("num_experts_per_tok", count("expert_used_count"));
        config.put(
                "moe_intermediate_size",
                widthOr("expert_feed_forward_length", tensors.get("layers.0.mlp.experts.down_proj")));
        config.put(
                "shared_expert_intermediate_size",
                widthOr(
                        "expert_shared_feed_forward_length",
                        tensors.get("layers.0.mlp.shared_expert.down_proj.weight")));
    }

    /** Some converters leave these widths out; the down projection has as many columns. */
    private long widthOr(String name, @Nullable Tensor down) {
        return down == null || metadata.has(key(name)) ? count(name) : down.columns();
    }

    private Map<String, Object> rope() {
        Map<String, Object> rope = new LinkedHashMap<>();
        rope.put("rope_theta", metadata.number(key("rope.freq_base")));
        rope.put("partial_rotary_factor", (double) count("rope.dimension_count") / count("attention.key_length"));
        List<?> sections = metadata.list(key("rope.dimension_sections"));
        if (sections == null
                || sections.size() < 3
                || !sections.stream().limit(3).allMatch(s -> s instanceof Long)) {
            throw CheckpointException.in(
                    metadata.path(),
                    "%s is not a list of three numbers. Convert the model again with current tools.",
                    key("rope.dimension_sections"));
        }
        rope.put("mrope_section", List.of(sections.get(0), sections.get(1), sections.get(2)));
        rope.put("mrope_interleaved", true);
        String scaling = metadata.string(key("rope.scaling.type"));
        boolean scaled = scaling != null && !scaling.equals("none");
        rope.put("rope_type", scaled ? scaling : "default");
        if (scaled) {
            rope.put("factor", metadata.number(key("rope.scaling.factor")));
            if (metadata.has(key("rope.scaling.original_context_length"))) {
                rope.put("original_max_position_embeddings", count("rope.scaling.original_context_length"));
            }
        }
        return rope;
    }

    private void putId(Map<String, Object> config, String name, String key) {
        Long id = metadata.id(key);
        if (id != null) {
            config.put(name, id);
        }
    }

    /** Stop tokens and the sampling settings the file recommends. */
    Map<String, Object> generationConfig() {
        Map<String, Object> config = new LinkedHashMap<>();
        List<Object> stops = stopTokens();
        if (!stops.isEmpty()) {
            config.put("eos_token_id", stops);
        }
        putId(config, "pad_token_id", "tokenizer.ggml.padding_token_id");
        putId(config, "bos_token_id", "tokenizer.ggml.bos_token_id");
        Object temperature = putSampling(config, "temperature", "temp");
        if (temperature instanceof Number value) {
            config.put("do_sample", value.doubleValue() > 0);
        }
        putSampling(config, "top_k", "top_k");
        putSampling(config, "top_p", "top_p");
        putSampling(config, "min_p", "min_p");
        putSampling(config, "repetition_penalty", "penalty_repeat");
        return config;
    }

    private @Nullable Object putSampling(Map<String, Object> config, String name, String key) {
        Object value = metadata.values().get("general.sampling." + key);
        if (value instanceof Number) {
            config.put(name, value);
        }
        return value;
    }

    /** The end of a turn, and the end of a document, which files give as padding or beginning. */
    private List<Object> stopTokens() {
        List<Object> stops = new ArrayList<>();
        List<?> tokens = metadata.list("tokenizer.ggml.tokens");
        for (String role : List.of("eos", "eot", "eom", "padding", "bos")) {
            Long id = metadata.id("tokenizer.ggml." + role + "_token_id");
            if (id == null || stops.contains(id)) {
                continue;
            }
            boolean endsDocument =
                    tokens != null && id < tokens.size() && "<|endoftext|>".equals(tokens.get(id.intValue()));
            if (role.startsWith("eo") || endsDocument) {
                stops.add(id);
            }
        }
        return stops;
    }

    private long count(String name) {
        return metadata.count(key(name));
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
