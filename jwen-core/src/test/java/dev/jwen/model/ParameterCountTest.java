package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.checkpoint.Checkpoint;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

/** The eight published sizes, as sparse files: all headers, no weights. */
class ParameterCountTest {
    private static final long VOCABULARY = 248_320;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** A published shape and the counts that are published for it. */
    record Size(
            String name,
            int hidden,
            int layers,
            int heads,
            int kvHeads,
            int valueHeads,
            int feedForward,
            int experts,
            int chosen,
            boolean tied,
            int visionDepth,
            int visionHidden,
            int visionFeedForward,
            long text,
            double activeTrunk,
            long vision,
            long mtp,
            long kvBytesPerToken,
            double stateMiB) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Size> sizes() {
        return Stream.of(
                dense(
                        "0.8B",
                        1024,
                        24,
                        8,
                        2,
                        16,
                        3584,
                        true,
                        12,
                        768,
                        3072,
                        752_393_024L,
                        498.1e6,
                        100_592_896L,
                        20_452_864L,
                        12_288,
                        19.27),
                dense(
                        "2B",
                        2048,
                        24,
                        8,
                        2,
                        16,
                        6144,
                        true,
                        24,
                        1024,
                        4096,
                        1_881_825_088L,
                        1.373e9,
                        331_416_576L,
                        60_828_160L,
                        12_288,
                        19.27),
                dense(
                        "4B",
                        2560,
                        32,
                        16,
                        4,
                        32,
                        9216,
                        true,
                        24,
                        1024,
                        4096,
                        4_205_751_296L,
                        3.570e9,
                        333_514_240L,
                        120_599_552L,
                        32_768,
                        50.25),
                dense(
                        "9B",
                        4096,
                        32,
                        16,
                        4,
                        32,
                        12_288,
                        false,
                        27,
                        1152,
                        4304,
                        8_953_803_264L,
                        6.920e9,
                        456_010_480L,
                        243_290_624L,
                        32_768,
                        50.25),
                dense(
                        "27B",
                        5120,
                        64,
                        24,
                        4,
                        48,
                        17_408,
                        false,
                        27,
                        1152,
                        4304,
                        26_895_998_464L,
                        24.353e9,
                        460_730_096L,
                        424_699_392L,
                        65_536,
                        149.63),
                moe(
                        "35B-A3B",
                        2048,
                        40,
                        16,
                        32,
                        512,
                        256,
                        8,
                        34_660_610_688L,
                        2.438e9,
                        446_571_248L,
                        844_640_768L,
                        20_480,
                        62.81),
                moe(
                        "122B-A10B",
                        3072,
                        48,
                        32,
                        64,
                        1024,
                        256,
                        8,
                        122_111_526_912L,
                        8.246e9,
                        451_290_864L,
                        2_523_679_232L,
                        24_576,
                        149.06),
                moe(
                        "397B-A17B",
                        4096,
                        60,
                        32,
                        64,
                        1024,
                        512,
                        10,
                        396_346_350_336L,
                        15.315e9,
                        456_010_480L,
                        6_595_568_128L,
                        30_720,
                        186.33));
    }

    private static Size dense(
            String name,
            int hidden,
            int layers,
            int heads,
            int kv,
            int values,
            int ff,
            boolean tied,
            int depth,
            int vh,
            int vf,
            long text,
            double active,
            long vision,
            long mtp,
            long kvBytes,
            double state) {
        return new Size(
                name, hidden, layers, heads, kv, values, ff, 0, 0, tied, depth, vh, vf, text, active, vision, mtp,
                kvBytes, state);
    }

