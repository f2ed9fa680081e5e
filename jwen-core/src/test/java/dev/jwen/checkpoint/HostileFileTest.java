package dev.jwen.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.sun.management.ThreadMXBean;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that lie are refused with the file's name and a reason, before anything is allocated on their word. */
class HostileFileTest {
    private static final String TENSOR = "token_embd.weight";

    @TempDir
    Path directory;

    // Paths

    @Test
    void whatIsNoModelIsRefused() throws IOException {
        assertRefused(directory.resolve("absent.gguf"), "does not exist");
        assertRefused(directory, "neither .safetensors nor .gguf");
        assertRefused(Path.of("/dev/null"), "neither a file nor a directory");
        assertRefused(Files.createFile(directory.resolve("empty.gguf")), "not a GGUF file");
        assertRefused(Files.writeString(directory.resolve("cut.gguf"), "GGUF1"), "has only 5 bytes");
        assertRefused(Files.writeString(directory.resolve("notes.txt"), "hello"), "neither a safetensors nor a GGUF");
        assertRefused(Files.writeString(directory.resolve("model.bin"), "PK"), "neither a safetensors nor a GGUF");
        assertThatThrownBy(() -> Safetensors.open(directory))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("found a directory");
    }

    @Test
    void anUnreadableFileIsRefused() throws IOException {
        Path file = Files.writeString(directory.resolve("secret.gguf"), "GGUF");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("-wx------"));
        assumeFalse(Files.isReadable(file), "not run: this user may read everything");
        assertRefused(file, "may not be read");
    }

    // Safetensors

    @ParameterizedTest
    @ValueSource(longs = {0, 1, -1, Long.MIN_VALUE, Long.MAX_VALUE, 100, 99_999_999, 100_000_001, 1L << 40})
    void aHeaderLengthBeyondTheFileIsRefused(long length) throws IOException {
        assertRefusedSafetensors(length, "{}", 0, "claims " + length + " bytes");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[]                                                                     | expected a JSON object",
                "{'t                                                                    | is not valid JSON",
                "{} x                                                                   | is not valid JSON",
                "{} {}                                                                  | nothing after",
                "{'t': 1}                                                               | lacks a proper dtype",
                "{'__metadata__': 1}                                                    | __metadata__",
                "{'t': {'dtype':'F32','shape':[1]}}                                     | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[0]}}                  | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[4,0]}}                | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[-4,0]}}               | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[1.5],'data_offsets':[0,4]}}              | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[null],'data_offsets':[0,4]}}             | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[-1],'data_offsets':[0,4]}}               | impossible shape [-1]",
                "{'t': {'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,0]}}  | impossible shape",
                "{'t': {'dtype':'F32','shape':[0,9223372036854775807],'data_offsets':[0,0]}}  | impossible shape",
                "{'t': {'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,0]}}   | lacks a proper dtype",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[0,8]}}                | needs 4 bytes, but its header gives it 8",
                "{'t': {'dtype':'F32','shape':[9],'data_offsets':[0,36]}}               | needs 36 bytes at byte",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[9223372036854775803,9223372036854775807]}} | cut short",
                "{'t': {'dtype':'Q9','shape':[1],'data_offsets':[0,4]}}                 | has type 'Q9'",
                "{'t': {'dtype':'U32','shape':[1],'data_offsets':[0,4]}}                | has type 'U32'",
                "{'t': {'dtype':'F32','shape':[1],'data_offsets':[0,4]}, 't': {'dtype':'F32','shape':[1],'data_offsets':[4,8]}}  | occurs twice",
                "{'t': {'dtype':'F32','shape':[2],'data_offsets':[0,8]}, 'u': {'dtype':'F32','shape':[2],'data_offsets':[4,12]}} | overlap",
            })
    void aLyingSafetensorsHeaderIsRefused(String header, String reason) throws IOException {
        String json = header.replace('\'', '"');
        assertRefusedSafetensors(json.length(), json, 16, reason);
    }

    @Test
    void deepNestingIsRefused() throws IOException {
        String json = "{\"t\":" + "[".repeat(100_000);
        assertRefusedSafetensors(json.length(), json, 0, "nesting depth");
    }

    @Test
    void aSafetensorsFileCutShortAnywhereIsRefused() throws IOException {
        Path whole = directory.resolve("whole.safetensors");
        SafetensorsWriter.write(whole, TinyModel.published(), Map.of("format", "pt"));
        byte[] bytes = Files.readAllBytes(whole);
        Path cut = directory.resolve("cut.safetensors");
        for (int length = 0; length < bytes.length; length += 7) {
            Files.write(cut, Arrays.copyOf(bytes, length));
            assertThatThrownBy(() -> Safetensors.open(cut)).isInstanceOf(CheckpointException.class);
        }
    }

    private void assertRefusedSafetensors(long length, String header, int data, String reason) throws IOException {
        Path file = directory.resolve("lie.safetensors");
        ByteBuffer buffer = ByteBuffer.allocate(8 + header.length() + data).order(ByteOrder.LITTLE_ENDIAN);
        Files.write(
                file,
                buffer.putLong(length)
                        .put(header.getBytes(StandardCharsets.UTF_8))
                        .array());
        assertThatThrownBy(() -> Safetensors.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file.toString())
                .hasMessageContaining(reason);
    }

    // Directories

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[1]                                   | expected a JSON object",
                "''                                    | expected a JSON object",
                "{\"text_config\": 3}                  | text_config",
                "{\"model_type\": 3}                   | model_type is '3'",
                "{\"model_type\": \"qwen3_5_text\", \"quantization_config\": 3}   | quantised with",
                "{\"model_type\": \"qwen3_5_text\", \"quantization\": {\"bits\": 4}} | MLX",
            })
    void aConfigurationThatIsNoneIsRefused(String config, String reason) {
        TinyModel.writeDirectory(directory, TinyModel.published());
        TinyModel.write(directory.resolve("config.json"), config);
        assertRefused(directory, reason);
    }

    @Test
    void brokenFilesBesideTheWeightsAreRefused() throws IOException {
        TinyModel.writeDirectory(directory, TinyModel.published());
        Path template = directory.resolve("chat_template.jinja");
        Files.write(template, new byte[] {'a', (byte) 0xFF, (byte) 0xFE});
        assertRefused(directory, "chat_template.jinja", "not UTF-8");
        Files.delete(template);
        TinyModel.write(directory.resolve("tokenizer_config.json"), "{\"chat_template\": \"");
        assertRefused(directory, "tokenizer_config.json", "not valid JSON");
        TinyModel.write(directory.resolve("tokenizer_config.json"), "{}");
        Files.createDirectory(directory.resolve("generation_config.json"));
        assertRefused(directory, "generation_config.json", "expected a file");
        Files.delete(directory.resolve("config.json"));
        assertRefused(directory, "has no config.json");
    }

    @Test
    void namesThatMeetOnceThePrefixIsGoneAreRefused() {
        Map<String, Tensor> tensors = TinyModel.published();
        tensors.put("norm.weight", TinyModel.ramp(4));
        assertRefused(TinyModel.writeDirectory(directory, tensors), "two tensors are both 'norm.weight'");
    }

    // GGUF

    @ParameterizedTest
    @CsvSource({
        "0, 0x46554748, not a GGUF file",
        "4, 1, version 1",
        "4, 0x03000000, big-endian",
        "8, 99999999, room for",
        "12, 1, room for",
        "12, 0x80000000, room for",
        "16, 99999999, room for",
        "20, 0xFFFFFFFF, room for",
    })
    void aLyingPreambleIsRefused(int position, String value, String reason) throws IOException {
        assertRefusedGguf(buffer -> buffer.putInt(position, (int) (long) Long.decode(value)), reason);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 5, has 5 dimensions",
        "0, 0xFFFFFFFF, has 4294967295 dimensions",
        "4, 0xFFFFFFFF, cut short",
        "8, 0x7FFFFFFF, impossible shape",
        "12, 9, overlap",
        "12, 0x7FFFFFFF, cut short",
        "16, 0x80000000, impossible shape",
        "20, 8, multiple of 32 for type Q8_0",
        "20, 15, type id 15",
        "20, 137, ik_llama.cpp",
        "20, 0xFFFFFFFF, type id 4294967295",
        "24, 1, expected a multiple of 32",
        "24, 0x7FFFFFE0, the file ends at",
        "28, 0x80000000, expected a multiple of 32",
        "28, 0x7FFFFFFF, the file ends at",
        "24, 32, overlap",
    })
    void aLyingTensorEntryIsRefused(int position, String value, String reason) throws IOException {
        // After the name: u32 rank, two u64 dimensions at 4 and 12, u32 type at 20, u64 offset at 24.
        assertRefusedGguf(
                buffer -> buffer.putInt(after(buffer, TENSOR) + position, (int) (long) Long.decode(value)), reason);
    }

    @ParameterizedTest
    @CsvSource({
        "general.architecture, 0, 9, array",
        "general.architecture, 0, 13, unknown or nested type 13",
        "general.architecture, 4, 0x7FFFFFFF, a string at byte",
        "general.architecture, 8, 0x80000000, a string at byte",
        "tokenizer.ggml.tokens, 4, 9, unknown or nested type 9",
        "tokenizer.ggml.tokens, 8, 0x7FFFFFFF, room for",
        "tokenizer.ggml.tokens, 12, 0x80000000, room for",
        "tokenizer.ggml.tokens, 16, 0x7FFFFFFF, a string at byte",
        "tokenizer.ggml.tokens, 16, 0x03000000, ends at byte",
        "tokenizer.ggml.tokens, 20, 0x80000000, a string at byte",
        "tokenizer.ggml.token_type, 8, 0x7FFFFFFF, room for",
        "tokenizer.chat_template, 8, 1, a string at byte",
    })
    void lyingMetadataIsRefused(String key, int position, String value, String reason) throws IOException {
        String expected = reason.equals("array") ? "damaged" : reason;
        assertRefusedGguf(
                buffer -> buffer.putInt(after(buffer, key) + position, (int) (long) Long.decode(value)), expected);
    }

    @Test
    void repeatedNamesAreRefused() throws IOException {
        assertRefusedGguf(
                buffer -> buffer.put(after(buffer, "blk.0.attn_norm.weight") - 18, (byte) '1'), "is listed twice");
        Map<String, Object> metadata = TinyModel.ggufMetadata();
        metadata.put("tokenizer.ggml.prf", "qwen35");
        Path file = directory.resolve("twice.gguf");
        GgufWriter.write(file, metadata, TinyModel.ggufTensors());
        byte[] bytes = Files.readAllBytes(file);
        bytes[after(ByteBuffer.wrap(bytes), "tokenizer.ggml.prf") - 1] = 'e';
        Files.write(file, bytes);
        assertRefused(file, "'tokenizer.ggml.pre' occurs twice");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, -32, 1 << 30})
    void aStrangeAlignmentIsRefused(int alignment) {
        Map<String, Object> metadata = TinyModel.ggufMetadata();
        metadata.put("general.alignment", alignment);
        Path file = directory.resolve("alignment.gguf");
        GgufWriter.write(file, metadata, TinyModel.ggufTensors());
        assertRefused(file, "general.alignment");
    }

    @Test
    void aGgufFileCutShortAnywhereIsRefused() throws IOException {
        byte[] bytes = tinyGguf();
        Path cut = directory.resolve("cut.gguf");
        // The last tensor, a vector of four, is followed by 16 bytes of padding.
        for (int length = 0; length < bytes.length - 16; length += 7) {
            Files.write(cut, Arrays.copyOf(bytes, length));
            assertThatThrownBy(() -> Checkpoint.open(cut)).isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void nothingIsAllocatedOnTheWordOfAHeader() throws IOException {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        aLyingPreambleIsRefused(8, "99999999", "room for");
        lyingMetadataIsRefused("tokenizer.ggml.tokens", 8, "0x7FFFFFFF", "room for");
        lyingMetadataIsRefused("general.architecture", 4, "0x3FFFFFF", "ends at byte");
        aHeaderLengthBeyondTheFileIsRefused(99_999_999);
        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(8 << 20);
    }

    private byte[] tinyGguf() throws IOException {
        Path file = directory.resolve("tiny.gguf");
        GgufWriter.write(file, TinyModel.ggufMetadata(), TinyModel.ggufTensors());
        return Files.readAllBytes(file);
    }

    private void assertRefusedGguf(Consumer<ByteBuffer> lie, String reason) throws IOException {
        byte[] bytes = tinyGguf();
        lie.accept(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        assertRefused(Files.write(directory.resolve("lie.gguf"), bytes), reason);
    }

    private static int after(ByteBuffer buffer, String name) {
        byte[] bytes = new byte[buffer.capacity()];
        buffer.get(0, bytes);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        assertThat(text).contains(name);
        return text.indexOf(name) + name.length();
    }

    private static void assertRefused(Path path, String... reasons) {
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(path.toString())
                .hasMessageContainingAll(reasons);
    }
}
