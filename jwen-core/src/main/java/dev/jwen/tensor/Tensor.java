package dev.jwen.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A block of typed memory with a shape: a weight in its file's own format, or float32 activations.
 *
 * <p>Shapes are written slowest dimension first, as in PyTorch, and the last dimension is contiguous. Most operations
 * see a matrix: {@link #rows()} is the product of all dimensions but the last, {@link #columns()} is the last.
 * A tensor does not own its memory: whoever made the {@link Arena} does.
 */
public final class Tensor {

    /** Little-endian float32 without alignment: file mappings promise none. */
    public static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

    /**
     * Factors kept beside a weight: {@code w[r][c] = stored[r][c] * values[r / blockRows][c / blockColumns]}.
     *
     * @param values float32, float16 or bfloat16, (⌈rows / blockRows⌉, ⌈columns / blockColumns⌉), or a vector of as
     *     many where one of the two is 1
     */
    public record Scale(Tensor values, long blockRows, long blockColumns) {
        public Scale {
            if (!values.type.isFloating() || values.type.isQuantised() || blockRows < 1 || blockColumns < 1) {
                throw new IllegalArgumentException(
                        "scale %s for blocks of %d x %d; expected plain floats and sizes above 0"
                                .formatted(values, blockRows, blockColumns));
            }
        }
    }

    private final DataType type;
    private final long[] shape;
    private final long rows;
    private final MemorySegment segment;
    private final long address;
    private final @Nullable Scale scale;

    private Tensor(DataType type, long[] shape, MemorySegment segment, @Nullable Scale scale) {
        this.type = type;
        this.shape = shape;
        this.segment = segment;
        this.address = segment.address();
        this.scale = scale;
        long product = 1;
        for (int i = 0; i < shape.length - 1; i++) {
            product = Math.multiplyExact(product, shape[i]);
        }
        this.rows = product;
    }

    /** A tensor over existing memory, which must hold exactly the bytes of this shape. */
    public static Tensor of(DataType type, MemorySegment segment, long... shape) {
        long bytes = sizeBytes(type, shape);
        if (segment.byteSize() != bytes) {
            throw new IllegalArgumentException("%s %s needs %d bytes, but the memory has %d"
                    .formatted(type, Arrays.toString(shape), bytes, segment.byteSize()));
        }
        return new Tensor(type, shape.clone(), segment, null);
    }

    /** A new tensor of zeros in {@code arena}, aligned to cache lines. */
    public static Tensor allocate(Arena arena, DataType type, long... shape) {
        return new Tensor(type, shape.clone(), arena.allocate(sizeBytes(type, shape), 64), null);
    }

    /** A new float32 tensor of zeros that lives as long as it is reachable. */
    public static Tensor f32(long... shape) {
        return allocate(Arena.ofAuto(), DataType.F32, shape);
    }

    /** A new float32 tensor with these values, row after row, that lives as long as it is reachable. */
    public static Tensor f32(float[] values, long... shape) {
        Tensor tensor = f32(shape);
        if (tensor.size() != values.length) {
            throw new IllegalArgumentException(
                    "%s needs %d values, got %d".formatted(tensor, tensor.size(), values.length));
        }
        MemorySegment.copy(values, 0, tensor.segment, FLOAT, 0, values.length);
        return tensor;
    }

    /**
     * Bytes of a tensor of this type and shape; throws if a row is not whole blocks, the rows are not whole groups, or the
     * product overflows.
     */
    public static long sizeBytes(DataType type, long... shape) {
        if (shape.length == 0) {
            return type.bytes(1);
        }
        long bytes = type.bytes(shape[shape.length - 1]);
        for (int i = 0; i < shape.length - 1; i++) {
            if (shape[i] < 0) {
                throw new IllegalArgumentException("negative dimension in shape " + Arrays.toString(shape));
            }
            bytes = Math.multiplyExact(bytes, shape[i]);
        }
        requireGroups(type, bytes / Math.max(1, type.bytes(shape[shape.length - 1])));
        return bytes;
    }

    private static void requireGroups(DataType type, long rows) {
        if (rows % type.rowGroup() != 0) {
            throw new IllegalArgumentException(
                    "%d rows are not whole groups of %s, which holds %d".formatted(rows, type, type.rowGroup()));
        }
    }

    public DataType type() {
        return type;
    }

    public int rank() {
        return shape.length;
    }

    public long dim(int i) {
        return shape[i];
    }

    public long[] shape() {
        return shape.clone();
    }

    /** Product of all dimensions but the last; 1 for a vector. */
    public long rows() {
        return rows;
    }

    /** The last dimension; 1 for a scalar. */
    public long columns() {
        return shape.length == 0 ? 1 : shape[shape.length - 1];
    }

    /** Number of values. */
    public long size() {
        return rows * columns();
    }

    public long rowBytes() {
        return type.bytes(columns());
    }

    public long sizeBytes() {
        return segment.byteSize();
    }

    /** The memory, for the rooms that compute on it. */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * Where the memory begins; what lies there is reachable as long as the tensor is.
     *
     * <p>A field, as loops ask for it: where mapped and other segments meet in one, the JIT's guess of which it is can go wrong
     * and be made again for ever.
     */
    public long address() {
        return address;
    }

    /** Factors kept beside the values, or null when the values stand alone. */
    public @Nullable Scale scale() {
        return scale;
    }

    /** This tensor with factors beside it. */
    public Tensor withScale(Scale factors) {
        long scaleRows = Math.ceilDiv(rows, factors.blockRows());
        long scaleColumns = Math.ceilDiv(columns(), factors.blockColumns());
        Tensor values = factors.values();
        boolean vector = values.rank() < 2 && (scaleRows == 1 || scaleColumns == 1);
        boolean fits = vector
                ? values.size() == scaleRows * scaleColumns
                : values.rows() == scaleRows && values.columns() == scaleColumns;
        if (!fits) {
            throw new IllegalArgumentException(
                    "scale of shape %s does not fit a weight of shape %s in blocks of %d x %d"
                            .formatted(
                                    Arrays.toString(values.shape),
                                    Arrays.toString(shape),
                                    factors.blockRows(),
                                    factors.blockColumns()));
        }
        return new Tensor(type, shape, segment, factors);
    }

    /** The same memory in another shape of equal size and equal row blocks. */
    public Tensor view(long... newShape) {
        requireNoScale("view");
        return of(type, segment, newShape);
    }

    /** Element {@code index} of the first dimension, for example one expert of (experts, rows, columns). */
    public Tensor slice(long index) {
        requireNoScale("slice");
        Objects.checkIndex(index, shape.length == 0 ? 0 : shape[0]);
        long[] rest = Arrays.copyOfRange(shape, 1, shape.length);
        long bytes = sizeBytes(type, rest);
        return new Tensor(type, rest, segment.asSlice(index * bytes, bytes), null);
    }

    /** Rows {@code from} to {@code from + count} as a matrix over the same memory. */
    public Tensor rows(long from, long count) {
        requireNoScale("rows");
        Objects.checkFromIndexSize(from, count, rows);
        requireGroups(type, from);
        requireGroups(type, count);
        long rowBytes = rowBytes();
        return new Tensor(
                type, new long[] {count, columns()}, segment.asSlice(from * rowBytes, count * rowBytes), null);
    }

    /** Reads one float32 value of a float32 tensor. */
    public float get(long row, long column) {
        requireF32();
        return segment.get(FLOAT, (row * columns() + Objects.checkIndex(column, columns())) * Float.BYTES);
    }

    /** Writes one value of a float32 tensor. */
    public void set(long row, long column, float value) {
        requireF32();
        segment.set(FLOAT, (row * columns() + Objects.checkIndex(column, columns())) * Float.BYTES, value);
    }

    /** Writes values of one row of a float32 tensor, from {@code column} on. */
    public void set(long row, long column, float[] run) {
        requireF32();
        Objects.checkIndex(row, rows);
        Objects.checkFromIndexSize(column, run.length, columns());
        MemorySegment.copy(run, 0, segment, FLOAT, (row * columns() + column) * Float.BYTES, run.length);
    }

    /** Copies the values of a tensor of the same type and size into this one. */
    public void copyFrom(Tensor source) {
        if (source.type != type || source.size() != size()) {
            throw new IllegalArgumentException("cannot copy " + source + " into " + this);
        }
        segment.copyFrom(source.segment);
    }

    /**
     * Decodes {@code count} values of a row, from {@code column} on, factors applied.
     *
     * @param column a multiple of the block
     * @param count whole blocks
     * @throws IndexOutOfBoundsException if the values do not lie in one row; nothing is written then
     */
    public void decode(long row, long column, int count, float[] out, int outOffset) {
        Objects.checkIndex(row, rows);
        Objects.checkFromIndexSize(column, count, columns());
        if (type == DataType.Q5_0_R16) {
            type.bytes(column); // whole blocks
            type.bytes(count);
            Objects.checkFromIndexSize(outOffset, count, out.length);
            SideBySide.decode(segment, row, columns(), column, count, out, outOffset);
        } else {
            Blocks.decode(type, segment, row * rowBytes() + type.bytes(column), count, out, outOffset);
        }
        if (scale != null) {
            long scaleColumns = Math.ceilDiv(columns(), scale.blockColumns());
            applyScale(scale, row / scale.blockRows() * scaleColumns, column, count, out, outOffset);
        }
    }

    /** The factor beside the value of this row and column: 1 where the values stand alone. */
    public float factor(long row, long column) {
        if (scale == null) {
            return 1;
        }
        long scaleColumns = Math.ceilDiv(columns(), scale.blockColumns());
        long index = Objects.checkIndex(row, rows) / scale.blockRows() * scaleColumns
                + Objects.checkIndex(column, columns()) / scale.blockColumns();
        float[] factor = new float[1];
        DataType stored = scale.values().type;
        Blocks.decode(stored, scale.values().segment, stored.bytes(index), 1, factor, 0);
        return factor[0];
    }

    /** All values decoded to float32, row after row, factors applied. For small tensors and tests. */
    public float[] toFloats() {
        int width = Math.toIntExact(columns());
        float[] out = new float[Math.toIntExact(size())];
        for (int row = 0; row < rows; row++) {
            decode(row, 0, width, out, row * width);
        }
        return out;
    }

    private static void applyScale(Scale scale, long rowStart, long column, int count, float[] out, int outOffset) {
        float[] factor = new float[1];
        int done = 0;
        while (done < count) {
            long block = (column + done) / scale.blockColumns();
            long end = Math.min((block + 1) * scale.blockColumns() - column, count);
            DataType type = scale.values().type;
            Blocks.decode(type, scale.values().segment, type.bytes(rowStart + block), 1, factor, 0);
            for (; done < end; done++) {
                out[outOffset + done] *= factor[0];
            }
        }
    }

    private void requireF32() {
        if (type != DataType.F32) {
            throw new IllegalArgumentException("single values can be read from F32 tensors only, this is " + this);
        }
    }

    private void requireNoScale(String what) {
        if (scale != null) {
            throw new IllegalArgumentException(what + " is not defined for a weight with block scales: " + this);
        }
    }

    /** Type and shape, for example {@code Q4_K [2048, 1024]}. */
    @Override
    public String toString() {
        return type + " " + Arrays.toString(shape);
    }
}
