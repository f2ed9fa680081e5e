package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.DeltaStep;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The gated delta rule, token by token or in chunks.
 *
 * <p>A piece of work is one value head of one sequence; the lanes are columns of its state S (K × V).
 *
 * <p><b>Recurrence.</b> With r = Sᵀk and s = Sᵀq of the old state, u = β (v - α r), out = α s + (k·q) u and
 * S = α S + k uᵀ: one pass that reads the state, one that updates it.
 *
 * <p><b>Chunks</b> of n tokens, with G the running sum of the log-decays in the chunk, E = exp(G), and
 * D_rs = exp(G_r - G_s) for s ≤ r and 0 above:
 * {@snippet :
 *   A  = strictly lower part of diag(β) (K Kᵀ · D)
 *   (I + A) N = diag(β) (V - diag(E) K S)            // forward substitution
 *   out = diag(E) Q S + (Q Kᵀ · D) N
 *   S   = E_last S + (diag(exp(G_last - G)) K)ᵀ N
 * }
 * No positive number is ever exponentiated. All of it is products of small matrices, for a {@link ProductTile} of another
 * room where there is one, else for {@link Tiles}.
 */
public final class VectorDelta {
    /** Tokens in a chunk. */
    static final int CHUNK = 32;

    /** Rows of a chunk that are worked on at once; those of a tile of another room. */
    private static final int ROWS = 8;

    /** Heads that are advanced together: their states stay in the second-level cache. */
    private static final int MOST_HEADS = 4;

    /** Shorter stretches are faster token by token. */
    static final int CHUNKED_FROM = 16;

    /** States of so many values are advanced token by token always: several stay in the first-level cache. */
    private static final int SMALL = 32 * 32;

    private final WorkerPool pool;
    private final @Nullable MatrixProducts products;
    private final @Nullable ProductTile tile;
    private final @Nullable RowLoops loops;
    private final Buffer[] buffers;
    /** What keys, and queries, are multiplied with after their norm, for K values: 1/√K and 1/K. */
    private Tensor keyWeight = Tensor.f32(0);

    private Tensor queryWeight = Tensor.f32(0);

    // The step of another room for the heads of the last call.
    private @Nullable DeltaStep deltaStep;
    private @Nullable DeltaHeads stepHeads;

    /** Leaves single steps to {@code products} where those know the heads, and products of chunks where they have a tile. */
    public VectorDelta(WorkerPool pool, @Nullable MatrixProducts products, @Nullable RowLoops loops) {
        this.pool = pool;
        this.products = products;
        this.loops = loops;
        this.tile = products == null ? null : products.productTile(ROWS);
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
    }

