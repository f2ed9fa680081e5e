package dev.jwen.checkpoint;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** Writes safetensors files. */
public final class SafetensorsWriter {
    private static final JsonFactory JSON = JsonFactory.builder().build();
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private SafetensorsWriter() {}

    /**
     * Writes {@code tensors} so that {@code file} is at all times either what it was before or complete.
     *
     * <p>Wider types come first, so that every value is aligned; otherwise the order is the map's.
     *
     * @param metadata free text for {@code __metadata__}; may be empty
     * @throws IllegalArgumentException if a tensor has a block format or block scales, which safetensors cannot say
     * @throws CheckpointException if the file cannot be written
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
        if (Files.exists(file) && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new CheckpointException(
                    "%s: is not a regular file, so it is not replaced. Name a new file.".formatted(file));
        }
        List<Map.Entry<String, Tensor>> entries = new ArrayList<>(tensors.entrySet());
        entries.sort(Comparator.comparingInt(entry -> -entry.getValue().type().blockBytes()));
        byte[] header = header(entries, metadata);
        AtomicFile.write(file, channel -> {
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            AtomicFile.writeFully(channel, length.putLong(0, header.length));
            AtomicFile.writeFully(channel, ByteBuffer.wrap(header));
            for (Map.Entry<String, Tensor> entry : entries) {
                AtomicFile.writeFully(channel, entry.getValue().segment());
            }
        });
    }

    /** A new tensor of 64-bit integers, for example token ids, that lives as long as it is reachable. */
    public static Tensor int64(long[] values, long... shape) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), DataType.I64, shape);
        if (tensor.size() != values.length) {
            throw new IllegalArgumentException("%s does not hold %d values".formatted(tensor, values.length));
        }
        MemorySegment.copy(values, 0, tensor.segment(), LONG, 0, values.length);
        return tensor;
    }

    private static byte[] header(List<Map.Entry<String, Tensor>> entries, Map<String, String> metadata) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectPropertyStart("__metadata__");
                metadata.forEach(json::writeStringProperty);
                json.writeEndObject();
            }
            long offset = 0;
            for (Map.Entry<String, Tensor> entry : entries) {
                writeEntry(json, entry.getKey(), entry.getValue(), offset);
                offset += entry.getValue().sizeBytes();
            }
            json.writeEndObject();
        }
        // Values start at a multiple of eight bytes; spaces after the object are part of the format.
        out.writeBytes(" ".repeat(-out.size() & 7).getBytes(StandardCharsets.US_ASCII));
        return out.toByteArray();
    }

    private static void writeEntry(JsonGenerator json, String name, Tensor tensor, long offset) {
        if (DataType.ofSafetensorsName(tensor.type().name()) == null || tensor.scale() != null) {
            throw new IllegalArgumentException(
                    "tensor %s (%s) has a block format or block scales: decode it before writing safetensors"
                            .formatted(name, tensor));
        }
        if (name.equals("__metadata__")) {
            throw new IllegalArgumentException("a tensor cannot be named __metadata__");
        }
        json.writeObjectPropertyStart(name);
        json.writeStringProperty("dtype", tensor.type().name());
        json.writeName("shape").writeArray(tensor.shape(), 0, tensor.rank());
        json.writeName("data_offsets").writeArray(new long[] {offset, offset + tensor.sizeBytes()}, 0, 2);
        json.writeEndObject();
    }
}
