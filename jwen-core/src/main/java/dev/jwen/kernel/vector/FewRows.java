package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * A tile of {@link VectorAttention} with few rows: keys times queries with the lanes along the head, online softmax, then
 * weights times values, block by block of the cache and head by head, in the order of memory.
 *
 * <p>Rows are numbered head after head, {@code padded} of each: its rows in whole tiles of {@value Tiles#ROWS}.
 */
final class FewRows {
    private static final int BLOCK = KvCache.BLOCK;

    private final VectorAttention.Worker worker;
    private final VectorAttention.Shape shape;
    private final VectorAttention.Tile tile;
    private final @Nullable AttentionTile products;
    private final @Nullable RowLoops loops;

    /** Rows of one key/value head. */
    private final int rows;

    private final int padded;

    /** (all rows, width), scaled. */
    private final long queries;

    /** The largest score of each row so far. */
    private final long max;

    /** (all rows, L), partial sums of the weights of each row. */
    private final long sums;

    /** (all rows, width), the weighted values. */
    private final long results;

    /** (all rows, {@value KvCache#BLOCK}), of one block. */
    private final long scores;

    /** @param products where both products are computed; null for here */
    FewRows(
            VectorAttention.Worker worker,
            VectorAttention.Shape shape,
            VectorAttention.Tile tile,
            @Nullable AttentionTile products,
            @Nullable RowLoops loops) {
        this.worker = worker;
        this.shape = shape;
        this.tile = tile;
        this.products = products;
        this.loops = loops;
        rows = tile.tokens() * shape.group();
        padded = Math.ceilDiv(rows, Tiles.ROWS) * Tiles.ROWS;
        int all = tile.keyHeads() * padded;
        queries = worker.queries.address(4L * all * shape.width());
        max = worker.result.address(4L * all * (1 + L + shape.width()));
        sums = max + 4L * all;
        results = sums + (long) all * BYTES;
        scores = worker.scores.address(4L * all * BLOCK);
    }

    /** Computes the tile: the output, or what belongs to its piece at {@code partial}. */
    void run(long partial) {
        start();
        for (int position = tile.from(); position < tile.to(); position += BLOCK) {
            int count = Math.min(BLOCK, tile.to() - position);
            scoreKeys(position / BLOCK, count);
            soften(position, count);
            addValues(position / BLOCK, count);
        }
        for (int head = 0; head < tile.keyHeads(); head++) {
            for (int r = 0; r < rows; r++) {
                finish(head, r, partial);
            }
        }
    }

    private int row(int head, int token) {
        return head * padded + token * shape.group();
    }

    private long queries(int head) {
        return queries + 4L * head * padded * shape.width();
    }

    private long scores(int row) {
        return scores + 4L * row * BLOCK;
    }

    private long result(int row) {
        return results + 4L * row * shape.width();
    }

    private void start() {
        int group = shape.group();
        int all = tile.keyHeads() * padded;
        Lanes.clear(queries, (long) all * shape.width());
        Lanes.clear(max, (long) all * (1 + L + shape.width()));
        for (int r = 0; r < all; r++) {
            RAM.set(FLOAT, max + 4L * r, VectorAttention.NO_SCORE);
        }
        float scale = (float) (1 / Math.sqrt(shape.headDim()));
        for (int head = 0; head < tile.keyHeads(); head++) {
            for (int r = 0; r < rows; r++) {
                int token = tile.span().row() + tile.token() + r / group;
                long from = shape.query(token, (tile.keyHead() + head) * group + r % group);
                VectorRows.scaled(from, scale, shape.headDim(), queries(head) + 4L * r * shape.width(), loops);
            }
        }
    }

    private void scoreKeys(int block, int count) {
        KvCache.Entries keys = tile.cache().keys(block);
        int rounded = Math.ceilDiv(count, Tiles.ROWS) * Tiles.ROWS;
        for (int head = 0; head < tile.keyHeads(); head++) {
            long to = scores(row(head, 0));
            if (products != null) {
                boolean isLast = head + 1 == tile.keyHeads();
                long next = isLast ? stored(tile.cache().values(block), 0) : stored(keys, head + 1);
                products.score(stored(keys, head), queries(head), rounded, padded, to, next);
            } else {
                long loaded = VectorAttention.load(keys, shape, tile.keyHead() + head, rounded, worker.keys, loops);
                score(loaded, queries(head), shape.width(), rounded, padded, to, worker.sums);
            }
        }
    }

    /** Of each row in turn; the rows of a token lie side by side, and those of a single token over all heads. */
    private void soften(int position, int count) {
        boolean inOneRun = tile.tokens() == 1 && rows == padded;
        int together = inOneRun ? tile.keyHeads() * rows : shape.group();
        for (int head = 0; head < (inOneRun ? 1 : tile.keyHeads()); head++) {
            for (int t = 0; t < tile.tokens(); t++) {
                int row = row(head, t);
                int seen = Math.min(count, tile.limit(t) - position);
                long sumsOfRow = sums + (long) row * BYTES;
                soften(scores(row), seen, max + 4L * row, sumsOfRow, result(row), shape.width(), together);
            }
        }
    }

    private void addValues(int block, int count) {
        KvCache.Entries values = tile.cache().values(block);
        for (int head = 0; head < tile.keyHeads(); head++) {
            long weights = scores(row(head, 0));
            long to = result(row(head, 0));
            if (products != null) {
                boolean isLast = head + 1 == tile.keyHeads();
                int nextBlock = (block + 1) * BLOCK < tile.to() ? block + 1 : block;
                long next = isLast ? stored(tile.cache().keys(nextBlock), 0) : stored(values, head + 1);
                products.add(stored(values, head), weights, count, padded, to, next);
            } else {
                int width = shape.width();
                long loaded = VectorAttention.load(values, shape, tile.keyHead() + head, count, worker.values, loops);
                Tiles.outer(weights, 4L * BLOCK, 4, loaded, 4L * width, count, to, 4L * width, padded, width / L);
            }
        }
    }

    /** Writes the result of row {@code r} of a head: to the output, or with its maximum and its sum to its place in {@code partial}. */
    private void finish(int head, int r, long partial) {
        int row = row(head, 0) + r;
        float sum = 0;
        for (int l = 0; l < L; l++) {
            sum += RAM.get(FLOAT, sums + (long) row * BYTES + 4L * l);
        }
        if (tile.piece() == VectorAttention.WHOLE) {
            int token = tile.span().row() + tile.token() + r / shape.group();
            long out = shape.out(token, (tile.keyHead() + head) * shape.group() + r % shape.group());
            VectorRows.scaled(result(row), 1 / sum, shape.headDim(), out, loops);
        } else {
            long to = partial + 4L * (head * rows + r) * (shape.width() + 2);
            RAM.set(FLOAT, to, RAM.get(FLOAT, max + 4L * row));
            RAM.set(FLOAT, to + 4, sum);
            Unpack.f32(result(row), shape.headDim(), to + 8);
        }
    }

    /** The part of a block that belongs to a head of the tile. */
    private long stored(KvCache.Entries block, int head) {
        return Lanes.address(block.values(), (long) (tile.keyHead() + head) * BLOCK);
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
     * Turns the scores of some rows into weights, and what was summed for them before into the new scale.
     *
     * @param seen the scores of each row that count; the weights of the others become 0
     */
    private void soften(long scores, int seen, long max, long sums, long result, int width, int rows) {
        if (loops != null && RowLoops.fits(width) && L == RowLoops.STEP) {
            loops.soften(scores, seen, max, sums, result, width, rows);
            return;
        }
        for (int r = 0; r < rows; r++) {
            softenRow(
                    scores + 4L * r * BLOCK,
                    seen,
                    max + 4L * r,
                    sums + (long) r * BYTES,
                    result + 4L * r * width,
                    width);
        }
    }

    private void softenRow(long scores, int seen, long max, long sums, long result, int width) {
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
            VectorRows.scaled(result, shrink, width, result, loops);
        }
    }
}
