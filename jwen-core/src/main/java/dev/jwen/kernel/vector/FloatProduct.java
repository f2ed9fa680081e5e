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
 * <p>The usual blocking: the sums are cut into blocks of nearly equal depth; for each, a panel of
 * {@code b} (K, N), as wide as a {@link ProductTile}, stays in the first-level cache while tiles of {@code a} (M, K) pass
 * by. Operands whose rows lie close together are read where they are. What is transposed the wrong way, reaches over an
 * edge, or has rows so far apart that they share few cache sets is packed: panels of {@code b} once for all threads, tiles
 * of {@code a} by the thread that multiplies those rows. Each element of {@code c} gets the sum of each block, in the order
 * of the blocks, whatever the number of threads.
 *
 * @see <a href="https://doi.org/10.1145/2764454">BLIS: A Framework for Rapidly Instantiating BLAS Functionality</a>
 */
final class FloatProduct {
    /** Bytes of {@code b} that are packed before its products begin: they should stay in a shared cache. */
    private static final long PACKED_BYTES = 4L << 20;

    /** Bytes of {@code a} and {@code c} in a piece of work: they should stay in a second-level cache from block to block. */
    private static final long PIECE_BYTES = 640 << 10;

    /** Tiles of rows in a piece of work, at most. */
    private static final int TILES = 16;

    /** What a piece of work costs beside its tiles, as a share of one: its panels come from a second-level cache. */
    private static final double PIECE = 0.15;

    /** Pieces of packing for each thread. */
    private static final int PACKINGS = 4;

    /** Rows no farther apart than this, in bytes, are read in place. */
    private static final long CLOSE = 2048;

    /** From one packed row of a to the next: a cache line more than the longest, lest all rows start in one cache set. */
    private static final long TILE_ROW_BYTES = Float.BYTES * ProductTile.DEPTH + 64;

    /** Values that a thread clears in one go. */
    private static final long CLEARED = 64 << 10;

    private final WorkerPool pool;
    private final @Nullable MatrixProducts products;
    private final ProductTile tile;
    private final @Nullable ProductTile[] lower;
    private final int rows;
    private final int columns;
    private final Buffer panels = new Buffer();
    private final Buffer[] tiles;
    private final Buffer[] edges;

    /** Products with the tile of {@code products} where that has one. */
    FloatProduct(WorkerPool pool, @Nullable MatrixProducts products) {
        ProductTile other = products == null ? null : products.productTile();
        this.pool = pool;
        this.products = products;
        this.tile = other == null ? new VectorProductTile() : other;
        this.rows = tile.rows();
        this.columns = tile.columns();
        lower = new ProductTile[rows];
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

        boolean isClose() {
            return rowBytes <= CLOSE;
        }

        long at(int row, int column) {
            return transposed ? address + column * rowBytes + 4L * row : address + row * rowBytes + 4L * column;
        }
    }

    /** {@code c = a · b}; see {@link #add}. */
    void set(Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor c) {
        if ((transposeA ? a.rows() : a.columns()) == 0) {
            clear(c);
            return;
        }
        multiply(a, transposeA, b, transposeB, c, true);
    }

    /**
     * {@code c += a · b}; a flag says that the matrix is the transpose of the tensor. The caller has checked the shapes.
     */
    void add(Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor c) {
        multiply(a, transposeA, b, transposeB, c, false);
    }

    private void clear(Tensor c) {
        long values = c.columns();
        pool.run(Math.toIntExact(c.rows()), (int) Math.max(1, CLEARED / Math.max(1, values)), (worker, from, to) -> {
            Lanes.clear(Lanes.address(c, from), (to - from) * values);
        });
    }

