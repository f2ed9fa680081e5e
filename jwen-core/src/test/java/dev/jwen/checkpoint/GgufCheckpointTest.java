package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.jwen.checkpoint.Checkpoint.TokenizerSource;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GgufCheckpointTest {
    @TempDir
    Path directory;

    private Path file;
    private final Map<String, Object> metadata = TinyModel.ggufMetadata();
    private final Map<String, Tensor> tensors = TinyModel.ggufTensors();

    @BeforeEach
    void nameTheFile() {
        file = directory.resolve("tiny.gguf");
    }

    @Test
    void itsConfigurationEqualsThePublishedOne() {
        TinyModel.writeDirectory(directory, TinyModel.published());
        try (Checkpoint published = Checkpoint.open(directory);
                Checkpoint checkpoint = open()) {
            Map<String, Object> config = new LinkedHashMap<>(checkpoint.config());
            assertThat(config.remove("eos_token_id")).isEqualTo(5L);
            assertThat(config.remove("pad_token_id")).isEqualTo(4L);
            Map<String, Object> expected = new LinkedHashMap<>(published.config());
            expected.computeIfPresent("rope_parameters", (key, rope) -> {
                Map<Object, Object> withDouble = new LinkedHashMap<>((Map<?, ?>) rope);
                withDouble.put("rope_theta", 1e7);
                return withDouble;
            });
            assertThat(config).isEqualTo(expected);
            assertThat(checkpoint.names())
                    .containsExactlyInAnyOrderElementsOf(TinyModel.tensors().keySet());
            assertThat(checkpoint.problems()).isEmpty();
        }
    }

    @Test
    void loadingAsksBetweenTensorsWhetherToStop() {
        try (Checkpoint checkpoint = open()) {
            AtomicInteger asked = new AtomicInteger();
            checkpoint.load(() -> asked.incrementAndGet() == 3);
            assumeThat(asked).hasPositiveValue(); // a system that does not say how much memory it has loads nothing
            assertThat(asked).hasValue(3);
            checkpoint.load(() -> asked.incrementAndGet() < 3);
            assertThat(asked).hasValue(3 + checkpoint.names().size());
        }
    }

    @Test
    void recurrentLayersDecideBeforeTheInterval() {
        metadata.put("qwen35.attention.recurrent_layers", List.of(false, true, false));
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.config()).containsEntry("layer_types", List.of("full_attention", "linear_attention"));
        }
        metadata.put("qwen35.attention.recurrent_layers", List.of(true));
        assertRefused("recurrent_layers", "lists 1 layers, expected 2");
    }

    @Test
    void longContextScalingIsPartOfTheRopeParameters() {
        metadata.put("qwen35.rope.scaling.type", "yarn");
        metadata.put("qwen35.rope.scaling.factor", 4f);
        metadata.put("qwen35.rope.scaling.original_context_length", 16);
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.config().get("rope_parameters"))
                    .isEqualTo(Map.of(
                            "rope_theta",
                            1e7,
                            "partial_rotary_factor",
                            0.5,
                            "mrope_section",
                            List.of(1L, 0L, 0L),
                            "mrope_interleaved",
                            true,
                            "rope_type",
                            "yarn",
                            "factor",
                            4.0,
                            "original_max_position_embeddings",
                            16L));
        }
    }

    @Test
    void stopTokensAreTheEndOfATurnAndOfADocument() {
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.generationConfig())
                    .isEqualTo(Map.of(
                            "eos_token_id",
                            List.of(5L, 4L),
                            "pad_token_id",
                            4L,
                            "temperature",
                            0.6,
                            "do_sample",
                            true));
            assertThat(checkpoint.chatTemplate()).isEqualTo("{{ messages }}");
            assertThat(checkpoint.tokenizerSource())
                    .isEqualTo(new TokenizerSource.Embedded(
                            List.of("a", "b", "ab", "c", "<|endoftext|>", "<|im_end|>"),
                            List.of(1, 1, 1, 1, 3, 3),
                            List.of("a b"),
                            "qwen35"));
        }
    }

    @Test
    void aMissingMtpNormIsTheOneOfTheTrunk() {
        tensors.remove("blk.2.nextn.shared_head_norm.weight");
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.tensor("mtp.norm.weight")).isSameAs(checkpoint.tensor("norm.weight"));
            assertThat(checkpoint.problems()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"nextn.eh_proj.weight", "attn_q.weight", "ffn_up.weight"})
    void anIncompleteMtpLayerIsAsIfAbsentButReported(String missing) {
        tensors.remove("blk.2." + missing);
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.names()).noneMatch(name -> name.startsWith("mtp."));
            assertThat(checkpoint.config())
                    .containsEntry("mtp_num_hidden_layers", 0L)
                    .containsEntry("num_hidden_layers", 2L);
            assertThat(checkpoint.problems())
                    .singleElement()
                    .asString()
                    .contains("incomplete", TensorNames.ofGguf("blk.2." + missing, 2));
        }
    }

    @Test
    void unknownTensorsAreReported() {
        tensors.put("blk.0.attn_sinks.weight", TinyModel.ramp(4));
        tensors.put("blk.7.attn_q.weight", TinyModel.ramp(4));
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.problems())
                    .singleElement()
                    .asString()
                    .contains("2 unknown", "blk.0.attn_sinks.weight", "blk.7.attn_q.weight");
        }
    }

    @Test
    void scaleCompanionsMultiplyTheWholeMatrix() {
        tensors.put("blk.1.attn_q.weight", TinyModel.bytes(DataType.NVFP4, new byte[36], 1, 64));
        tensors.put("blk.1.attn_q.scale", Tensor.f32(new float[] {0.25f}, 1));
        tensors.put("blk.1.attn_q.input_scale", Tensor.f32(new float[] {3f}, 1));
        tensors.put("blk.1.attn_k.scale", Tensor.f32(new float[] {2f}, 1));
        try (Checkpoint checkpoint = open()) {
            Tensor.Scale scale = Objects.requireNonNull(
                    checkpoint.tensor("layers.1.self_attn.q_proj.weight").scale());
            assertThat(scale.values().toFloats()).containsExactly(0.25f);
            float[] k = checkpoint.tensor("layers.1.self_attn.k_proj.weight").toFloats();
            assertThat(k).startsWith(0f, 0.25f, 0.5f).hasSize(16);
            assertThat(checkpoint.names()).noneMatch(name -> name.contains("scale"));
        }
        tensors.put("blk.1.attn_k.scale", TinyModel.ramp(3));
        assertRefused("attn_k.weight", "F32 [3]", "one F32 value");
    }

    @Test
    void anExpertStackHasOneScalePerExpert() {
        tensors.put("blk.1.ffn_up_exps.weight", TinyModel.ramp(2, 3, 4));
        tensors.put("blk.1.ffn_up_exps.scale", Tensor.f32(new float[] {1, 2}, 2));
        try (Checkpoint checkpoint = open()) {
            float[] values = checkpoint.tensor("layers.1.mlp.experts.up_proj").toFloats();
            assertThat(values[11]).isEqualTo(11 / 8f);
            assertThat(values[12]).isEqualTo(2 * 12 / 8f);
        }
    }

    @Test
    void anyPartOfASplitModelOpensAllOfIt() throws IOException {
        List<Path> parts = writeParts();
        try (Checkpoint first = Checkpoint.open(parts.get(0));
                Checkpoint last = Checkpoint.open(parts.get(2));
                Checkpoint all = Checkpoint.open(directory)) {
            assertThat(first.names())
                    .containsExactlyInAnyOrderElementsOf(TinyModel.tensors().keySet())
                    .isEqualTo(last.names())
                    .isEqualTo(all.names());
            assertThat(last.config()).isEqualTo(first.config()).isEqualTo(all.config());
            long size = 0;
            for (Path part : parts) {
                size += Files.size(part);
            }
            assertThat(last.sizeBytes()).isEqualTo(size);
        }
    }

    @Test
    void partsThatDoNotBelongTogetherAreRefused() throws IOException {
        List<Path> parts = writeParts();
        Path second = parts.get(1);
        byte[] good = Files.readAllBytes(second);
        Files.delete(second);
        assertRefused(parts.get(0), "00002-of-00003.gguf", "is missing");
        Files.copy(parts.get(2), second);
        assertRefused(parts.get(0), "split.no 2", "expected 1");
        GgufWriter.write(second, split(1), Map.of());
        assertRefused(parts.get(0), "split.tensors.count");
        Files.write(second, good);
        Path renamed = directory.resolve("part2.gguf");
        Files.move(second, renamed);
        assertRefused(renamed, "one of 3 parts", "Give the parts their names back");
    }

    @Test
    void joinedPartsAreOneFile() {
        metadata.put("split.count", 0);
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.names()).hasSameSizeAs(tensors.keySet());
        }
    }

    @Test
    void versionTwoOpensToo() throws IOException {
        byte[] bytes = Files.readAllBytes(written());
        bytes[4] = 2;
        Files.write(file, bytes);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertThat(checkpoint.names()).hasSameSizeAs(tensors.keySet());
        }
    }

    private List<Path> writeParts() {
        List<Map.Entry<String, Tensor>> entries = new ArrayList<>(tensors.entrySet());
        List<Path> parts = new ArrayList<>();
        for (int part = 0; part < 3; part++) {
            Map<String, Object> keys = new LinkedHashMap<>(part == 0 ? metadata : Map.of());
            keys.putAll(split(part));
            Map<String, Tensor> some = new LinkedHashMap<>();
            int begin = part * entries.size() / 3;
            int end = (part + 1) * entries.size() / 3;
            entries.subList(begin, end).forEach(entry -> some.put(entry.getKey(), entry.getValue()));
            parts.add(directory.resolve("tiny-0000%d-of-00003.gguf".formatted(part + 1)));
            GgufWriter.write(parts.getLast(), keys, some);
        }
        return parts;
    }

    private Map<String, Object> split(int part) {
        return Map.of("split.no", part, "split.count", 3, "split.tensors.count", tensors.size());
    }

    @Test
    void otherArchitecturesAreRefusedByName() {
        metadata.put("general.architecture", "llama");
        assertRefused("'llama'", "qwen35");
        metadata.put("general.architecture", "qwen4_exp");
        assertRefused("'qwen4_exp'", "qwen35");
        metadata.put("general.architecture", "clip");
        assertRefused("vision file (mmproj)", "text model");
        metadata.remove("general.architecture");
        assertRefused("general.architecture");
    }

    @Test
    void anMtpLayerAloneIsRefused() {
        tensors.keySet().removeIf(name -> !name.startsWith("blk.2."));
        assertRefused("token_embd.weight", "Open the full model");
    }

    @Test
    void metadataOfTheWrongKindIsRefusedByKey() {
        for (Object wrong : List.of(0, -1L, "4", 4f, List.of(4, 8))) {
            metadata.put("qwen35.attention.head_count_kv", wrong);
            assertRefused("qwen35.attention.head_count_kv", "positive number");
        }
        metadata.put("qwen35.attention.head_count_kv", List.of(0, 1, 1));
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.config()).containsEntry("num_key_value_heads", 1L);
        }
        metadata.put("qwen35.block_count", 2_000_000_000);
        assertRefused("claims 1999999999 layers");
        metadata.put("qwen35.block_count", 1);
        assertRefused("1 of 1 blocks");
        metadata.remove("qwen35.block_count");
        assertRefused("qwen35.block_count is 'missing'");
    }

    @Test
    void aTokenizerThatContradictsItselfIsRefusedWhenAskedFor() {
        metadata.put("tokenizer.ggml.token_type", List.of(1, 1));
        try (Checkpoint checkpoint = open()) {
            assertThatThrownBy(checkpoint::tokenizerSource)
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("6 tokens but 2 token types");
        }
        metadata.put("tokenizer.ggml.model", "llama");
        try (Checkpoint checkpoint = open()) {
            assertThat(checkpoint.tokenizerSource()).isNull();
            assertThat(checkpoint.problems()).anyMatch(line -> line.contains("llama"));
        }
    }

    @Test
    void aLargeVocabularyOutlivesTheMapping() {
        metadata.put(
                "tokenizer.ggml.tokens",
                IntStream.range(0, 248_320).mapToObj(i -> "token" + i).toList());
        Gguf opened;
        try (Gguf gguf = Gguf.open(written())) {
            opened = gguf;
            List<?> tokens = (List<?>) Objects.requireNonNull(gguf.metadata().get("tokenizer.ggml.tokens"));
            assertThat(tokens).hasSize(248_320);
            assertThat(tokens.get(248_319)).isEqualTo("token248319");
        }
        List<?> tokens = (List<?>) Objects.requireNonNull(opened.metadata().get("tokenizer.ggml.tokens"));
        assertThat(tokens.get(0)).isEqualTo("token0");
        assertThat(tokens.get(100_000)).isEqualTo("token100000");
        assertThatThrownBy(() -> tokens.get(248_320)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void listsOfFilesBeyondTwoGibibytesAreRead() throws IOException {
        metadata.put("tokenizer.ggml.tokens", List.of("a", "b"));
        Path large = written();
        try (FileChannel channel = FileChannel.open(large, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), 5L << 29); // a hole takes no disk
        }
        try (Gguf gguf = Gguf.open(large)) {
            assertThat(gguf.metadata().get("tokenizer.ggml.tokens")).isEqualTo(List.of("a", "b"));
        }
    }

    private Path written() {
        GgufWriter.write(file, metadata, tensors);
        return file;
    }

    private Checkpoint open() {
        return Checkpoint.open(written());
    }

    private void assertRefused(String... words) {
        assertRefused(written(), words);
    }

    private static void assertRefused(Path path, String... words) {
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(String.valueOf(path.getParent()))
                .hasMessageContainingAll(words);
    }
}
