package dev.jwen.train;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.checkpoint.Safetensors;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A case of the shared golden data; a test that asks for one that is not there is skipped. */
public final class Golden implements AutoCloseable {
    private final Safetensors file;
    private final Map<String, Tensor> arrays;
    private final JsonNode facts;

    /** For example {@code "golden/dense-text/cases/train-step"}. */
    Golden(String relative) {
        this.file = Safetensors.open(shared(relative + ".safetensors"));
        this.arrays = file.tensors();
        this.facts = JsonMapper.shared().readTree(shared(relative + ".json").toFile());
    }

    public static Path shared(String relative) {
        Path path = Path.of(System.getProperty("jwen.shared", "../../shared")).resolve(relative);
        assumeTrue(Files.exists(path), () -> "not run: needs the shared golden data " + relative);
        return path;
    }

    JsonNode facts() {
        return facts;
    }

    Map<String, Tensor> arrays() {
        return arrays;
    }

    float[] floats(String name) {
        return tensor(name).toFloats();
    }

    int[] row(String name, int row) {
        Tensor tensor = tensor(name);
        int[] values = new int[Math.toIntExact(tensor.columns())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (int) tensor.segment()
                    .get(
                            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
                            8 * (row * tensor.columns() + i));
        }
        return values;
    }

    private Tensor tensor(String name) {
        Tensor tensor = arrays.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("no array " + name);
        }
        return tensor;
    }

    @Override
    public void close() {
        file.close();
    }
}
