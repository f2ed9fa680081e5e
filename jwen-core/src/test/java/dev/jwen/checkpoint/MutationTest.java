package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.fail;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** However a file is damaged, opening it and reading every tensor ends with the model or a CheckpointException. */
class MutationTest {
    private static final int MUTANTS = 12_000;
    private static final long[] TELLING = {
        0,
        1,
        -1,
        2,
        4,
        8,
        9,
        31,
        32,
        40,
        133,
        255,
        256,
        65_535,
        1 << 20,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        1L << 32,
        1L << 40,
        1L << 56,
        1L << 62,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };
    private static final List<String> TELLING_JSON = List.of(
            "null", "{}", "[]", "-1", "0", "1e999", "9223372036854775807", "\"\"", "true", "[[", "}", "\\u0000", "NaN");

    @TempDir
    Path directory;

    @Test
    void noMutantOfAGgufFileDoesMoreThanFail() throws IOException {
        Path file = directory.resolve("mutant.gguf");
        Map<String, Tensor> tensors = TinyModel.ggufTensors();
        tensors.put("blk.1.attn_q.scale", TinyModel.ramp(1));
        tensors.put("blk.1.ffn_up.weight", TinyModel.bytes(DataType.Q8_0, new byte[34], 1, 32));
        GgufWriter.write(file, TinyModel.ggufMetadata(), tensors);
        mutate(file, file, 1, MUTANTS);
    }

    @Test
    void noMutantOfASafetensorsFileDoesMoreThanFail() throws IOException {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.put("model.layers.1.mlp.up_proj.weight", TinyModel.bytes(DataType.F8_E4M3, new byte[16], 4, 4));
        tensors.put("model.layers.1.mlp.up_proj.weight_scale_inv", TinyModel.ramp(1, 1));
        TinyModel.writeDirectory(directory, tensors);
        mutate(directory, directory.resolve("model.safetensors"), 2, MUTANTS);
    }

    @Test
    void noMutantOfAConfigurationDoesMoreThanFail() throws IOException {
        TinyModel.writeDirectory(directory, TinyModel.published());
        Path config = directory.resolve("config.json");
        TinyModel.write(
                config,
                TinyModel.CONFIG.replaceFirst(
                        "\\{",
                        "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]},"
                                + "\"text_config\": {\"model_type\": \"qwen3_5_text\", \"num_experts\": 4},"));
        mutate(directory, config, 3, MUTANTS / 4);
    }

    @Test
    void noMutantOfAnIndexDoesMoreThanFail() throws IOException {
        TinyModel.write(directory.resolve("config.json"), TinyModel.CONFIG);
        SafetensorsWriter.write(directory.resolve("a.safetensors"), TinyModel.published(), Map.of());
        StringBuilder map = new StringBuilder();
        for (String name : TinyModel.published().keySet()) {
            map.append(map.isEmpty() ? "" : ",").append("\"%s\":\"a.safetensors\"".formatted(name));
        }
        Path index = directory.resolve("model.safetensors.index.json");
        TinyModel.write(index, "{\"weight_map\":{" + map + "}}");
        mutate(directory, index, 4, MUTANTS / 4);
    }

    private static void mutate(Path model, Path file, long seed, int mutants) throws IOException {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        byte[] good = Files.readAllBytes(file);
        assertThat(opens(model)).isTrue();
        int opened = 0;
        // Overwritten in place: emptying a file first makes some file systems write it to the disk.
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            for (int i = 0; i < mutants; i++) {
                byte[] mutant = mutant(good, random);
                channel.write(ByteBuffer.wrap(mutant), 0);
                channel.truncate(mutant.length);
                try {
                    opened += opens(model) ? 1 : 0;
                } catch (RuntimeException | Error e) {
                    fail("seed %d, mutant %d of %d bytes".formatted(seed, i, mutant.length), e);
                }
            }
        }
        // Both ends are reached: damage in values goes unnoticed, damage in headers does not.
        assertThat(opened).isPositive().isLessThan(mutants);
    }

    private static boolean opens(Path model) {
        // Closing a shared arena stops every thread for a moment, which is most of the time of a small file.
        try (Arena arena = Arena.ofConfined()) {
            Checkpoint checkpoint = ModelFiles.open(model, arena);
            float[] row = new float[1 << 16];
            for (String name : checkpoint.names()) {
                Tensor tensor = checkpoint.tensor(name);
                boolean plain = tensor.type() == DataType.F32 || tensor.type() == DataType.BF16;
                if (tensor.size() > 0 && plain && tensor.columns() <= row.length) {
                    tensor.decode(tensor.rows() - 1, 0, (int) tensor.columns(), row, 0);
                }
                if (tensor.sizeBytes() > 0) {
                    tensor.segment().get(ValueLayout.JAVA_BYTE, tensor.sizeBytes() - 1);
                }
            }
            assertThat(checkpoint.config()).isNotNull();
            assertThat(checkpoint.problems()).isNotNull();
            checkpoint.tokenizerSource();
            return true;
        } catch (CheckpointException e) {
            assertThat(e).message().isNotBlank();
            return false;
        }
    }

    private static byte[] mutant(byte[] good, RandomGenerator random) {
        byte[] bytes = good.clone();
        for (int n = 1 + random.nextInt(3); n > 0; n--) {
            // An eighth of the length at most, so that several kinds of damage can meet in one file.
            int at = random.nextInt(bytes.length);
            int size = 1 + random.nextInt(Math.max(1, Math.min(bytes.length - at, bytes.length / 8)));
            bytes = switch (random.nextInt(9)) {
                case 0 -> overwrite(bytes, at, new byte[] {(byte) random.nextInt()});
                case 1 -> overwrite(bytes, at, new byte[] {(byte) (bytes[at] ^ 1 << random.nextInt(8))});
                case 2, 3 -> overwrite(bytes, at, telling(random));
                case 4 -> Arrays.copyOf(bytes, at + 1);
                case 5 -> Arrays.copyOf(bytes, bytes.length + size);
                case 6 -> splice(bytes, at, size, Arrays.copyOfRange(bytes, 0, random.nextInt(size + 1)));
                case 7 -> splice(bytes, at, 0, Arrays.copyOfRange(bytes, at, at + size));
                default -> {
                    String json = TELLING_JSON.get(random.nextInt(TELLING_JSON.size()));
                    yield splice(bytes, at, random.nextInt(2), json.getBytes(StandardCharsets.UTF_8));
                }
            };
        }
        return bytes;
    }

    private static byte[] telling(RandomGenerator random) {
        byte[] eight = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(TELLING[random.nextInt(TELLING.length)])
                .array();
        return Arrays.copyOf(eight, random.nextBoolean() ? 8 : 4);
    }

    private static byte[] overwrite(byte[] bytes, int at, byte[] with) {
        System.arraycopy(with, 0, bytes, at, Math.min(with.length, bytes.length - at));
        return bytes;
    }

    private static byte[] splice(byte[] bytes, int at, int removed, byte[] with) {
        byte[] result = new byte[bytes.length - removed + with.length];
        System.arraycopy(bytes, 0, result, 0, at);
        System.arraycopy(with, 0, result, at, with.length);
        System.arraycopy(bytes, at + removed, result, at + with.length, bytes.length - at - removed);
        return result;
    }
}
