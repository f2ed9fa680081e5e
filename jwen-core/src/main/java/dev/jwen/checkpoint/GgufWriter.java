package dev.jwen.checkpoint;

import dev.jwen.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Writes GGUF files, version 3. */
public final class GgufWriter {
    private static final int ALIGNMENT = 32;

    private final ByteArrayOutputStream header = new ByteArrayOutputStream();

    private GgufWriter() {}

    /**
     * Writes a file so that it is at all times either what it was before or complete.
     *
     * @param metadata String, Boolean, Integer (written as u32), Long (u64), Float, Double, or a list of one of these
     *     (in which Integer is written as i32)
     * @param tensors in GGUF names; shapes are turned round to fastest dimension first
     * @throws IllegalArgumentException if a value has another class, or a tensor a type that GGUF does not have
     * @throws CheckpointException if the file cannot be written
     */
    public static void write(Path file, Map<String, Object> metadata, Map<String, Tensor> tensors) {
        GgufWriter writer = new GgufWriter();
        writer.putHeader(metadata, tensors);
        AtomicFile.write(file, channel -> {
            AtomicFile.writeFully(channel, ByteBuffer.wrap(writer.header.toByteArray()));
            for (Tensor tensor : tensors.values()) {
                AtomicFile.writeFully(channel, ByteBuffer.allocate((int) padding(channel.position())));
                AtomicFile.writeFully(channel, tensor.segment());
            }
            AtomicFile.writeFully(channel, ByteBuffer.allocate((int) padding(channel.position())));
        });
    }

    private static long padding(long position) {
        return -position & (ALIGNMENT - 1);
    }

    private void putHeader(Map<String, Object> metadata, Map<String, Tensor> tensors) {
        putInt(Gguf.MAGIC);
        putInt(3);
        putLong(tensors.size());
        putLong(metadata.size());
        metadata.forEach((key, value) -> {
            putString(key);
            putValue(value);
        });
        long offset = 0;
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            putTensor(entry.getKey(), entry.getValue(), offset);
            offset += entry.getValue().sizeBytes();
            offset += padding(offset);
        }
    }

    private void putTensor(String name, Tensor tensor, long offset) {
        if (tensor.type().ggmlId() < 0 || tensor.scale() != null) {
            throw new IllegalArgumentException(
                    "tensor %s (%s) has a type or block scales that GGUF does not have".formatted(name, tensor));
        }
        putString(name);
        putInt(tensor.rank());
        for (int i = tensor.rank() - 1; i >= 0; i--) {
            putLong(tensor.dim(i));
        }
        putInt(tensor.type().ggmlId());
        putLong(offset);
    }

    private void putValue(Object value) {
        if (value instanceof List<?> list) {
            int type = list.isEmpty() ? 8 : type(list.getFirst());
            putInt(9);
            putInt(type == 4 ? 5 : type);
            putLong(list.size());
            list.forEach(this::putScalar);
        } else {
            putInt(type(value));
            putScalar(value);
        }
    }

    private static int type(Object value) {
        return switch (value) {
            case Integer i -> 4;
            case Float f -> 6;
            case Boolean b -> 7;
            case String s -> 8;
            case Long l -> 10;
            case Double d -> 12;
            default -> throw new IllegalArgumentException("GGUF metadata cannot hold a " + value.getClass());
        };
    }

    private void putScalar(Object value) {
        switch (value) {
            case Integer i -> putInt(i);
            case Float f -> putInt(Float.floatToRawIntBits(f));
            case Boolean b -> header.write(b ? 1 : 0);
            case String s -> putString(s);
            case Long l -> putLong(l);
            case Double d -> putLong(Double.doubleToRawLongBits(d));
            default -> throw new IllegalArgumentException("GGUF metadata cannot hold a " + value.getClass());
        }
    }

    private void putString(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        putLong(bytes.length);
        header.writeBytes(bytes);
    }

    private void putInt(int value) {
        header.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    private void putLong(long value) {
        header.writeBytes(ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array());
    }
}
