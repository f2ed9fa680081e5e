package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.checkpoint.Checkpoint.NormWeight;
import dev.jwen.checkpoint.Checkpoint.TokenizerSource;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsCheckpointTest {
    private static final String Q_PROJ = "layers.1.self_attn.q_proj.weight";

    @TempDir
    Path directory;

    @Test
    void aSingleFileOpensLikeItsDirectory() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        Path file = directory.resolve("model.safetensors");
        try (Checkpoint whole = Checkpoint.open(directory);
                Checkpoint single = Checkpoint.open(file)) {
            assertThat(single.names())
                    .isEqualTo(whole.names())
                    .isEqualTo(TinyModel.tensors().keySet());
            assertThat(single.config()).isEqualTo(whole.config()).doesNotContainKey("pad_token_id");
            assertThat(single.path()).isEqualTo(file);
            assertThat(single.format()).isEqualTo("safetensors");
            assertThat(single.sizeBytes()).isEqualTo(file.toFile().length());
            assertThat(single.tensor(Q_PROJ).toFloats())
                    .isEqualTo(TinyModel.ramp(8, 4).toFloats());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.language_model.", "model.", "language_model.model.", ""})
    void everyPublishedPrefixIsRemoved(String prefix) {
        UnaryOperator<String> publish = name -> name.startsWith("mtp.") ? name : prefix + name;
        TinyModel.writeDirectory(directory, TinyModel.renamed(TinyModel.tensors(), publish));
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.names()).isEqualTo(TinyModel.tensors().keySet());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.mtp.", "language_model.mtp.", "mtp."})
    void mtpAndVisionAreFoundUnderTheModelToo(String prefix) {
        Map<String, Tensor> tensors =
                TinyModel.renamed(TinyModel.tensors(), name -> name.replaceFirst("^mtp\\.", prefix));
        tensors.put("model.visual.pos_embed.weight", TinyModel.ramp(4, 4));
        tensors.put("language_model.lm_head.weight", TinyModel.ramp(8, 4));
        TinyModel.writeDirectory(directory, tensors);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.names()).contains("mtp.fc.weight", "visual.pos_embed.weight", "lm_head.weight");
            assertThat(checkpoint.config()).containsEntry("mtp_num_hidden_layers", 1L);
        }
    }

    @Test
    void mlxConversionsKeepTapsInTheMiddleAndNormsPlain() {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.computeIfPresent("model.layers.0.linear_attn.conv1d.weight", (name, conv) -> conv.view(8, 4, 1));
        TinyModel.writeDirectory(directory, tensors);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.conventions().normWeight()).isEqualTo(NormWeight.PLAIN);
            Tensor conv = checkpoint.tensor("layers.0.linear_attn.conv1d.weight");
            assertThat(conv.shape()).containsExactly(8, 4);
            assertThat(conv.toFloats()).isEqualTo(TinyModel.ramp(8, 4).toFloats());
        }
    }

    @Test
    void anIncompleteMtpLayerIsAsIfAbsentButReported() {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.remove("mtp.layers.0.self_attn.q_proj.weight");
        TinyModel.writeDirectory(directory, tensors);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.names()).noneMatch(name -> name.startsWith("mtp."));
            assertThat(checkpoint.config()).containsEntry("mtp_num_hidden_layers", 0L);
            assertThat(checkpoint.problems())
                    .anyMatch(line -> line.contains("incomplete") && line.contains("self_attn.q_proj.weight"));
        }
    }

    @Test
    void whatIsMissingOrUnknownIsReported() {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.put("model.layers.0.self_attn.rotary_emb.inv_freq", TinyModel.ramp(2));
        tensors.keySet().removeIf(name -> name.startsWith("mtp."));
        TinyModel.writeDirectory(directory, tensors);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.problems())
                    .hasSize(5)
                    .anyMatch(line -> line.contains("unknown") && line.contains("rotary_emb.inv_freq"))
                    .anyMatch(line -> line.contains("announces an MTP layer"))
                    .anyMatch(line -> line.contains("generation_config.json"))
                    .anyMatch(line -> line.contains("chat template"))
                    .anyMatch(line -> line.contains("tokenizer.json"));
            assertThat(checkpoint.tokenizerSource()).isNull();
            assertThat(checkpoint.chatTemplate()).isNull();
            assertThat(checkpoint.generationConfig()).isEmpty();
        }
    }

    @Test
    void theChatTemplateIsTheFileElseTheOneInTheTokenizerConfiguration() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(directory.resolve("tokenizer_config.json"), "{\"chat_template\": \"from string\"}");
        assertThat(chatTemplate()).isEqualTo("from string");
        TinyModel.write(directory.resolve("tokenizer_config.json"), """
                {"chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "from list"}]}""");
        assertThat(chatTemplate()).isEqualTo("from list");
        TinyModel.write(directory.resolve("chat_template.jinja"), "from file");
        assertThat(chatTemplate()).isEqualTo("from file");
    }

    private String chatTemplate() {
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            return Objects.requireNonNull(checkpoint.chatTemplate());
        }
    }

    @Test
    void aVocabularyWithMergesIsATokenizer() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(directory.resolve("vocab.json"), "{}");
        TinyModel.write(directory.resolve("merges.txt"), "");
        TinyModel.write(directory.resolve("generation_config.json"), "{\"top_k\": 20, \"temperature\": 0.6}");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.tokenizerSource()).isEqualTo(new TokenizerSource.Directory(directory));
            assertThat(checkpoint.generationConfig()).isEqualTo(Map.of("top_k", 20L, "temperature", 0.6));
        }
    }

    @Test
    void theTopLevelCompletesTheTextConfiguration() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(directory.resolve("config.json"), """
                {"model_type": "qwen3_5", "image_token_id": 7, "tie_word_embeddings": false, "eos_token_id": 1,
                 "vision_config": {"depth": 2}, "transformers_version": "5.0",
                 "text_config": {"hidden_size": 4, "tie_word_embeddings": true, "eos_token_id": 5, "x": Infinity}}""");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            assertThat(checkpoint.config())
                    .isEqualTo(Map.of(
                            "model_type",
                            "qwen3_5_text",
                            "hidden_size",
                            4L,
                            "image_token_id",
                            7L,
                            "tie_word_embeddings",
                            false,
                            "eos_token_id",
                            5L,
                            "vision_config",
                            Map.of("depth", 2L),
                            "x",
                            Double.POSITIVE_INFINITY,
                            "mtp_num_hidden_layers",
                            1L));
            assertThat(checkpoint.problems()).anyMatch(line -> line.contains("vision tower"));
        }
    }

    @Test
    void fp8ScalesApplyToTheirBlocks() {
        writeFp8(TinyModel.bytes(DataType.F8_E4M3, new byte[32], 8, 4), TinyModel.ramp(4, 2), "[2, 3]");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            Tensor.Scale scale =
                    Objects.requireNonNull(checkpoint.tensor(Q_PROJ).scale());
            assertThat(scale.values().toFloats()).isEqualTo(TinyModel.ramp(4, 2).toFloats());
            assertThat(scale.blockRows()).isEqualTo(2);
            assertThat(scale.blockColumns()).isEqualTo(3);
            assertThat(checkpoint.names()).isEqualTo(TinyModel.tensors().keySet());
        }
    }

    @Test
    void oneFp8ScaleCoversTheWholeMatrix() {
        writeFp8(TinyModel.bytes(DataType.F8_E4M3, new byte[32], 8, 4), TinyModel.ramp(1, 1), "null");
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            Tensor.Scale scale =
                    Objects.requireNonNull(checkpoint.tensor(Q_PROJ).scale());
            assertThat(scale.blockRows()).isEqualTo(8);
            assertThat(scale.blockColumns()).isEqualTo(4);
        }
    }

    @Test
    void scalesBesideATensorThatIsReshapedApplyToo() {
        Map<String, Tensor> tensors = TinyModel.published();
        String conv = "model.layers.0.linear_attn.conv1d.weight";
        tensors.put(conv + "_scale_inv", Tensor.f32(new float[] {2}, 1));
        TinyModel.writeDirectory(directory, tensors);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            Tensor tensor = checkpoint.tensor("layers.0.linear_attn.conv1d.weight");
            assertThat(tensor.shape()).containsExactly(8, 4);
            assertThat(tensor.toFloats()).startsWith(0, 0.25f, 0.5f);
        }
    }

    @Test
    void fp8ScalesThatDoNotFitAreRefused() {
        writeFp8(TinyModel.bytes(DataType.F8_E4M3, new byte[32], 8, 4), TinyModel.ramp(3, 2), "[2, 3]");
        assertRefused("q_proj.weight", "[3, 2]", "[4, 2]", "2 x 3");
        writeFp8(TinyModel.bytes(DataType.F8_E4M3, new byte[32], 8, 4), TinyModel.ramp(4, 2), "[0, 3]");
        assertRefused("weight_block_size", "[0, 3]");
        writeFp8(TinyModel.bytes(DataType.F8_E4M3, new byte[32], 8, 4), null, "[2, 3]");
        assertRefused("q_proj.weight", "is FP8", "q_proj.weight_scale_inv");
    }

    private void writeFp8(Tensor weight, @org.jspecify.annotations.Nullable Tensor scale, String blockSize) {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.put("model." + Q_PROJ, weight);
        if (scale != null) {
            tensors.put("model." + Q_PROJ + "_scale_inv", scale);
        }
        TinyModel.writeDirectory(directory, tensors);
        TinyModel.write(
                directory.resolve("config.json"),
                TinyModel.CONFIG.replaceFirst(
                        "\\{",
                        "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": " + blockSize
                                + "}, "));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gptq", "awq", "compressed-tensors", "modelopt", "bitsandbytes"})
    void otherQuantisationsAreRefusedByName(String method) {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(
                directory.resolve("config.json"),
                TinyModel.CONFIG.replaceFirst(
                        "\\{", "{\"quantization_config\": {\"quant_method\": \"" + method + "\"}, "));
        assertRefused(method, "BF16 or FP8 release");
    }

    @Test
    void otherArchitecturesAreRefusedByName() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(directory.resolve("config.json"), "{\"model_type\": \"qwen4_exp\"}");
        assertRefused("model_type", "qwen4_exp", "qwen3_5_text");
    }

    @Test
    void anAdapterAloneIsRefused() {
        TinyModel.writeDirectory(directory, Map.of("lora_A.weight", TinyModel.ramp(2, 2)));
        assertRefused("no token embedding", "Open the full model");
    }

    @Test
    void shardsAreFoundByTheIndex() {
        writeShards(TinyModel.published());
        try (Checkpoint checkpoint = Checkpoint.open(directory);
                Checkpoint byShard = Checkpoint.open(directory.resolve("model-00002-of-00002.safetensors"))) {
            assertThat(checkpoint.names())
                    .containsExactlyInAnyOrderElementsOf(TinyModel.tensors().keySet());
            assertThat(byShard.names()).isEqualTo(checkpoint.names());
            assertThat(checkpoint.tensor(Q_PROJ).toFloats())
                    .isEqualTo(TinyModel.ramp(8, 4).toFloats());
        }
    }

    @Test
    void anIndexThatMisleadsIsRefused() {
        writeShards(TinyModel.published());
        String index = index();
        TinyModel.write(directory.resolve(INDEX), index.replaceFirst("00001-of", "00002-of"));
        assertRefused("embed_tokens", "00002-of-00002", "does not have it");
        TinyModel.write(directory.resolve(INDEX), index.replaceFirst("00001-of", "00009-of"));
        assertRefused("00009-of-00002.safetensors", "does not exist");
        for (String elsewhere : new String[] {"../model.safetensors", "/etc/x.safetensors", "a\\\\b.safetensors"}) {
            TinyModel.write(
                    directory.resolve(INDEX),
                    index.replaceFirst("model-00001-of-00002.safetensors", elsewhere.replace("\\", "\\\\")));
            assertRefused("same directory");
        }
        TinyModel.write(directory.resolve(INDEX), index.replaceFirst("model-00001-of-00002.safetensors", INDEX));
        assertRefused("same directory");
        TinyModel.write(directory.resolve(INDEX), "{\"weight_map\": []}");
        assertRefused("weight_map");
    }

    @Test
    void shardsWithoutIndexAreRefused() {
        writeShards(TinyModel.published());
        assertThat(directory.resolve(INDEX).toFile().delete()).isTrue();
        assertRefused("2 safetensors files", "model.safetensors.index.json");
    }

    private static final String INDEX = "model.safetensors.index.json";
    private final StringBuilder weightMap = new StringBuilder();

    private String index() {
        return "{\"metadata\": {}, \"weight_map\": {" + weightMap + "}}";
    }

    private void writeShards(Map<String, Tensor> tensors) {
        Map<String, Tensor> first = new LinkedHashMap<>();
        Map<String, Tensor> second = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            boolean early = first.size() < tensors.size() / 2;
            (early ? first : second).put(name, tensor);
            weightMap.append(weightMap.isEmpty() ? "" : ", ");
            weightMap.append("\"%s\": \"model-0000%d-of-00002.safetensors\"".formatted(name, early ? 1 : 2));
        });
        TinyModel.write(directory.resolve("config.json"), TinyModel.CONFIG);
        TinyModel.write(directory.resolve(INDEX), index());
        SafetensorsWriter.write(directory.resolve("model-00001-of-00002.safetensors"), first, Map.of());
        SafetensorsWriter.write(directory.resolve("model-00002-of-00002.safetensors"), second, Map.of());
    }

    private void assertRefused(String... words) {
        assertThatThrownBy(() -> Checkpoint.open(directory))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(directory.toString())
                .hasMessageContainingAll(words);
    }
}
