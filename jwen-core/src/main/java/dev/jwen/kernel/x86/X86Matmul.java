package dev.jwen.kernel.x86;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.CoarseRows;
import dev.jwen.kernel.DeltaStep;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/**
 * Sets of products in machine code, shared by the threads of a pool.
 *
 * <p>Two steps, and the threads meet after each: the distinct activations become records, then the rows of all weights
 * are computed in pieces. Each thread has a share of its own, one run of memory, because memory is read fastest in long
 * runs far from those of other threads; who is done helps with the shares of the others. The pieces of a share are large
 * at first and shrink with the work that is left, so that the threads finish together. Few activations are not worth a
 * meeting: the caller converts them.
 *
 * <p>Results do not depend on the number of threads. The order of float additions depends on the number of tokens; with
 * quantised weights only on whether it is so small that rows are multiplied one by one ({@link RowWriter}) or codes when they
 * are unpacked ({@link ImmediateProducts}).
 */
final class X86Matmul implements MatrixProducts {
    /** Values that take a thread a few microseconds to convert. */
    private static final int CONVERTED_VALUES = 1 << 14;

    /** Work that takes a thread a few microseconds: bytes of weights from memory. */
    private static final long SMALLEST_PIECE = 48 << 10;

    /** Weights that are multiplied with one token in the time in which one byte is read. */
    private static final int PRODUCTS_PER_BYTE = 14;

    /** Each piece is this part of what is left of a share. */
    private static final int PARTS = 2;

    private static final Tensor NONE = Tensor.f32(0, 32);

    private final X86Products products;
    private final WorkerPool pool;

    private Input[] inputs = new Input[0];
    private int inputCount;
    private Product[] set = new Product[0];
    private int count;
    private Piece[] pieces = new Piece[0];
    private int pieceCount;
    /** While pieces are cut: work that is left, that is left of the share, and the number of the share. */
    private long left;

    private long leftOfShare;
    private int share;
    /** First piece of each share, and one past the last piece of all. */
    private final int[] shares;
    /** Next piece of each share that nobody has taken. */
    private final AtomicIntegerArray next;

    private MemorySegment records = MemorySegment.NULL;
    private final MemorySegment[] packBuffers;

    /** Activations and their records. */
    private static final class Input {
        private Tensor x = NONE;
        private Activations form = Activations.F32;
        private MemorySegment records = MemorySegment.NULL;
        /** First of its rows in the numbering over all inputs. */
        private int firstRow;

        private int rows() {
            return (int) x.rows();
        }

        private long bytes() {
            return x.rows() * form.bytes(x.columns());
        }
    }

    /** {@code out = input · wᵀ}. */
    private static final class Product {
        private int input;
        private Tensor w = NONE;
        private Tensor out = NONE;

        /** Blocks of tokens in which it is computed. */
        private int blocks;

        private int tokens() {
            return (int) out.rows();
        }

        private int firstToken(int block) {
            return X86Products.firstToken(block, blocks, tokens());
        }

        /** Work for one row and the tokens of a block, in bytes read from memory. */
        private long rowWork(int block) {
            return w.rowBytes() + w.columns() * (firstToken(block + 1) - firstToken(block)) / PRODUCTS_PER_BYTE;
        }
    }

    /** Some rows of a product, for a block of tokens. */
    private static final class Piece {
        private int product;
        private int block;
        private int fromRow;
        private int toRow;
    }

    /** Takes over {@code products}, but not the pool. */
    X86Matmul(X86Products products, WorkerPool pool) {
        this.products = products;
        this.pool = pool;
        this.shares = new int[pool.threads() + 1];
        this.next = new AtomicIntegerArray(pool.threads());
        this.packBuffers = new MemorySegment[pool.threads()];
        Arrays.fill(packBuffers, MemorySegment.NULL);
    }

    @Override
    public String name() {
        return X86Provider.NAME;
    }

    @Override
    public boolean supports(Tensor w) {
        return products.supports(w);
    }

    @Override
    public @Nullable AttentionTile attentionTile(DataType type, int headDim) {
        return products.attentionTile(type, headDim);
    }

    @Override
    public @Nullable DeltaStep deltaStep(int keyDim, int valueDim) {
        return products.deltaStep(keyDim, valueDim);
    }

    @Override
    public ProductTile productTile() {
        return products.productTile();
    }

