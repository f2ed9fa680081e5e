package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/**
 * Products of activations with weights of any format, in float32.
 *
 * <p>A product is cut into groups of {@value #GROUP} weight rows. Each worker has a share of its own, one run of groups,
 * because memory is read fastest in long runs far from those of other threads; who is done helps with the other shares.
 *
 * <ul>
 *   <li>One token: the common formats are multiplied in the registers where they become floats ({@link RowDots}).
 *   <li>Up to {@value #DOT_TOKENS} tokens: every weight is unpacked once into a buffer that stays in the first-level
 *       cache, and multiplied with all tokens; the lanes run along the rows ({@link Tiles} dot). The cost follows the
 *       number of tokens, and each of them has the same sum in every such batch of two or more, bit for bit.
 *   <li>More tokens: the activations are transposed once, {@value #STRIP} columns at a time, so that the lanes are
 *       tokens ({@link Tiles} outer), and nothing needs to be added up across lanes.
 * </ul>
 */
public final class VectorMatmul {
    /** Up to this many tokens are multiplied without transposing them; padding to whole vectors costs more below. */
    static final int DOT_TOKENS = 12;

    /** Weight rows in a piece of work. */
    private static final int GROUP = 32;

    /** Rows that are unpacked together for few tokens. */
    private static final int DOT_ROWS = 8;

    /** Columns that are unpacked together for few tokens: 32 KiB of weights. */
    private static final int DOT_STRIP = 1024;

    /** Bytes of a row of these. */
    private static final long DOT_ROW = DOT_STRIP * (long) Float.BYTES;

    /** Columns that are unpacked together for many tokens: 32 KiB of weights. */
    private static final int STRIP = 256;

    /** Bytes of a row of these. */
    private static final long STRIP_ROW = STRIP * (long) Float.BYTES;

    /** Columns of a strip multiplied in one go, so that those of 3 L tokens fit the first-level cache as well. */
    private static final int HALF_STRIP = 128;

    /** Bytes of the partial sums of one token. */
    private static final long SUMS_ROW = DOT_ROWS * BYTES;

    /** Tokens that are transposed together; more take several passes over the weights. */
    private static final int MAX_TOKENS = 1024;

    /** Integers in a cache line, or in two that are read together. */
    private static final int LINE = 32;

    /** From this many tokens on, float32 weights may be packed. */
    private static final int PACKED_TOKENS = 64;

    private final WorkerPool pool;
    private final @Nullable MatrixProducts other;
    private final @Nullable FloatProduct packed;
    private final Worker[] workers;
    private Product[] products = new Product[0];
    private int count;
    /** Next group of each share that nobody has taken, each in a cache line of its own. */
    private final AtomicIntegerArray next;

    private final Buffer transposed = new Buffer();

    /**
     * @param other products that are computed there where it supports the weight, or null
     * @param packed products of many tokens with float32 weights, or null
     */
    VectorMatmul(WorkerPool pool, @Nullable MatrixProducts other, @Nullable FloatProduct packed) {
        this.pool = pool;
        this.other = other;
        this.packed = packed;
        this.workers = new Worker[pool.threads()];
        Arrays.setAll(workers, i -> new Worker());
        this.next = new AtomicIntegerArray(LINE * pool.threads());
    }

    /** Buffers of one worker. */
    private static final class Worker {
        final Buffer tile = new Buffer();
        final Buffer sums = new Buffer();
        final Buffer result = new Buffer();

        Worker() {
            tile.address((long) GROUP * STRIP * Float.BYTES);
            sums.address((long) DOT_TOKENS * SUMS_ROW);
        }
    }

    /** One product {@code out = x · wᵀ} among those done together. */
    private static final class Product {
        Tensor x = NONE;
        final Unpack.Source w = new Unpack.Source();
        Tensor out = NONE;
        /** First of its groups in the numbering over all products. */
        int firstGroup;
        /** Where its transposed activations start, or -1 if they stay as they are. */
        long transposedAt;

        int tokens() {
            return (int) x.rows();
        }

        int columns() {
            return (int) x.columns();
        }
    }

    private static final Tensor NONE = Tensor.f32(0, 1);

