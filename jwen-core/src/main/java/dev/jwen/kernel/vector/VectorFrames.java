package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.Operands;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Softmax attention in both directions inside frames of any size.
 *
 * <p>Keys and values are copied first so that those of one head lie together: in rows of all heads they are a power of two
 * apart, and compete for the same lines of the cache. A piece of work is a tile: up to {@value #TILE_ROWS} queries of one
 * head, transposed so that the lanes are queries. It runs over the frame in blocks of {@value #BLOCK} positions with
 * online softmax: the maximum m may grow with every block, and what was summed so far shrinks by exp(m_old - m_new). So
 * scores, maxima and sums need nothing across lanes, and no more than a block of scores exists at a time.
 */
public final class VectorFrames {
    /** Queries of a tile: with a block of keys, what is kept for them stays in the second-level cache. */
    private static final int TILE_ROWS = 96;

    private static final int BLOCK = 64;

    /** A maximum below all scores that, unlike infinity, can be subtracted from itself. */
    private static final float NO_SCORE = -1e30f;

    private final WorkerPool pool;
    private final @Nullable ProductTile tile;
    private final @Nullable RowLoops loops;
    private final Worker[] workers;
    private final Buffer keys = new Buffer();
    private final Buffer values = new Buffer();

    /** Leaves products to {@code tile} and loops over rows to {@code loops}, where there are any. */
    VectorFrames(WorkerPool pool, @Nullable RowLoops loops, @Nullable ProductTile tile) {
        this.pool = pool;
        this.loops = loops;
        this.tile = tile;
        this.workers = new Worker[pool.threads()];
        Arrays.setAll(workers, i -> new Worker());
    }

    private static final class Worker {
        final Buffer queries = new Buffer();
        final Buffer scores = new Buffer();
        final Buffer result = new Buffer();
    }

    /**
     * The shape of one call.
     *
     * @param width head size rounded up to whole tiles
     */
    private record Shape(Tensor q, Tensor out, int heads, int headDim, int width, long keys, long values) {
        /** Offset of a row of one head in the copies of keys and values. */
        long packed(int head, long row) {
            return 4L * width * (head * q.rows() + row);
        }

        long head(Tensor t, int row, int head) {
            return Lanes.address(t, row) + 4L * head * headDim;
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#frameAttention}. */
    public void attend(Tensor q, Tensor k, Tensor v, int headDim, List<Span> frames, Tensor out) {
        Operands.frameAttention(q, k, v, headDim, frames, out);
        int heads = Math.toIntExact(q.columns() / headDim);
        int width = Tiles.wholeRows(headDim);
        // The last tile of keys may reach beyond the last row.
        long bytes = 4L * width * (heads * q.rows() + Tiles.OTHER_ROWS);
        Shape shape = new Shape(q, out, heads, headDim, width, keys.address(bytes), values.address(bytes));
        pack(k, shape, shape.keys);
        pack(v, shape, shape.values);
        // How many pieces of work come before each frame.
        int[] starts = new int[frames.size() + 1];
        for (int f = 0; f < frames.size(); f++) {
            starts[f + 1] =
                    Math.addExact(starts[f], heads * Math.ceilDiv(frames.get(f).count(), TILE_ROWS));
        }
        pool.run(starts[frames.size()], 1, (worker, from, to) -> {
            for (int i = from; i < to; i++) {
                int at = Arrays.binarySearch(starts, i);
                int f = at >= 0 ? at : -at - 2;
                Span frame = frames.get(f);
                int tiles = Math.ceilDiv(frame.count(), TILE_ROWS);
                run(workers[worker], shape, frame, (i - starts[f]) / tiles, (i - starts[f]) % tiles * TILE_ROWS);
            }
        });
    }

    private void pack(Tensor x, Shape shape, long to) {
        int padding = shape.width - shape.headDim;
        pool.run(Math.toIntExact(x.rows()), 64, (worker, from, end) -> {
            for (int head = 0; head < shape.heads; head++) {
                for (int row = from; row < end; row++) {
                    long packed = to + shape.packed(head, row);
                    Unpack.f32(shape.head(x, row, head), shape.headDim, packed);
                    if (padding > 0) {
                        Lanes.clear(packed + 4L * shape.headDim, padding);
                    }
                }
            }
        });
    }

    /** The queries from {@code first} on, counted in the frame. */
    private void run(Worker worker, Shape shape, Span frame, int head, int first) {
        int rows = Math.min(TILE_ROWS, frame.count() - first);
        int lanes = Tiles.wholeColumns(tile, rows);
        int width = shape.width;
        long queries = worker.queries.address(4L * width * lanes);
        transposeQueries(shape, head, frame.row() + first, rows, lanes, queries);
        // For each query its maximum, its sum and the factor of this block; then the weighted values, (width, queries).
        long max = worker.result.address(4L * lanes * (width + 3));
        long sum = max + 4L * lanes;
        long result = max + 12L * lanes;
        Lanes.clear(max, (long) lanes * (width + 3));
        for (int r = 0; r < lanes; r++) {
            RAM.set(FLOAT, max + 4L * r, NO_SCORE);
        }
        long scores = worker.scores.address(4L * BLOCK * lanes);
        for (int position = 0; position < frame.count(); position += BLOCK) {
            int count = Math.min(BLOCK, frame.count() - position);
            int rounded = Tiles.wholeRows(count);
            long at = shape.packed(head, frame.row() + position);
            long row = 4L * lanes;
            int vectors = lanes / L;
            long from = shape.keys + at;
            Tiles.outer(tile, from, 4L * width, 4, queries, row, width, scores, row, rounded, vectors, true);
            VectorAttention.softenLanes(scores, count, lanes, max, result, width, loops);
            from = shape.values + at;
            Tiles.outer(tile, from, 4, 4L * width, scores, row, count, result, row, width, vectors, false);
        }
        for (int r = 0; r < rows; r++) {
            long to = shape.head(shape.out, frame.row() + first + r, head);
            float factor = 1 / RAM.get(FLOAT, sum + 4L * r);
            for (int c = 0; c < shape.headDim; c++) {
                RAM.set(FLOAT, to + 4L * c, factor * RAM.get(FLOAT, result + 4L * ((long) c * lanes + r)));
            }
        }
    }

    private static void transposeQueries(Shape shape, int head, int row, int rows, int lanes, long queries) {
        float scale = (float) (1 / Math.sqrt(shape.headDim));
        Lanes.clear(queries, (long) shape.width * lanes);
        for (int r = 0; r < rows; r++) {
            long from = shape.head(shape.q, row + r, head);
            for (int c = 0; c < shape.headDim; c++) {
                RAM.set(FLOAT, queries + 4L * ((long) c * lanes + r), scale * RAM.get(FLOAT, from + 4L * c));
            }
        }
    }
}
