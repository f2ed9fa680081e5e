package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Causal softmax attention over blocks of the KV cache.
 *
 * <p>A piece of work is a tile: the queries of a few tokens that read the same key/value head, so that each block of
 * keys and values is read once for all of them. Softmax is online: with every block of {@value KvCache#BLOCK} positions
 * the maximum m may grow, and what was summed so far shrinks by exp(m_old - m_new).
 *
 * <p>Two forms, after the number of rows in the tile, a row being one query head of one token:
 * <ul>
 *   <li>Few rows (decode, {@link FewRows}): keys times queries with the lanes along the head, then weights times values.
 *   <li>Many rows (prompts): the lanes are rows. Queries are transposed once per tile; scores, maxima and sums then need
 *       nothing across lanes, and the result is turned back at the end.
 * </ul>
 * A decode step over a long past is cut along the past instead, in pieces of at most {@value #PIECE} positions and all
 * heads, so that memory is read in order; the results are merged. The cuts do not depend on the number of threads.
 */
public final class VectorAttention {
    /** The most positions of the past that one worker reads in one go in a decode step. */
    private static final int PIECE = 512;

    /** Up to this many tokens of a sequence the past is cut into pieces. */
    private static final int FEW_TOKENS = 16;

    /** Rows of a tile with the lanes along the rows: what is kept for them stays in the second-level cache. */
    private static final int TILE_ROWS = 96;

    private static final int BLOCK = KvCache.BLOCK;

    /** Stands for the number of a piece where all positions are read at once. */
    static final int WHOLE = -1;

    /** A maximum below all scores that, unlike infinity, can be subtracted from itself. */
    static final float NO_SCORE = -1e30f;

    /** Heads whose pieces take a few microseconds to merge. */
    private static final int MERGED_HEADS = 4;

    /** Up to this many rows the products of another room are used, if there are any. */
    private static final int TILE_PRODUCT_ROWS = 64;

    private final WorkerPool pool;
    private final @Nullable MatrixProducts products;
    private final @Nullable RowLoops loops;
    private final @Nullable ProductTile productTile;
    private final Worker[] workers;
    private final Buffer partials = new Buffer();

    // The products of another room for the caches of the last call.
    private @Nullable AttentionTile tileProducts;
    private @Nullable DataType tileType;
    private int tileHeadDim;

    /** Leaves products to {@code products}, and those of prompts to {@code productTile}, where there are any. */
    VectorAttention(
            WorkerPool pool,
            @Nullable MatrixProducts products,
            @Nullable RowLoops loops,
            @Nullable ProductTile productTile) {
        this.pool = pool;
        this.products = products;
        this.loops = loops;
        this.productTile = productTile;
        this.workers = new Worker[pool.threads()];
        Arrays.setAll(workers, i -> new Worker());
    }

    /** What one worker keeps while it works on a tile. */
    static final class Worker {
        final Buffer keys = new Buffer();
        final Buffer values = new Buffer();
        final Buffer queries = new Buffer();
        final Buffer scores = new Buffer();
        final Buffer sums = new Buffer();
        final Buffer result = new Buffer();
        final Buffer rows = new Buffer();
    }

    /** The shape of one call. */
    record Shape(Tensor q, Tensor out, int heads, int keyHeads, int headDim) {
        /** Query heads that share a key/value head. */
        int group() {
            return heads / keyHeads;
        }

        /** Head size rounded up to whole vectors, and so to whole tiles. */
        int width() {
            return Math.ceilDiv(headDim, Math.max(L, Tiles.ROWS)) * Math.max(L, Tiles.ROWS);
        }

        long query(int token, int head) {
            return Lanes.address(q, token) + 4L * head * headDim;
        }

        long out(int token, int head) {
            return Lanes.address(out, token) + 4L * head * headDim;
        }
    }

    /**
     * One piece of work: some tokens of a span, some key/value heads, some positions.
     *
     * @param piece number of the piece, or {@link #WHOLE}
     */
    record Tile(
            Span span, KvCache cache, int keyHead, int keyHeads, int token, int tokens, int from, int to, int piece) {
        /** The same of one of its heads. */
        Tile ofHead(int head) {
            return new Tile(span, cache, keyHead + head, 1, token, tokens, from, to, piece);
        }

        /** First position that {@code t} of the tile does not see. */
        int limit(int t) {
            return span.past() + token + t + 1;
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#attention}. */
    public void attend(Tensor q, Tensor k, Tensor v, List<Span> spans, List<KvCache> caches, Tensor out) {
        Operands.attention(q, k, v, spans, caches, out);
        KvCache first = caches.getFirst();
        AttentionTile tileProducts = tileProducts(first);
        Shape shape = new Shape(q, out, Math.toIntExact(q.columns() / first.headDim()), first.heads(), first.headDim());
        for (int s = 0; s < spans.size(); s++) {
            Span span = spans.get(s);
            KvCache cache = caches.get(s);
            pool.run(span.count(), 16, (worker, from, to) -> {
                for (int t = from; t < to; t++) {
                    VectorCache.write(cache, span.past() + t, k, v, span.row() + t, loops);
                }
            });
        }
        // How many pieces of work come before each span.
        int[] starts = new int[spans.size() + 1];
        for (int s = 0; s < spans.size(); s++) {
            starts[s + 1] = starts[s] + items(spans.get(s), shape);
        }
        int total = starts[spans.size()];
        long partialFloats = (long) FEW_TOKENS * shape.heads() * (shape.width() + 2);
        long partial = partials.address(needsPartials(spans) ? 4L * total * partialFloats : 0);
        pool.run(total, 1, (worker, from, to) -> {
            for (int i = from; i < to; i++) {
                // The last tiles of a prompt see the most positions: they go first.
                int item = total - 1 - i;
                int s = spanOf(starts, item);
                Tile tile = tile(spans.get(s), caches.get(s), shape, item - starts[s]);
                run(workers[worker], shape, tile, tileProducts, partial + 4L * item * partialFloats);
            }
        });
        for (int s = 0; s < spans.size(); s++) {
            if (pieces(spans.get(s)) > 1) {
                merge(spans.get(s), shape, partial + 4L * starts[s] * partialFloats, 4L * partialFloats);
            }
        }
    }

    private @Nullable AttentionTile tileProducts(KvCache cache) {
        if (products != null && (cache.type() != tileType || cache.headDim() != tileHeadDim)) {
            tileProducts = products.attentionTile(cache.type(), cache.headDim());
            tileType = cache.type();
            tileHeadDim = cache.headDim();
        }
        return tileProducts;
    }

    private static int items(Span span, Shape shape) {
        int pieces = pieces(span);
        return pieces > 1 ? pieces : tiles(span, shape) * shape.keyHeads();
    }

    /** Into how many pieces the past is cut; with more than one, all tokens and heads are one tile. */
    private static int pieces(Span span) {
        return span.count() > FEW_TOKENS ? 1 : Math.ceilDiv(span.past() + span.count(), PIECE);
    }

    private static boolean needsPartials(List<Span> spans) {
        for (Span span : spans) {
            if (pieces(span) > 1) {
                return true;
            }
        }
        return false;
    }

    private static int tileTokens(Span span, Shape shape) {
        return Math.min(span.count(), Math.max(span.count() > FEW_TOKENS ? 1 : FEW_TOKENS, TILE_ROWS / shape.group()));
    }

    private static int tiles(Span span, Shape shape) {
        return Math.ceilDiv(span.count(), tileTokens(span, shape));
    }

    private static int spanOf(int[] starts, int item) {
        int found = Arrays.binarySearch(starts, item);
        return found >= 0 ? found : -found - 2;
    }

    private static Tile tile(Span span, KvCache cache, Shape shape, int item) {
        int pieces = pieces(span);
        int seen = span.past() + span.count();
        if (pieces > 1) {
            // Of about equal length, in whole blocks.
            int positions = Math.ceilDiv(Math.ceilDiv(seen, pieces), BLOCK) * BLOCK;
            int from = item * positions;
            return new Tile(
                    span, cache, 0, shape.keyHeads(), 0, span.count(), from, Math.min(seen, from + positions), item);
        }
        int step = tileTokens(span, shape);
        int token = item / shape.keyHeads() * step;
        int tokens = Math.min(step, span.count() - token);
        return new Tile(span, cache, item % shape.keyHeads(), 1, token, tokens, 0, span.past() + token + tokens, WHOLE);
    }

    private void run(Worker worker, Shape shape, Tile tile, @Nullable AttentionTile products, long partial) {
        int rows = tile.tokens() * shape.group();
        if (rows * 2 <= L || (products != null && rows <= TILE_PRODUCT_ROWS)) {
            new FewRows(worker, shape, tile, products, loops).run(partial);
        } else {
            for (int head = 0; head < tile.keyHeads(); head++) {
                runManyRows(worker, shape, tile.ofHead(head), partial + 4L * head * rows * (shape.width() + 2));
            }
        }
    }

    /** Keys or values of a block as float32, rows {@code width} apart. */
    static long load(
            KvCache.Entries entries, Shape shape, int keyHead, int positions, Buffer buffer, @Nullable RowLoops loops) {
        return VectorCache.load(entries, keyHead, positions, shape.headDim(), shape.width(), buffer, loops);
    }

    // ---- Many rows: lanes are rows.

    private void runManyRows(Worker worker, Shape shape, Tile tile, long partial) {
        int group = shape.group();
        int rows = tile.tokens() * group;
        int lanes = Tiles.wholeColumns(productTile, rows);
        int width = shape.width();
        long byRow = worker.rows.address(4L * lanes * width);
        long rowBytes = 4L * width;
        long lanesRow = 4L * lanes;
        gatherQueries(shape, tile, byRow, rows, lanes);
        long queries = worker.queries.address(4L * width * lanes);
        VectorRows.transpose(byRow, rowBytes, lanes, width, queries, lanesRow, loops);
        // For each row its maximum, its sum and the factor of this block; then the weighted values, (width, rows).
        long max = worker.result.address(4L * lanes * (width + 3));
        long sum = max + 4L * lanes;
        long result = max + 12L * lanes;
        Lanes.clear(max, (long) lanes * (width + 3));
        for (int r = 0; r < lanes; r++) {
            RAM.set(FLOAT, max + 4L * r, NO_SCORE);
        }
        long scores = worker.scores.address(4L * BLOCK * lanes);
        for (int position = tile.from(); position < tile.to(); position += BLOCK) {
            int count = Math.min(BLOCK, tile.to() - position);
            int rounded = Tiles.wholeRows(count);
            long keys = load(tile.cache().keys(position / BLOCK), shape, tile.keyHead(), rounded, worker.keys, loops);
            int vectors = lanes / L;
            Tiles.outer(
                    productTile, keys, rowBytes, 4, queries, lanesRow, width, scores, lanesRow, rounded, vectors, true);
            for (int r = 0; r < rows; r++) {
                for (int p = Math.max(0, tile.limit(r / group) - position); p < count; p++) {
                    RAM.set(FLOAT, scores + 4L * ((long) p * lanes + r), Float.NEGATIVE_INFINITY);
                }
            }
            softenLanes(scores, count, lanes, max, result, width, loops);
            long values =
                    load(tile.cache().values(position / BLOCK), shape, tile.keyHead(), count, worker.values, loops);
            Tiles.outer(
                    productTile, values, 4, rowBytes, scores, lanesRow, count, result, lanesRow, width, vectors, false);
        }
        VectorRows.transpose(result, lanesRow, width, lanes, byRow, rowBytes, loops);
        for (int r = 0; r < rows; r++) {
            boolean whole = tile.piece() == WHOLE;
            int token = tile.span().row() + tile.token() + r / group;
            long to = whole
                    ? shape.out(token, tile.keyHead() * group + r % group)
                    : partial + 4L * r * (shape.width() + 2) + 8;
            float factor = whole ? 1 / RAM.get(FLOAT, sum + 4L * r) : 1;
            VectorRows.scaled(byRow + r * rowBytes, factor, shape.headDim(), to, loops);
            if (!whole) {
                RAM.set(FLOAT, to - 8, RAM.get(FLOAT, max + 4L * r));
                RAM.set(FLOAT, to - 4, RAM.get(FLOAT, sum + 4L * r));
            }
        }
    }

    /** The scaled queries of a tile, (lanes, width), with zeros where there is none. */
    private void gatherQueries(Shape shape, Tile tile, long queries, int rows, int lanes) {
        int group = shape.group();
        float scale = (float) (1 / Math.sqrt(shape.headDim()));
        int width = shape.width();
        for (int r = 0; r < rows; r++) {
            long from = shape.query(tile.span().row() + tile.token() + r / group, tile.keyHead() * group + r % group);
            long to = queries + 4L * r * width;
            VectorRows.scaled(from, scale, shape.headDim(), to, loops);
            Lanes.clear(to + 4L * shape.headDim(), width - shape.headDim());
        }
        Lanes.clear(queries + 4L * rows * width, (long) (lanes - rows) * width);
    }

    /**
     * Online softmax of one block: scores become weights.
     *
     * @param max address of the maxima; the sums follow {@code lanes} later, then room for {@code lanes} factors
     */
    static void softenLanes(
            long scores, int count, int lanes, long max, long result, int width, @Nullable RowLoops loops) {
        if (loops != null && RowLoops.fits(lanes)) {
            loops.softenLanes(scores, count, lanes, max, result, width);
            return;
        }
        long row = 4L * lanes;
        for (long lane = 0; lane < row; lane += BYTES) {
            FloatVector before = FloatVector.fromMemorySegment(F, RAM, max + lane, LE);
            FloatVector now = before;
            for (int p = 0; p < count; p++) {
                now = now.max(FloatVector.fromMemorySegment(F, RAM, scores + lane + p * row, LE));
            }
            FloatVector shrink = Exp.exp(before.sub(now));
            FloatVector sum =
                    FloatVector.fromMemorySegment(F, RAM, max + row + lane, LE).mul(shrink);
            for (int p = 0; p < count; p++) {
                long at = scores + lane + p * row;
                FloatVector weight =
                        Exp.exp(FloatVector.fromMemorySegment(F, RAM, at, LE).sub(now));
                weight.intoMemorySegment(RAM, at, LE);
                sum = sum.add(weight);
            }
            now.intoMemorySegment(RAM, max + lane, LE);
            sum.intoMemorySegment(RAM, max + row + lane, LE);
            shrink.intoMemorySegment(RAM, max + 2 * row + lane, LE);
        }
        for (int c = 0; c < width; c++) {
            for (long lane = 0; lane < row; lane += BYTES) {
                FloatVector.fromMemorySegment(F, RAM, result + c * row + lane, LE)
                        .mul(FloatVector.fromMemorySegment(F, RAM, max + 2 * row + lane, LE))
                        .intoMemorySegment(RAM, result + c * row + lane, LE);
            }
        }
    }

    // ---- Pieces of a long past.

    /** Adds the pieces up, each with its own maximum, in the order of the positions. */
    private void merge(Span span, Shape shape, long partial, long partialBytes) {
        pool.run(shape.heads(), MERGED_HEADS, (worker, from, to) -> {
            for (int head = from; head < to; head++) {
                for (int t = 0; t < span.count(); t++) {
                    int row = (head / shape.group() * span.count() + t) * shape.group() + head % shape.group();
                    long first = partial + 4L * row * (shape.width() + 2);
                    merge(first, partialBytes, pieces(span), shape, shape.out(span.row() + t, head));
                }
            }
        });
    }

    /** The same of one row. */
    private void merge(long partial, long partialBytes, int pieces, Shape shape, long out) {
        float max = NO_SCORE;
        for (int p = 0; p < pieces; p++) {
            max = Math.max(max, RAM.get(FLOAT, partial + p * partialBytes));
        }
        float sum = 0;
        for (int p = 0; p < pieces; p++) {
            long at = partial + p * partialBytes;
            sum += RAM.get(FLOAT, at + 4) * (float) Math.exp(RAM.get(FLOAT, at) - max);
        }
        Lanes.clear(out, shape.headDim());
        for (int p = 0; p < pieces; p++) {
            long at = partial + p * partialBytes;
            float factor = (float) Math.exp(RAM.get(FLOAT, at) - max) / sum;
            VectorRows.addScaled(out, at + 8, factor, shape.headDim(), loops);
        }
    }
}
