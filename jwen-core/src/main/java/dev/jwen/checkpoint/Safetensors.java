package dev.jwen.checkpoint;

import dev.jwen.checkpoint.MappedFile.Extent;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One safetensors file, memory-mapped: any names, any shapes, no model implied.
 *
 * <p>The format is a 64-bit header length, a JSON header of types, shapes and offsets, then the values, all
 * little-endian. Tensors are views of the mapping and must not be used after {@link #close()}.
 *
 * @see <a href="https://huggingface.co/docs/safetensors">safetensors</a>
 */
public final class Safetensors implements AutoCloseable {
    /** The limit of the format's own library. */
    private static final long MAX_HEADER = 100_000_000;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Arena arena;
    private final MappedFile file;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Map<String, Tensor> tensors;

    private Safetensors(Path path, Arena arena) {
        this.arena = arena;
        this.file = MappedFile.open(path, arena);
        this.tensors = readHeader();
    }

    /**
     * Opens a file without reading its values.
     *
     * @throws CheckpointException if it is not a safetensors file, or broken
     */
    public static Safetensors open(Path path) {
        return MappedFile.inNewArena(arena -> new Safetensors(path, arena));
    }

    /** Opens one of several files that live and die with {@code arena}. */
    static Safetensors open(Path path, Arena arena) {
        return new Safetensors(path, arena);
    }

    public Path path() {
        return file.path();
    }

    /** The free text of {@code __metadata__}; empty when there is none. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** All tensors by name, in the order of the header. */
    public Map<String, Tensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    public long sizeBytes() {
        return file.size();
    }

    /** Unmaps the file. Its tensors must not be used afterwards. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private Map<String, Tensor> readHeader() {
        if (file.size() < Long.BYTES) {
            throw CheckpointException.damaged(path(), "has %d bytes, too few for a safetensors file", file.size());
        }
        long length = file.segment().get(LONG, 0);
        if (length < 2 || length > MAX_HEADER || length > file.size() - Long.BYTES) {
            throw CheckpointException.in(
                    path(),
                    "its header claims %d bytes, but the file has %d. It is not a safetensors file, or is cut short; get a good copy of it.",
                    length,
                    file.size());
        }
        byte[] json = file.segment().asSlice(Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        Map<String, Object> header = Json.object(json, path() + ": header");
        readMetadata(header.remove("__metadata__"));
        List<Extent> extents = new ArrayList<>(header.size());
        header.forEach((name, entry) -> extents.add(extent(name, entry, Long.BYTES + length)));
        return file.tensors(extents);
    }

    private void readMetadata(@Nullable Object entry) {
        if (entry instanceof Map<?, ?> map) {
            map.forEach((key, value) -> metadata.put(String.valueOf(key), String.valueOf(value)));
        } else if (entry != null) {
            throw CheckpointException.damaged(path(), "expected __metadata__ to be an object");
        }
    }

    private Extent extent(String name, Object entry, long base) {
        if (!(entry instanceof Map<?, ?> map) || !(map.get("dtype") instanceof String typeName)) {
            throw malformed(name);
        }
        long[] shape = longs(name, map.get("shape"));
        long[] offsets = longs(name, map.get("data_offsets"));
        if (offsets.length != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || shape.length > 16) {
            throw malformed(name);
        }
        DataType type = DataType.ofSafetensorsName(typeName);
        if (type == null) {
            throw CheckpointException.in(
                    path(),
                    "tensor '%s' has type '%s', which cannot be read. Use a BF16, F16, F32 or FP8 (F8_E4M3) release of the model.",
                    name,
                    typeName);
        }
        // Offsets near 2^63 would wrap; none can be larger than the file.
        long begin = Math.min(offsets[0], file.size()) + base;
        Extent extent = file.extent(name, type, begin, shape);
        if (extent.size() != offsets[1] - offsets[0]) {
            throw CheckpointException.damaged(
                    path(),
                    "tensor '%s' (%s %s) needs %d bytes, but its header gives it %d",
                    name,
                    type,
                    Arrays.toString(shape),
                    extent.size(),
                    offsets[1] - offsets[0]);
        }
        return extent;
    }

    private long[] longs(String name, @Nullable Object list) {
        if (!(list instanceof List<?> values)) {
            throw malformed(name);
        }
        long[] longs = new long[values.size()];
        for (int i = 0; i < longs.length; i++) {
            if (!(values.get(i) instanceof Long value)) {
                throw malformed(name);
            }
            longs[i] = value;
        }
        return longs;
    }

    private CheckpointException malformed(String name) {
        return CheckpointException.damaged(
                path(), "the header entry of tensor '%s' lacks a proper dtype, shape or data_offsets", name);
    }
}
