package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.Operands;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/**
 * Softmax attention, causal or inside frames, backwards.
 *
 * <p>A piece of work is one key head of one span with all its query heads, so what these add to the gradients of keys and
 * values is added up by one worker. It runs over the span in strips: the queries of a few tokens, transposed so that the
 * lanes are rows, a row being one query head of one token. Of a strip the weights of all its positions are kept,
 * (positions, rows), so the softmax is calculated as it was in the forward pass, without what that would have to save; what
 * follows needs no more than a block of {@value #BLOCK} positions at a time. With p the weights and D = dOut·out per row:
 * {@snippet :
 *   ds = p (V dOutᵀ - D)        dv += p dOut        dk += ds q / √C        dq = dsᵀ k / √C
 * }
 * All of it is products of small matrices, for {@link Tiles}.
 */
public final class AttentionGradient {
    private static final int BLOCK = 64;

    private final WorkerPool pool;
    private final Buffer[] buffers;

    public AttentionGradient(WorkerPool pool) {
        this.pool = pool;
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
    }

    /** The operands of one call. */
    private record Call(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            boolean causal,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        /** Query heads that share a key head. */
        int group() {
            return Math.toIntExact(q.columns() / k.columns());
        }

        /** Tokens of a strip: three vectors of rows, which is what {@link Tiles} multiplies best. */
        int stripTokens() {
            return Math.max(1, 3 * L / group());
        }

        long head(Tensor t, int token, int head) {
            return Lanes.address(t, token) + 4L * head * headDim;
        }
    }

    /** Addresses of what one piece of work keeps, with rows rounded up to whole vectors; n is the number of tokens. */
    private static final class Pass {
        /** Head size and rows of a strip, rounded up to whole tiles and vectors. */
        final int width;

        final int lanes;
        /** (n, width), and rows of zeros up to the next whole tile. */
        final long keys;

        final long values;
        final long dKeys;
        final long dValues;
        /** (rows, width): queries divided by √C, gradients of the output. */
        final long queries;

        final long dOut;
        final long dQueries;
        /** (width, lanes): the first two, transposed. */
        final long turnedQueries;

        final long turnedOut;
        /** (lanes): D. */
        final long means;
        /** (BLOCK, lanes): ds. */
        final long slopes;
        /** (n, lanes): scores, then weights. */
        final long weights;

        Pass(Call call, int n, Buffer buffer) {
            int unit = Math.max(L, Tiles.ROWS);
            width = Math.ceilDiv(call.headDim, unit) * unit;
            int rows = Math.min(n, call.stripTokens()) * call.group();
            lanes = Math.ceilDiv(rows, unit) * unit;
            int padded = Math.ceilDiv(n, Tiles.ROWS) * Tiles.ROWS;
            long perSpan = 4L * padded * width;
            long perStrip = 4L * lanes * width;
            long bytes = 4 * perSpan + 5 * perStrip + 4L * lanes * (1 + BLOCK + padded);
            keys = buffer.address(bytes);
            values = keys + perSpan;
            dKeys = values + perSpan;
            dValues = dKeys + perSpan;
            queries = dValues + perSpan;
            dOut = queries + perStrip;
            dQueries = dOut + perStrip;
            turnedQueries = dQueries + perStrip;
            turnedOut = turnedQueries + perStrip;
            means = turnedOut + perStrip;
            slopes = means + 4L * lanes;
            weights = slopes + 4L * BLOCK * lanes;
            Lanes.clear(keys, (means - keys) / 4);
        }
    }

