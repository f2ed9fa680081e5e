package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The gated delta rule, backwards, token by token.
 *
 * <p>A piece of work is one key head of one span with all its value heads; the lanes are columns of the state S (K × V).
 *
 * <p>With P the state before a token, α and β its decay and strength, and G the gradient for the state after it:
 * {@snippet :
 *   e  = v - α Pᵀk        d  = β e                           // forward: S = α P + k dᵀ, out = Sᵀq
 *   u  = Gᵀk + (q·k) dOut                                    // the gradient for d
 *   dv = β u              dβ = u·e          m = -β u          // m: the gradient for α Pᵀk
 *   dq = α P dOut + (d·dOut) k
 *   dk = G d + (d·dOut) q + α P m
 *   G' = α (G + q dOutᵀ + k mᵀ)             d log α = <G', P>
 * }
 * So the way back reads P and G once per token, and the same pass multiplies G' with the key of the token before, which
 * that one needs first. Sums along a row are left as L partial sums each and added up after the pass.
 *
 * <p>The states are calculated again from the start of the span. Those of small heads are all kept; else one in
 * {@value #WINDOW}, and those between two kept ones are calculated a second time.
 */
public final class DeltaGradient {
    /** Tokens between two kept states where not all are. */
    private static final int WINDOW = 64;

    /** Bytes that the states of a span may take: about what the second-level cache holds. */
    private static final long ALL_STATES = 4L << 20;

    // Lane l exchanged with lane l ^ n, and the lanes with the bit n.
    private static final VectorShuffle<Float> SWAP_8 = swap(8);
    private static final VectorShuffle<Float> SWAP_4 = swap(4);
    private static final VectorShuffle<Float> SWAP_2 = swap(2);
    private static final VectorShuffle<Float> SWAP_1 = swap(1);
    private static final VectorMask<Float> UPPER_8 = upper(8);
    private static final VectorMask<Float> UPPER_4 = upper(4);
    private static final VectorMask<Float> UPPER_2 = upper(2);
    private static final VectorMask<Float> UPPER_1 = upper(1);

    private final WorkerPool pool;
    private final Buffer[] buffers;

    private static VectorShuffle<Float> swap(int n) {
        return VectorShuffle.fromOp(F, lane -> (lane ^ n) % L);
    }

    private static VectorMask<Float> upper(int n) {
        long lanes = 0;
        for (int lane = 0; lane < L; lane++) {
            lanes |= (lane & n) == 0 ? 0 : 1L << lane;
        }
        return VectorMask.fromLong(F, lanes);
    }

    public DeltaGradient(WorkerPool pool) {
        this.pool = pool;
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
    }

    /** The operands of one call; {@code rateSums} and {@code biasSums} take what each span and value head adds. */
    private record Call(
            DeltaHeads heads,
            Tensor dOut,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            Tensor dQkv,
            Tensor dA,
            Tensor dB,
            Tensor rateSums,
            Tensor biasSums) {
        static float get(Tensor t, long row, int column) {
            return RAM.get(FLOAT, Lanes.address(t, row) + 4L * column);
        }

        static void set(Tensor t, long row, int column, double value) {
            RAM.set(FLOAT, Lanes.address(t, row) + 4L * column, (float) value);
        }

        long query(Tensor t, int token, int keyHead) {
            return Lanes.address(t, token) + 4L * keyHead * heads.keyDim();
        }

        long key(Tensor t, int token, int keyHead) {
            return query(t, token, heads.keyHeads() + keyHead);
        }

        long value(Tensor t, int token, int head) {
            return query(t, token, 2 * heads.keyHeads()) + 4L * head * heads.valueDim();
        }

        long dOut(int token, int head) {
            return Lanes.address(dOut, token) + 4L * head * heads.valueDim();
        }
    }

    /** Addresses of what one piece of work keeps; n is the number of tokens, rows are rounded up to whole vectors. */
    private static final class Pass {
        final int keyDim;
        final int valueDim;
        final int keyWidth;
        final int valueWidth;
        /** Tokens whose states are there at the same time. */
        final int window;
        /** Bytes of a state, (keyDim, valueWidth). */
        final long stateBytes;
        /** (n, keyWidth): queries and keys after the norms, and the gradients for them. */
        final long queries;

        final long keys;
        final long dQueries;
        final long dKeys;
        /** (n, valueWidth): values and dOut. */
        final long values;

        final long dOuts;
        /** (n, valueWidth): e and d of the formulas. */
        final long errors;

        final long writes;
        /** Of each token α, β, σ(a + dtBias), softplus(a + dtBias), q·k, and the factors of the two norms. */
        final long scalars;
        /** The states before each token of a window, and before the first token of every window. */
        final long states;

        final long kept;
        /** (keyDim, valueWidth): G. */
        final long gradient;
        /** (keyWidth, L) twice: partial sums of the rows of α P dOut and of G d + α P m; then (keyWidth) twice. */
        final long rowSums;

        final long folded;
        final long sums;
        /** (valueWidth) each: Gᵀk, the state times the key, α dOut, α m, dv. */
        final long read;

        final long recalled;
        final long decayedOut;
        final long decayedRead;
        final long dValue;
        /** (4, L): partial sums of dβ, d·dOut and d log α. */
        final long dots;

        static final int SCALARS = 7;

        Pass(DeltaHeads heads, int n, Buffer buffer) {
            keyDim = heads.keyDim();
            valueDim = heads.valueDim();
            keyWidth = Lanes.padded(keyDim);
            valueWidth = Lanes.padded(valueDim);
            stateBytes = 4L * keyDim * valueWidth;
            window = n * stateBytes <= ALL_STATES ? n : Math.min(n, WINDOW);
            long keyBytes = 4L * n * keyWidth;
            long valueBytes = 4L * n * valueWidth;
            long rest = 8L * keyWidth + 12L * keyWidth * L + 20L * valueWidth + 4 * BYTES;
            int windows = Math.ceilDiv(n, window);
            long bytes = 4 * keyBytes
                    + 4 * valueBytes
                    + 4L * SCALARS * n
                    + (window + windows + 1L) * stateBytes
                    + rest
                    + 128L;
            states = buffer.address(bytes);
            kept = states + window * stateBytes;
            gradient = kept + windows * stateBytes;
            queries = gradient + stateBytes;
            keys = queries + keyBytes;
            dQueries = keys + keyBytes;
            dKeys = dQueries + keyBytes;
            values = dKeys + keyBytes;
            dOuts = values + valueBytes;
            errors = dOuts + valueBytes;
            writes = errors + valueBytes;
            rowSums = writes + valueBytes;
            folded = rowSums + 8L * keyWidth * L;
            sums = folded + 4L * keyWidth * L;
            read = sums + 8L * keyWidth;
            recalled = read + 4L * valueWidth;
            decayedOut = recalled + 4L * valueWidth;
            decayedRead = decayedOut + 4L * valueWidth;
            dValue = decayedRead + 4L * valueWidth;
            dots = dValue + 4L * valueWidth;
            scalars = dots + 4 * BYTES;
            Lanes.clear(queries, (scalars - queries) / 4);
        }

        float scalar(int t, int which) {
            return RAM.get(FLOAT, scalars + 4L * ((long) SCALARS * t + which));
        }

        void scalar(int t, int which, double value) {
            RAM.set(FLOAT, scalars + 4L * ((long) SCALARS * t + which), (float) value);
        }
    }

    private static final int ALPHA = 0;
    private static final int BETA = 1;
    private static final int OPEN = 2;
    private static final int SOFTPLUS = 3;
    private static final int QUERY_KEY = 4;
    private static final int QUERY_NORM = 5;
    private static final int KEY_NORM = 6;

    /** See {@link dev.jwen.kernel.Gradients#gatedDelta}. */
    public void gatedDelta(
            DeltaHeads heads,
            Tensor dOut,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            Tensor dQkv,
            Tensor dA,
            Tensor dB,
            Tensor dRate,
            Tensor dDtBias) {
        long tokens = qkv.rows();
        Operands.spans(spans, tokens);
        Operands.matrix("qkv", qkv, tokens, heads.qkvWidth());
        Operands.matrix("dQkv", dQkv, tokens, heads.qkvWidth());
        Operands.matrix("dOut", dOut, tokens, (long) heads.valueHeads() * heads.valueDim());
        for (Tensor gate : List.of(a, b, dA, dB)) {
            Operands.matrix("a, b, dA, dB", gate, tokens, heads.valueHeads());
        }
        for (Tensor weight : List.of(rate, dtBias, dRate, dDtBias)) {
            Operands.vector("rate, dtBias, dRate, dDtBias", weight, heads.valueHeads());
        }
        Tensor rateSums = Tensor.f32(spans.size(), heads.valueHeads());
        Tensor biasSums = Tensor.f32(spans.size(), heads.valueHeads());
        Call call = new Call(heads, dOut, qkv, a, b, rate, dtBias, dQkv, dA, dB, rateSums, biasSums);
        int[] order = longestFirst(spans);
        int n = heads.keyHeads();
        pool.run(spans.size() * n, 1, (worker, from, to) -> {
            for (int item = from; item < to; item++) {
                goBack(call, order[item / n], spans.get(order[item / n]), item % n, buffers[worker]);
            }
        });
        addUp(rateSums, dRate);
        addUp(biasSums, dDtBias);
    }

    /** Numbers of the spans; among equals the first comes first. */
    static int[] longestFirst(List<Span> spans) {
        Integer[] order = new Integer[spans.size()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingInt(i -> -spans.get(i).count()));
        return Arrays.stream(order).mapToInt(i -> i).toArray();
    }

    /** What every span adds, in the order of the spans. */
    private static void addUp(Tensor sums, Tensor total) {
        long at = Lanes.address(total, 0);
        for (int i = 0; i < total.size(); i++) {
            double sum = RAM.get(FLOAT, at + 4L * i);
            for (int span = 0; span < sums.rows(); span++) {
                sum += Call.get(sums, span, i);
            }
            RAM.set(FLOAT, at + 4L * i, (float) sum);
        }
    }

    private static void goBack(Call call, int spanNumber, Span span, int keyHead, Buffer buffer) {
        Pass pass = new Pass(call.heads, span.count(), buffer);
        normalise(call, span, keyHead, pass);
        for (int head = 0; head < call.heads.valueHeads(); head++) {
            if (call.heads.keyHeadOf(head) == keyHead) {
                gates(call, span, head, pass);
                valueHead(call, span, head, spanNumber, pass);
            }
        }
        double scale = 1 / Math.sqrt(pass.keyDim);
        for (int t = 0; t < span.count(); t++) {
            long row = 4L * t * pass.keyWidth;
            int token = span.row() + t;
            backThroughNorm(
                    pass.queries + row,
                    pass.dQueries + row,
                    pass.scalar(t, QUERY_NORM),
                    scale,
                    call.query(call.dQkv, token, keyHead),
                    pass);
            backThroughNorm(
                    pass.keys + row,
                    pass.dKeys + row,
                    pass.scalar(t, KEY_NORM),
                    1,
                    call.key(call.dQkv, token, keyHead),
                    pass);
        }
    }

    /** Divides queries and keys by √(Σx² + 1e-6), queries also by √K, and multiplies them with one another. */
    private static void normalise(Call call, Span span, int keyHead, Pass pass) {
        long rowBytes = call.qkv.rowBytes();
        gather(call.query(call.qkv, span.row(), keyHead), rowBytes, span.count(), pass.keyDim, pass.queries);
        gather(call.key(call.qkv, span.row(), keyHead), rowBytes, span.count(), pass.keyDim, pass.keys);
        double scale = 1 / Math.sqrt(pass.keyDim);
        for (int t = 0; t < span.count(); t++) {
            long q = pass.queries + 4L * t * pass.keyWidth;
            long k = pass.keys + 4L * t * pass.keyWidth;
            double queryNorm = 1 / Math.sqrt(dot(q, q, pass.keyWidth, pass.dots) + 1e-6);
            double keyNorm = 1 / Math.sqrt(dot(k, k, pass.keyWidth, pass.dots) + 1e-6);
            pass.scalar(t, QUERY_NORM, queryNorm);
            pass.scalar(t, KEY_NORM, keyNorm);
            scale(q, (float) (queryNorm * scale), pass.keyWidth);
            scale(k, (float) keyNorm, pass.keyWidth);
            pass.scalar(t, QUERY_KEY, dot(q, k, pass.keyWidth, pass.dots));
        }
    }

    /**
     * Copies one head's part of the rows of a span, to rows of whole vectors. Nothing else is done on the way, so that a
     * processor waits for many rows at once: they lie far apart.
     */
    private static void gather(long from, long rowBytes, int rows, int count, long to) {
        long width = 4L * Lanes.padded(count);
        for (int r = 0; r < rows; r++) {
            long at = from + r * rowBytes;
            long row = to + r * width;
            int i = 0;
            for (; i <= count - L; i += L) {
                FloatVector.fromMemorySegment(F, RAM, at + 4L * i, LE).intoMemorySegment(RAM, row + 4L * i, LE);
            }
            for (; i < count; i++) {
                RAM.set(FLOAT, row + 4L * i, RAM.get(FLOAT, at + 4L * i));
            }
        }
    }

    /** {@code x *= factor} for whole vectors. */
    private static void scale(long x, float factor, int count) {
        for (long at = x; at < x + 4L * count; at += BYTES) {
            FloatVector.fromMemorySegment(F, RAM, at, LE).mul(factor).intoMemorySegment(RAM, at, LE);
        }
    }

    /** The product of two rows of whole vectors. */
    private static float dot(long x, long y, int count, long sums) {
        FloatVector sum = FloatVector.zero(F);
        for (long at = 0; at < 4L * count; at += BYTES) {
            sum = FloatVector.fromMemorySegment(F, RAM, x + at, LE)
                    .fma(FloatVector.fromMemorySegment(F, RAM, y + at, LE), sum);
        }
        sum.intoMemorySegment(RAM, sums, LE);
        Tiles.sum4(sums, sums);
        return RAM.get(FLOAT, sums);
    }

    /** With y = c r x and r = 1/√(Σx² + eps): {@code dx = r (c dy - y (y·dy) / c)}. */
    private static void backThroughNorm(long y, long dy, float norm, double c, long dx, Pass pass) {
        double along = dot(y, dy, pass.keyWidth, pass.dots);
        float ofGradient = (float) (norm * c);
        float ofRow = (float) (-norm * along / c);
        int i = 0;
        for (; i <= pass.keyDim - L; i += L) {
            FloatVector row =
                    FloatVector.fromMemorySegment(F, RAM, y + 4L * i, LE).mul(ofRow);
            FloatVector.fromMemorySegment(F, RAM, dy + 4L * i, LE)
                    .fma(FloatVector.broadcast(F, ofGradient), row)
                    .intoMemorySegment(RAM, dx + 4L * i, LE);
        }
        for (; i < pass.keyDim; i++) {
            float row = RAM.get(FLOAT, y + 4L * i) * ofRow;
            RAM.set(FLOAT, dx + 4L * i, Math.fma(RAM.get(FLOAT, dy + 4L * i), ofGradient, row));
        }
    }

    /** α = exp(rate · softplus(a + dtBias)) and β = σ(b). */
    private static void gates(Call call, Span span, int head, Pass pass) {
        double rate = Call.get(call.rate, 0, head);
        double bias = Call.get(call.dtBias, 0, head);
        for (int t = 0; t < span.count(); t++) {
            double x = Call.get(call.a, span.row() + t, head) + bias;
            double small = Math.exp(-Math.abs(x));
            // The logarithm is much faster than log1p, and as exact for all but the smallest.
            double softplus = Math.max(x, 0) + (small < 1e-8 ? small : Math.log(1 + small));
            pass.scalar(t, ALPHA, Math.exp(rate * softplus));
            pass.scalar(t, BETA, Exp.sigmoid(Call.get(call.b, span.row() + t, head)));
            pass.scalar(t, OPEN, (x >= 0 ? 1 : small) / (1 + small));
            pass.scalar(t, SOFTPLUS, softplus);
        }
    }

    private static void valueHead(Call call, Span span, int head, int spanNumber, Pass pass) {
        int n = span.count();
        int last = (n - 1) / pass.window * pass.window;
        gather(call.value(call.qkv, span.row(), head), call.qkv.rowBytes(), n, pass.valueDim, pass.values);
        gather(call.dOut(span.row(), head), call.dOut.rowBytes(), n, pass.valueDim, pass.dOuts);
        Lanes.clear(pass.kept, pass.stateBytes / 4);
        for (int from = 0; from < last; from += pass.window) {
            long start = pass.kept + from / pass.window * pass.stateBytes;
            MemorySegment.copy(RAM, start, RAM, start + pass.stateBytes, pass.stateBytes);
            forward(from, from + pass.window, start + pass.stateBytes, 0, pass);
        }
        Lanes.clear(pass.gradient, pass.stateBytes / 4);
        Lanes.clear(pass.read, pass.valueWidth);
        double rateSum = 0;
        double biasSum = 0;
        double rate = Call.get(call.rate, 0, head);
        for (int from = last; from >= 0; from -= pass.window) {
            int to = Math.min(n, from + pass.window);
            long start = pass.kept + from / pass.window * pass.stateBytes;
            MemorySegment.copy(RAM, start, RAM, pass.states, pass.stateBytes);
            forward(from, to, pass.states, pass.stateBytes, pass);
            for (int t = to - 1; t >= from; t--) {
                long state = pass.states + (t - from) * pass.stateBytes;
                double dLog = stepBack(call, span.row() + t, t, head, state, pass);
                double dX = dLog * rate * pass.scalar(t, OPEN);
                rateSum += dLog * pass.scalar(t, SOFTPLUS);
                biasSum += dX;
                Call.set(call.dA, span.row() + t, head, dX);
            }
        }
        Call.set(call.rateSums, spanNumber, head, rateSum);
        Call.set(call.biasSums, spanNumber, head, biasSum);
    }

    // ---- Forward.

    /**
     * Calculates e and d of the tokens {@code from} to {@code to - 1}, and the states between them.
     *
     * @param state before the first token
     * @param stride how far behind a state the next is written; 0 to write over it
     */
    private static void forward(int from, int to, long state, long stride, Pass pass) {
        long row = 4L * pass.valueWidth;
        Lanes.clear(pass.recalled, pass.valueWidth);
        for (int i = 0; i < pass.keyDim; i++) {
            float k = RAM.get(FLOAT, pass.keys + 4L * ((long) from * pass.keyWidth + i));
            VectorRows.addScaled(pass.recalled, state + i * row, k, pass.valueWidth);
        }
        long at = state;
        for (int t = from; t < to; t++) {
            float alpha = pass.scalar(t, ALPHA);
            float beta = pass.scalar(t, BETA);
            long value = pass.values + t * row;
            long error = pass.errors + t * row;
            long write = pass.writes + t * row;
            for (long j = 0; j < row; j += BYTES) {
                FloatVector e = FloatVector.fromMemorySegment(F, RAM, pass.recalled + j, LE)
                        .fma(FloatVector.broadcast(F, -alpha), FloatVector.fromMemorySegment(F, RAM, value + j, LE));
                e.intoMemorySegment(RAM, error + j, LE);
                e.mul(beta).intoMemorySegment(RAM, write + j, LE);
            }
            if (t + 1 < to) {
                long key = pass.keys + 4L * t * pass.keyWidth;
                advance(at, at + stride, row, pass.keyDim, alpha, key, key + 4L * pass.keyWidth, write, pass.recalled);
            } else if (stride == 0) {
                long key = pass.keys + 4L * t * pass.keyWidth;
                advance(at, at, row, pass.keyDim, alpha, key, key, write, pass.recalled);
            }
            at += stride;
        }
    }

    /** {@code next = α state + k dᵀ} and {@code read = nextᵀ nextKey}. */
    private static void advance(
            long state, long next, long row, int keyDim, float alpha, long k, long nextKey, long d, long read) {
        long j = 0;
        for (; j <= row - 2 * BYTES; j += 2 * BYTES) {
            advance2(state + j, next + j, row, keyDim, alpha, k, nextKey, d + j, read + j);
        }
        if (j < row) {
            advance1(state + j, next + j, row, keyDim, alpha, k, nextKey, d + j, read + j);
        }
    }

    private static void advance2(
            long state, long next, long row, int keyDim, float alpha, long k, long nextKey, long d, long read) {
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector d0 = FloatVector.fromMemorySegment(F, RAM, d, LE);
        FloatVector d1 = FloatVector.fromMemorySegment(F, RAM, d + BYTES, LE);
        FloatVector r0 = FloatVector.zero(F);
        FloatVector r1 = FloatVector.zero(F);
        for (int i = 0; i < keyDim; i++) {
            long at = state + i * row;
            long to = next + i * row;
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i));
            FloatVector ni = FloatVector.broadcast(F, RAM.get(FLOAT, nextKey + 4L * i));
            FloatVector x0 =
                    d0.fma(ki, FloatVector.fromMemorySegment(F, RAM, at, LE).mul(decay));
            FloatVector x1 = d1.fma(
                    ki, FloatVector.fromMemorySegment(F, RAM, at + BYTES, LE).mul(decay));
            x0.intoMemorySegment(RAM, to, LE);
            x1.intoMemorySegment(RAM, to + BYTES, LE);
            r0 = x0.fma(ni, r0);
            r1 = x1.fma(ni, r1);
        }
        r0.intoMemorySegment(RAM, read, LE);
        r1.intoMemorySegment(RAM, read + BYTES, LE);
    }

    private static void advance1(
            long state, long next, long row, int keyDim, float alpha, long k, long nextKey, long d, long read) {
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector d0 = FloatVector.fromMemorySegment(F, RAM, d, LE);
        FloatVector r0 = FloatVector.zero(F);
        for (int i = 0; i < keyDim; i++) {
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, k + 4L * i));
            FloatVector ni = FloatVector.broadcast(F, RAM.get(FLOAT, nextKey + 4L * i));
            FloatVector x0 = d0.fma(
                    ki,
                    FloatVector.fromMemorySegment(F, RAM, state + i * row, LE).mul(decay));
            x0.intoMemorySegment(RAM, next + i * row, LE);
            r0 = x0.fma(ni, r0);
        }
        r0.intoMemorySegment(RAM, read, LE);
    }

    // ---- Back.

    /**
     * One token back; returns the gradient for log α.
     *
     * @param t the token in its span
     * @param state before the token
     */
    private static double stepBack(Call call, int token, int t, int head, long state, Pass pass) {
        long row = 4L * pass.valueWidth;
        float alpha = pass.scalar(t, ALPHA);
        float beta = pass.scalar(t, BETA);
        long dOut = pass.dOuts + t * row;
        long dValue = call.value(call.dQkv, token, head);
        boolean whole = pass.valueDim == pass.valueWidth;
        columns(t, alpha, beta, dOut, whole ? dValue : pass.dValue, pass);
        if (!whole) {
            MemorySegment.copy(RAM, pass.dValue, RAM, dValue, 4L * pass.valueDim);
        }
        long query = pass.queries + 4L * t * pass.keyWidth;
        long key = pass.keys + 4L * t * pass.keyWidth;
        long before = t == 0 ? key : key - 4L * pass.keyWidth;
        long j = 0;
        for (; j <= row - 2 * BYTES; j += 2 * BYTES) {
            rows2(state + j, j, alpha, query, key, before, pass.writes + t * row + j, pass);
        }
        if (j < row) {
            rows1(state + j, j, alpha, query, key, before, pass.writes + t * row + j, pass);
        }
        addRows(pass.rowSums, 2 * pass.keyWidth, pass.folded, pass.sums);
        Tiles.sum4(pass.dots, pass.dots);
        float along = RAM.get(FLOAT, pass.dots + 4);
        long dQuery = pass.dQueries + 4L * t * pass.keyWidth;
        long dKey = pass.dKeys + 4L * t * pass.keyWidth;
        for (long i = 0; i < 4L * pass.keyWidth; i += BYTES) {
            FloatVector q = FloatVector.fromMemorySegment(F, RAM, query + i, LE);
            FloatVector k = FloatVector.fromMemorySegment(F, RAM, key + i, LE);
            FloatVector.fromMemorySegment(F, RAM, pass.sums + i, LE)
                    .add(k.mul(along))
                    .add(FloatVector.fromMemorySegment(F, RAM, dQuery + i, LE))
                    .intoMemorySegment(RAM, dQuery + i, LE);
            FloatVector.fromMemorySegment(F, RAM, pass.sums + 4L * pass.keyWidth + i, LE)
                    .add(q.mul(along))
                    .add(FloatVector.fromMemorySegment(F, RAM, dKey + i, LE))
                    .intoMemorySegment(RAM, dKey + i, LE);
        }
        Call.set(call.dB, token, head, (double) RAM.get(FLOAT, pass.dots) * beta * (1 - beta));
        return RAM.get(FLOAT, pass.dots + 8);
    }

    /**
     * Adds up each of {@code rows} vectors that follow one another, by halves: two vectors become one, which holds sums
     * of the first in one half of its lanes and of the second in the other.
     *
     * @param rows a multiple of L
     * @param folded room for half as many vectors
     */
    private static void addRows(long vectors, int rows, long folded, long sums) {
        for (int row = 0; row < rows; row += L) {
            long from = vectors + row * BYTES;
            long to = folded + row / 2 * BYTES;
            if (L > 8) {
                fold(from, to, 8, SWAP_8, UPPER_8);
                from = to;
            }
            if (L > 4) {
                fold(from, to, 4, SWAP_4, UPPER_4);
                from = to;
            }
            fold(from, to, 2, SWAP_2, UPPER_2);
            fold(to, sums + 4L * row, 1, SWAP_1, UPPER_1);
        }
    }

    /** Folds vector i + count into vector i, whose lanes with the bit {@code count} it takes. */
    private static void fold(long from, long to, int count, VectorShuffle<Float> swap, VectorMask<Float> upper) {
        for (int i = 0; i < count; i++) {
            FloatVector a = FloatVector.fromMemorySegment(F, RAM, from + i * BYTES, LE);
            FloatVector b = FloatVector.fromMemorySegment(F, RAM, from + (i + count) * BYTES, LE);
            a.blend(b, upper).add(b.blend(a, upper).rearrange(swap)).intoMemorySegment(RAM, to + i * BYTES, LE);
        }
    }

    /** What is as wide as a value: u, dv, α dOut and α m, and the sums u·e and d·dOut. */
    private static void columns(int t, float alpha, float beta, long dOut, long dValue, Pass pass) {
        long row = 4L * pass.valueWidth;
        long error = pass.errors + t * row;
        long write = pass.writes + t * row;
        FloatVector queryKey = FloatVector.broadcast(F, pass.scalar(t, QUERY_KEY));
        FloatVector strength = FloatVector.zero(F);
        FloatVector along = FloatVector.zero(F);
        for (long j = 0; j < row; j += BYTES) {
            FloatVector out = FloatVector.fromMemorySegment(F, RAM, dOut + j, LE);
            FloatVector u = out.fma(queryKey, FloatVector.fromMemorySegment(F, RAM, pass.read + j, LE));
            FloatVector toValue = u.mul(beta);
            toValue.intoMemorySegment(RAM, dValue + j, LE);
            toValue.mul(-alpha).intoMemorySegment(RAM, pass.decayedRead + j, LE);
            out.mul(alpha).intoMemorySegment(RAM, pass.decayedOut + j, LE);
            strength = u.fma(FloatVector.fromMemorySegment(F, RAM, error + j, LE), strength);
            along = out.fma(FloatVector.fromMemorySegment(F, RAM, write + j, LE), along);
        }
        strength.intoMemorySegment(RAM, pass.dots, LE);
        along.intoMemorySegment(RAM, pass.dots + BYTES, LE);
        FloatVector.zero(F).intoMemorySegment(RAM, pass.dots + 2 * BYTES, LE);
    }

    /**
     * The pass over P and G for two vectors of columns.
     *
     * @param j bytes before these columns; the first overwrite the sums of the rows, the others add to them
     */
    private static void rows2(
            long state, long j, float alpha, long query, long key, long before, long write, Pass pass) {
        long row = 4L * pass.valueWidth;
        long gradient = pass.gradient + j;
        long ofQuery = pass.rowSums;
        long ofKey = ofQuery + pass.keyWidth * BYTES;
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector d0 = FloatVector.fromMemorySegment(F, RAM, write, LE);
        FloatVector d1 = FloatVector.fromMemorySegment(F, RAM, write + BYTES, LE);
        FloatVector out0 = FloatVector.fromMemorySegment(F, RAM, pass.decayedOut + j, LE);
        FloatVector out1 = FloatVector.fromMemorySegment(F, RAM, pass.decayedOut + j + BYTES, LE);
        FloatVector m0 = FloatVector.fromMemorySegment(F, RAM, pass.decayedRead + j, LE);
        FloatVector m1 = FloatVector.fromMemorySegment(F, RAM, pass.decayedRead + j + BYTES, LE);
        FloatVector read0 = FloatVector.zero(F);
        FloatVector read1 = FloatVector.zero(F);
        FloatVector log0 = FloatVector.fromMemorySegment(F, RAM, pass.dots + 2 * BYTES, LE);
        FloatVector log1 = FloatVector.zero(F);
        for (int i = 0; i < pass.keyDim; i++) {
            FloatVector p0 = FloatVector.fromMemorySegment(F, RAM, state + i * row, LE);
            FloatVector p1 = FloatVector.fromMemorySegment(F, RAM, state + i * row + BYTES, LE);
            FloatVector g0 = FloatVector.fromMemorySegment(F, RAM, gradient + i * row, LE);
            FloatVector g1 = FloatVector.fromMemorySegment(F, RAM, gradient + i * row + BYTES, LE);
            FloatVector x = p1.fma(out1, p0.mul(out0));
            FloatVector y = p1.fma(m1, p0.fma(m0, g1.fma(d1, g0.mul(d0))));
            if (j > 0) {
                x = x.add(FloatVector.fromMemorySegment(F, RAM, ofQuery + i * BYTES, LE));
                y = y.add(FloatVector.fromMemorySegment(F, RAM, ofKey + i * BYTES, LE));
            }
            x.intoMemorySegment(RAM, ofQuery + i * BYTES, LE);
            y.intoMemorySegment(RAM, ofKey + i * BYTES, LE);
            FloatVector qi = FloatVector.broadcast(F, RAM.get(FLOAT, query + 4L * i));
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, key + 4L * i));
            FloatVector bi = FloatVector.broadcast(F, RAM.get(FLOAT, before + 4L * i));
            g0 = m0.fma(ki, out0.fma(qi, g0.mul(decay)));
            g1 = m1.fma(ki, out1.fma(qi, g1.mul(decay)));
            g0.intoMemorySegment(RAM, gradient + i * row, LE);
            g1.intoMemorySegment(RAM, gradient + i * row + BYTES, LE);
            read0 = g0.fma(bi, read0);
            read1 = g1.fma(bi, read1);
            log0 = g0.fma(p0, log0);
            log1 = g1.fma(p1, log1);
        }
        read0.intoMemorySegment(RAM, pass.read + j, LE);
        read1.intoMemorySegment(RAM, pass.read + j + BYTES, LE);
        log0.add(log1).intoMemorySegment(RAM, pass.dots + 2 * BYTES, LE);
    }

    /** Like {@link #rows2} for one vector of columns. */
    private static void rows1(
            long state, long j, float alpha, long query, long key, long before, long write, Pass pass) {
        long row = 4L * pass.valueWidth;
        long gradient = pass.gradient + j;
        long ofQuery = pass.rowSums;
        long ofKey = ofQuery + pass.keyWidth * BYTES;
        FloatVector decay = FloatVector.broadcast(F, alpha);
        FloatVector d = FloatVector.fromMemorySegment(F, RAM, write, LE);
        FloatVector out = FloatVector.fromMemorySegment(F, RAM, pass.decayedOut + j, LE);
        FloatVector m = FloatVector.fromMemorySegment(F, RAM, pass.decayedRead + j, LE);
        FloatVector read = FloatVector.zero(F);
        FloatVector log = FloatVector.fromMemorySegment(F, RAM, pass.dots + 2 * BYTES, LE);
        for (int i = 0; i < pass.keyDim; i++) {
            FloatVector p = FloatVector.fromMemorySegment(F, RAM, state + i * row, LE);
            FloatVector g = FloatVector.fromMemorySegment(F, RAM, gradient + i * row, LE);
            FloatVector x = p.mul(out);
            FloatVector y = p.fma(m, g.mul(d));
            if (j > 0) {
                x = x.add(FloatVector.fromMemorySegment(F, RAM, ofQuery + i * BYTES, LE));
                y = y.add(FloatVector.fromMemorySegment(F, RAM, ofKey + i * BYTES, LE));
            }
            x.intoMemorySegment(RAM, ofQuery + i * BYTES, LE);
            y.intoMemorySegment(RAM, ofKey + i * BYTES, LE);
            FloatVector qi = FloatVector.broadcast(F, RAM.get(FLOAT, query + 4L * i));
            FloatVector ki = FloatVector.broadcast(F, RAM.get(FLOAT, key + 4L * i));
            FloatVector bi = FloatVector.broadcast(F, RAM.get(FLOAT, before + 4L * i));
            g = m.fma(ki, out.fma(qi, g.mul(decay)));
            g.intoMemorySegment(RAM, gradient + i * row, LE);
            read = g.fma(bi, read);
            log = g.fma(p, log);
        }
        read.intoMemorySegment(RAM, pass.read + j, LE);
        log.intoMemorySegment(RAM, pass.dots + 2 * BYTES, LE);
    }
}
