package dev.jwen.checkpoint;

import dev.jwen.checkpoint.MappedFile.Extent;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.RandomAccess;
import org.jspecify.annotations.Nullable;

/**
 * One GGUF file, version 2 or 3, memory-mapped: its metadata and tensors as written, no model implied.
 *
 * <p>Shapes are turned round to slowest dimension first. Tensors and lists of numbers are views of the mapping and must
 * not be used after {@link #close()}; a list decodes each element when it is asked for.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">GGUF</a>
 */
public final class Gguf implements AutoCloseable {
    static final int MAGIC = 0x46554747; // "GGUF"
    /** Magic, version, and the numbers of tensors and of metadata keys. */
    private static final int HEADER_BYTES = 24;

    private static final int I32 = 5;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    /** Bytes of each metadata type by id; 0 where they vary. */
    private static final int[] SIZES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    private static final long MAX_STRING = 64L << 20;
    private static final long MAX_NAME = 65_535;
    private static final int MAX_STRINGS = 1 << 24;
    private static final int DEFAULT_ALIGNMENT = 32;
    private static final int MAX_DIMENSIONS = 4;
    /** Ids from here on belong to one fork of the format. */
    private static final long FIRST_FOREIGN_TYPE = 133;

    private final Arena arena;
    private final MappedFile file;
    private final Cursor cursor;
    private final long version;
    private final Map<String, Object> metadata;
    private final Map<String, Tensor> tensors;

    private Gguf(Path path, Arena arena) {
        this.arena = arena;
        this.file = MappedFile.open(path, arena);
        this.cursor = new Cursor(file, 0);
        this.version = readVersion();
        long tensorCount = cursor.i64();
        this.metadata = readMetadata(cursor.i64());
        this.tensors = readTensors(tensorCount);
    }

    /**
     * Opens a file without reading its values.
     *
     * @throws CheckpointException if it is not a GGUF file, has a type this build cannot read, or is broken
     */
    public static Gguf open(Path path) {
        return MappedFile.inNewArena(arena -> new Gguf(path, arena));
    }

    /** Opens one of several files that live and die with {@code arena}. */
    static Gguf open(Path path, Arena arena) {
        return new Gguf(path, arena);
    }

    public Path path() {
        return file.path();
    }

    public long version() {
        return version;
    }

    /** All keys in file order; values are Long, Double, Boolean, String, or lists of one of these. */
    public Map<String, Object> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** All tensors by name, in the order of the header. */
    public Map<String, Tensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    public long sizeBytes() {
        return file.size();
    }

