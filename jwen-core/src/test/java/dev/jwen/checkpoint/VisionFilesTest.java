package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VisionFilesTest {
    private static final Path TEXT = Golden.shipped("moe-vl/moe-vl-BF16.gguf");
    private static final Path MMPROJ = Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf");

    @TempDir
    Path directory;

    private Path textIn(Path target) throws IOException {
        return Files.copy(TEXT, target.resolve("model-BF16.gguf"));
    }

    @Test
    void theTowerBesideAGgufModelIsFoundAndNamedAsInSafetensors() throws IOException {
        Path text = textIn(directory);
        Files.copy(MMPROJ, directory.resolve("mmproj-model-F16.gguf"));
        for (Path opened : new Path[] {text, directory}) {
            try (Checkpoint checkpoint = Checkpoint.open(opened);
                    VisionFiles files = Objects.requireNonNull(VisionFiles.of(checkpoint, null))) {
                assertThat(files.format()).isEqualTo("GGUF");
                assertThat(files.config()).containsEntry("depth", 2L).containsEntry("num_position_embeddings", 64L);
                assertThat(files.names()).hasSize(2 * 12 + 9).allMatch(name -> name.startsWith("visual."));
                assertThat(files.tensor("visual.blocks.1.attn.qkv.weight").shape())
                        .containsExactly(144, 48);
                assertThat(files.tensor("visual.patch_embed.proj.weight").shape())
                        .containsExactly(48, 3, 2, 16, 16);
            }
        }
    }

    @Test
    void theTowerIsTheSameInBothContainers() {
        Path safetensors = Golden.shared("golden/dense-vl/checkpoint");
        try (Checkpoint checkpoint = Checkpoint.open(safetensors);
                Checkpoint text = Checkpoint.open(TEXT);
                VisionFiles published = Objects.requireNonNull(VisionFiles.of(checkpoint, null));
                VisionFiles converted = Objects.requireNonNull(VisionFiles.of(text, MMPROJ))) {
            assertThat(converted.names()).isEqualTo(published.names());
            for (String name : published.names()) {
                assertThat(converted.tensor(name).toFloats())
                        .as(name)
                        .isEqualTo(published.tensor(name).toFloats());
            }
        }
    }

    @Test
    void aModelWithoutATowerHasNone() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(textIn(directory))) {
            assertThat(VisionFiles.of(checkpoint, null)).isNull();
        }
        try (Checkpoint checkpoint = Checkpoint.open(Golden.shipped("dense-text/checkpoint-bf16-sharded"))) {
            assertThat(VisionFiles.of(checkpoint, null)).isNull();
        }
    }

    @Test
    void ofSeveralTowersOneMustBeNamed() throws IOException {
        Path text = textIn(directory);
        Files.copy(MMPROJ, directory.resolve("mmproj-F16.gguf"));
        Files.copy(MMPROJ, directory.resolve("mmproj-F32.gguf"));
        try (Checkpoint checkpoint = Checkpoint.open(text)) {
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, null))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(
                            "Name the one of this model with --mmproj: [mmproj-F16.gguf, mmproj-F32.gguf]");
            Path one = directory.resolve("mmproj-F32.gguf");
            try (VisionFiles named = Objects.requireNonNull(VisionFiles.of(checkpoint, one))) {
                assertThat(named.path()).isEqualTo(one);
            }
        }
    }

    @Test
    void otherFilesAreRefusedInASentence() {
        try (Checkpoint checkpoint = Checkpoint.open(TEXT)) {
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, TEXT))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("is no vision tower of Qwen 3.5: general.architecture is 'qwen35moe'");
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, directory.resolve("none.gguf")))
                    .isInstanceOf(CheckpointException.class);
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, changed("clip.projector_type", "ldp")))
                    .hasMessageContaining("clip.projector_type 'ldp', expected clip and qwen3vl_merger");
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, changed("clip.vision.block_count", "two")))
                    .hasMessageContaining("clip.vision.block_count is 'two', expected a positive number");
            assertThatThrownBy(() -> VisionFiles.of(checkpoint, without("v.patch_embd.weight.1")))
                    .hasMessageContaining("its patch embedding is F32 [48, 3, 16, 16] and null, expected two");
        }
    }

    @Test
    void aTensorThatIsMissingIsNamed() {
        try (Checkpoint checkpoint = Checkpoint.open(TEXT);
                VisionFiles files = Objects.requireNonNull(VisionFiles.of(checkpoint, without("mm.2.bias")))) {
            assertThatThrownBy(() -> files.tensor("visual.merger.linear_fc2.bias"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(
                            "has no tensor 'visual.merger.linear_fc2.bias', which the vision tower needs");
        }
    }

    private Path changed(String key, Object value) {
        try (Gguf gguf = Gguf.open(MMPROJ)) {
            Map<String, Object> metadata = new LinkedHashMap<>(gguf.metadata());
            metadata.put(key, value);
            return write(metadata, gguf.tensors());
        }
    }

    private Path without(String tensor) {
        try (Gguf gguf = Gguf.open(MMPROJ)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>(gguf.tensors());
            tensors.remove(tensor);
            return write(gguf.metadata(), tensors);
        }
    }

    private Path write(Map<String, Object> metadata, Map<String, Tensor> tensors) {
        Path file = directory.resolve("mmproj-changed.gguf");
        GgufWriter.write(file, metadata, tensors);
        return file;
    }
}