    /** The operands of one call. */
    private record Call(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            Tensor out,
            @Nullable DeltaStep step,
            @Nullable ProductTile tile,
            @Nullable RowLoops loops,
            Tensor keyWeight,
            Tensor queryWeight) {
        /** log α = rate · softplus(a + dtBias). */
        double logDecay(int token, int head) {
            double x = (double) RAM.get(FLOAT, Lanes.address(a, token) + 4L * head)
                    + RAM.get(FLOAT, Lanes.address(dtBias, 0) + 4L * head);
            double small = Math.exp(-Math.abs(x));
            // The logarithm is much faster than log1p, and as exact for all but the smallest.
            double softplus = Math.max(x, 0) + (small < 1e-8 ? small : Math.log(1 + small));
            return RAM.get(FLOAT, Lanes.address(rate, 0) + 4L * head) * softplus;
        }

        float beta(int token, int head) {
            return Exp.sigmoid(RAM.get(FLOAT, Lanes.address(b, token) + 4L * head));
        }

        long query(int token, int head) {
            return Lanes.address(qkv, token) + 4L * heads.keyHeadOf(head) * heads.keyDim();
        }

        long key(int token, int head) {
            return query(token, head) + 4L * heads.keyHeads() * heads.keyDim();
        }

        long value(int token, int head) {
            long values = 2L * heads.keyHeads() * heads.keyDim();
            return Lanes.address(qkv, token) + 4L * (values + (long) head * heads.valueDim());
        }

        long state(Tensor state, int head) {
            return Lanes.address(state, (long) head * heads.keyDim());
        }

        long out(int token, int head) {
            return Lanes.address(out, token) + 4L * head * heads.valueDim();
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#gatedDelta}. */
    public void advance(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            List<Tensor> states,
            Tensor out) {
        Operands.gatedDelta(heads, qkv, a, b, rate, dtBias, spans, states, out);
        int keyDim = heads.keyDim();
        if (keyWeight.size() != keyDim) {
            keyWeight = filled(keyDim, 1 / Math.sqrt(keyDim));
            queryWeight = filled(keyDim, 1.0 / keyDim);
        }
        Call call =
                new Call(heads, qkv, a, b, rate, dtBias, out, deltaStep(heads), tile, loops, keyWeight, queryWeight);
        int n = heads.valueHeads();
        int items = spans.size() * n;
        // Heads side by side, because their states and the operands of a token are runs of memory.
        int grain = Math.clamp(items / (2L * pool.threads()), 1, MOST_HEADS);
        pool.run(items, grain, (worker, from, to) -> {
            for (int item = from; item < to; ) {
                int head = item % n;
                int count = Math.min(n - head, to - item);
                advanceHeads(call, head, head + count, spans.get(item / n), states.get(item / n), buffers[worker]);
                item += count;
            }
        });
    }

    private @Nullable DeltaStep deltaStep(DeltaHeads heads) {
        if (products != null && !heads.equals(stepHeads)) {
            deltaStep = products.deltaStep(heads.keyDim(), heads.valueDim());
            stepHeads = heads;
        }
        return deltaStep;
    }

    private static void advanceHeads(Call call, int from, int to, Span span, Tensor state, Buffer buffer) {
        int end = span.row() + span.count();
        if (call.heads().keyDim() * call.heads().valueDim() <= SMALL) {
            // All heads of a token in turn, because their operands are one run of memory.
            for (int token = span.row(); token < end; token++) {
                for (int head = from; head < to; head++) {
                    step(call, head, token, call.state(state, head), buffer);
                }
            }
            return;
        }
        if (span.count() >= CHUNKED_FROM) {
            chunks(call, from, to, span, call.state(state, from), buffer);
            return;
        }
        for (int head = from; head < to; head++) {
            for (int token = span.row(); token < end; token++) {
                step(call, head, token, call.state(state, head), buffer);
            }
        }
    }

    // ---- Token by token.

    private static void step(Call call, int head, int token, long state, Buffer buffer) {
        int keyDim = call.heads().keyDim();
        int valueDim = call.heads().valueDim();
        float alpha = (float) Math.exp(call.logDecay(token, head));
        float beta = call.beta(token, head);
        long v = call.value(token, head);
        long out = call.out(token, head);
        if (call.step() != null) {
            long factors = buffer.address(2 * Float.BYTES);
            RAM.set(FLOAT, factors, alpha);
            RAM.set(FLOAT, factors + 4, beta);
            call.step().advance(state, call.key(token, head), call.query(token, head), v, out, factors);
            return;
        }
        long k = buffer.address(8L * keyDim + 4L * BYTES);
        long q = k + 4L * keyDim;
        long sums = q + 4L * keyDim;
        normalise(call.key(token, head), keyDim, 1, k, sums);
        normalise(call.query(token, head), keyDim, 1 / Math.sqrt(keyDim), q, sums);
        float kq = 0;
        for (int i = 0; i < keyDim; i++) {
            kq = Math.fma(RAM.get(FLOAT, k + 4L * i), RAM.get(FLOAT, q + 4L * i), kq);
        }
        int j = 0;
        for (; j <= valueDim - 4 * L; j += 4 * L) {
            long at = 4L * j;
            step4(state + at, 4L * valueDim, keyDim, k, q, v + at, out + at, alpha, beta, kq);
        }
        for (; j <= valueDim - L; j += L) {
            long at = 4L * j;
            step1(state + at, 4L * valueDim, keyDim, k, q, v + at, out + at, alpha, beta, kq);
        }
        for (; j < valueDim; j++) {
            long at = 4L * j;
            stepScalar(state + at, 4L * valueDim, keyDim, k, q, v + at, out + at, alpha, beta, kq);
        }
    }

    private static Tensor filled(int count, double value) {
        float[] values = new float[count];
        Arrays.fill(values, (float) value);
        return Tensor.f32(values, count);
    }

    /** The same as {@code out = x / √(mean(x²) + 1e-6 / K) · weight}, by the loops of another room where they fit. */
    private static void normalise(Call call, long x, Tensor weight, long out, long sums) {
        int count = call.heads().keyDim();
        if (call.loops() != null && RowLoops.fits(count)) {
            call.loops().rmsNorm(x, Lanes.address(weight, 0), count, 1, 1e-6f / count, out);
        } else {
            normalise(x, count, weight.get(0, 0) * Math.sqrt(count), out, sums);
        }
    }

    /** {@code out = x · factor / √(Σx² + 1e-6)}; {@code sums} has room for 4 vectors. */
    private static void normalise(long x, int count, double factor, long out, long sums) {
        float scale = (float) (factor / Math.sqrt(VectorRows.squares(x, count, sums) + 1e-6));
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).mul(scale).intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, out + 4L * i, RAM.get(FLOAT, x + 4L * i) * scale);
        }
    }

    /** The recurrence for 4 vectors of columns. */
    private static void step4(
            long state, long row, int keyDim, long k, long q, long v, long out, float alpha, float beta, float kq) {
        FloatVector r0 = FloatVector.zero(F);
        FloatVector r1 = FloatVector.zero(F);
        FloatVector r2 = FloatVector.zero(F);
        FloatVector r3 = FloatVector.zero(F);
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        FloatVector s2 = FloatVector.zero(F);
        FloatVector s3 = FloatVector.zero(F);
        for (int i = 0; i < keyDim; i++) {
            long at = state + i * row;
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i));
            FloatVector qi = FloatVector.broadcast(F, RAM.get(FLOAT, q + 4L * i));
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, at, LE);
            FloatVector x1 = FloatVector.fromMemorySegment(F, RAM, at + BYTES, LE);
            FloatVector x2 = FloatVector.fromMemorySegment(F, RAM, at + 2 * BYTES, LE);
            FloatVector x3 = FloatVector.fromMemorySegment(F, RAM, at + 3 * BYTES, LE);
            r0 = x0.fma(ki, r0);
            r1 = x1.fma(ki, r1);
            r2 = x2.fma(ki, r2);
            r3 = x3.fma(ki, r3);
            s0 = x0.fma(qi, s0);
            s1 = x1.fma(qi, s1);
            s2 = x2.fma(qi, s2);
            s3 = x3.fma(qi, s3);
        }
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector minus = FloatVector.broadcast(F, -alpha);
        FloatVector u0 =
                r0.fma(minus, FloatVector.fromMemorySegment(F, RAM, v, LE)).mul(beta);
        FloatVector u1 = r1.fma(minus, FloatVector.fromMemorySegment(F, RAM, v + BYTES, LE))
                .mul(beta);
        FloatVector u2 = r2.fma(minus, FloatVector.fromMemorySegment(F, RAM, v + 2 * BYTES, LE))
                .mul(beta);
        FloatVector u3 = r3.fma(minus, FloatVector.fromMemorySegment(F, RAM, v + 3 * BYTES, LE))
                .mul(beta);
        s0.mul(decay).add(u0.mul(kq)).intoMemorySegment(RAM, out, LE);
        s1.mul(decay).add(u1.mul(kq)).intoMemorySegment(RAM, out + BYTES, LE);
        s2.mul(decay).add(u2.mul(kq)).intoMemorySegment(RAM, out + 2 * BYTES, LE);
        s3.mul(decay).add(u3.mul(kq)).intoMemorySegment(RAM, out + 3 * BYTES, LE);
        for (int i = 0; i < keyDim; i++) {
            long at = state + i * row;
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i));
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, at, LE).mul(decay);
            FloatVector x1 =
                    FloatVector.fromMemorySegment(F, RAM, at + BYTES, LE).mul(decay);
            FloatVector x2 =
                    FloatVector.fromMemorySegment(F, RAM, at + 2 * BYTES, LE).mul(decay);
            FloatVector x3 =
                    FloatVector.fromMemorySegment(F, RAM, at + 3 * BYTES, LE).mul(decay);
            u0.fma(ki, x0).intoMemorySegment(RAM, at, LE);
            u1.fma(ki, x1).intoMemorySegment(RAM, at + BYTES, LE);
            u2.fma(ki, x2).intoMemorySegment(RAM, at + 2 * BYTES, LE);
            u3.fma(ki, x3).intoMemorySegment(RAM, at + 3 * BYTES, LE);
        }
    }

    /** The recurrence for one vector of columns. */
    private static void step1(
            long state, long row, int keyDim, long k, long q, long v, long out, float alpha, float beta, float kq) {
        FloatVector r = FloatVector.zero(F);
        FloatVector s = FloatVector.zero(F);
        for (int i = 0; i < keyDim; i++) {
            FloatVector x = FloatVector.fromMemorySegment(F, RAM, state + i * row, LE);
            r = x.fma(FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i)), r);
            s = x.fma(FloatVector.broadcast(F, RAM.get(FLOAT, q + 4L * i)), s);
        }
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector u =
                r.fma(decay.neg(), FloatVector.fromMemorySegment(F, RAM, v, LE)).mul(beta);
        s.mul(decay).add(u.mul(kq)).intoMemorySegment(RAM, out, LE);
        for (int i = 0; i < keyDim; i++) {
            FloatVector x =
                    FloatVector.fromMemorySegment(F, RAM, state + i * row, LE).mul(decay);
            u.fma(FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i)), x).intoMemorySegment(RAM, state + i * row, LE);
        }
    }

    private static void stepScalar(
            long state, long row, int keyDim, long k, long q, long v, long out, float alpha, float beta, float kq) {
        float r = 0;
        float s = 0;
        for (int i = 0; i < keyDim; i++) {
            float x = RAM.get(FLOAT, state + i * row);
            r = Math.fma(x, RAM.get(FLOAT, k + 4L * i), r);
            s = Math.fma(x, RAM.get(FLOAT, q + 4L * i), s);
        }
        float u = beta * Math.fma(r, -alpha, RAM.get(FLOAT, v));
        RAM.set(FLOAT, out, s * alpha + u * kq);
        for (int i = 0; i < keyDim; i++) {
            float x = RAM.get(FLOAT, state + i * row) * alpha;
            RAM.set(FLOAT, state + i * row, Math.fma(u, RAM.get(FLOAT, k + 4L * i), x));
        }
    }

    // ---- In chunks.

    /** Addresses of what a chunk needs, with rows rounded up to whole tiles and vectors. */
    private static final class Chunk {
        final int keyDim;
        final int valueDim;
        final int keyWidth;
        final int valueWidth;
        final int lanes = Lanes.padded(CHUNK);
        /** Floats from row to row of the state: a cache line more, so that the rows of a column lie in different sets. */
        final int stateWidth;
        /** Of each head: its state, its keys and queries, its new values. */
        final long heads;

        final long headBytes;
        /** (keyWidth, lanes): keys. */
        final long turned;
        /** (n, keyWidth): keys that decayed to the end of the chunk. */
        final long decayed;
        /** (2 n, lanes): keys and queries times keys. */
        final long gram;
        /** (2 n, valueWidth): keys and queries times the state, the latter then the output. */
        final long read;
        /** (n): running sum of the log-decays. */
        final long logs;
        /** (n): E, what is left at each token of the state before the chunk. */
        final long left;

        final long betas;
        final long sums;

        Chunk(DeltaHeads heads, int count, Buffer buffer) {
            keyDim = heads.keyDim();
            valueDim = heads.valueDim();
            int unit = Math.max(L, Tiles.ROWS);
            keyWidth = Math.ceilDiv(keyDim, unit) * unit;
            valueWidth = Math.ceilDiv(valueDim, unit) * unit;
            stateWidth = valueWidth + 16;
            headBytes = 4L * keyWidth * stateWidth + 8L * CHUNK * keyWidth + 4L * CHUNK * valueWidth;
            long floats = count * headBytes / 4
                    + (long) CHUNK * keyWidth
                    + (long) keyWidth * lanes
                    + 2L * CHUNK * lanes
                    + 2L * CHUNK * valueWidth
                    + 3L * lanes
                    + 4L * L;
            this.heads = buffer.address(4 * floats);
            decayed = this.heads + count * headBytes;
            turned = decayed + 4L * CHUNK * keyWidth;
            gram = turned + 4L * keyWidth * lanes;
            read = gram + 8L * CHUNK * lanes;
            logs = read + 8L * CHUNK * valueWidth;
            left = logs + 4L * lanes;
            betas = left + 4L * lanes;
            sums = betas + 4L * lanes;
            Lanes.clear(this.heads, floats);
        }

        /** (keyWidth, valueWidth), the state of a head. */
        long state(int i) {
            return heads + i * headBytes;
        }

        /** (2 n, keyWidth): keys, then queries of a head. */
        long keyQuery(int i) {
            return state(i) + 4L * keyWidth * stateWidth;
        }

        /** (n, valueWidth): the new values N of a head. */
        long fresh(int i) {
            return keyQuery(i) + 8L * CHUNK * keyWidth;
        }

        float log(int r) {
            return RAM.get(FLOAT, logs + 4L * r);
        }

        float left(int r) {
            return RAM.get(FLOAT, left + 4L * r);
        }
    }

    /** Chunk by chunk, and in each of them head by head. */
    private static void chunks(Call call, int from, int to, Span span, long states, Buffer buffer) {
        Chunk chunk = new Chunk(call.heads(), to - from, buffer);
        copyStates(chunk, to - from, states, true);
        int end = span.row() + span.count();
        for (int token = span.row(); token < end; token += CHUNK) {
            int count = Math.min(CHUNK, end - token);
            gather(call, from, to, token, count, chunk);
            for (int head = from; head < to; head++) {
                advance(call, head, head - from, token, count, chunk);
            }
        }
        copyStates(chunk, to - from, states, false);
    }

    private static void copyStates(Chunk c, int heads, long states, boolean isBegin) {
        for (int row = 0; row < heads * c.keyDim; row++) {
            long stored = states + 4L * row * c.valueDim;
            long kept = c.state(row / c.keyDim) + 4L * (row % c.keyDim) * c.stateWidth;
            MemorySegment.copy(RAM, isBegin ? stored : kept, RAM, isBegin ? kept : stored, 4L * c.valueDim);
        }
    }

    /** Rows that fill up the last tile have no key, no value and no strength: they change nothing. */
    private static int rows(int count) {
        return Math.ceilDiv(count, ROWS) * ROWS;
    }

    /**
     * Normalised keys and queries, and values, of some heads. Token by token, because what a token holds of the heads is
     * one run of memory: head by head, each row would be waited for.
     */
    private static void gather(Call call, int from, int to, int token, int count, Chunk c) {
        int rows = rows(count);
        int heads = to - from;
        for (int r = 0; r < count; r++) {
            for (int i = 0; i < heads; i++) {
                long k = c.keyQuery(i) + 4L * r * c.keyWidth;
                normalise(call, call.key(token + r, from + i), call.keyWeight(), k, c.sums);
            }
            for (int i = 0; i < heads; i++) {
                long q = c.keyQuery(i) + 4L * (rows + r) * c.keyWidth;
                normalise(call, call.query(token + r, from + i), call.queryWeight(), q, c.sums);
            }
            for (int i = 0; i < heads; i++) {
                long v = c.fresh(i) + 4L * r * c.valueWidth;
                MemorySegment.copy(RAM, call.value(token + r, from + i), RAM, v, 4L * c.valueDim);
            }
        }
        int more = rows - count;
        for (int i = 0; i < heads; i++) {
            Lanes.clear(c.keyQuery(i) + 4L * count * c.keyWidth, (long) more * c.keyWidth);
            Lanes.clear(c.keyQuery(i) + 4L * (rows + count) * c.keyWidth, (long) more * c.keyWidth);
            Lanes.clear(c.fresh(i) + 4L * count * c.valueWidth, (long) more * c.valueWidth);
        }
    }

    /** @param i number of the head in the chunk */
    private static void advance(Call call, int head, int i, int token, int count, Chunk c) {
        int rows = rows(count);
        long state = c.state(i);
        long keyQuery = c.keyQuery(i);
        long fresh = c.fresh(i);
        prepare(call, head, i, token, count, rows, c);
        long lanesRow = 4L * c.lanes;
        long keyRow = 4L * c.keyWidth;
        long valueRow = 4L * c.valueWidth;
        long stateRow = 4L * c.stateWidth;

        Lanes.clear(c.gram, 2L * rows * c.lanes);
        add(call, keyQuery, keyRow, 4, c.turned, lanesRow, c.keyDim, c.gram, lanesRow, 2 * rows, c.lanes);
        Lanes.clear(c.read, 2L * rows * c.valueWidth);
        add(call, keyQuery, keyRow, 4, state, stateRow, c.keyDim, c.read, valueRow, 2 * rows, c.valueWidth);
        mask(rows, c);
        newValues(call, fresh, rows, c);

        long out = c.read + rows * valueRow;
        for (int r = 0; r < rows; r++) {
            scale(out + r * valueRow, c.left(r), c.valueWidth);
        }
        for (int r = 0; r < rows; r += ROWS) {
            long weights = c.gram + (rows + r) * lanesRow;
            long to = out + r * valueRow;
            add(call, weights, lanesRow, 4, fresh, valueRow, r + ROWS, to, valueRow, ROWS, c.valueWidth);
        }
        for (int r = 0; r < count; r++) {
            MemorySegment.copy(RAM, out + r * valueRow, RAM, call.out(token + r, head), 4L * c.valueDim);
        }
        scale(state, c.left(rows - 1), c.keyWidth * c.stateWidth);
        add(call, c.decayed, 4, keyRow, fresh, valueRow, rows, state, stateRow, c.keyWidth, c.valueWidth);
    }

    /**
     * {@code c += a · b}.
     *
     * @param aStep bytes between two elements of a row of a; it or {@code aRow} is that of a float
     * @param rows of a and c
     * @param columns of b and c, a multiple of L
     */
    private static void add(
            Call call,
            long a,
            long aRow,
            long aStep,
            long b,
            long bRow,
            int depth,
            long c,
            long cRow,
            int rows,
            int columns) {
        ProductTile tile = call.tile();
        if (tile == null || rows % tile.rows() != 0 || columns % tile.columns() != 0 || depth == 0) {
            Tiles.outer(a, aRow, aStep, b, bRow, depth, c, cRow, rows, columns / L);
            return;
        }
        // Column by column of tiles: what is read of b stays in the first-level cache.
        for (int j = 0; j < columns; j += tile.columns()) {
            for (int r = 0; r < rows; r += tile.rows()) {
                long to = c + r * cRow + 4L * j;
                tile.add(a + r * aRow, aRow, aStep, b + 4L * j, bRow, depth, to, cRow, false);
            }
        }
    }

    /** Works out decays and strengths, and what they make of the keys. */
    private static void prepare(Call call, int head, int i, int token, int count, int rows, Chunk c) {
        double log = 0;
        for (int r = 0; r < rows; r++) {
            log += r < count ? call.logDecay(token + r, head) : 0;
            RAM.set(FLOAT, c.logs + 4L * r, (float) log);
            RAM.set(FLOAT, c.left + 4L * r, (float) Math.exp((float) log));
            RAM.set(FLOAT, c.betas + 4L * r, r < count ? call.beta(token + r, head) : 0);
        }
        for (int r = rows; r < c.lanes; r++) {
            RAM.set(FLOAT, c.logs + 4L * r, (float) log);
        }
        for (int r = 0; r < rows; r++) {
            long k = c.keyQuery(i) + 4L * r * c.keyWidth;
            long decayed = c.decayed + 4L * r * c.keyWidth;
            MemorySegment.copy(RAM, k, RAM, decayed, 4L * c.keyWidth);
            scale(decayed, (float) Math.exp(c.log(rows - 1) - c.log(r)), c.keyWidth);
            for (int j = 0; j < c.keyDim; j++) {
                RAM.set(FLOAT, c.turned + 4L * ((long) j * c.lanes + r), RAM.get(FLOAT, k + 4L * j));
            }
        }
    }

    /** Products of keys become -A, those of queries and keys lose what lies after the query; both decay. */
    private static void mask(int rows, Chunk c) {
        for (int r = 0; r < rows; r++) {
            long keys = c.gram + 4L * r * c.lanes;
            long queries = c.gram + 4L * (rows + r) * c.lanes;
            float beta = RAM.get(FLOAT, c.betas + 4L * r);
            FloatVector log = FloatVector.broadcast(F, c.log(r));
            for (int s = 0; s < c.lanes; s += L) {
                FloatVector decay = Exp.exp(log.sub(FloatVector.fromMemorySegment(F, RAM, c.logs + 4L * s, LE))
                        .min(0f));
                FloatVector.fromMemorySegment(F, RAM, keys + 4L * s, LE)
                        .mul(decay)
                        .mul(-beta)
                        .intoMemorySegment(RAM, keys + 4L * s, LE);
                FloatVector.fromMemorySegment(F, RAM, queries + 4L * s, LE)
                        .mul(decay)
                        .intoMemorySegment(RAM, queries + 4L * s, LE);
            }
            Lanes.clear(keys + 4L * r, c.lanes - r);
            Lanes.clear(queries + 4L * (r + 1), c.lanes - r - 1);
        }
    }

    /** Solves for N, some rows at a time: what earlier rows contribute is a product, the rest goes row by row. */
    private static void newValues(Call call, long all, int rows, Chunk c) {
        long lanesRow = 4L * c.lanes;
        long valueRow = 4L * c.valueWidth;
        for (int r = 0; r < rows; r++) {
            long fresh = all + r * valueRow;
            VectorRows.addScaled(fresh, c.read + r * valueRow, -c.left(r), c.valueWidth);
            scale(fresh, RAM.get(FLOAT, c.betas + 4L * r), c.valueWidth);
        }
        for (int first = 0; first < rows; first += ROWS) {
            long weights = c.gram + first * lanesRow;
            long fresh = all + first * valueRow;
            add(call, weights, lanesRow, 4, all, valueRow, first, fresh, valueRow, ROWS, c.valueWidth);
            for (int r = 1; r < ROWS; r++) {
                for (int s = 0; s < r; s++) {
                    float weight = RAM.get(FLOAT, weights + r * lanesRow + 4L * (first + s));
                    VectorRows.addScaled(fresh + r * valueRow, fresh + s * valueRow, weight, c.valueWidth);
                }
            }
        }
    }

    private static void scale(long x, float factor, int count) {
        for (int i = 0; i < count; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).mul(factor).intoMemorySegment(RAM, x + 4L * i, LE);
        }
    }
}
