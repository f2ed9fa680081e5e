package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.data.Percentage.withPercentage;

import dev.jwen.Golden;
import dev.jwen.checkpoint.Checkpoint.Conventions;
import dev.jwen.checkpoint.Checkpoint.DecayWeight;
import dev.jwen.checkpoint.Checkpoint.NormWeight;
import dev.jwen.checkpoint.Checkpoint.TokenizerSource;
import dev.jwen.checkpoint.Checkpoint.ValueHeadOrder;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GoldenCheckpointTest {

    @ParameterizedTest
    @ValueSource(
            strings = {
                "dense-text/checkpoint",
                "dense-text/checkpoint-bf16-sharded",
                "moe-text/checkpoint",
                "moe-text/checkpoint-bf16-split-experts",
                "dense-vl/checkpoint",
                "moe-vl/checkpoint",
                "dense-256/checkpoint",
                "dense-256/checkpoint-fp8",
                "moe-text/gguf/moe-text-F16.gguf",
                "dense-vl/gguf/dense-vl-F32.gguf",
                "moe-vl/gguf/moe-vl-BF16.gguf",
                "moe-vl/gguf",
                "dense-256/gguf/dense-256-Q8_0.gguf",
                "dense-256/gguf/dense-256-Q4_0.gguf",
                "dense-256/gguf/dense-256-Q2_K.gguf",
                "dense-256/gguf/dense-256-Q3_K_M.gguf",
                "dense-256/gguf/dense-256-Q4_K_M.gguf",
                "dense-256/gguf/dense-256-IQ4_XS.gguf",
                "moe-256/gguf/moe-256-Q4_K_M.gguf",
                "moe-256/gguf/moe-256-MXFP4_MOE.gguf",
            })
    void everyGoldenModelOpensWithoutProblems(String model) {
        Path path = Golden.shared("golden/" + model);
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            assertThat(checkpoint.problems()).isEmpty();
            assertThat(checkpoint.path()).isEqualTo(path);
            assertThat(checkpoint.sizeBytes()).isGreaterThan(400_000);
            assertThat(checkpoint.chatTemplate()).startsWith("{%- set image_count");
            assertThat(checkpoint.generationConfig())
                    .containsAllEntriesOf(Map.of(
                            "eos_token_id",
                            List.of(322L, 320L),
                            "pad_token_id",
                            320L,
                            "do_sample",
                            true,
                            "temperature",
                            1.0,
                            "top_k",
                            20L,
                            "top_p",
                            0.95));
            long hidden = number(checkpoint.config(), "hidden_size");
            assertThat(checkpoint.tensor("embed_tokens.weight").shape()).containsExactly(368, hidden);
            for (String name : checkpoint.names()) {
                assertThat(checkpoint.has(name)).isTrue();
                assertThat(checkpoint.tensor(name).size()).isPositive();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "dense-vl/checkpoint, dense-vl/gguf/dense-vl-F32.gguf",
        "moe-text/checkpoint, moe-text/gguf/moe-text-F16.gguf",
        "moe-vl/checkpoint, moe-vl/gguf/moe-vl-BF16.gguf",
    })
    void bothContainersHoldTheSameWeights(String safetensors, String gguf) {
        try (Checkpoint published = Checkpoint.open(Golden.shared("golden/" + safetensors));
                Checkpoint converted = Checkpoint.open(Golden.shared("golden/" + gguf))) {
            assertThat(published.conventions())
                    .isEqualTo(new Conventions(NormWeight.ZERO_CENTRED, DecayWeight.LOG, ValueHeadOrder.GROUPED));
            assertThat(converted.conventions())
                    .isEqualTo(new Conventions(NormWeight.PLAIN, DecayWeight.NEGATED, ValueHeadOrder.TILED));
            assertThat(converted.names()).containsExactlyInAnyOrderElementsOf(namesInGguf(published));
            for (String name : converted.names()) {
                Tensor found = converted.tensor(name);
                float[] expected = expected(published, name);
                assertThat(found.toFloats()).as(name).hasSameSizeAs(expected);
                float step = relativeStep(found.type());
                float[] values = found.toFloats();
                for (int i = 0; i < values.length; i++) {
                    assertThat(values[i])
                            .as("%s[%d] of %s", name, i, found)
                            .isCloseTo(expected[i], within(Math.abs(expected[i]) * step + 1e-7f));
                }
            }
        }
    }

    /** Half a unit in the last place, and for float32 the difference between two ways to compute exp. */
    private static float relativeStep(DataType type) {
        return switch (type) {
            case F16 -> 0x1p-11f;
            case BF16 -> 0x1p-8f;
            default -> 2e-7f;
        };
    }

    private static Set<String> namesInGguf(Checkpoint published) {
        Set<String> names = new TreeSet<>();
        for (String name : published.names()) {
            if (name.endsWith("experts.gate_up_proj")) {
                names.add(name.replace("gate_up", "gate"));
                names.add(name.replace("gate_up", "up"));
            } else if (!name.startsWith("visual.")) {
                names.add(name);
            }
        }
        return names;
    }

    /** What a converter to GGUF writes for this tensor. */
    private static float[] expected(Checkpoint published, String name) {
        boolean gate = name.endsWith("experts.gate_proj");
        if (gate || name.endsWith("experts.up_proj")) {
            return half(published.tensor(name.replace(gate ? "gate_proj" : "up_proj", "gate_up_proj")), gate ? 0 : 1);
        }
        Tensor tensor = published.tensor(name);
        float[] values = tensor.toFloats();
        if (name.contains("norm") && !name.endsWith("linear_attn.norm.weight")) {
            for (int i = 0; i < values.length; i++) {
                values[i] += 1;
            }
        }
        if (name.endsWith("A_log")) {
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) -Math.exp(values[i]);
            }
        }
        return reordered(published.config(), name, tensor, values);
    }

    private static float[] half(Tensor gateUp, int which) {
        int experts = (int) gateUp.dim(0);
        int size = (int) (gateUp.dim(1) / 2 * gateUp.dim(2));
        float[] all = gateUp.toFloats();
        float[] half = new float[experts * size];
        for (int e = 0; e < experts; e++) {
            System.arraycopy(all, (2 * e + which) * size, half, e * size, size);
        }
        return half;
    }

    private static float[] reordered(Map<String, Object> config, String name, Tensor tensor, float[] values) {
        int keyHeads = number(config, "linear_num_key_heads");
        int repeats = number(config, "linear_num_value_heads") / keyHeads;
        int headDim = number(config, "linear_value_head_dim");
        int keyRows = 2 * keyHeads * number(config, "linear_key_head_dim");
        int columns = (int) tensor.columns();
        int rows = values.length / columns;
        // New value head r * Hk + m was m * R + r.
        IntUnaryOperator oldHead = head -> head % keyHeads * repeats + head / keyHeads;
        IntUnaryOperator oldUnit = unit -> oldHead.applyAsInt(unit / headDim) * headDim + unit % headDim;
        String part = name.substring(name.indexOf("linear_attn.") < 0 ? 0 : name.indexOf("linear_attn."));
        return switch (part) {
            case "linear_attn.in_proj_qkv.weight", "linear_attn.conv1d.weight" ->
                rowsMoved(values, columns, row -> row < keyRows ? row : keyRows + oldUnit.applyAsInt(row - keyRows));
            case "linear_attn.in_proj_z.weight" -> rowsMoved(values, columns, oldUnit);
            case "linear_attn.in_proj_a.weight", "linear_attn.in_proj_b.weight" -> rowsMoved(values, columns, oldHead);
            case "linear_attn.A_log", "linear_attn.dt_bias" -> rowsMoved(values, 1, oldHead);
            case "linear_attn.out_proj.weight" -> {
                float[] moved = new float[values.length];
                for (int i = 0; i < rows * columns; i++) {
                    moved[i] = values[i / columns * columns + oldUnit.applyAsInt(i % columns)];
                }
                yield moved;
            }
            default -> values;
        };
    }

    private static float[] rowsMoved(float[] values, int columns, IntUnaryOperator oldRow) {
        float[] moved = new float[values.length];
        for (int row = 0; row < values.length / columns; row++) {
            System.arraycopy(values, oldRow.applyAsInt(row) * columns, moved, row * columns, columns);
        }
        return moved;
    }

    private static int number(Map<String, Object> config, String key) {
        return Math.toIntExact((Long) Objects.requireNonNull(config.get(key)));
    }

    @ParameterizedTest
    @CsvSource({
        "dense-vl/checkpoint, dense-vl/gguf/dense-vl-F32.gguf, 20",
        "moe-text/checkpoint, moe-text/gguf/moe-text-F16.gguf, 22",
        "moe-vl/checkpoint, moe-vl/gguf/moe-vl-BF16.gguf, 22",
        "dense-256/checkpoint, dense-256/gguf/dense-256-Q4_K_M.gguf, 20",
    })
    void bothContainersHaveTheSameConfiguration(String safetensors, String gguf, int keys) {
        try (Checkpoint published = Checkpoint.open(Golden.shared("golden/" + safetensors));
                Checkpoint converted = Checkpoint.open(Golden.shared("golden/" + gguf))) {
            Set<String> shared = new TreeSet<>(published.config().keySet());
            shared.retainAll(converted.config().keySet());
            // The config says the end of a document, GGUF the end of a turn; generationConfig() lists both for either.
            shared.remove("eos_token_id");
            assertThat(shared).hasSizeGreaterThanOrEqualTo(keys);
            for (String key : shared) {
                assertThat(comparable(converted.config(), key)).as(key).isEqualTo(comparable(published.config(), key));
            }
        }
    }

    private static Object comparable(Map<String, Object> config, String key) {
        return comparable(Objects.requireNonNull(config.get(key)));
    }

    /** A theta of 10000000 in JSON is 1e7 in GGUF. */
    private static Object comparable(Object value) {
        return switch (value) {
            case Map<?, ?> map -> {
                Map<Object, Object> sorted = new TreeMap<>();
                map.forEach((key, entry) -> sorted.put(key, comparable(entry)));
                yield sorted;
            }
            case Number number -> number.doubleValue();
            default -> value;
        };
    }

    @Test
    void aMultimodalConfigurationIsTheTextConfigurationAndTheVisionConfiguration() {
        try (Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/dense-vl/checkpoint"))) {
            assertThat(checkpoint.config())
                    .containsEntry("model_type", "qwen3_5_text")
                    .containsEntry("hidden_size", 64L)
                    .containsEntry("image_token_id", 332L)
                    .containsEntry("tie_word_embeddings", true)
                    .doesNotContainKey("text_config");
            assertThat((Map<?, ?>) checkpoint.config().get("vision_config")).hasSize(14);
            assertThat(checkpoint.names())
                    .contains("visual.patch_embed.proj.weight", "visual.merger.norm.bias", "mtp.fc.weight");
            assertThat(checkpoint.tensor("visual.patch_embed.proj.weight").shape())
                    .containsExactly(48, 3, 2, 16, 16);
            assertThat(checkpoint.tensor("layers.0.linear_attn.conv1d.weight").shape())
                    .containsExactly(512, 4);
        }
    }

    @Test
    void shardsGiveTheTensorsTheIndexNames() {
        try (Checkpoint whole = Checkpoint.open(Golden.shared("golden/dense-text/checkpoint"));
                Checkpoint sharded = Checkpoint.open(Golden.shared("golden/dense-text/checkpoint-bf16-sharded"))) {
            assertThat(sharded.names()).hasSize(108).containsExactlyInAnyOrderElementsOf(whole.names());
            float[] exact = whole.tensor("layers.7.mlp.down_proj.weight").toFloats();
            float[] rounded = sharded.tensor("layers.7.mlp.down_proj.weight").toFloats();
            for (int i = 0; i < exact.length; i++) {
                assertThat(rounded[i]).isCloseTo(exact[i], withPercentage(0.4));
            }
            Path shard = sharded.path().resolve("model-00002-of-00003.safetensors");
            try (Checkpoint byShard = Checkpoint.open(shard)) {
                assertThat(byShard.names()).isEqualTo(sharded.names());
            }
        }
    }

    @Test
    void fp8WeightsCarryTheirScalesAndCompanionsAreNotListed() {
        try (Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/dense-256/checkpoint-fp8"));
                Checkpoint exact = Checkpoint.open(Golden.shared("golden/dense-256/checkpoint"))) {
            assertThat(checkpoint.names()).containsExactlyInAnyOrderElementsOf(exact.names());
            Tensor qkv = checkpoint.tensor("layers.0.linear_attn.in_proj_qkv.weight");
            assertThat(qkv.type()).isEqualTo(DataType.F8_E4M3);
            Tensor.Scale scale = Objects.requireNonNull(qkv.scale());
            assertThat(scale.blockRows()).isEqualTo(128);
            assertThat(scale.blockColumns()).isEqualTo(128);
            assertThat(scale.values().shape()).containsExactly(4, 2);
            // The largest weight of each block is the largest FP8 number, 448, times the scale.
            float largest = 0;
            float[] column = new float[128];
            for (int row = 0; row < 128; row++) {
                exact.tensor("layers.0.linear_attn.in_proj_qkv.weight").decode(row, 0, 128, column, 0);
                for (float value : column) {
                    largest = Math.max(largest, Math.abs(value));
                }
            }
            assertThat(scale.values().get(0, 0) * 448).isCloseTo(largest, withPercentage(0.1));
            assertThat(checkpoint.tensor("lm_head.weight").scale()).isNull();
        }
    }

    @Test
    void ggufGivesItsVocabularyAndOutlivesTheMapping() {
        TokenizerSource source;
        try (Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/moe-text/gguf/moe-text-F16.gguf"))) {
            source = checkpoint.tokenizerSource();
        }
        assertThat(source).isInstanceOfSatisfying(TokenizerSource.Embedded.class, embedded -> {
            assertThat(embedded.tokens())
                    .hasSize(368)
                    .startsWith("!", "\"", "#")
                    .contains("<|im_end|>");
            assertThat(embedded.types()).hasSize(368).contains(1, 3, 4, 5);
            assertThat(embedded.merges()).hasSize(64).startsWith("Ġ i", "h e");
            assertThat(embedded.pattern()).isEqualTo("qwen35");
        });
    }

    @Test
    void aDirectoryIsItsOwnTokenizerSource() {
        Path path = Golden.shared("golden/dense-text/checkpoint");
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            assertThat(checkpoint.tokenizerSource()).isEqualTo(new TokenizerSource.Directory(path));
        }
    }

    @Test
    void expertsKeepTheLayoutOfTheirFile() {
        try (Checkpoint fused = Checkpoint.open(Golden.shared("golden/moe-text/checkpoint"));
                Checkpoint split = Checkpoint.open(Golden.shared("golden/moe-text/checkpoint-bf16-split-experts"));
                Checkpoint gguf = Checkpoint.open(Golden.shared("golden/moe-text/gguf/moe-text-F16.gguf"))) {
            assertThat(fused.tensor("layers.0.mlp.experts.gate_up_proj").shape())
                    .containsExactly(8, 96, 64);
            assertThat(split.tensor("layers.0.mlp.experts.7.gate_proj.weight").shape())
                    .containsExactly(48, 64);
            assertThat(gguf.tensor("layers.0.mlp.experts.gate_proj").shape()).containsExactly(8, 48, 64);
            assertThat(gguf.tensor("layers.0.mlp.shared_expert_gate.weight").shape())
                    .containsExactly(1, 64);
        }
    }

    @Test
    void theVisionFileIsRefusedWithAHint() {
        Path path = Golden.shared("golden/dense-vl/gguf/mmproj-dense-vl-F32.gguf");
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("vision file")
                .hasMessageContaining("text model");
    }

    @Test
    void aDirectoryWithTextAndVisionFilesOpensTheText() {
        try (Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/dense-vl/gguf"))) {
            assertThat(checkpoint.format()).isEqualTo("GGUF");
            assertThat(checkpoint.has("mtp.fc.weight")).isTrue();
        }
    }

    @Test
    void aDirectoryWithSeveralModelsAsksWhich() {
        Path path = Golden.shared("golden/dense-256/gguf");
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("several GGUF models")
                .hasMessageContaining("dense-256-Q8_0.gguf");
    }
}