    @Override
    public @Nullable ProductTile productTile(int rows) {
        return products.productTile(rows);
    }

    @Override
    public RowLoops rowLoops() {
        return products.rowLoops();
    }

    @Override
    public @Nullable CoarseRows coarseRows(DataType from, DataType to) {
        return products.coarseRows(from, to);
    }

    @Override
    public void asMultiplied(Tensor x, Tensor w, Tensor out) {
        Operands.matrix("x", x, x.rows(), w.columns());
        Operands.matrix("out", out, x.rows(), w.columns());
        Activations used = products.activations(w, x.rows());
        Activations form = used.isOfLanes() ? Activations.INT8 : used; // the same values
        MemorySegment rounded = records(x.rows() * form.bytes(x.columns()));
        products.quantise(form, x.segment(), Math.toIntExact(x.rows()), x.columns(), rounded);
        for (int t = 0; t < x.rows(); t++) {
            form.restore(
                    rounded,
                    t * form.bytes(x.columns()),
                    Math.toIntExact(x.columns()),
                    out.segment(),
                    t * out.rowBytes());
        }
    }

    @Override
    public boolean keepsUpWithMemory(DataType type, long columns) {
        return products.keepsUpWithMemory(type, columns);
    }

    @Override
    public void begin() {
        count = 0;
        inputCount = 0;
    }

    @Override
    public void add(Tensor x, Tensor w, Tensor out) {
        Operands.matrix("x", x, x.rows(), w.columns());
        Operands.weight("w", w, w.rows(), w.columns());
        Operands.matrix("out", out, x.rows(), w.rows());
        if (count == set.length) {
            set = Arrays.copyOf(set, Math.max(8, 2 * count));
            Arrays.setAll(set, i -> set[i] == null ? new Product() : set[i]);
        }
        Product product = set[count++];
        product.input = input(x, products.activations(w, x.rows()));
        product.w = w;
        product.out = out;
    }

    /** Number of the input {@code x} in this form, which is new unless it is among the last ones of the same {@code x}. */
    private int input(Tensor x, Activations form) {
        for (int i = inputCount - 1; i >= 0 && inputs[i].x.equals(x); i--) {
            if (inputs[i].form == form) {
                return i;
            }
        }
        if (inputCount == inputs.length) {
            inputs = Arrays.copyOf(inputs, Math.max(8, 2 * inputCount));
            Arrays.setAll(inputs, i -> inputs[i] == null ? new Input() : inputs[i]);
        }
        inputs[inputCount].x = x;
        inputs[inputCount].form = form;
        return inputCount++;
    }

    @Override
    public void run() {
        convert();
        cut();
        growPackBuffers();
        pool.run(pool.threads(), 1, (worker, from, to) -> {
            for (int share = from; share < to; share++) {
                for (int i = 0; i < pool.threads(); i++) {
                    computeShare((share + i) % pool.threads(), packBuffers[worker]);
                }
            }
        });
        forget();
    }

    /** Computes the pieces of a share that nobody has taken. */
    private void computeShare(int share, MemorySegment packBuffer) {
        while (true) {
            int piece = next.getAndIncrement(share);
            if (piece >= shares[share + 1]) {
                return;
            }
            compute(pieces[piece], packBuffer);
        }
    }

    // ---- Activations.

    private void convert() {
        long bytes = 0;
        int rows = 0;
        long values = 0;
        for (int i = 0; i < inputCount; i++) {
            bytes += inputs[i].bytes();
            rows += inputs[i].rows();
            values += inputs[i].x.size();
        }
        MemorySegment all = records(bytes);
        long at = 0;
        int firstRow = 0;
        for (int i = 0; i < inputCount; i++) {
            Input input = inputs[i];
            input.records = all.asSlice(at, input.bytes());
            input.firstRow = firstRow;
            at += input.bytes();
            firstRow += input.rows();
        }
        long pieces = Math.clamp(values / CONVERTED_VALUES, 1, 8L * pool.threads());
        pool.run(rows, Math.max(1, Math.ceilDiv(rows, (int) pieces)), (worker, from, to) -> convertRows(from, to));
    }

    private MemorySegment records(long bytes) {
        if (records.byteSize() < bytes) {
            records = Arena.ofAuto().allocate(bytes, 64);
        }
        return records;
    }