    /** {@code out = x · wᵀ}; see {@link dev.jwen.kernel.Kernels#matmul(Tensor, Tensor, Tensor)}. */
    public void multiply(Tensor x, Tensor w, Tensor out) {
        begin();
        add(x, w, out);
        run();
    }

    /** Several products of the same {@code x}. */
    public void multiply(Tensor x, List<Tensor> weights, List<Tensor> outs) {
        begin();
        for (int i = 0; i < weights.size(); i++) {
            add(x, weights.get(i), outs.get(i));
        }
        run();
    }

    /** See {@link dev.jwen.kernel.Kernels#asMultiplied}. */
    public void asMultiplied(Tensor x, Tensor w, Tensor out) {
        if (other != null && other.supports(w)) {
            other.asMultiplied(x, w, out);
        } else {
            out.copyFrom(x);
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#keepsUpWithMemory}. */
    public boolean keepsUpWithMemory(DataType type, long columns) {
        return other != null && other.keepsUpWithMemory(type, columns);
    }

    /** Starts a set of products that will be computed together by {@link #run}. */
    public void begin() {
        count = 0;
        if (other != null) {
            other.begin();
        }
    }

    /** Adds {@code out = x · wᵀ} to the set. Products that follow one another with the same {@code x} share its form. */
    public void add(Tensor x, Tensor w, Tensor out) {
        Operands.matrix("x", x, x.rows(), w.columns());
        Operands.weight("w", w, w.rows(), w.columns());
        Operands.matrix("out", out, x.rows(), w.rows());
        if (packed != null && w.type() == DataType.F32 && w.scale() == null && x.rows() >= PACKED_TOKENS) {
            packed.set(x, false, w, true, out);
            return;
        }
        if (other != null && other.supports(w)) {
            other.add(x, w, out);
            return;
        }
        if (count == products.length) {
            products = Arrays.copyOf(products, Math.max(8, 2 * count));
            for (int i = count; i < products.length; i++) {
                products[i] = new Product();
            }
        }
        Product product = products[count++];
        product.x = x;
        product.w.set(w);
        product.out = out;
    }

    /** Computes the products of the set. */
    public void run() {
        if (other != null) {
            other.run();
        }
        if (count > 0) {
            runHere();
        }
    }

    private void runHere() {
        int groups = 0;
        int maxTokens = 0;
        for (int i = 0; i < count; i++) {
            products[i].firstGroup = groups;
            groups += Math.toIntExact(Math.ceilDiv(products[i].w.weight().rows(), GROUP));
            maxTokens = Math.max(maxTokens, products[i].tokens());
        }
        for (int from = 0; from < Math.max(1, maxTokens); from += MAX_TOKENS) {
            transpose(from);
            runGroups(groups, from);
        }
        for (int i = 0; i < count; i++) {
            products[i].x = NONE;
            products[i].w.clear();
            products[i].out = NONE;
        }
    }

    /** Computes the groups of all products for the tokens of one pass. */
    private void runGroups(int groups, int firstToken) {
        int shares = Math.min(groups, pool.threads());
        for (int share = 0; share < shares; share++) {
            next.set(share * LINE, shareStart(share, shares, groups));
        }
        pool.run(shares, 1, (worker, from, to) -> {
            for (int i = 0; i < shares; i++) {
                int share = (from + i) % shares;
                int end = shareStart(share + 1, shares, groups);
                for (int g = next.getAndIncrement(share * LINE); g < end; g = next.getAndIncrement(share * LINE)) {
                    group(workers[worker], g, firstToken);
                }
            }
        });
    }

    private static int shareStart(int share, int shares, int groups) {
        return (int) ((long) groups * share / shares);
    }

    private void group(Worker worker, int group, int firstToken) {
        int i = 0;
        while (i + 1 < count && products[i + 1].firstGroup <= group) {
            i++;
        }
        Product product = products[i];
        int row = (group - product.firstGroup) * GROUP;
        int rows = (int) Math.min(GROUP, product.w.weight().rows() - row);
        if (product.transposedAt >= 0) {
            outer(worker, product, row, rows, firstToken);
        } else if (firstToken == 0) {
            boolean alone = product.tokens() == 1 && RowDots.supports(product.w.weight());
            for (int r = 0; r < rows; r += DOT_ROWS) {
                int some = Math.min(DOT_ROWS, rows - r);
                if (alone) {
                    dotAlone(worker, product, row + r, some);
                } else {
                    dot(worker, product, row + r, some);
                }
            }
        }
    }

    // ---- Few tokens.

    private static void dot(Worker worker, Product product, int row, int rows) {
        int columns = product.columns();
        int tokens = product.tokens();
        int whole = columns / L * L;
        long tile = worker.tile.address();
        long sums = worker.sums.address();
        Lanes.clear(sums, (long) tokens * DOT_ROWS * L);
        for (int k = 0; k < columns; k += DOT_STRIP) {
            int strip = Math.min(DOT_STRIP, columns - k);
            for (int r = 0; r < rows; r++) {
                Unpack.unpack(product.w, row + r, k, strip, tile + r * DOT_ROW);
            }
            long x = Lanes.address(product.x, 0) + 4L * k;
            multiplyStrip(tile, x, 4L * columns, Math.min(strip, whole - k), tokens, sums);
        }
        // The last columns that fill no vector are still in the buffer.
        long rest = tile + 4L * (whole - (columns - 1) / DOT_STRIP * DOT_STRIP);
        for (int t = 0; t < tokens; t++) {
            Tiles.sum4(sums + (long) t * SUMS_ROW, sums);
            Tiles.sum4(sums + (long) t * SUMS_ROW + 4L * BYTES, sums + 16);
            long out = Lanes.address(product.out, t) + 4L * row;
            long x = Lanes.address(product.x, t) + 4L * whole;
            for (int r = 0; r < rows; r++) {
                float sum = RAM.get(FLOAT, sums + 4L * r);
                for (int k = 0; k < columns - whole; k++) {
                    float weight = RAM.get(FLOAT, rest + r * DOT_ROW + 4L * k);
                    sum = Math.fma(weight, RAM.get(FLOAT, x + 4L * k), sum);
                }
                RAM.set(FLOAT, out + 4L * r, sum);
            }
        }
    }

    /** Up to {@value #DOT_ROWS} rows and one token; a row's product does not depend on the rows beside it. */
    private static void dotAlone(Worker worker, Product product, int row, int rows) {
        long spare = worker.tile.address(RowDots.spareBytes(product.columns()));
        long x = Lanes.address(product.x, 0);
        long out = Lanes.address(product.out, 0) + 4L * row;
        long sums = worker.sums.address();
        for (int r = 0; r < rows; r++) {
            RowDots.dot(product.w, row + r, x, spare, sums + r * BYTES);
        }
        Tiles.sum4(sums, sums);
        Tiles.sum4(sums + 4L * BYTES, sums + 16);
        MemorySegment.copy(RAM, sums, RAM, out, 4L * rows);
    }

    private static void multiplyStrip(long tile, long x, long xRow, int strip, int tokens, long sums) {
        int t = 0;
        for (; t <= tokens - 4; t += 4) {
            long xt = x + t * xRow;
            long to = sums + (long) t * SUMS_ROW;
            Tiles.dot4x4(tile, DOT_ROW, xt, xRow, strip, to, SUMS_ROW);
            Tiles.dot4x4(tile + 4 * DOT_ROW, DOT_ROW, xt, xRow, strip, to + 4L * BYTES, SUMS_ROW);
        }
        for (; t < tokens; t++) {
            Tiles.dot8x1(tile, DOT_ROW, x + t * xRow, strip, sums + (long) t * SUMS_ROW);
        }
    }

    // ---- Many tokens.

    /** Transposes the activations of every product with many tokens, from {@code firstToken} on. */
    private void transpose(int firstToken) {
        long size = 0;
        for (int i = 0; i < count; i++) {
            Product product = products[i];
            boolean shared = i > 0 && products[i - 1].x.equals(product.x);
            if (shared) {
                product.transposedAt = products[i - 1].transposedAt;
            } else if (product.tokens() > DOT_TOKENS && product.tokens() > firstToken) {
                product.transposedAt = size;
                size += (long) lanes(product, firstToken) * product.columns() * Float.BYTES;
            } else {
                product.transposedAt = -1;
            }
        }
        transposed.address(size);
        for (int i = 0; i < count; i++) {
            Product product = products[i];
            boolean shared = i > 0 && products[i - 1].transposedAt == product.transposedAt;
            if (product.transposedAt >= 0 && !shared) {
                pool.run(Math.ceilDiv(product.columns(), HALF_STRIP), 1, (worker, from, to) -> {
                    for (int strip = from; strip < to; strip++) {
                        transposeStrip(product, firstToken, strip * HALF_STRIP);
                    }
                });
            }
        }
    }

    /** Tokens of this pass, rounded up to whole vectors. */
    private static int lanes(Product product, int firstToken) {
        return Lanes.padded(Math.min(MAX_TOKENS, product.tokens() - firstToken));
    }

    /** Strips follow one another, each (columns of the strip, tokens); the tokens of 3 vectors stay close together. */
    private void transposeStrip(Product product, int firstToken, int column) {
        int lanes = lanes(product, firstToken);
        int tokens = Math.min(MAX_TOKENS, product.tokens() - firstToken);
        int width = Math.min(HALF_STRIP, product.columns() - column);
        long strip = transposed.address() + product.transposedAt + 4L * column * lanes;
        for (int t = 0; t < lanes; t++) {
            int panel = panelStart(t);
            long step = 4L * panelLanes(t, lanes);
            long to = strip + 4L * ((long) panel * width + t - panel);
            if (t >= tokens) {
                for (int k = 0; k < width; k++) {
                    RAM.set(FLOAT, to + k * step, 0);
                }
                continue;
            }
            long x = Lanes.address(product.x, firstToken + t) + 4L * column;
            for (int k = 0; k < width; k++) {
                RAM.set(FLOAT, to + k * step, RAM.get(FLOAT, x + 4L * k));
            }
        }
    }

    /** First lane of the panel of {@code lane}: panels are 3 vectors wide, the last one as wide as what is left. */
    private static int panelStart(int lane) {
        return lane / (3 * L) * 3 * L;
    }

    private static int panelLanes(int lane, int lanes) {
        return Math.min(3 * L, lanes - panelStart(lane));
    }

    private void outer(Worker worker, Product product, int row, int rows, int firstToken) {
        if (product.tokens() <= firstToken) {
            return;
        }
        int columns = product.columns();
        int lanes = lanes(product, firstToken);
        long tile = worker.tile.address();
        long result = worker.result.address(4L * GROUP * lanes);
        Lanes.clear(result, (long) GROUP * lanes);
        for (int k = 0; k < columns; k += STRIP) {
            int strip = Math.min(STRIP, columns - k);
            for (int r = 0; r < rows; r++) {
                Unpack.unpack(product.w, row + r, k, strip, tile + r * STRIP_ROW);
            }
            for (int h = 0; h < strip; h += HALF_STRIP) {
                int width = Math.min(HALF_STRIP, strip - h);
                long x = transposed.address() + product.transposedAt + 4L * (k + h) * lanes;
                multiplyPanels(tile + 4L * h, x, width, result, rows, lanes);
            }
        }
        write(result, product, row, rows, firstToken);
    }

    private static void multiplyPanels(long tile, long x, int width, long result, int rows, int lanes) {
        for (int j = 0; j < lanes; j += 3 * L) {
            int wide = panelLanes(j, lanes);
            for (int r = 0; r < rows; r += Tiles.ROWS) {
                long c = result + 4L * ((long) r * lanes + j);
                Tiles.outer4(
                        tile + r * STRIP_ROW,
                        STRIP_ROW,
                        4,
                        x + 4L * j * width,
                        4L * wide,
                        width,
                        c,
                        4L * lanes,
                        wide / L);
            }
        }
    }

    private static void write(long result, Product product, int row, int rows, int firstToken) {
        int lanes = lanes(product, firstToken);
        int tokens = Math.min(MAX_TOKENS, product.tokens() - firstToken);
        for (int t = 0; t < tokens; t++) {
            long out = Lanes.address(product.out, firstToken + t) + 4L * row;
            for (int r = 0; r < rows; r++) {
                RAM.set(FLOAT, out + 4L * r, RAM.get(FLOAT, result + 4L * ((long) r * lanes + t)));
            }
        }
    }
}
