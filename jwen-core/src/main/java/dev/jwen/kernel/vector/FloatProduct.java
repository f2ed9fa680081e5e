package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * {@code c += a · b} for float32 matrices of any size, either of them transposed.
 *
 * <p>The usual blocking: the sums are cut into blocks of nearly equal depth; for each, {@code b} (K, N) is packed into
 * panels as wide as a {@link ProductTile}, once for all threads, and {@code a} (M, K) into tiles by the thread that
 * multiplies those rows. A panel stays in the first-level cache while tiles of {@code a} pass by. Each element of
 * {@code c} gets the sum of each block, in the order of the blocks, whatever the number of threads.
 *
 * @see <a href="https://doi.org/10.1145/2764454">BLIS: A Framework for Rapidly Instantiating BLAS Functionality</a>
 */
final class FloatProduct {
    /** Bytes of {@code b} that are packed before its products begin: they should stay in a shared cache. */
    private static final long PACKED_BYTES = 4L << 20;

    /** Tiles of rows in a piece of work, at most: they should stay in a second-level cache. */
    private static final int TILES = 8;

    /** Pieces of work for each thread, where there are enough rows. */
    private static final int PIECES = 4;

    /** Values that a thread clears in one go. */
    private static final long CLEARED = 64 << 10;

    private final WorkerPool pool;
    private final ProductTile tile;
    private final int rows;
    private final int columns;
    private final Buffer panels = new Buffer();
    private final Buffer[] tiles;
    private final Buffer[] edges;

    /** Products with the tile of {@code products} where that has one. */
    FloatProduct(WorkerPool pool, @Nullable MatrixProducts products) {
        ProductTile other = products == null ? null : products.productTile();
        this.pool = pool;
        this.tile = other == null ? new VectorProductTile() : other;
        this.rows = tile.rows();
        this.columns = tile.columns();
        tiles = new Buffer[pool.threads()];
        edges = new Buffer[pool.threads()];
        Arrays.setAll(tiles, i -> new Buffer());
        Arrays.setAll(edges, i -> new Buffer());
    }

    /** A matrix (rows, columns), read by columns where it is transposed. */
    private record Operand(long address, long end, long rowBytes, boolean transposed) {
        static Operand of(Tensor t, boolean transposed) {
            return new Operand(Lanes.address(t, 0), Lanes.address(t, t.rows()), t.rowBytes(), transposed);
        }

        long at(int row, int column) {
            return transposed ? address + column * rowBytes + 4L * row : address + row * rowBytes + 4L * column;
        }
    }

    /** {@code c = a · b}; see {@link #add}. */
    void set(Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor c) {
        long values = c.columns();
        pool.run(Math.toIntExact(c.rows()), (int) Math.max(1, CLEARED / Math.max(1, values)), (worker, from, to) -> {
            Lanes.clear(Lanes.address(c, from), (to - from) * values);
        });
        add(a, transposeA, b, transposeB, c);
    }

    /**
     * {@code c += a · b}; a flag says that the matrix is the transpose of the tensor. The caller has checked the shapes.
     */
    void add(Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor c) {
        int m = Math.toIntExact(c.rows());
        int n = Math.toIntExact(c.columns());
        int k = Math.toIntExact(transposeA ? a.rows() : a.columns());
        if (m == 0 || n == 0 || k == 0) {
            return;
        }
        Operand left = Operand.of(a, transposeA);
        Operand right = Operand.of(b, transposeB);
        Operand out = Operand.of(c, false);
        int blocks = Math.ceilDiv(k, ProductTile.DEPTH);
        int depth = Math.ceilDiv(k, blocks);
        int strips = Math.ceilDiv(n, columns);
        long stripBytes = 4L * columns * depth;
        int together = Math.clamp(PACKED_BYTES / (stripBytes * strips), 1, blocks);
        long packed = panels.address(stripBytes * strips * together);
        int tilesOfRows = Math.ceilDiv(m, rows);
        int grain = Math.clamp(Math.ceilDiv(tilesOfRows, PIECES * pool.threads()), 1, TILES);
        for (int first = 0; first < blocks; first += together) {
            int firstBlock = first;
            int count = Math.min(together, blocks - first);
            pool.run(count * strips, Math.ceilDiv(count * strips, PIECES * pool.threads()), (worker, from, to) -> {
                for (int i = from; i < to; i++) {
                    int block = firstBlock + i / strips;
                    int column = i % strips * columns;
                    int start = block * depth;
                    packStrip(
                            right,
                            start,
                            Math.min(depth, k - start),
                            column,
                            Math.min(columns, n - column),
                            packed + i * stripBytes);
                }
            });
            pool.run(tilesOfRows, grain, (worker, from, to) -> {
                for (int i = 0; i < count; i++) {
                    int start = (firstBlock + i) * depth;
                    long b0 = packed + i * stripBytes * strips;
                    addRows(worker, left, from, to, start, Math.min(depth, k - start), b0, stripBytes, m, n, out);
                }
            });
        }
    }