    /** Unmaps the file. Its tensors and lists must not be used afterwards. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private long readVersion() {
        if (file.size() < Integer.BYTES || cursor.i32() != MAGIC) {
            throw bad("is not a GGUF file: it does not begin with 'GGUF'");
        }
        if (file.size() < HEADER_BYTES) {
            throw bad("has only %d bytes, fewer than the header of a GGUF file", file.size());
        }
        long found = cursor.u32();
        if (found != 2 && found != 3) {
            throw CheckpointException.in(
                    path(),
                    "is GGUF version %s, expected 2 or 3. %s",
                    found,
                    (found & 0xFFFF) == 0
                            ? "It is a big-endian file: convert it to little-endian."
                            : "Convert the model again with current tools.");
        }
        return found;
    }

    private Map<String, Object> readMetadata(long count) {
        // The shortest entry has a key length, a type and one byte.
        requireRoomFor(count, Long.BYTES + Integer.BYTES + 1, "metadata keys");
        Map<String, Object> map = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            String key = cursor.string(MAX_NAME);
            if (map.put(key, readValue(key, cursor.u32())) != null) {
                throw bad("metadata key '%s' occurs twice", key);
            }
        }
        return map;
    }

    private Object readValue(String key, long type) {
        return switch ((int) Math.min(type, Integer.MAX_VALUE)) {
            case STRING -> cursor.string(MAX_STRING);
            case ARRAY -> readArray(key);
            default -> {
                requireScalar(key, type);
                yield scalar(cursor, (int) type);
            }
        };
    }

    private List<?> readArray(String key) {
        long type = cursor.u32();
        long count = cursor.i64();
        if (type == STRING) {
            requireRoomFor(count, Long.BYTES, "strings in " + key);
            if (count > MAX_STRINGS) {
                throw bad("'%s' claims %d strings, expected at most %d", key, count, MAX_STRINGS);
            }
            return cursor.strings((int) count, MAX_STRING);
        }
        requireScalar(key, type);
        requireRoomFor(count, SIZES[(int) type], "values in " + key);
        if (count > Integer.MAX_VALUE) {
            throw bad("'%s' claims %d values", key, count);
        }
        if (type == I32) { // the types of all tokens
            return new Ints(cursor.ints((int) count));
        }
        long begin = cursor.skip(count * SIZES[(int) type]);
        return new Scalars(file, begin, (int) type, (int) count);
    }

    private void requireScalar(String key, long type) {
        if (type >= SIZES.length || SIZES[(int) type] == 0) {
            throw bad("metadata key '%s' has the unknown or nested type %d", key, type);
        }
    }

    private static Object scalar(Cursor from, int type) {
        return switch (type) {
            case 0 -> (long) Byte.toUnsignedInt(from.i8());
            case 1 -> (long) from.i8();
            case 2 -> (long) Short.toUnsignedInt(from.i16());
            case 3 -> (long) from.i16();
            case 4 -> from.u32();
            case I32 -> (long) from.i32();
            // By way of its shortest decimal, so that 1e-6 is the 1e-6 of a JSON file.
            case 6 -> Double.parseDouble(Float.toString(from.f32()));
            case 7 -> from.i8() != 0;
            case 10, 11 -> from.i64();
            case 12 -> from.f64();
            default -> throw new IllegalArgumentException("not a scalar type: " + type);
        };
    }

    private Map<String, Tensor> readTensors(long count) {
        // The shortest entry has a name length, a rank, a type and an offset.
        requireRoomFor(count, Long.BYTES + 2 * Integer.BYTES + Long.BYTES, "tensors");
        List<Extent> entries = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            entries.add(readTensorEntry());
        }
        long alignment = alignment();
        long data = Math.ceilDiv(cursor.position(), alignment) * alignment;
        List<Extent> extents = new ArrayList<>(entries.size());
        for (Extent entry : entries) {
            if (entry.offset() < 0 || entry.offset() % alignment != 0) {
                throw bad(
                        "tensor '%s' begins at byte %s of the data, expected a multiple of %d",
                        entry.name(), Long.toUnsignedString(entry.offset()), alignment);
            }
            long offset = Math.min(entry.offset(), file.size()) + data;
            extents.add(file.extent(entry.name(), entry.type(), offset, entry.shape()));
        }
        return file.tensors(extents);
    }

    /** A line of the header; its offset counts from the end of the header, its size is not known yet. */
    private Extent readTensorEntry() {
        String name = cursor.string(MAX_NAME);
        long rank = cursor.u32();
        if (rank > MAX_DIMENSIONS) {
            throw bad("tensor '%s' has %d dimensions, expected at most %d", name, rank, MAX_DIMENSIONS);
        }
        long[] shape = new long[(int) rank];
        for (int i = shape.length - 1; i >= 0; i--) {
            shape[i] = cursor.i64();
        }
        long id = cursor.u32();
        DataType type = DataType.ofGgmlId((int) id);
        if (type == null) {
            throw CheckpointException.in(
                    path(),
                    "tensor '%s' has the type id %d, %s",
                    name,
                    id,
                    id >= FIRST_FOREIGN_TYPE
                            ? "which only ik_llama.cpp knows. Use a file quantised with stock llama.cpp types, such as Q4_K_M."
                            : "which this build cannot read. Use a file in a current type, such as Q4_K_M or Q8_0.");
        }
        return new Extent(name, type, shape, cursor.i64(), 0);
    }

    private long alignment() {
        Object value = metadata.getOrDefault("general.alignment", (long) DEFAULT_ALIGNMENT);
        if (value instanceof Long alignment && alignment > 0 && alignment <= 1 << 20 && Long.bitCount(alignment) == 1) {
            return alignment;
        }
        throw bad("general.alignment is %s, expected a power of two", value.toString());
    }

    private void requireRoomFor(long count, long smallest, String what) {
        long room = (file.size() - cursor.position()) / smallest;
        if (count < 0 || count > room) {
            throw bad(
                    "its header claims %s %s, but there is room for %d at most",
                    Long.toUnsignedString(count), what, room);
        }
    }

    private CheckpointException bad(String what, @Nullable Object... arguments) {
        return CheckpointException.damaged(path(), what, arguments);
    }

    /** Numbers or booleans in a row, decoded when asked for. */
    private static final class Scalars extends AbstractList<Object> implements RandomAccess {
        private final MappedFile file;
        private final long begin;
        private final int type;
        private final int count;

        Scalars(MappedFile file, long begin, int type, int count) {
            this.file = file;
            this.begin = begin;
            this.type = type;
            this.count = count;
        }

        @Override
        public Object get(int index) {
            return scalar(new Cursor(file, begin + (long) SIZES[type] * Objects.checkIndex(index, count)), type);
        }

        @Override
        public int size() {
            return count;
        }
    }

    /** A copy of 32-bit integers. */
    private static final class Ints extends AbstractList<Long> implements RandomAccess {
        private final int[] values;

        Ints(int[] values) {
            this.values = values;
        }

        @Override
        public Long get(int index) {
            return (long) values[index];
        }

        @Override
        public int size() {
            return values.length;
        }
    }
}
