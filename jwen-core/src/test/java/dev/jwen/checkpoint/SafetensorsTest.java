package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsTest {
    @TempDir
    Path directory;

    @Test
    void whatIsWrittenIsRead() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("bytes \"quoted\" ü", TinyModel.bytes(DataType.U8, new byte[] {1, 2, 3}, 3));
        tensors.put("logits", TinyModel.ramp(3, 5));
        tensors.put("half", TinyModel.bytes(DataType.BF16, new byte[] {0, 0x40}, 1, 1));
        tensors.put("scalar", TinyModel.ramp());
        tensors.put("empty", TinyModel.ramp(0, 4));
        tensors.put("ids", SafetensorsWriter.int64(new long[] {7, -1, 1L << 40}, 3));
        Path file = directory.resolve("a.safetensors");
        SafetensorsWriter.write(file, tensors, Map.of("format", "pt", "note", "a\nb"));

        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.metadata()).isEqualTo(Map.of("format", "pt", "note", "a\nb"));
            assertThat(read.tensors().keySet()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
            tensors.forEach((name, tensor) -> {
                Tensor found = Objects.requireNonNull(read.tensors().get(name));
                assertThat(found.toString()).isEqualTo(tensor.toString());
                assertThat(found.segment().toArray(ValueLayout.JAVA_BYTE))
                        .isEqualTo(tensor.segment().toArray(ValueLayout.JAVA_BYTE));
                assertThat(found.segment().address() % tensor.type().blockBytes())
                        .isZero();
            });
        }
        assertThat(Golden.arrays(file).get("ids"))
                .extracting(Golden.Array::longs)
                .isEqualTo(new long[] {7, -1, 1L << 40});
    }

    @Test
    void readingGoldenFilesEqualsReadingThemIndependently() throws IOException {
        try (Stream<Path> files = Files.list(Golden.shared("golden/dense-text/cases"))) {
            for (Path file :
                    files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
                Map<String, Golden.Array> expected = Golden.arrays(file);
                try (Safetensors read = Safetensors.open(file)) {
                    assertThat(read.tensors().keySet()).isEqualTo(expected.keySet());
                    expected.forEach((name, array) -> {
                        Tensor tensor = Objects.requireNonNull(read.tensors().get(name));
                        assertThat(tensor.shape()).isEqualTo(array.shape());
                        assertThat(tensor.segment().toArray(ValueLayout.JAVA_BYTE))
                                .isEqualTo(array.bytes());
                    });
                }
            }
        }
    }

    @Test
    void aFailedWriteLeavesTheOldFileAndNothingElse() throws IOException {
        Path file = directory.resolve("a.safetensors");
        SafetensorsWriter.write(file, Map.of("old", TinyModel.ramp(2)), Map.of());
        Tensor quantised = Tensor.allocate(Arena.ofAuto(), DataType.Q8_0, 1, 32);
        assertThatThrownBy(() -> SafetensorsWriter.write(file, Map.of("q", quantised), Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tensor q (Q8_0 [1, 32])");
        Path nowhere = directory.resolve("absent/b.safetensors");
        assertThatThrownBy(() -> SafetensorsWriter.write(nowhere, Map.of("t", TinyModel.ramp(2)), Map.of()))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(nowhere.toString())
                .hasMessageContaining("cannot be written");
        // A closed tensor fails in the middle of the file.
        Tensor gone;
        try (Arena arena = Arena.ofConfined()) {
            gone = Tensor.allocate(arena, DataType.F32, 4);
        }
        assertThatThrownBy(() -> SafetensorsWriter.write(file, Map.of("gone", gone), Map.of()))
                .isInstanceOf(IllegalStateException.class);
        try (Safetensors read = Safetensors.open(file);
                Stream<Path> files = Files.list(directory)) {
            assertThat(read.tensors()).containsOnlyKeys("old");
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void closingTwiceIsAllowedAndTensorsEndWithTheFile() {
        Path file = directory.resolve("a.safetensors");
        SafetensorsWriter.write(file, Map.of("t", TinyModel.ramp(2)), Map.of());
        Safetensors read = Safetensors.open(file);
        Tensor tensor = Objects.requireNonNull(read.tensors().get("t"));
        read.close();
        read.close();
        assertThatThrownBy(tensor::toFloats).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void ggufKeepsEveryKindOfMetadata() {
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("string", "ü\u0000x");
        metadata.put("int", 7);
        metadata.put("long", 1L << 40);
        metadata.put("float", 0.1f);
        metadata.put("double", 0.1);
        metadata.put("boolean", true);
        metadata.put("strings", List.of("a", "", "ü"));
        metadata.put("ints", List.of(1, -2, 3));
        metadata.put("longs", List.of(5L));
        metadata.put("floats", List.of(0.5f, 0.1f));
        metadata.put("booleans", List.of(true, false));
        metadata.put("none", List.of());
        Path file = directory.resolve("a.gguf");
        GgufWriter.write(file, metadata, Map.of("t", TinyModel.ramp(2, 3)));
        try (Gguf read = Gguf.open(file)) {
            Map<String, Object> expected = new LinkedHashMap<>(metadata);
            expected.put("int", 7L);
            expected.put("float", 0.1);
            expected.put("ints", List.of(1L, -2L, 3L));
            expected.put("floats", List.of(0.5, 0.1));
            assertThat(read.metadata()).isEqualTo(expected);
            assertThat(read.version()).isEqualTo(3);
            Tensor tensor = Objects.requireNonNull(read.tensors().get("t"));
            assertThat(tensor.shape()).containsExactly(2, 3);
            assertThat(tensor.toFloats()).isEqualTo(TinyModel.ramp(2, 3).toFloats());
        }
    }
}
