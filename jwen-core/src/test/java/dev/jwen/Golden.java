package dev.jwen;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reference answers from independent implementations. A few travel with the source as test resources; the rest lies in
 * a directory beside the checkout, and a test that asks for one of those is skipped where it is missing.
 */
public final class Golden {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private Golden() {}

    /** One array of a golden file; integers are kept in {@code longs}, everything else in {@code floats}. */
    @SuppressWarnings("ArrayRecordComponent") // compared element by element in tests, never as a record
    public record Array(long[] shape, float[] floats, long[] longs, byte[] bytes) {
        public int[] ints() {
            int[] ints = new int[longs.length];
            for (int i = 0; i < ints.length; i++) {
                ints[i] = Math.toIntExact(longs[i]);
            }
            return ints;
        }
    }

    /** A file or directory of the shared golden data, for example {@code "golden/dense-text"}; skips the test if absent. */
    public static Path shared(String relative) {
        Path path = Path.of(System.getProperty("jwen.shared", "../../shared")).resolve(relative);
        assumeTrue(Files.exists(path), () -> "not run: needs the shared golden data " + relative);
        return path;
    }

    /** A golden file or directory that travels with the source, under src/test/resources/golden. */
    public static Path shipped(String relative) {
        return Path.of("src/test/resources/golden").resolve(relative).toAbsolutePath();
    }

    public static JsonNode json(Path file) {
        return JSON.readTree(file.toFile());
    }

    /** All arrays of a safetensors file, read without any code of Jwen. */
    public static Map<String, Array> arrays(Path file) {
        byte[] all;
        try {
            all = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        ByteBuffer buffer = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
        int headerLength = Math.toIntExact(buffer.getLong(0));
        JsonNode header = JSON.readTree(new String(all, 8, headerLength, StandardCharsets.UTF_8));
        Map<String, Array> arrays = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : header.properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                arrays.put(entry.getKey(), array(entry.getValue(), buffer, 8 + headerLength));
            }
        }
        return arrays;
    }

    private static Array array(JsonNode entry, ByteBuffer buffer, int base) {
        JsonNode dims = entry.get("shape");
        long[] shape = new long[dims.size()];
        int size = 1;
        for (int i = 0; i < shape.length; i++) {
            shape[i] = dims.get(i).asLong();
            size *= Math.toIntExact(shape[i]);
        }
        int begin = base + entry.get("data_offsets").get(0).asInt();
        int end = base + entry.get("data_offsets").get(1).asInt();
        byte[] bytes = new byte[end - begin];
        buffer.get(begin, bytes);
        float[] floats = new float[0];
        long[] longs = new long[0];
        String type = entry.get("dtype").asString();
        switch (type) {
            case "F32" -> {
                floats = new float[size];
                for (int i = 0; i < size; i++) {
                    floats[i] = buffer.getFloat(begin + 4 * i);
                }
            }
            case "F64" -> {
                floats = new float[size];
                for (int i = 0; i < size; i++) {
                    floats[i] = (float) buffer.getDouble(begin + 8 * i);
                }
            }
            case "I64" -> {
                longs = new long[size];
                for (int i = 0; i < size; i++) {
                    longs[i] = buffer.getLong(begin + 8 * i);
                }
            }
            case "I32" -> {
                longs = new long[size];
                for (int i = 0; i < size; i++) {
                    longs[i] = buffer.getInt(begin + 4 * i);
                }
            }
            default -> {
                // U8 and block formats: the bytes are all there is.
            }
        }
        return new Array(shape, floats, longs, bytes);
    }
}
