package dev.jwen.kernel.x86;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.CoarseRows;
import dev.jwen.kernel.DeltaStep;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.SideBySide;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Products of float32 activations with weights in their stored formats, by machine code written for this processor.
 *
 * <p>A product takes two steps: {@link #quantise} brings the activations into the form that a weight format multiplies
 * with ({@link #activations}), once for all matrices that read them; {@link #product} computes a range of output rows.
 * Every call runs on the thread that makes it, allocates no native memory, and may run beside any other call; the caller divides
 * the rows among its threads. All memory must be native.
 *
 * <p>Precision: {@code Σ_blocks (scale · integer dot product + minimum · Σ q) · activation scale}. The integers are exact.
 * Float additions run over the blocks in order, within one token and row in the same order for every
 * number of tokens and rows, except that plain numbers (F32, F16, BF16) are added in up to four interleaved sums when there
 * are few. Where {@link RowWriter} has a kernel for so few tokens, every lane of a vector has a sum of its own instead, in the
 * same order for each number of them; {@link ImmediateProducts} add the parts of a block that have scales of their own one
 * by one.
 *
 * <p>Kernels are written when a format and number of tokens is first used and live until {@link #close}.
 */
public final class X86Products implements AutoCloseable {
    /** The system property that names another {@link InstructionSet} than the fastest one. */
    public static final String PROPERTY = "jwen.x86";

    private static final int MAX_TOKENS = 16;
    private static final int PACK = 0;
    private static final int TILE = MAX_TOKENS + 1;
    private static final int TILE_OF_TWO = 2 * (MAX_TOKENS + 1);
    private static final int ROW = 3 * (MAX_TOKENS + 1);
    private static final int KERNELS = ROW + RowWriter.MAX_TOKENS + 1;
    private static final int UNKNOWN_CACHE = 1 << 20;
    private static final int PANEL_BYTES = 20 << 10;
    private static final long NO_ROWS = -1;

    /** Room in front of the panels for the results of a group of which not all rows are wanted, then for accumulators. */
    private static final int HEADER = Products.accumulatorBytes() + MAX_TOKENS * 64;

    private final InstructionSet set;
    private final int cacheBytes;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment zeros = arena.allocate(128, 64);
    private final boolean permutesRows;
    private final Books books;
    private final Map<DataType, Format> formats = new EnumMap<>(DataType.class);
    private final Map<Activations, MemorySegment> quantisers = new EnumMap<>(Activations.class);

    /** By the types of weight and copy. */
    private final Map<List<DataType>, CoarseRows> coarseRows = new ConcurrentHashMap<>();

    /**
     * A weight format and its kernels: to pack, for each number of tokens the direct one, for each the one on panels, for
     * each the one on panels of two groups; at last the one for rows.
     */
    private record Format(DataType type, Packing packing, AtomicReferenceArray<@Nullable MemorySegment> kernels) {}

    /**
     * A product of a range of columns.
     *
     * @param x address of the records of the first column
     * @param outStart index of the first value in {@code out}
     */
    private record Product(
            Tensor w,
            Format format,
            long column,
            long columns,
            long x,
            int tokens,
            MemorySegment out,
            long outStart,
            long outStride,
            MemorySegment buffer) {}

    /**
     * Products in the instruction set that {@value #PROPERTY} names, or else in the fastest one of this processor.
     *
     * @throws UnsupportedOperationException if {@link #obstacle} gives a reason
     * @throws IllegalArgumentException if {@value #PROPERTY} names a set that this processor does not have
     */
    public X86Products() {
        this(null);
    }

    /** Products in {@code set}, or in the fastest one if it is null. */
    X86Products(@Nullable InstructionSet set) {
        this(set, true);
    }

    /** @param mayPermute whether permutations of bytes may be used where this processor has them */
    X86Products(@Nullable InstructionSet set, boolean mayPermute) {
        String obstacle = obstacle();
        if (obstacle != null) {
            throw new UnsupportedOperationException("the x86 kernels cannot run here: " + obstacle);
        }
        CpuFeatures cpu = CpuFeatures.detect();
        this.set = set == null ? Objects.requireNonNull(chosen(cpu)) : set;
        if (!this.set.isSupportedBy(cpu)) {
            throw new UnsupportedOperationException("this processor has no " + this.set);
        }
        this.permutesRows = mayPermute && cpu.zen4();
        this.books = new Books(arena, this.set, mayPermute && cpu.vbmi());
        this.cacheBytes = cpu.secondLevelCacheBytes() == 0 ? UNKNOWN_CACHE : cpu.secondLevelCacheBytes();
        for (DataType type : DataType.values()) {
            Packing packing = type == DataType.Q5_0_R16 ? SideBySideWriter.packing() : Unpacker.packing(type, this.set);
            if (packing != null) {
                formats.put(type, new Format(type, packing, new AtomicReferenceArray<>(KERNELS)));
            }
        }
        for (Activations form : Activations.values()) {
            quantisers.put(form, MachineCode.install(Quantiser.write(form), arena));
        }
    }

    /** Why these kernels cannot run here, in one sentence, or null if they can. */
    public static @Nullable String obstacle() {
        // Checked first: on other systems the class MachineCode cannot even be loaded.
        String os = System.getProperty("os.name", "");
        String processor = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        if (!os.equals("Linux") || !(processor.equals("amd64") || processor.equals("x86_64"))) {
            return "they run on Linux on x86-64, and this is %s on %s".formatted(os, processor);
        }
        try {
            return chosen(CpuFeatures.detect()) == null ? "they need a processor with AVX2, FMA and F16C" : null;
        } catch (UnsupportedOperationException e) {
            return e.getMessage();
        }
    }

    /** The instruction set that is asked for or the fastest on this processor, or null if there is none. */
    static @Nullable InstructionSet chosen() {
        return chosen(CpuFeatures.detect());
    }

    /** Loops in the instruction set that is chosen; {@link #obstacle} must be null. */
    static X86Loops peakLoops() {
        CpuFeatures cpu = CpuFeatures.detect();
        return new X86Loops(Objects.requireNonNull(chosen(cpu)), cpu.bf16());
    }

    private static @Nullable InstructionSet chosen(CpuFeatures cpu) {
        String wanted = System.getProperty(PROPERTY);
        if (wanted == null) {
            return fastest(cpu);
        }
        return InstructionSet.named(wanted)
                .filter(set -> set.isSupportedBy(cpu))
                .orElseThrow(() -> new IllegalArgumentException("%s is \"%s\", which is not one of those here: %s"
                        .formatted(PROPERTY, wanted, InstructionSet.supportedBy(cpu))));
    }

    private static @Nullable InstructionSet fastest(CpuFeatures cpu) {
        InstructionSet fastest = null;
        for (InstructionSet set : InstructionSet.values()) {
            boolean worthwhile = set != InstructionSet.AVX512_BF16 || cpu.fastBf16();
            if (set.isSupportedBy(cpu) && worthwhile) {
                fastest = set;
            }
        }
        return fastest;
    }

    public InstructionSet instructionSet() {
        return set;
    }

    /**
     * Rows of a matrix of this type that are computed together: ranges of a multiple of it are the most efficient and, of rows
     * side by side, the only ones.
     */
    public int rowGroup(DataType type) {
        return Math.max(set.isWide() ? 2 * set.rows() : set.rows(), type.rowGroup());
    }

    /** True if there are kernels for matrices of this format whose rows are whole blocks of at least 32 columns. */
    public boolean supports(DataType type) {
        return formats.containsKey(type);
    }

    /**
     * True if {@link #product} can take this matrix: the format, the number of columns, and factors beside it only if each
     * holds for whole rows or, of FP8, for a multiple of 32 columns.
     */
    public boolean supports(Tensor weight) {
        return supports(weight.type()) && weight.columns() % Activations.VALUES == 0 && supportsFactors(weight);
    }

    private static boolean supportsFactors(Tensor weight) {
        Tensor.Scale scale = weight.scale();
        return scale == null
                || scale.blockColumns() >= weight.columns()
                || (Unpacker.hasFactors(weight.type()) && scale.blockColumns() % Activations.VALUES == 0);
    }

    /** The form in which so many rows of activations meet {@code w}. */
    public Activations activations(Tensor w, long tokens) {
        Packing packing = format(w.type()).packing;
        return byRows(w, packing, tokens) ? RowWriter.activations(w.type(), packing, set) : packing.activations();
    }

    private boolean byRows(Tensor w, Packing packing, long tokens) {
        return tokens >= 1 && tokens <= RowWriter.mostTokens(w.type(), packing, w.columns(), set);
    }

    /** See {@link dev.jwen.kernel.Kernels#keepsUpWithMemory}. */
    boolean keepsUpWithMemory(DataType type, long columns) {
        if (type == DataType.Q5_0_R16) {
            return columns % SideBySide.COLUMNS == 0;
        }
        Format format = formats.get(type);
        return format != null && RowWriter.mostTokens(type, format.packing, columns, set) > 0;
    }

    /** Bytes that {@link #product} needs as a buffer of its own for each thread. */
    public long packBytes(Tensor weight) {
        long factors = weight.columns() / Activations.VALUES * set.vectorBytes();
        return factorsAt(weight) + (Unpacker.hasFactors(weight.type()) ? factors : 0);
    }

    /** Where the factors of a group of rows are in the buffer: behind the panels. */
    private long factorsAt(Tensor weight) {
        Format format = format(weight.type());
        long columns = chunkColumns(format, Math.max(weight.columns(), Unpacker.blockColumns(weight.type())));
        return HEADER + 2 * columns / Activations.VALUES * format.packing.panelBytes(set);
    }

    private Format format(DataType type) {
        Format format = formats.get(type);
        if (format == null) {
            throw new UnsupportedOperationException("the x86 kernels do not know the format " + type);
        }
        return format;
    }

    /**
     * Brings rows of float32 values, one after the other, into a form for multiplication, bit by bit as
     * {@link Activations#quantise} defines it. To divide the work, pass slices.
     *
     * @param x (rows, columns), columns a multiple of 32
     * @param records rows of {@code form.bytes(columns)} bytes; 64-byte alignment is fastest
     */
    public void quantise(Activations form, MemorySegment x, int rows, long columns, MemorySegment records) {
        requireOpen();
        require(x, 4L * rows * columns, "x");
        require(records, rows * form.bytes(columns), "records");
        if (columns % form.recordValues() != 0) {
            throw new IllegalArgumentException(
                    "%d columns are not a multiple of %d".formatted(columns, form.recordValues()));
        }
        MemorySegment kernel = Objects.requireNonNull(quantisers.get(form));
        for (int row = 0; row < rows && columns > 0; row++) {
            long from = x.address() + 4 * columns * row;
            long to = records.address() + form.bytes(columns) * row;
            MachineCode.call(kernel, from, to, columns / form.recordValues(), 0, 0, 0, 0, 0, 0);
        }
    }

    /**
     * {@code out[t][r] = Σ_c w[r][c] · x[t][c]} for all tokens t and the rows {@code fromRow <= r < toRow}; nothing else
     * of {@code out} is written.
     *
     * @param w (N, K); {@link #supports(Tensor)} must be true
     * @param activations (tokens, K) in the form {@code activations(w, tokens)}
     * @param fromRow like {@code toRow} a multiple of the row group of the type
     * @param out float32; value (t, r) is at index {@code t * outStride + r}
     * @param outStride in floats
     * @param packBuffer {@link #packBytes} bytes, aligned to 64, that no other thread uses meanwhile
     */
    public void product(
            Tensor w,
            int fromRow,
            int toRow,
            MemorySegment activations,
            int tokens,
            MemorySegment out,
            long outStride,
            MemorySegment packBuffer) {
        check(w, fromRow, toRow, activations, tokens, out, outStride, packBuffer);
        Format format = format(w.type());
        long x = activations.address();
        if (fromRow < toRow && tokens > 0) {
            if (byRows(w, format.packing, tokens)) {
                oneByOne(w, format, fromRow, toRow, x, tokens, out, outStride);
            } else if (w.type().rowGroup() > 1) {
                sideBySide(w, format, fromRow, toRow, x, tokens, out, outStride);
            } else if (tokens <= format.packing.maxTokens(set)) {
                rows(new Product(w, format, 0, w.columns(), x, tokens, out, 0, outStride, packBuffer), fromRow, toRow);
            } else {
                blocks(w, format, fromRow, toRow, x, tokens, out, outStride, packBuffer);
            }
            applyFactors(w, fromRow, toRow, tokens, out, outStride);
        }
    }

    private void oneByOne(
            Tensor w, Format format, int fromRow, int toRow, long x, int tokens, MemorySegment out, long outStride) {
        MachineCode.call(
                kernel(format, ROW + tokens),
                w.address() + fromRow * w.rowBytes(),
                x,
                w.columns() / RowWriter.columns(w.type(), set),
                out.address() + 4L * fromRow,
                toRow - fromRow,
                RowWriter.activations(w.type(), format.packing, set).bytes(w.columns()),
                4 * outStride,
                0,
                0);
    }

    /** Block of tokens by block, and for each the panels of a chunk of columns, which stay in the first-level cache. */
    private void blocks(
            Tensor w,
            Format format,
            int fromRow,
            int toRow,
            long x,
            int tokens,
            MemorySegment out,
            long outStride,
            MemorySegment packBuffer) {
        Activations form = format.packing.activations();
        long chunk = chunkColumns(format, w.columns());
        int blocks = tokenBlocks(w, tokens);
        for (int block = 0; block < blocks; block++) {
            int first = firstToken(block, blocks, tokens);
            int count = firstToken(block + 1, blocks, tokens) - first;
            long start = first * outStride;
            for (long column = 0; column < w.columns(); column += chunk) {
                long columns = Math.min(chunk, w.columns() - column);
                long records = x + first * form.bytes(w.columns()) + form.offset(column);
                Product part =
                        new Product(w, format, column, columns, records, count, out, start, outStride, packBuffer);
                rows(part, fromRow, toRow);
            }
        }
    }

    private void sideBySide(
            Tensor w, Format format, int fromRow, int toRow, long x, int tokens, MemorySegment out, long outStride) {
        int groups = (toRow - fromRow) / SideBySide.ROWS;
        long panels = w.columns() / SideBySide.COLUMNS;
        long tokenBytes = Activations.INT8.bytes(w.columns());
        int most = SideBySideWriter.maxTokens(set);
        for (int first = 0; first < tokens; first += most) {
            int count = Math.min(most, tokens - first);
            MachineCode.call(
                    kernel(format, count),
                    w.address() + fromRow * w.rowBytes(),
                    x + first * tokenBytes,
                    panels,
                    out.address() + 4 * (first * outStride + fromRow),
                    groups,
                    tokenBytes,
                    4 * outStride,
                    0,
                    0);
        }
    }

    /**
     * Blocks of about the same number of tokens in which {@link #product} works: the records of a block, for the columns
     * that are packed at once, take half the second-level cache and stay there for all rows.
     */
    int tokenBlocks(Tensor w, int tokens) {
        Format format = format(w.type());
        if (tokens <= format.packing.maxTokens(set) || w.type().rowGroup() > 1) {
            return 1;
        }
        long bytes = format.packing.activations().offset(chunkColumns(format, w.columns()));
        return Math.ceilDiv(tokens, (int) Math.max(4 * MAX_TOKENS, cacheBytes / 2 / bytes));
    }

    /** The first token of a block; of block {@code blocks}, the number of all. */
    static int firstToken(int block, int blocks, int tokens) {
        return (int) ((long) tokens * block / blocks);
    }

    /** Multiplies the products with factors that hold for whole rows, unless the panels have them already. */
    private static void applyFactors(Tensor w, int fromRow, int toRow, int tokens, MemorySegment out, long outStride) {
        if (w.scale() == null || Unpacker.hasFactors(w.type())) {
            return;
        }
        float[] factors = new float[toRow - fromRow];
        for (int i = 0; i < factors.length; i++) {
            factors[i] = w.factor(fromRow + i, 0);
        }
        for (int t = 0; t < tokens; t++) {
            long at = 4 * (t * outStride + fromRow);
            for (int i = 0; i < factors.length; i++) {
                out.set(Tensor.FLOAT, at + 4L * i, out.get(Tensor.FLOAT, at + 4L * i) * factors[i]);
            }
        }
    }

    /** Columns that are packed at once: whole blocks, in about equal parts. */
    private long chunkColumns(Format format, long columns) {
        int block = Unpacker.blockColumns(format.type);
        int blockBytes = format.packing.panelBytes(set) * (block / Activations.VALUES);
        long blocks = Math.ceilDiv(columns, block);
        long chunks = Math.ceilDiv(blocks, Math.max(1, PANEL_BYTES / blockBytes));
        return Math.min(columns, Math.ceilDiv(blocks, chunks) * block);
    }

    private void check(
            Tensor w,
            int fromRow,
            int toRow,
            MemorySegment activations,
            int tokens,
            MemorySegment out,
            long outStride,
            MemorySegment packBuffer) {
        requireOpen();
        if (!supports(w)) {
            throw new UnsupportedOperationException(
                    "the x86 kernels cannot multiply %s with %d columns".formatted(w.type(), w.columns()));
        }
        Objects.checkFromToIndex(fromRow, toRow, w.rows());
        int rowGroup = w.type().rowGroup();
        if (fromRow % rowGroup != 0 || toRow % rowGroup != 0) {
            throw new IllegalArgumentException(
                    "rows %d to %d are not whole groups of %d".formatted(fromRow, toRow, rowGroup));
        }
        require(w.segment(), w.rows() * w.rowBytes(), "w");
        require(activations, tokens * activations(w, tokens).bytes(w.columns()), "activations");
        require(out, tokens == 0 ? 0 : 4 * ((tokens - 1) * outStride + toRow), "out");
        require(packBuffer, packBytes(w), "packBuffer");
    }

    private void requireOpen() {
        if (!arena.scope().isAlive()) {
            throw new IllegalStateException("the kernels were used after they were closed");
        }
    }

    private static void require(MemorySegment memory, long bytes, String name) {
        if (!memory.isNative() || memory.byteSize() < bytes) {
            throw new IllegalArgumentException("%s needs %d bytes of native memory, but has %d bytes%s"
                    .formatted(name, bytes, memory.byteSize(), memory.isNative() ? "" : " on the heap"));
        }
    }

    /** The products of attention with a cache of {@code type}, or null where there is no kernel. */
    @Nullable
    AttentionTile attentionTile(DataType type, int headDim) {
        if (!AttentionWriter.supports(type, headDim, set)) {
            return null;
        }
        MemorySegment score = MachineCode.install(AttentionWriter.score(type, headDim, set), arena);
        MemorySegment add = MachineCode.install(AttentionWriter.add(type, headDim, set), arena);
        return new AttentionTile() {
            @Override
            public void score(long keys, long queries, int positions, int rows, long scores, long values) {
                MachineCode.call(score, keys, queries, positions / ROWS, scores, rows / ROWS, values, 0, 0, 0);
            }

            @Override
            public void add(long values, long weights, int positions, int rows, long sums, long keys) {
                MachineCode.call(add, values, weights, positions, sums, rows / ROWS, keys, 0, 0, 0);
            }
        };
    }

    /** The step of the delta rule for states (keyDim, valueDim), or null where there is no kernel. */
    @Nullable
    DeltaStep deltaStep(int keyDim, int valueDim) {
        if (!DeltaWriter.supports(keyDim, valueDim, set)) {
            return null;
        }
        MemorySegment step = MachineCode.install(DeltaWriter.write(keyDim, valueDim, set), arena);
        return (state, k, q, v, out, factors) -> MachineCode.call(step, state, k, q, v, out, factors, 0, 0, 0);
    }

    /** Loops over single rows. */
    RowLoops rowLoops() {
        return new X86RowLoops(set, arena);
    }

    /** What makes coarse copies of weights, written when it is first needed; null where there is no kernel. */
    @Nullable
    CoarseRows coarseRows(DataType from, DataType to) {
        if (!CoarseningWriter.supports(from, to)) {
            return null;
        }
        return coarseRows.computeIfAbsent(List.of(from, to), types -> {
            MemorySegment code = MachineCode.install(CoarseningWriter.write(from, to, set), arena);
            int most = to.rowGroup() > 1 ? to.rowGroup() : Integer.MAX_VALUE;
            return (w, rows, columns, copy, norms) -> {
                for (int row = 0; row < rows; row += Math.min(most, rows - row)) {
                    MachineCode.call(
                            code,
                            w + from.bytes(columns) * row,
                            copy + to.bytes(columns) * row,
                            norms + 8L * row,
                            Math.min(most, rows - row),
                            columns / Activations.VALUES,
                            0,
                            0,
                            0,
                            0);
                }
            };
        });
    }

    /** The inner loop of products of float32 matrices. */
    ProductTile productTile() {
        return new X86ProductTile(set, X86ProductTile.mostRows(set), arena);
    }

    /** The same with so many rows; null if the registers do not hold them. */
    @Nullable
    ProductTile productTile(int rows) {
        return rows <= X86ProductTile.mostRows(set) ? new X86ProductTile(set, rows, arena) : null;
    }

    private void rows(Product product, int from, int to) {
        int group = set.rows();
        Tensor w = product.w;
        boolean hasFactors = Unpacker.hasFactors(w.type());
        int firstLeft = from;
        boolean isFew = product.tokens <= product.format.packing.maxTokens(set);
        if (!isFew && set.isWide()) {
            for (; to - firstLeft >= 2 * group; firstLeft += 2 * group) {
                twoGroups(product, firstLeft, hasFactors);
            }
        }
        if (w.rows() < group) {
            // With stride 0 every lane computes the same row.
            for (int row = from; row < to; row++) {
                if (hasFactors) {
                    writeFactors(product, row, 0);
                }
                group(product, row, 0, row, row + 1);
            }
            return;
        }
        if (isFew && !hasFactors) {
            int groups = (to - firstLeft) / group;
            direct(
                    product,
                    firstLeft,
                    groups,
                    w.rowBytes(),
                    product.out.address() + 4 * (product.outStart + firstLeft),
                    4 * product.outStride);
            firstLeft += groups * group;
        }
        long factorsOf = NO_ROWS;
        for (int row = firstLeft; row < to; row += group) {
            int end = Math.min(row + group, to);
            // The last group overlaps the one before it or rows that are not wanted. The former are computed again,
            // unless they would be added again to what other columns gave.
            int start = Math.max(0, end - group);
            boolean again = start >= from && product.columns == w.columns();
            if (hasFactors && (factorsOf == NO_ROWS || factorsOf != blockOfRows(w, start))) {
                writeFactors(product, start, 1);
                factorsOf = blockOfRows(w, start);
            }
            group(product, start, w.rowBytes(), again ? start : row, end);
        }
    }

    /** Which block of rows with the same factors holds the whole group from {@code start}, or {@link #NO_ROWS}. */
    private long blockOfRows(Tensor w, int start) {
        Tensor.Scale scale = w.scale();
        long blockRows = scale == null ? w.rows() : scale.blockRows();
        return start / blockRows == (start + set.rows() - 1) / blockRows ? start / blockRows : NO_ROWS;
    }

    /** Writes the factors of a group behind the panels: a vector for each 32 columns, a lane for each row. */
    private void writeFactors(Product p, int start, int step) {
        MemorySegment factors = p.buffer.asSlice(factorsAt(p.w), p.columns / Activations.VALUES * set.vectorBytes());
        Tensor.Scale scale = p.w.scale();
        long blockColumns = scale == null ? p.w.columns() : scale.blockColumns();
        long blockOfColumns = -1;
        for (long i = 0; i < p.columns / Activations.VALUES; i++) {
            long to = i * set.vectorBytes();
            long column = p.column + i * Activations.VALUES;
            if (column / blockColumns == blockOfColumns) {
                MemorySegment.copy(factors, to - set.vectorBytes(), factors, to, set.vectorBytes());
                continue;
            }
            blockOfColumns = column / blockColumns;
            for (int lane = 0; lane < set.rows(); lane++) {
                factors.set(Tensor.FLOAT, to + 4L * lane, p.w.factor(start + (long) step * lane, column));
            }
        }
    }

    /** Two groups of rows from {@code start}: half the loads of activations, which is what limits one group. */
    private void twoGroups(Product p, int start, boolean hasFactors) {
        Packing packing = p.format.packing;
        int behind = (int) (p.columns / Activations.VALUES) * packing.panelBytes(set);
        for (int group = 0; group < 2; group++) {
            int row = start + group * set.rows();
            if (hasFactors) {
                writeFactors(p, row, 1);
            }
            pack(p, row, p.w.rowBytes(), group * behind);
        }
        tiles(p, TILE_OF_TWO, packing.maxTokensOfTwoGroups(set), behind, start);
    }

    /** The group of rows from {@code start}, {@code stride} bytes apart; those from {@code wanted} to {@code end} are written. */
    private void group(Product p, int start, long stride, int wanted, int end) {
        boolean whole = end - wanted == set.rows();
        int most = p.format.packing.maxTokens(set);
        if (p.tokens <= most) {
            long target = whole ? p.out.address() + 4 * (p.outStart + start) : p.buffer.address();
            direct(p, start, 1, stride, target, whole ? 4 * p.outStride : set.vectorBytes());
            if (!whole) {
                copyRows(p, p.outStart, p.tokens, start, wanted, end, true);
            }
            return;
        }
        pack(p, start, stride, 0);
        if (whole) {
            tiles(p, TILE, most, 0, start);
            return;
        }
        int tiles = Math.ceilDiv(p.tokens, most);
        for (int i = 0; i < tiles; i++) {
            int first = firstToken(i, tiles, p.tokens);
            int count = firstToken(i + 1, tiles, p.tokens) - first;
            long index = p.outStart + first * p.outStride;
            if (p.column > 0) {
                copyRows(p, index, count, start, wanted, end, false);
            }
            tile(p, kernel(p.format, TILE + count), 0, first, 1, p.buffer.address(), set.vectorBytes());
            copyRows(p, index, count, start, wanted, end, true);
        }
    }

    /** Multiplies the panels with all tokens: in tiles of at most {@code most}, some of them larger by one than the others. */
    private void tiles(Product p, int kernels, int most, int behind, int start) {
        int tiles = Math.ceilDiv(p.tokens, most);
        int few = p.tokens / tiles;
        int larger = p.tokens % tiles;
        long target = p.out.address() + 4 * (p.outStart + start);
        long stride = 4 * p.outStride;
        int first = larger * (few + 1);
        if (larger > 0) {
            tile(p, kernel(p.format, kernels + few + 1), behind, 0, larger, target, stride);
        }
        tile(p, kernel(p.format, kernels + few), behind, first, tiles - larger, target + first * stride, stride);
    }

    /** Unpacks a group of rows to panels, {@code behind} the first ones. */
    private void pack(Product p, int start, long stride, int behind) {
        unpack(p, kernel(p.format, PACK), start, 1, stride, behind, 0, 0);
    }

    /** Multiplies groups of rows with few tokens. */
    private void direct(Product p, int start, int groups, long stride, long target, long targetStride) {
        if (groups > 0) {
            unpack(p, kernel(p.format, p.tokens), start, groups, stride, 0, target, targetStride);
        }
    }

    /** Calls a kernel that reads stored rows. */
    private void unpack(
            Product p,
            MemorySegment kernel,
            int start,
            int groups,
            long stride,
            int behind,
            long target,
            long targetStride) {
        long weights = p.w.address() + start * p.w.rowBytes() + p.format.type.bytes(p.column);
        long panels = p.buffer.address() + HEADER + behind;
        long blocks = p.columns / Unpacker.blockColumns(p.format.type);
        long tokenBytes = p.format.packing.activations().bytes(p.w.columns());
        long factors = p.buffer.address() + factorsAt(p.w);
        MachineCode.call(
                kernel, weights, stride, panels, blocks, p.x, tokenBytes, target, targetStride, groups, factors);
    }

    /** Calls a kernel that reads panels, for tiles of tokens from {@code first}: it adds to what earlier columns gave. */
    private void tile(
            Product p, MemorySegment kernel, int behind, int first, int tiles, long target, long targetStride) {
        long panels = p.buffer.address() + HEADER;
        long blocks = p.columns / Activations.VALUES;
        long tokenBytes = p.format.packing.activations().bytes(p.w.columns());
        long x = p.x + first * tokenBytes;
        long from = p.column > 0 ? target : zeros.address();
        long fromStride = p.column > 0 ? targetStride : 0;
        MachineCode.call(kernel, behind, fromStride, panels, blocks, x, tokenBytes, target, targetStride, from, tiles);
    }

    /** Copies the wanted rows of a group from the buffer to the output, or back. */
    private void copyRows(Product p, long index, int tokens, int start, int wanted, int end, boolean toOutput) {
        for (int t = 0; t < tokens; t++) {
            long inBuffer = (long) t * set.vectorBytes() + 4L * (wanted - start);
            long inOutput = 4 * (index + t * p.outStride + wanted);
            long bytes = 4L * (end - wanted);
            if (toOutput) {
                MemorySegment.copy(p.buffer, inBuffer, p.out, inOutput, bytes);
            } else {
                MemorySegment.copy(p.out, inOutput, p.buffer, inBuffer, bytes);
            }
        }
    }

    private MemorySegment kernel(Format format, int which) {
        MemorySegment kernel = format.kernels.get(which);
        return kernel != null ? kernel : write(format, which);
    }

    private MemorySegment write(Format format, int which) {
        KernelWriter writer = new KernelWriter(set, books);
        byte[] code;
        if (which == PACK) {
            code = writer.pack(format.type, format.packing);
        } else if (which < TILE && format.type.rowGroup() > 1) {
            code = SideBySideWriter.write(format.packing, set, which);
        } else if (which < TILE) {
            code = writer.direct(format.type, format.packing, which);
        } else if (which < TILE_OF_TWO) {
            code = writer.tile(format.packing, which - TILE, 1);
        } else if (which < ROW) {
            code = writer.tile(format.packing, which - TILE_OF_TWO, 2);
        } else {
            code = RowWriter.write(format.type, format.packing, set, permutesRows, which - ROW);
        }
        MemorySegment kernel = MachineCode.install(code, arena);
        // Two threads may write the same kernel at the same time; either will do.
        format.kernels.set(which, kernel);
        return kernel;
    }

    /** Frees the code. No call may be running. */
    @Override
    public void close() {
        arena.close();
    }
}