    private void multiply(Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor c, boolean isFresh) {
        int m = Math.toIntExact(c.rows());
        int n = Math.toIntExact(c.columns());
        int k = Math.toIntExact(transposeA ? a.rows() : a.columns());
        if (m == 0 || n == 0 || k == 0) {
            return;
        }
        Operand left = Operand.of(a, transposeA);
        Operand right = Operand.of(b, transposeB);
        int blocks = Math.ceilDiv(k, ProductTile.DEPTH);
        int depth = Math.ceilDiv(k, blocks);
        int strips = Math.ceilDiv(n, columns);
        int inPlace = !transposeB && right.isClose() ? n / columns : 0;
        int packed = strips - inPlace;
        long stripBytes = 4L * columns * depth;
        int together = packed == 0 ? blocks : Math.clamp(PACKED_BYTES / (stripBytes * packed), 1, blocks);
        long panel = panels.address(stripBytes * packed * together);
        Heights heights = heights(m);
        int grain = grain(heights.count, rows * (TILE_ROW_BYTES + 4L * n));
        Product product = new Product(
                left, right, Operand.of(c, false), heights, n, k, depth, inPlace, strips, panel, stripBytes);
        for (int first = 0; first < blocks; first += together) {
            int firstBlock = first;
            int count = Math.min(together, blocks - first);
            if (packed > 0) {
                pool.run(
                        count * packed, Math.ceilDiv(count * packed, PACKINGS * pool.threads()), (worker, from, to) -> {
                            for (int i = from; i < to; i++) {
                                packStrip(
                                        product, firstBlock + i / packed, inPlace + i % packed, panel + i * stripBytes);
                            }
                        });
            }
            pool.run(heights.count, grain, (worker, from, to) -> {
                for (int i = 0; i < count; i++) {
                    int block = firstBlock + i;
                    multiplyRows(worker, product, from, to, block, i, isFresh && block == 0);
                }
            });
        }
    }

    /**
     * How rows are shared out among tiles of nearly equal height: the first {@code higher} have one row more than the others.
     *
     * @param high a tile of {@code least + 1} rows, null where there is none of that height
     * @param low one of {@code least} rows
     */
    private record Heights(
            int count,
            int least,
            int higher,
            @Nullable ProductTile high,
            @Nullable ProductTile low) {
        int row(int tile) {
            return tile * least + Math.min(tile, higher);
        }

        int of(int tile) {
            return tile < higher ? least + 1 : least;
        }

        @Nullable
        ProductTile tile(int tile) {
            return tile < higher ? high : low;
        }
    }

    private Heights heights(int m) {
        int count = Math.ceilDiv(m, rows);
        int least = m / count;
        int higher = m % count;
        return new Heights(count, least, higher, higher == 0 ? null : ofHeight(least + 1), ofHeight(least));
    }

    private @Nullable ProductTile ofHeight(int height) {
        if (height == rows) {
            return tile;
        }
        if (lower[height] == null && products != null) {
            lower[height] = products.productTile(height);
        }
        return lower[height];
    }

    /** Tiles of rows in a piece of work: as many as let the threads end soonest, each with so many bytes of a and c. */
    private int grain(int tilesOfRows, long bytes) {
        int most = Math.clamp(PIECE_BYTES / bytes, 1, Math.min(TILES, tilesOfRows));
        int best = 1;
        double soonest = Double.MAX_VALUE;
        for (int grain = 1; grain <= most; grain++) {
            double end = Math.ceilDiv(Math.ceilDiv(tilesOfRows, grain), pool.threads()) * (grain + PIECE);
            if (end < soonest) {
                soonest = end;
                best = grain;
            }
        }
        return best;
    }

    /**
     * A product on its way: {@code out} (M, N), sums over K in blocks of {@code depth}.
     *
     * @param inPlace strips of b that are read where they are, the first ones
     * @param panel where the other strips are packed, by blocks
     */
    private record Product(
            Operand a,
            Operand b,
            Operand out,
            Heights heights,
            int n,
            int k,
            int depth,
            int inPlace,
            int strips,
            long panel,
            long stripBytes) {
        int depthOf(int block) {
            return Math.min(depth, k - block * depth);
        }
    }

