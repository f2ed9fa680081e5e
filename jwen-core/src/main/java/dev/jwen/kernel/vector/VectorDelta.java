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
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The gated delta rule, token by token or by {@link DeltaChunks}.
 *
 * <p>A piece of work is one value head of one sequence, or a few side by side; the lanes are columns of its state S (K × V).
 * With r = Sᵀk and s = Sᵀq of the old state, u = β (v - α r), out = α s + (k·q) u and S = α S + k uᵀ: one pass that reads
 * the state, one that updates it.
 */
public final class VectorDelta {
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

    /** Leaves single steps to {@code products} where those know the heads, and products of chunks to {@code tile}. */
    VectorDelta(
            WorkerPool pool, @Nullable MatrixProducts products, @Nullable RowLoops loops, @Nullable ProductTile tile) {
        this.pool = pool;
        this.products = products;
        this.loops = loops;
        this.tile = tile;
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
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
        DeltaCall call = new DeltaCall(
                heads, qkv, a, b, rate, dtBias, out, deltaStep(heads), tile, loops, keyWeight, queryWeight);
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

    private static void advanceHeads(DeltaCall call, int from, int to, Span span, Tensor state, Buffer buffer) {
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
            new DeltaChunks(call, from, to, buffer).advance(span, call.state(state, from));
            return;
        }
        for (int head = from; head < to; head++) {
            for (int token = span.row(); token < end; token++) {
                step(call, head, token, call.state(state, head), buffer);
            }
        }
    }

    private static void step(DeltaCall call, int head, int token, long state, Buffer buffer) {
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

    /** {@code out = x · factor / √(Σx² + 1e-6)}; {@code sums} has room for 4 vectors. */
    static void normalise(long x, int count, double factor, long out, long sums) {
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
}