    /** The tiles {@code from} to {@code to - 1} of rows, for one block of the sums. */
    private void addRows(
            int worker,
            Operand a,
            int from,
            int to,
            int start,
            int depth,
            long b,
            long stripBytes,
            int m,
            int n,
            Operand out) {
        long tileBytes = a.transposed ? 4L * rows * ProductTile.DEPTH : (long) rows * ProductTile.ROW_BYTES;
        // Packing by columns writes whole vectors, up to one beyond the end.
        long packed = tiles[worker].address(TILES * tileBytes + BYTES);
        for (int i = from; i < to; i++) {
            packTile(a, i * rows, Math.min(rows, m - i * rows), start, depth, packed + (i - from) * tileBytes);
        }
        for (int column = 0; column < n; column += columns) {
            for (int i = from; i < to; i++) {
                long left = packed + (i - from) * tileBytes;
                long c = out.at(i * rows, column);
                int height = Math.min(rows, m - i * rows);
                int width = Math.min(columns, n - column);
                if (height == rows && width == columns) {
                    tile.add(left, a.transposed, b, depth, c, out.rowBytes);
                } else {
                    addEdge(worker, left, a.transposed, b, depth, c, out.rowBytes, height, width);
                }
            }
            b += stripBytes;
        }
    }

    /** A tile that does not lie in the result as a whole. */
    private void addEdge(
            int worker, long a, boolean byColumns, long b, int depth, long c, long rowBytes, int height, int width) {
        long whole = edges[worker].address(4L * rows * columns);
        Lanes.clear(whole, (long) rows * columns);
        tile.add(a, byColumns, b, depth, whole, 4L * columns);
        for (int r = 0; r < height; r++) {
            for (int j = 0; j < width; j++) {
                long at = c + r * rowBytes + 4L * j;
                RAM.set(FLOAT, at, RAM.get(FLOAT, at) + RAM.get(FLOAT, whole + 4L * (r * columns + j)));
            }
        }
    }

    /** Rows of a strip of b, one after the other; what is missing to its width is 0. */
    private void packStrip(Operand b, int start, int depth, int column, int width, long to) {
        if (width < columns) {
            Lanes.clear(to, (long) depth * columns);
        }
        if (b.transposed) {
            for (int j = 0; j < width; j++) {
                spread(b.at(start, column + j), depth, to + 4L * j, 4L * columns);
            }
            return;
        }
        for (int k = 0; k < depth; k++) {
            copy(b.at(start + k, column), width, to + 4L * k * columns);
        }
    }

    /** A tile of rows of a, by columns where it is transposed; what is missing to its height is 0. */
    private void packTile(Operand a, int row, int height, int start, int depth, long to) {
        if (!a.transposed) {
            for (int r = 0; r < height; r++) {
                copy(a.at(row + r, start), depth, to + (long) r * ProductTile.ROW_BYTES);
            }
            for (int r = height; r < rows; r++) {
                Lanes.clear(to + (long) r * ProductTile.ROW_BYTES, depth);
            }
            return;
        }
        if (height < rows) {
            Lanes.clear(to, (long) depth * rows);
            for (int k = 0; k < depth; k++) {
                copy(a.at(row, start + k), height, to + 4L * k * rows);
            }
            return;
        }
        // Whole vectors, in order, so that each run overwrites what the one before wrote beyond its end.
        int run = Math.ceilDiv(rows, L) * L;
        for (int k = 0; k < depth; k++) {
            long from = a.at(row, start + k);
            long at = to + 4L * k * rows;
            if (from + 4L * run > a.end) {
                copy(from, rows, at);
                continue;
            }
            for (int r = 0; r < run; r += L) {
                FloatVector.fromMemorySegment(F, RAM, from + 4L * r, LE).intoMemorySegment(RAM, at + 4L * r, LE);
            }
        }
    }

    private static void copy(long from, int count, long to) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, from + 4L * i, LE).intoMemorySegment(RAM, to + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, to + 4L * i, RAM.get(FLOAT, from + 4L * i));
        }
    }

    /** Writes a run of floats {@code step} bytes apart. */
    private static void spread(long from, int count, long to, long step) {
        for (int i = 0; i < count; i++) {
            RAM.set(FLOAT, to + i * step, RAM.get(FLOAT, from + 4L * i));
        }
    }
}
