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
 *   <li>Few rows (decode): keys times queries with the lanes along the head, then weights times values.
 *   <li>Many rows (prompts): the lanes are rows. Queries are transposed once per tile; scores, maxima and sums then need
 *       nothing across lanes, and the result is turned back at the end.
 * </ul>
 * A decode step over a long past is also cut along the past, in pieces of {@value #PIECE} positions whose results are
 * merged; so few heads still occupy all threads. The cuts do not depend on the number of threads.
 */
public final class VectorAttention {
    /** Positions of the past that are read by one worker in a decode step. */
    private static final int PIECE = 1024;

    /** Up to this many tokens of a sequence the past is cut into pieces. */
    private static final int FEW_TOKENS = 16;

    /** Rows of a tile with the lanes along the rows: what is kept for them stays in the second-level cache. */
    private static final int TILE_ROWS = 96;

    private static final int BLOCK = KvCache.BLOCK;

    /** A maximum below all scores that, unlike infinity, can be subtracted from itself. */
    private static final float NO_SCORE = -1e30f;

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
    private static final class Worker {
        final Buffer keys = new Buffer();
        final Buffer values = new Buffer();
        final Buffer queries = new Buffer();
        final Buffer scores = new Buffer();
        final Buffer sums = new Buffer();
        final Buffer result = new Buffer();
        final Buffer rows = new Buffer();
    }

    /** The shape of one call. */
    private record Shape(Tensor q, Tensor out, int heads, int keyHeads, int headDim) {
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

    /** One piece of work: some tokens of a span, one key/value head, some positions. */
    private record Tile(Span span, KvCache cache, int keyHead, int token, int tokens, int from, int to, int piece) {
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
            starts[s + 1] = starts[s] + tiles(spans.get(s), shape) * shape.keyHeads() * pieces(spans.get(s));
        }
        int total = starts[spans.size()];
        long partialFloats = (long) FEW_TOKENS * shape.group() * (shape.width() + 2);
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
        int piece = item % pieces;
        int keyHead = item / pieces % shape.keyHeads();
        int step = tileTokens(span, shape);
        int token = item / pieces / shape.keyHeads() * step;
        int tokens = Math.min(step, span.count() - token);
        int seen = span.past() + token + tokens;
        int from = pieces == 1 ? 0 : piece * PIECE;
        int to = pieces == 1 ? seen : Math.min(seen, from + PIECE);
        return new Tile(span, cache, keyHead, token, tokens, from, to, pieces == 1 ? -1 : piece);
    }

    private void run(Worker worker, Shape shape, Tile tile, @Nullable AttentionTile products, long partial) {
        int rows = tile.tokens() * shape.group();
        if (rows * 2 <= L || (products != null && rows <= TILE_PRODUCT_ROWS)) {
            runFewRows(worker, shape, tile, products, partial);
        } else {
            runManyRows(worker, shape, tile, partial);
        }
    }

    /** Keys or values of a block as float32, rows {@code width} apart. */
    private long load(KvCache.Entries entries, Shape shape, int keyHead, int positions, Buffer buffer) {
        return VectorCache.load(entries, keyHead, positions, shape.headDim(), shape.width(), buffer, loops);
    }

    // ---- Few rows: lanes along the head.

    private void runFewRows(Worker worker, Shape shape, Tile tile, @Nullable AttentionTile products, long partial) {
        int group = shape.group();
        int rows = tile.tokens() * group;
        int padded = Math.ceilDiv(rows, Tiles.ROWS) * Tiles.ROWS;
        int width = shape.width();
        long queries = worker.queries.address(4L * padded * width);
        Lanes.clear(queries, (long) padded * width);
        float scale = (float) (1 / Math.sqrt(shape.headDim()));
        for (int r = 0; r < rows; r++) {
            long from = shape.query(tile.span().row() + tile.token() + r / group, tile.keyHead() * group + r % group);
            scaled(from, scale, shape.headDim(), queries + 4L * r * width);
        }
        // Of each row the maximum, L partial sums and the weighted values.
        long max = worker.result.address(4L * padded * (1 + L + width));
        Lanes.clear(max, (long) padded * (1 + L + width));
        for (int r = 0; r < rows; r++) {
            RAM.set(FLOAT, max + 4L * r, NO_SCORE);
        }
        long sums = max + 4L * padded;
        long result = sums + (long) padded * BYTES;
        long scores = worker.scores.address(4L * padded * BLOCK);
        for (int position = tile.from(); position < tile.to(); position += BLOCK) {
            int count = Math.min(BLOCK, tile.to() - position);
            int rounded = Math.ceilDiv(count, Tiles.ROWS) * Tiles.ROWS;
            KvCache.Entries keys = tile.cache().keys(position / BLOCK);
            KvCache.Entries values = tile.cache().values(position / BLOCK);
            if (products != null) {
                products.score(stored(keys, tile), queries, rounded, padded, scores, stored(values, tile));
            } else {
                long loaded = load(keys, shape, tile.keyHead(), rounded, worker.keys);
                score(loaded, queries, width, rounded, padded, scores, worker.sums);
            }
            for (int r = 0; r < rows; r++) {
                int seen = Math.min(count, tile.limit(r / group) - position);
                softenRow(
                        scores + 4L * r * BLOCK,
                        seen,
                        max + 4L * r,
                        sums + (long) r * BYTES,
                        result + 4L * r * width,
                        width);
            }
            if (products != null) {
                KvCache.Entries next =
                        position + BLOCK < tile.to() ? tile.cache().keys(position / BLOCK + 1) : keys;
                products.add(stored(values, tile), scores, count, padded, result, stored(next, tile));
            } else {
                long loaded = load(values, shape, tile.keyHead(), count, worker.values);
                Tiles.outer(scores, 4L * BLOCK, 4, loaded, 4L * width, count, result, 4L * width, padded, width / L);
            }
        }
        for (int r = 0; r < rows; r++) {
            long at = result + 4L * r * width;
            float sum = 0;
            for (int l = 0; l < L; l++) {
                sum += RAM.get(FLOAT, sums + (long) r * BYTES + 4L * l);
            }
            if (tile.piece() >= 0) {
                long to = partial + 4L * r * (shape.width() + 2);
                RAM.set(FLOAT, to, RAM.get(FLOAT, max + 4L * r));
                RAM.set(FLOAT, to + 4, sum);
                Unpack.f32(at, shape.headDim(), to + 8);
            } else {
                int token = tile.span().row() + tile.token() + r / group;
                scaled(at, 1 / sum, shape.headDim(), shape.out(token, tile.keyHead() * group + r % group));
            }
        }
    }

    /** The part of a block that belongs to the key head of the tile. */
    private static long stored(KvCache.Entries block, Tile tile) {
        return Lanes.address(block.values(), (long) tile.keyHead() * BLOCK);
    }

    /** {@code scores[row][position]} for 4 rows and 4 positions at a time. */
    private static void score(long keys, long queries, int width, int positions, int rows, long scores, Buffer buffer) {
        long sums = buffer.address(4L * Tiles.ROWS * BYTES);
        for (int p = 0; p < positions; p += Tiles.ROWS) {
            for (int r = 0; r < rows; r += Tiles.ROWS) {
                Lanes.clear(sums, 4L * Tiles.ROWS * L);
                long row = 4L * width;
                Tiles.dot4x4(keys + p * row, row, queries + r * row, row, width, sums, 4L * BYTES);
                for (int i = 0; i < Tiles.ROWS; i++) {
                    Tiles.sum4(sums + 4L * i * BYTES, scores + 4L * ((long) (r + i) * BLOCK + p));
                }
            }
        }
    }

    /**
     * Turns the scores of a row into weights, and what was summed for it before into the new scale.
     *
     * @param seen the scores that count; the weights of the others become 0
     */
    private void softenRow(long scores, int seen, long max, long sums, long result, int width) {
        if (loops != null && RowLoops.fits(width) && L == RowLoops.STEP) {
            loops.soften(scores, seen, max, sums, result, width);
            return;
        }
        for (int p = Math.max(0, seen); p < BLOCK; p++) {
            RAM.set(FLOAT, scores + 4L * p, Float.NEGATIVE_INFINITY);
        }
        float before = RAM.get(FLOAT, max);
        FloatVector highest = FloatVector.broadcast(F, before);
        for (int p = 0; p < BLOCK; p += L) {
            highest = highest.max(FloatVector.fromMemorySegment(F, RAM, scores + 4L * p, LE));
        }
        float now = Lanes.max(highest);
        float shrink = now == before ? 1 : (float) Math.exp(before - now);
        FloatVector sum = FloatVector.fromMemorySegment(F, RAM, sums, LE).mul(shrink);
        for (int p = 0; p < BLOCK; p += L) {
            FloatVector weight = Exp.exp(
                    FloatVector.fromMemorySegment(F, RAM, scores + 4L * p, LE).sub(now));
            weight.intoMemorySegment(RAM, scores + 4L * p, LE);
            sum = sum.add(weight);
        }
        sum.intoMemorySegment(RAM, sums, LE);
        RAM.set(FLOAT, max, now);
        if (shrink != 1) {
            scaled(result, shrink, width, result);
        }
    }

    private void scaled(long x, float factor, int count, long out) {
        if (loops != null && RowLoops.fits(count)) {
            loops.scale(x, factor, count, out);
            return;
        }
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).mul(factor).intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, out + 4L * i, RAM.get(FLOAT, x + 4L * i) * factor);
        }
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
            long keys = load(tile.cache().keys(position / BLOCK), shape, tile.keyHead(), rounded, worker.keys);
            int vectors = lanes / L;
            Tiles.outer(
                    productTile, keys, rowBytes, 4, queries, lanesRow, width, scores, lanesRow, rounded, vectors, true);
            for (int r = 0; r < rows; r++) {
                for (int p = Math.max(0, tile.limit(r / group) - position); p < count; p++) {
                    RAM.set(FLOAT, scores + 4L * ((long) p * lanes + r), Float.NEGATIVE_INFINITY);
                }
            }
            softenLanes(scores, count, lanes, max, result, width, loops);
            long values = load(tile.cache().values(position / BLOCK), shape, tile.keyHead(), count, worker.values);
            Tiles.outer(
                    productTile, values, 4, rowBytes, scores, lanesRow, count, result, lanesRow, width, vectors, false);
        }
        VectorRows.transpose(result, lanesRow, width, lanes, byRow, rowBytes, loops);
        for (int r = 0; r < rows; r++) {
            boolean whole = tile.piece() < 0;
            int token = tile.span().row() + tile.token() + r / group;
            long to = whole
                    ? shape.out(token, tile.keyHead() * group + r % group)
                    : partial + 4L * r * (shape.width() + 2) + 8;
            float factor = whole ? 1 / RAM.get(FLOAT, sum + 4L * r) : 1;
            scaled(byRow + r * rowBytes, factor, shape.headDim(), to);
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
            scaled(from, scale, shape.headDim(), to);
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
        int pieces = pieces(span);
        int group = shape.group();
        long rowBytes = 4L * (shape.width() + 2);
        for (int t = 0; t < span.count(); t++) {
            for (int head = 0; head < shape.heads(); head++) {
                int tile = t / tileTokens(span, shape) * shape.keyHeads() + head / group;
                int row = t % tileTokens(span, shape) * group + head % group;
                long first = partial + (long) tile * pieces * partialBytes + row * rowBytes;
                float max = NO_SCORE;
                for (int p = 0; p < pieces; p++) {
                    max = Math.max(max, RAM.get(FLOAT, first + p * partialBytes));
                }
                float sum = 0;
                for (int p = 0; p < pieces; p++) {
                    long at = first + p * partialBytes;
                    sum += RAM.get(FLOAT, at + 4) * (float) Math.exp(RAM.get(FLOAT, at) - max);
                }
                long out = shape.out(span.row() + t, head);
                Lanes.clear(out, shape.headDim());
                for (int p = 0; p < pieces; p++) {
                    long at = first + p * partialBytes;
                    float factor = (float) Math.exp(RAM.get(FLOAT, at) - max) / sum;
                    VectorRows.addScaled(out, at + 8, factor, shape.headDim(), loops);
                }
            }
        }
    }
}