    private static Size moe(
            String name,
            int hidden,
            int layers,
            int heads,
            int values,
            int ff,
            int experts,
            int chosen,
            long text,
            double active,
            long vision,
            long mtp,
            long kvBytes,
            double state) {
        return new Size(
                name, hidden, layers, heads, 2, values, ff, experts, chosen, false, 27, 1152, 4304, text, active,
                vision, mtp, kvBytes, state);
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void countsAndMemoryOfThePublishedSizes(Size size, @TempDir Path directory) throws IOException {
        write(directory, size);
        try (Checkpoint checkpoint = Checkpoint.open(directory)) {
            Config config = Config.of(checkpoint);
            assertThat(Weights.of(checkpoint, config).layers()).hasSize(size.layers);
            ParameterCount count = ParameterCount.of(checkpoint, config);
            assertThat(count.text()).isEqualTo(size.text);
            assertThat(count.vision()).isEqualTo(size.vision);
            assertThat(count.mtp()).isEqualTo(size.mtp);
            // Published with four digits.
            assertThat(count.activeTrunk() / size.activeTrunk).isBetween(0.9995, 1.0005);
            assertThat(config.kvBytesPerToken(2)).isEqualTo(size.kvBytesPerToken);
            assertThat(config.stateBytes() / 1048576.0).isBetween(size.stateMiB - 0.02, size.stateMiB + 0.02);
        }
    }

    private static void write(Path directory, Size size) throws IOException {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("model_type", size.experts > 0 ? "qwen3_5_moe_text" : "qwen3_5_text");
        config.put("hidden_size", size.hidden);
        config.put("num_hidden_layers", size.layers);
        config.put("num_attention_heads", size.heads);
        config.put("num_key_value_heads", size.kvHeads);
        config.put("head_dim", 256);
        config.put("linear_num_key_heads", 16);
        config.put("linear_num_value_heads", size.valueHeads);
        config.put("vocab_size", VOCABULARY);
        config.put("tie_word_embeddings", size.tied);
        config.put("full_attention_interval", 4);
        config.put("mtp_num_hidden_layers", 1);
        if (size.experts > 0) {
            config.put("num_experts", size.experts);
            config.put("num_experts_per_tok", size.chosen);
            config.put("moe_intermediate_size", size.feedForward);
            config.put("shared_expert_intermediate_size", size.feedForward);
        } else {
            config.put("intermediate_size", size.feedForward);
        }
        Files.writeString(directory.resolve("config.json"), JSON.writeValueAsString(config));
        Map<String, Object> header = new LinkedHashMap<>();
        long end = 0;
        for (Map.Entry<String, long[]> tensor : tensors(size).entrySet()) {
            long bytes = 2;
            for (long dimension : tensor.getValue()) {
                bytes *= dimension;
            }
            header.put(
                    tensor.getKey(),
                    Map.of("dtype", "BF16", "shape", tensor.getValue(), "data_offsets", new long[] {end, end + bytes}));
            end += bytes;
        }
        byte[] json = JSON.writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
        try (RandomAccessFile file =
                new RandomAccessFile(directory.resolve("model.safetensors").toFile(), "rw")) {
            file.write(java.nio.ByteBuffer.allocate(8)
                    .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                    .putLong(json.length)
                    .array());
            file.write(json);
            file.setLength(8 + json.length + end);
        }
    }

    private static Map<String, long[]> tensors(Size size) {
        Map<String, long[]> tensors = new LinkedHashMap<>();
        String model = "model.language_model.";
        tensors.put(model + "embed_tokens.weight", new long[] {VOCABULARY, size.hidden});
        tensors.put(model + "norm.weight", new long[] {size.hidden});
        if (!size.tied) {
            tensors.put("lm_head.weight", new long[] {VOCABULARY, size.hidden});
        }
        for (int i = 0; i < size.layers; i++) {
            layer(tensors, size, model + "layers." + i + ".", i % 4 == 3);
        }
        tensors.put("mtp.fc.weight", new long[] {size.hidden, 2L * size.hidden});
        for (String norm : new String[] {"norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"}) {
            tensors.put("mtp." + norm + ".weight", new long[] {size.hidden});
        }
        layer(tensors, size, "mtp.layers.0.", true);
        vision(tensors, size);
        return tensors;
    }

    private static void layer(Map<String, long[]> tensors, Size size, String prefix, boolean full) {
        long h = size.hidden;
        tensors.put(prefix + "input_layernorm.weight", new long[] {h});
        tensors.put(prefix + "post_attention_layernorm.weight", new long[] {h});
        if (full) {
            tensors.put(prefix + "self_attn.q_proj.weight", new long[] {size.heads * 512L, h});
            tensors.put(prefix + "self_attn.k_proj.weight", new long[] {size.kvHeads * 256L, h});
            tensors.put(prefix + "self_attn.v_proj.weight", new long[] {size.kvHeads * 256L, h});
            tensors.put(prefix + "self_attn.o_proj.weight", new long[] {h, size.heads * 256L});
            tensors.put(prefix + "self_attn.q_norm.weight", new long[] {256});
            tensors.put(prefix + "self_attn.k_norm.weight", new long[] {256});
        } else {
            long values = size.valueHeads * 128L;
            tensors.put(prefix + "linear_attn.in_proj_qkv.weight", new long[] {4096 + values, h});
            tensors.put(prefix + "linear_attn.in_proj_z.weight", new long[] {values, h});
            tensors.put(prefix + "linear_attn.in_proj_b.weight", new long[] {size.valueHeads, h});
            tensors.put(prefix + "linear_attn.in_proj_a.weight", new long[] {size.valueHeads, h});
            tensors.put(prefix + "linear_attn.conv1d.weight", new long[] {4096 + values, 1, 4});
            tensors.put(prefix + "linear_attn.A_log", new long[] {size.valueHeads});
            tensors.put(prefix + "linear_attn.dt_bias", new long[] {size.valueHeads});
            tensors.put(prefix + "linear_attn.norm.weight", new long[] {128});
            tensors.put(prefix + "linear_attn.out_proj.weight", new long[] {h, values});
        }
        if (size.experts > 0) {
            tensors.put(prefix + "mlp.gate.weight", new long[] {size.experts, h});
            tensors.put(prefix + "mlp.experts.gate_up_proj", new long[] {size.experts, 2L * size.feedForward, h});
            tensors.put(prefix + "mlp.experts.down_proj", new long[] {size.experts, h, size.feedForward});
            mlp(tensors, size, prefix + "mlp.shared_expert.");
            tensors.put(prefix + "mlp.shared_expert_gate.weight", new long[] {1, h});
        } else {
            mlp(tensors, size, prefix + "mlp.");
        }
    }

    private static void mlp(Map<String, long[]> tensors, Size size, String prefix) {
        tensors.put(prefix + "gate_proj.weight", new long[] {size.feedForward, size.hidden});
        tensors.put(prefix + "up_proj.weight", new long[] {size.feedForward, size.hidden});
        tensors.put(prefix + "down_proj.weight", new long[] {size.hidden, size.feedForward});
    }

    private static void vision(Map<String, long[]> tensors, Size size) {
        long width = size.visionHidden;
        String visual = "model.visual.";
        biased(tensors, visual + "patch_embed.proj", width, 3, 2, 16, 16);
        tensors.put(visual + "pos_embed.weight", new long[] {2304, width});
        for (int i = 0; i < size.visionDepth; i++) {
            String block = visual + "blocks." + i + ".";
            biased(tensors, block + "norm1", width);
            biased(tensors, block + "norm2", width);
            biased(tensors, block + "attn.qkv", 3 * width, width);
            biased(tensors, block + "attn.proj", width, width);
            biased(tensors, block + "mlp.linear_fc1", size.visionFeedForward, width);
            biased(tensors, block + "mlp.linear_fc2", width, size.visionFeedForward);
        }
        biased(tensors, visual + "merger.norm", width);
        biased(tensors, visual + "merger.linear_fc1", 4 * width, 4 * width);
        biased(tensors, visual + "merger.linear_fc2", size.hidden, 4 * width);
    }

    private static void biased(Map<String, long[]> tensors, String name, long... shape) {
        tensors.put(name + ".weight", shape);
        tensors.put(name + ".bias", new long[] {shape[0]});
    }
}
