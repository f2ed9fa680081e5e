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
 * No positive number is ever exponentiated. All of it is products of small matrices, for {@link Tiles}.
 */
public final class VectorDelta {
    /** Tokens in a chunk. */
    static final int CHUNK = 32;

    /** Shorter stretches are faster token by token. */
    static final int CHUNKED_FROM = 16;

    /** States of so many values are advanced token by token always: several stay in the first-level cache. */
    private static final int SMALL = 32 * 32;

    private final WorkerPool pool;
    private final @Nullable MatrixProducts products;
    private final Buffer[] buffers;

    // The step of another room for the heads of the last call.
    private @Nullable DeltaStep deltaStep;
    private @Nullable DeltaHeads stepHeads;

    /** Leaves single steps to {@code products} where those know the heads. */
    public VectorDelta(WorkerPool pool, @Nullable MatrixProducts products) {
        this.pool = pool;
        this.products = products;
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
            @Nullable DeltaStep step) {
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
        Call call = new Call(heads, qkv, a, b, rate, dtBias, out, deltaStep(heads));
        int n = heads.valueHeads();
        int items = spans.size() * n;
        // Heads side by side, because their states are one run of memory.
        int grain = Math.max(1, items / (4 * pool.threads()));
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
        for (int head = from; head < to; head++) {
            if (span.count() >= CHUNKED_FROM) {
                chunks(call, head, span, call.state(state, head), buffer);
                continue;
            }
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
        /** (keyWidth, valueWidth), the state. */
        final long state;
        /** (2 n, keyWidth): keys, then queries. */
        final long keyQuery;
        /** (keyWidth, lanes): keys. */
        final long turned;
        /** (n, keyWidth): keys that decayed to the end of the chunk. */
        final long decayed;
        /** (2 n, lanes): keys and queries times keys. */
        final long gram;
        /** (2 n, valueWidth): keys and queries times the state, the latter then the output. */
        final long read;
        /** (n, valueWidth): the new values N. */
        final long fresh;
        /** (n): running sum of the log-decays. */
        final long logs;

        final long betas;
        final long sums;

        Chunk(DeltaHeads heads, Buffer buffer) {
            keyDim = heads.keyDim();
            valueDim = heads.valueDim();
            int unit = Math.max(L, Tiles.ROWS);
            keyWidth = Math.ceilDiv(keyDim, unit) * unit;
            valueWidth = Math.ceilDiv(valueDim, unit) * unit;
            long floats = (long) keyWidth * valueWidth
                    + 3L * CHUNK * keyWidth
                    + (long) keyWidth * lanes
                    + 2L * CHUNK * lanes
                    + 3L * CHUNK * valueWidth
                    + 2L * lanes
                    + 4L * L;
            state = buffer.address(4 * floats);
            keyQuery = state + 4L * keyWidth * valueWidth;
            decayed = keyQuery + 8L * CHUNK * keyWidth;
            turned = decayed + 4L * CHUNK * keyWidth;
            gram = turned + 4L * keyWidth * lanes;
            read = gram + 8L * CHUNK * lanes;
            fresh = read + 8L * CHUNK * valueWidth;
            logs = fresh + 4L * CHUNK * valueWidth;
            betas = logs + 4L * lanes;
            sums = betas + 4L * lanes;
            Lanes.clear(state, floats);
        }

        float log(int r) {
            return RAM.get(FLOAT, logs + 4L * r);
        }
    }

    private static void chunks(Call call, int head, Span span, long state, Buffer buffer) {
        Chunk chunk = new Chunk(call.heads(), buffer);
        for (int i = 0; i < chunk.keyDim; i++) {
            long row = chunk.state + 4L * i * chunk.valueWidth;
            MemorySegment.copy(RAM, state + 4L * i * chunk.valueDim, RAM, row, 4L * chunk.valueDim);
        }
        int end = span.row() + span.count();
        for (int token = span.row(); token < end; token += CHUNK) {
            advance(call, head, token, Math.min(CHUNK, end - token), chunk);
        }
        for (int i = 0; i < chunk.keyDim; i++) {
            long row = chunk.state + 4L * i * chunk.valueWidth;
            MemorySegment.copy(RAM, row, RAM, state + 4L * i * chunk.valueDim, 4L * chunk.valueDim);
        }
    }

    private static void advance(Call call, int head, int token, int count, Chunk c) {
        // Rows that fill up the last tile have no key, no value and no strength: they change nothing.
        int rows = Math.ceilDiv(count, Tiles.ROWS) * Tiles.ROWS;
        prepare(call, head, token, count, rows, c);
        int vectors = c.valueWidth / L;
        long lanesRow = 4L * c.lanes;
        long keyRow = 4L * c.keyWidth;
        long valueRow = 4L * c.valueWidth;

        Lanes.clear(c.gram, 2L * rows * c.lanes);
        Tiles.outer(c.keyQuery, keyRow, 4, c.turned, lanesRow, c.keyDim, c.gram, lanesRow, 2 * rows, c.lanes / L);
        Lanes.clear(c.read, 2L * rows * c.valueWidth);
        Tiles.outer(c.keyQuery, keyRow, 4, c.state, valueRow, c.keyDim, c.read, valueRow, 2 * rows, vectors);
        mask(rows, c);
        newValues(call, head, token, count, rows, c);

        long out = c.read + rows * valueRow;
        for (int r = 0; r < rows; r++) {
            scale(out + r * valueRow, (float) Math.exp(c.log(r)), c.valueWidth);
        }
        for (int r = 0; r < rows; r += Tiles.ROWS) {
            long weights = c.gram + (rows + r) * lanesRow;
            Tiles.outer(
                    weights,
                    lanesRow,
                    4,
                    c.fresh,
                    valueRow,
                    r + Tiles.ROWS,
                    out + r * valueRow,
                    valueRow,
                    Tiles.ROWS,
                    vectors);
        }
        for (int r = 0; r < count; r++) {
            MemorySegment.copy(RAM, out + r * valueRow, RAM, call.out(token + r, head), 4L * c.valueDim);
        }
        scale(c.state, (float) Math.exp(c.log(rows - 1)), c.keyWidth * c.valueWidth);
        Tiles.outer(c.decayed, 4, keyRow, c.fresh, valueRow, rows, c.state, valueRow, c.keyWidth, vectors);
    }

    /** Normalises keys and queries, and works out decays and strengths. */
    private static void prepare(Call call, int head, int token, int count, int rows, Chunk c) {
        double log = 0;
        for (int r = 0; r < rows; r++) {
            long k = c.keyQuery + 4L * r * c.keyWidth;
            long q = c.keyQuery + 4L * (rows + r) * c.keyWidth;
            if (r < count) {
                normalise(call.key(token + r, head), c.keyDim, 1, k, c.sums);
                normalise(call.query(token + r, head), c.keyDim, 1 / Math.sqrt(c.keyDim), q, c.sums);
                log += call.logDecay(token + r, head);
            } else {
                Lanes.clear(k, c.keyWidth);
                Lanes.clear(q, c.keyWidth);
            }
            RAM.set(FLOAT, c.logs + 4L * r, (float) log);
            RAM.set(FLOAT, c.betas + 4L * r, r < count ? call.beta(token + r, head) : 0);
        }
        for (int r = rows; r < c.lanes; r++) {
            RAM.set(FLOAT, c.logs + 4L * r, (float) log);
        }
        for (int r = 0; r < rows; r++) {
            long k = c.keyQuery + 4L * r * c.keyWidth;
            long decayed = c.decayed + 4L * r * c.keyWidth;
            float factor = (float) Math.exp(c.log(rows - 1) - c.log(r));
            for (int i = 0; i < c.keyDim; i++) {
                float value = RAM.get(FLOAT, k + 4L * i);
                RAM.set(FLOAT, c.turned + 4L * ((long) i * c.lanes + r), value);
                RAM.set(FLOAT, decayed + 4L * i, value * factor);
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

    /** Solves for N, four rows at a time: what earlier rows contribute is a product, the rest goes row by row. */
    private static void newValues(Call call, int head, int token, int count, int rows, Chunk c) {
        long lanesRow = 4L * c.lanes;
        long valueRow = 4L * c.valueWidth;
        for (int r = 0; r < rows; r++) {
            long fresh = c.fresh + r * valueRow;
            Lanes.clear(fresh, c.valueWidth);
            if (r < count) {
                MemorySegment.copy(RAM, call.value(token + r, head), RAM, fresh, 4L * c.valueDim);
            }
            float minus = -(float) Math.exp(c.log(r));
            VectorRows.addScaled(fresh, c.read + r * valueRow, minus, c.valueWidth);
            scale(fresh, RAM.get(FLOAT, c.betas + 4L * r), c.valueWidth);
        }
        for (int quad = 0; quad < rows; quad += Tiles.ROWS) {
            long weights = c.gram + quad * lanesRow;
            long fresh = c.fresh + quad * valueRow;
            Tiles.outer(weights, lanesRow, 4, c.fresh, valueRow, quad, fresh, valueRow, Tiles.ROWS, c.valueWidth / L);
            for (int r = 1; r < Tiles.ROWS; r++) {
                for (int s = 0; s < r; s++) {
                    float weight = RAM.get(FLOAT, weights + r * lanesRow + 4L * (quad + s));
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
