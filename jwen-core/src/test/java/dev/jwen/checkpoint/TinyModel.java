package dev.jwen.checkpoint;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/** A model of a few kilobytes with every kind of tensor: a delta-net layer, an attention layer and an MTP layer. */
final class TinyModel {
    static final String CONFIG = """
            {"model_type": "qwen3_5_text", "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 1,
             "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 4, "linear_num_key_heads": 1,
             "linear_num_value_heads": 2, "linear_key_head_dim": 2, "linear_value_head_dim": 2,
             "linear_conv_kernel_dim": 4, "full_attention_interval": 2, "rms_norm_eps": 1e-06, "vocab_size": 8,
             "layer_types": ["linear_attention", "full_attention"], "tie_word_embeddings": true,
             "max_position_embeddings": 64, "mtp_num_hidden_layers": 1, "pad_token_id": null,
             "rope_parameters": {"rope_theta": 10000000, "partial_rotary_factor": 0.5, "rope_type": "default",
                                 "mrope_section": [1, 0, 0], "mrope_interleaved": true}}
            """;

    private TinyModel() {}

    /** All tensors by their published name without prefix; values count up from 0 in steps of 1/8. */
    static Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        put(tensors, "embed_tokens.weight", 8, 4);
        put(tensors, "norm.weight", 4);
        for (String layer : List.of("layers.0.", "layers.1.", "mtp.layers.0.")) {
            put(tensors, layer + "input_layernorm.weight", 4);
            put(tensors, layer + "post_attention_layernorm.weight", 4);
            for (String matrix : List.of("gate", "up", "down")) {
                put(tensors, layer + "mlp." + matrix + "_proj.weight", 4, 4);
            }
        }
        put(tensors, "layers.0.linear_attn.in_proj_qkv.weight", 8, 4);
        put(tensors, "layers.0.linear_attn.in_proj_z.weight", 4, 4);
        put(tensors, "layers.0.linear_attn.in_proj_b.weight", 2, 4);
        put(tensors, "layers.0.linear_attn.in_proj_a.weight", 2, 4);
        put(tensors, "layers.0.linear_attn.out_proj.weight", 4, 4);
        put(tensors, "layers.0.linear_attn.conv1d.weight", 8, 1, 4);
        put(tensors, "layers.0.linear_attn.A_log", 2);
        put(tensors, "layers.0.linear_attn.dt_bias", 2);
        put(tensors, "layers.0.linear_attn.norm.weight", 2);
        for (String layer : List.of("layers.1.", "mtp.layers.0.")) {
            put(tensors, layer + "self_attn.q_proj.weight", 8, 4);
            for (String matrix : List.of("k", "v", "o")) {
                put(tensors, layer + "self_attn." + matrix + "_proj.weight", 4, 4);
            }
            put(tensors, layer + "self_attn.q_norm.weight", 4);
            put(tensors, layer + "self_attn.k_norm.weight", 4);
        }
        put(tensors, "mtp.fc.weight", 4, 8);
        put(tensors, "mtp.norm.weight", 4);
        put(tensors, "mtp.pre_fc_norm_embedding.weight", 4);
        put(tensors, "mtp.pre_fc_norm_hidden.weight", 4);
        return tensors;
    }

    private static void put(Map<String, Tensor> tensors, String name, long... shape) {
        tensors.put(name, ramp(shape));
    }

    static Tensor ramp(long... shape) {
        Tensor tensor = Tensor.f32(shape);
        for (int i = 0; i < tensor.size(); i++) {
            tensor.segment().set(Tensor.FLOAT, 4L * i, i / 8f);
        }
        return tensor;
    }

    /** A tensor of these bytes. */
    static Tensor bytes(DataType type, byte[] bytes, long... shape) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, shape);
        MemorySegment.copy(bytes, 0, tensor.segment(), ValueLayout.JAVA_BYTE, 0, bytes.length);
        return tensor;
    }

    /** The tensors under the names of a published text-only file: everything but MTP begins with {@code model.}. */
    static Map<String, Tensor> published() {
        return renamed(tensors(), name -> name.startsWith("mtp.") ? name : "model." + name);
    }

    static <T> Map<String, T> renamed(Map<String, T> map, UnaryOperator<String> rename) {
        Map<String, T> renamed = new LinkedHashMap<>();
        map.forEach((name, value) -> renamed.put(rename.apply(name), value));
        return renamed;
    }

    static Path writeDirectory(Path directory, Map<String, Tensor> tensors) {
        write(directory.resolve("config.json"), CONFIG);
        SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        return directory;
    }

    static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The tensors under their GGUF names, block 2 being the MTP layer. */
    static Map<String, Tensor> ggufTensors() {
        Map<String, String> parts = new TreeMap<>(Map.ofEntries(
                Map.entry("input_layernorm", "attn_norm"),
                Map.entry("post_attention_layernorm", "post_attention_norm"),
                Map.entry("mlp.gate_proj", "ffn_gate"),
                Map.entry("mlp.up_proj", "ffn_up"),
                Map.entry("mlp.down_proj", "ffn_down"),
                Map.entry("linear_attn.in_proj_qkv", "attn_qkv"),
                Map.entry("linear_attn.in_proj_z", "attn_gate"),
                Map.entry("linear_attn.in_proj_b", "ssm_beta"),
                Map.entry("linear_attn.in_proj_a", "ssm_alpha"),
                Map.entry("linear_attn.out_proj", "ssm_out"),
                Map.entry("linear_attn.conv1d", "ssm_conv1d"),
                Map.entry("linear_attn.A_log", "ssm_a"),
                Map.entry("linear_attn.dt_bias", "ssm_dt.bias"),
                Map.entry("linear_attn.norm", "ssm_norm"),
                Map.entry("self_attn.q_proj", "attn_q"),
                Map.entry("self_attn.k_proj", "attn_k"),
                Map.entry("self_attn.v_proj", "attn_v"),
                Map.entry("self_attn.o_proj", "attn_output"),
                Map.entry("self_attn.q_norm", "attn_q_norm"),
                Map.entry("self_attn.k_norm", "attn_k_norm"),
                Map.entry("mtp.fc", "blk.2.nextn.eh_proj"),
                Map.entry("mtp.norm", "blk.2.nextn.shared_head_norm"),
                Map.entry("mtp.pre_fc_norm_embedding", "blk.2.nextn.enorm"),
                Map.entry("mtp.pre_fc_norm_hidden", "blk.2.nextn.hnorm"),
                Map.entry("embed_tokens", "token_embd"),
                Map.entry("norm", "output_norm")));
        Map<String, Tensor> named = renamed(tensors(), name -> {
            String suffix = name.endsWith(".weight") ? ".weight" : "";
            String stem = name.substring(0, name.length() - suffix.length());
            String block = stem.startsWith("mtp.layers.0.")
                    ? "blk.2."
                    : stem.startsWith("layers.") ? "blk." + stem.charAt(7) + "." : "";
            return block + parts.get(stem.replaceFirst("^(mtp\\.)?layers\\.\\d\\.", "")) + suffix;
        });
        named.replaceAll((name, tensor) -> name.contains("conv1d") ? tensor.view(8, 4) : tensor);
        return named;
    }

    static Map<String, Object> ggufMetadata() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("general.architecture", "qwen35");
        map.put("general.sampling.temp", 0.6f);
        map.put("qwen35.block_count", 3);
        map.put("qwen35.nextn_predict_layers", 1);
        map.put("qwen35.context_length", 64);
        map.put("qwen35.embedding_length", 4);
        map.put("qwen35.feed_forward_length", 4);
        map.put("qwen35.attention.head_count", 1);
        map.put("qwen35.attention.head_count_kv", 1);
        map.put("qwen35.attention.key_length", 4);
        map.put("qwen35.attention.value_length", 4);
        map.put("qwen35.attention.layer_norm_rms_epsilon", 1e-6f);
        map.put("qwen35.rope.freq_base", 1e7f);
        map.put("qwen35.rope.dimension_count", 2);
        map.put("qwen35.rope.dimension_sections", List.of(1, 0, 0, 0));
        map.put("qwen35.full_attention_interval", 2);
        map.put("qwen35.ssm.conv_kernel", 4);
        map.put("qwen35.ssm.state_size", 2);
        map.put("qwen35.ssm.group_count", 1);
        map.put("qwen35.ssm.time_step_rank", 2);
        map.put("qwen35.ssm.inner_size", 4);
        map.put("tokenizer.ggml.model", "gpt2");
        map.put("tokenizer.ggml.pre", "qwen35");
        map.put("tokenizer.ggml.tokens", List.of("a", "b", "ab", "c", "<|endoftext|>", "<|im_end|>"));
        map.put("tokenizer.ggml.token_type", new ArrayList<>(List.of(1, 1, 1, 1, 3, 3)));
        map.put("tokenizer.ggml.merges", List.of("a b"));
        map.put("tokenizer.ggml.eos_token_id", 5);
        map.put("tokenizer.ggml.padding_token_id", 4);
        map.put("tokenizer.chat_template", "{{ messages }}");
        return map;
    }
}