    /** See {@link dev.jwen.kernel.Gradients#attention}. */
    public void attention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> spans,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        goBack(new Call(dOut, q, k, v, out, headDim, true, dq, dk, dv), spans);
    }

    /** See {@link dev.jwen.kernel.Gradients#frameAttention}. */
    public void frameAttention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> frames,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        Operands.matrix("k", k, q.rows(), q.columns());
        goBack(new Call(dOut, q, k, v, out, headDim, false, dq, dk, dv), frames);
    }

    private void goBack(Call call, List<Span> spans) {
        check(call, spans);
        int heads = Math.toIntExact(call.k.columns() / call.headDim);
        int[] order = DeltaGradient.longestFirst(spans);
        pool.run(spans.size() * heads, 1, (worker, from, to) -> {
            for (int item = from; item < to; item++) {
                keyHead(call, spans.get(order[item / heads]), item % heads, buffers[worker]);
            }
        });
    }

    private static void check(Call call, List<Span> spans) {
        long tokens = call.q.rows();
        Operands.spans(spans, tokens);
        Operands.group("k", call.headDim, call.k.columns());
        Operands.group("q", call.k.columns(), call.q.columns());
        for (Tensor t : List.of(call.q, call.out, call.dOut, call.dq)) {
            Operands.matrix("q, out, dOut, dq", t, tokens, call.q.columns());
        }
        for (Tensor t : List.of(call.k, call.v, call.dk, call.dv)) {
            Operands.matrix("k, v, dk, dv", t, tokens, call.k.columns());
        }
    }

    private static void keyHead(Call call, Span span, int keyHead, Buffer buffer) {
        Pass pass = new Pass(call, span.count(), buffer);
        long headBytes = 4L * call.headDim;
        long row = 4L * pass.width;
        for (int t = 0; t < span.count(); t++) {
            MemorySegment.copy(RAM, call.head(call.k, span.row() + t, keyHead), RAM, pass.keys + t * row, headBytes);
            MemorySegment.copy(RAM, call.head(call.v, span.row() + t, keyHead), RAM, pass.values + t * row, headBytes);
        }
        int step = call.stripTokens();
        for (int t = 0; t < span.count(); t += step) {
            strip(call, span, keyHead, t, Math.min(step, span.count() - t), pass);
        }
        for (int t = 0; t < span.count(); t++) {
            MemorySegment.copy(RAM, pass.dKeys + t * row, RAM, call.head(call.dk, span.row() + t, keyHead), headBytes);
            MemorySegment.copy(
                    RAM, pass.dValues + t * row, RAM, call.head(call.dv, span.row() + t, keyHead), headBytes);
        }
    }

    /** The queries of {@code tokens} tokens from {@code first} on, counted in the span. */
    private static void strip(Call call, Span span, int keyHead, int first, int tokens, Pass pass) {
        int group = call.group();
        int rows = tokens * group;
        int lanes = Math.ceilDiv(rows, Math.max(L, Tiles.ROWS)) * Math.max(L, Tiles.ROWS);
        int seen = call.causal ? first + tokens : span.count();
        int rounded = Math.ceilDiv(seen, Tiles.ROWS) * Tiles.ROWS;
        long row = 4L * pass.width;
        long laneRow = 4L * lanes;
        load(call, span, keyHead, first, rows, lanes, pass);

        Lanes.clear(pass.weights, (long) rounded * lanes);
        Tiles.outer(
                pass.keys,
                row,
                4,
                pass.turnedQueries,
                laneRow,
                call.headDim,
                pass.weights,
                laneRow,
                rounded,
                lanes / L);
        if (call.causal) {
            for (int p = first + 1; p < seen; p++) {
                for (int r = 0; r < (p - first) * group; r++) {
                    RAM.set(FLOAT, pass.weights + p * laneRow + 4L * r, Float.NEGATIVE_INFINITY);
                }
            }
        }
        softmax(pass.weights, seen, lanes);
        Lanes.clear(pass.weights + seen * laneRow, (long) (rounded - seen) * lanes);

        Lanes.clear(pass.dQueries, (long) lanes * pass.width);
        int vectors = pass.width / L;
        for (int p = 0; p < rounded; p += BLOCK) {
            int count = Math.min(BLOCK, rounded - p);
            long weights = pass.weights + p * laneRow;
            Lanes.clear(pass.slopes, (long) count * lanes);
            Tiles.outer(
                    pass.values + p * row,
                    row,
                    4,
                    pass.turnedOut,
                    laneRow,
                    call.headDim,
                    pass.slopes,
                    laneRow,
                    count,
                    lanes / L);
            slopes(weights, pass.means, count, lanes, pass.slopes);
            Tiles.outer(weights, laneRow, 4, pass.dOut, row, rows, pass.dValues + p * row, row, count, vectors);
            Tiles.outer(pass.slopes, laneRow, 4, pass.queries, row, rows, pass.dKeys + p * row, row, count, vectors);
            Tiles.outer(pass.slopes, 4, laneRow, pass.keys + p * row, row, count, pass.dQueries, row, lanes, vectors);
        }
        float scale = (float) (1 / Math.sqrt(call.headDim));
        for (int r = 0; r < rows; r++) {
            long to = call.head(call.dq, span.row() + first + r / group, keyHead * group + r % group);
            scaled(pass.dQueries + r * row, scale, call.headDim, to);
        }
    }

    /** Queries and gradients of the output, as they are and transposed, and D. */
    private static void load(Call call, Span span, int keyHead, int first, int rows, int lanes, Pass pass) {
        int group = call.group();
        float scale = (float) (1 / Math.sqrt(call.headDim));
        for (int r = 0; r < rows; r++) {
            int token = span.row() + first + r / group;
            int head = keyHead * group + r % group;
            long q = pass.queries + 4L * r * pass.width;
            long dOut = pass.dOut + 4L * r * pass.width;
            scaled(call.head(call.q, token, head), scale, call.headDim, q);
            MemorySegment.copy(RAM, call.head(call.dOut, token, head), RAM, dOut, 4L * call.headDim);
            long out = call.head(call.out, token, head);
            float mean = 0;
            for (int c = 0; c < call.headDim; c++) {
                long at = 4L * ((long) c * lanes + r);
                float d = RAM.get(FLOAT, dOut + 4L * c);
                RAM.set(FLOAT, pass.turnedQueries + at, RAM.get(FLOAT, q + 4L * c));
                RAM.set(FLOAT, pass.turnedOut + at, d);
                mean = Math.fma(d, RAM.get(FLOAT, out + 4L * c), mean);
            }
            RAM.set(FLOAT, pass.means + 4L * r, mean);
        }
    }

    private static void scaled(long x, float factor, int count, long out) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).mul(factor).intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, out + 4L * i, RAM.get(FLOAT, x + 4L * i) * factor);
        }
    }

    /** Over the positions of each lane, in place. */
    private static void softmax(long scores, int positions, int lanes) {
        long row = 4L * lanes;
        for (long lane = scores; lane < scores + row; lane += BYTES) {
            FloatVector max = FloatVector.fromMemorySegment(F, RAM, lane, LE);
            for (int p = 1; p < positions; p++) {
                max = max.max(FloatVector.fromMemorySegment(F, RAM, lane + p * row, LE));
            }
            FloatVector sum = FloatVector.zero(F);
            for (int p = 0; p < positions; p++) {
                FloatVector weight = Exp.exp(FloatVector.fromMemorySegment(F, RAM, lane + p * row, LE)
                        .sub(max));
                weight.intoMemorySegment(RAM, lane + p * row, LE);
                sum = sum.add(weight);
            }
            FloatVector share = FloatVector.broadcast(F, 1f).div(sum);
            for (int p = 0; p < positions; p++) {
                FloatVector.fromMemorySegment(F, RAM, lane + p * row, LE)
                        .mul(share)
                        .intoMemorySegment(RAM, lane + p * row, LE);
            }
        }
    }

    /** {@code slopes = weights (slopes - means)}. */
    private static void slopes(long weights, long means, int positions, int lanes, long slopes) {
        long row = 4L * lanes;
        for (long lane = 0; lane < row; lane += BYTES) {
            FloatVector mean = FloatVector.fromMemorySegment(F, RAM, means + lane, LE);
            for (int p = 0; p < positions; p++) {
                long at = p * row + lane;
                FloatVector.fromMemorySegment(F, RAM, slopes + at, LE)
                        .sub(mean)
                        .mul(FloatVector.fromMemorySegment(F, RAM, weights + at, LE))
                        .intoMemorySegment(RAM, slopes + at, LE);
            }
        }
    }
}
