package dev.jwen.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads config.json of either layout, multimodal or text alone, into the text model's configuration. */
final class ModelConfig {
    private static final Set<String> MODEL_TYPES = Set.of("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text");
    private static final long DEFAULT_BLOCK = 128;

    private ModelConfig() {}

    static Map<String, Object> read(Path directory) {
        Path file = directory.resolve("config.json");
        if (!Files.exists(file)) {
            throw CheckpointException.in(
                    directory,
                    "has no config.json beside its weights. Fetch it from the model's page into the same directory.");
        }
        Map<String, Object> json = Json.object(file);
        Map<String, Object> config = flatten(json, file);
        requireKnownModel(config, file);
        refuseQuantisation(config, file);
        if (Files.exists(directory.resolve("hf_quant_config.json")) && !config.containsKey("quantization_config")) {
            throw unsupported(file, "modelopt (hf_quant_config.json)");
        }
        return config;
    }

    private static Map<String, Object> flatten(Map<String, Object> json, Path file) {
        Object text = json.get("text_config");
        if (text == null) {
            return new LinkedHashMap<>(json);
        }
        if (!(text instanceof Map<?, ?> textConfig)) {
            throw CheckpointException.damaged(file, "expected text_config to be an object");
        }
        Map<String, Object> config = new LinkedHashMap<>();
        textConfig.forEach((key, value) -> config.put((String) key, value));
        json.forEach((key, value) -> {
            if (key.endsWith("_token_id")
                    || Set.of("vision_config", "quantization_config", "quantization")
                            .contains(key)) {
                config.putIfAbsent(key, value);
            }
        });
        // The top level decides for the whole model; the text level may only repeat its class's default.
        if (json.get("tie_word_embeddings") instanceof Boolean tied) {
            config.put("tie_word_embeddings", tied);
        }
        if (!config.containsKey("model_type") && json.get("model_type") instanceof String outer) {
            config.put("model_type", outer + "_text");
        }
        return config;
    }

    private static void requireKnownModel(Map<String, Object> config, Path file) {
        if (!(config.get("model_type") instanceof String type) || !MODEL_TYPES.contains(type)) {
            throw CheckpointException.in(
                    file,
                    "model_type is '%s', expected qwen3_5_text or qwen3_5_moe_text. Only Qwen 3.5 and its relatives of the same architecture can be run.",
                    String.valueOf(config.get("model_type")));
        }
    }

    private static void refuseQuantisation(Map<String, Object> config, Path file) {
        if (config.containsKey("quantization")) {
            throw unsupported(file, "MLX integer quantisation");
        }
        Object quantization = config.get("quantization_config");
        if (quantization == null) {
            return;
        }
        Object method = quantization instanceof Map<?, ?> map ? map.get("quant_method") : null;
        if (!"fp8".equals(method)) {
            throw unsupported(file, String.valueOf(method));
        }
    }

    private static CheckpointException unsupported(Path file, String method) {
        return CheckpointException.in(
                file,
                "the weights are quantised with '%s', which cannot be read. Use the BF16 or FP8 release, or a GGUF file.",
                method);
    }

    /** Rows and columns that share one FP8 scale. */
    static long[] weightBlockSize(Map<String, Object> config, Path path) {
        Object size = config.get("quantization_config") instanceof Map<?, ?> map ? map.get("weight_block_size") : null;
        if (size == null) {
            return new long[] {DEFAULT_BLOCK, DEFAULT_BLOCK};
        }
        if (size instanceof List<?> list
                && list.size() == 2
                && list.get(0) instanceof Long rows
                && list.get(1) instanceof Long columns
                && rows > 0
                && columns > 0) {
            return new long[] {rows, columns};
        }
        throw CheckpointException.damaged(
                path, "config.json has weight_block_size '%s', expected two positive numbers", size.toString());
    }
}