    /** The rows {@code from} to {@code to - 1} of all inputs together. */
    private void convertRows(int from, int to) {
        for (int i = 0; i < inputCount; i++) {
            Input input = inputs[i];
            int first = Math.max(0, from - input.firstRow);
            int last = Math.min(input.rows(), to - input.firstRow);
            if (first < last) {
                MemorySegment x = input.x.segment().asSlice(first * input.x.rowBytes());
                MemorySegment target = input.records.asSlice(first * input.form.bytes(input.x.columns()));
                products.quantise(input.form, x, last - first, input.x.columns(), target);
            }
        }
    }

    // ---- Products.

    /**
     * Cuts all products into shares, and these into pieces. Block by block of tokens: a thread then seldom changes from one
     * to another, whose activations it would have to fetch.
     */
    private void cut() {
        left = 0;
        int blocks = 0;
        for (int i = 0; i < count; i++) {
            Product product = set[i];
            product.blocks = products.tokenBlocks(product.w, product.tokens());
            blocks = Math.max(blocks, product.blocks);
            for (int block = 0; block < product.blocks; block++) {
                left += product.w.rows() * product.rowWork(block);
            }
        }
        pieceCount = 0;
        share = 0;
        leftOfShare = left / pool.threads();
        shares[0] = 0;
        for (int block = 0; block < blocks; block++) {
            for (int i = 0; i < count; i++) {
                if (block < set[i].blocks) {
                    cut(i, block);
                }
            }
        }
        Arrays.fill(shares, share + 1, shares.length, pieceCount);
        for (int i = 0; i < pool.threads(); i++) {
            next.set(i, shares[i]);
        }
    }

    /** Cuts the rows of product {@code i}, for a block of tokens. */
    private void cut(int i, int block) {
        int rowGroup = products.rowGroup(set[i].w.type());
        long rowWork = set[i].rowWork(block);
        long groupWork = rowWork * rowGroup;
        int rows = Math.toIntExact(set[i].w.rows());
        for (int row = 0; row < rows; ) {
            if (leftOfShare < groupWork && share + 1 < pool.threads()) {
                shares[++share] = pieceCount;
                leftOfShare = left / (pool.threads() - share);
            }
            long work = Math.max(SMALLEST_PIECE, leftOfShare / PARTS);
            int groups = Math.clamp(work / groupWork, 1, Math.ceilDiv(rows, rowGroup));
            int end = Math.min(rows, row + groups * rowGroup);
            addPiece(i, block, row, end);
            left -= (end - row) * rowWork;
            leftOfShare -= (end - row) * rowWork;
            row = end;
        }
    }

    private void addPiece(int product, int block, int fromRow, int toRow) {
        if (pieceCount == pieces.length) {
            pieces = Arrays.copyOf(pieces, Math.max(64, 2 * pieceCount));
            Arrays.setAll(pieces, i -> pieces[i] == null ? new Piece() : pieces[i]);
        }
        Piece piece = pieces[pieceCount++];
        piece.product = product;
        piece.block = block;
        piece.fromRow = fromRow;
        piece.toRow = toRow;
    }

    private void growPackBuffers() {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes = Math.max(bytes, products.packBytes(set[i].w));
        }
        if (packBuffers[0].byteSize() < bytes) {
            for (int i = 0; i < packBuffers.length; i++) {
                packBuffers[i] = Arena.ofAuto().allocate(bytes, 64);
            }
        }
    }

    private void compute(Piece piece, MemorySegment packBuffer) {
        Product product = set[piece.product];
        Input input = inputs[product.input];
        int first = product.firstToken(piece.block);
        products.product(
                product.w,
                piece.fromRow,
                piece.toRow,
                input.records.asSlice(first * input.form.bytes(product.w.columns())),
                product.firstToken(piece.block + 1) - first,
                product.out.segment().asSlice(first * product.out.rowBytes()),
                product.out.columns(),
                packBuffer);
    }

    /** Lets go of the tensors. */
    private void forget() {
        for (int i = 0; i < inputCount; i++) {
            inputs[i].x = NONE;
            inputs[i].records = MemorySegment.NULL;
        }
        for (int i = 0; i < count; i++) {
            set[i].w = NONE;
            set[i].out = NONE;
        }
        begin();
    }

    @Override
    public void close() {
        products.close();
    }
}