    /** The tiles {@code from} to {@code to - 1} of rows, for one block of the sums, the {@code packed}-th of the panel. */
    private void multiplyRows(int worker, Product product, int from, int to, int block, int packed, boolean isFresh) {
        Operand a = product.a;
        Heights heights = product.heights;
        int start = block * product.depth;
        int depth = product.depthOf(block);
        long tileBytes = a.transposed ? 4L * rows * ProductTile.DEPTH : rows * TILE_ROW_BYTES;
        // Packing by columns writes whole vectors, up to one beyond the end.
        long tilesAt = tiles[worker].address(TILES * tileBytes + BYTES);
        for (int i = from; i < to; i++) {
            if (!isInPlace(product, i)) {
                packTile(a, heights.row(i), heights.of(i), start, depth, tilesAt + (i - from) * tileBytes);
            }
        }
        for (int strip = 0; strip < product.strips; strip++) {
            int column = strip * columns;
            int width = Math.min(columns, product.n - column);
            boolean isOwn = strip < product.inPlace;
            int place = packed * (product.strips - product.inPlace) + strip - product.inPlace;
            long b = isOwn ? product.b.at(start, column) : product.panel + place * product.stripBytes;
            long bRow = isOwn ? product.b.rowBytes : 4L * columns;
            for (int i = from; i < to; i++) {
                boolean inPlace = isInPlace(product, i);
                long left = inPlace ? a.at(heights.row(i), start) : tilesAt + (i - from) * tileBytes;
                long aRow = a.transposed ? 4 : inPlace ? a.rowBytes : TILE_ROW_BYTES;
                long aStep = !a.transposed ? 4 : inPlace ? a.rowBytes : 4L * rows;
                long c = product.out.at(heights.row(i), column);
                long cRow = product.out.rowBytes;
                ProductTile exact = heights.tile(i);
                if (exact != null && width == columns) {
                    exact.add(left, aRow, aStep, b, bRow, depth, c, cRow, isFresh);
                } else {
                    long whole = edges[worker].address(4L * rows * columns);
                    (exact == null ? tile : exact).add(left, aRow, aStep, b, bRow, depth, whole, 4L * columns, true);
                    writeEdge(whole, c, cRow, heights.of(i), width, isFresh);
                }
            }
        }
    }

    /** Whether a tile of rows of a is read where it is: no more is read than lies there. */
    private static boolean isInPlace(Product product, int tile) {
        return product.a.isClose() && product.heights.tile(tile) != null;
    }

    /** What lies in the result, of a tile that does not as a whole. */
    private void writeEdge(long whole, long c, long cRow, int height, int width, boolean isFresh) {
        for (int r = 0; r < height; r++) {
            for (int j = 0; j < width; j++) {
                long at = c + r * cRow + 4L * j;
                float before = isFresh ? 0 : RAM.get(FLOAT, at);
                RAM.set(FLOAT, at, before + RAM.get(FLOAT, whole + 4L * (r * columns + j)));
            }
        }
    }

    /** Rows of a strip of b, one after the other; what is missing to its width is 0. */
    private void packStrip(Product product, int block, int strip, long to) {
        Operand b = product.b;
        int start = block * product.depth;
        int depth = product.depthOf(block);
        int column = strip * columns;
        int width = Math.min(columns, product.n - column);
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

    /** A tile of rows of a, by columns where it is transposed; what is missing to its height is whatever was there. */
    private void packTile(Operand a, int row, int height, int start, int depth, long to) {
        if (!a.transposed) {
            for (int r = 0; r < height; r++) {
                copy(a.at(row + r, start), depth, to + r * TILE_ROW_BYTES);
            }
            return;
        }
        // Whole vectors, in order, so that each run overwrites what the one before wrote beyond its end.
        int run = Math.ceilDiv(height, L) * L;
        for (int k = 0; k < depth; k++) {
            long from = a.at(row, start + k);
            long at = to + 4L * k * rows;
            if (from + 4L * run > a.end) {
                copy(from, height, at);
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
