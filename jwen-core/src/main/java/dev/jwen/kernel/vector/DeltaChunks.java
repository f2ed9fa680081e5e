package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Span;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The gated delta rule in chunks, for some value heads of one sequence.
 *
 * <p>For n tokens, with G the running sum of the log-decays in the chunk, E = exp(G), and D_rs = exp(G_r - G_s) for s ≤ r
 * and 0 above:
 * {@snippet :
 *   A  = strictly lower part of diag(β) (K Kᵀ · D)
 *   (I + A) N = diag(β) (V - diag(E) K S)            // forward substitution
 *   out = diag(E) Q S + (Q Kᵀ · D) N
 *   S   = E_last S + Kᵀ diag(exp(G_last - G)) N
 * }
 * No positive number is ever exponentiated. All of it is products of small matrices, for a {@link ProductTile} of another
 * room where there is one, else for {@link Tiles}.
 */
final class DeltaChunks {
    /** Tokens in a chunk. */
    private static final int CHUNK = 32;

    /** Rows of a chunk that are worked on at once. */
    private static final int ROWS = Tiles.OTHER_ROWS;

    private final DeltaCall call;
    /** The first head, and how many there are. */
    private final int from;

    private final int count;
    private final int keyDim;
    private final int valueDim;
    private final int keyWidth;
    private final int valueWidth;
    private final int lanes = Lanes.padded(CHUNK);
    /** Floats from row to row of the state: a cache line more, so that the rows of a column lie in different sets. */
    private final int stateWidth;
    /** Of each head: its state, its keys and queries, its new values. */
    private final long base;

    private final long headBytes;
    /** (keyWidth, lanes): keys. */
    private final long turned;
    /** (2 n, lanes): keys and queries times keys. */
    private final long gram;
    /** (2 n, valueWidth): keys and queries times the state, the latter then the output. */
    private final long read;
    /** (n): running sum of the log-decays. */
    private final long logs;
    /** (n): E, what is left at each token of the state before the chunk. */
    private final long left;
    /** (n): what is left at the end of the chunk of what each token adds. */
    private final long leftAtEnd;

    private final long betas;
    /** (n): -β E. */
    private final long readFactors;

    private final long sums;

    /** For the heads {@code from} to {@code to - 1}. */
    DeltaChunks(DeltaCall call, int from, int to, Buffer buffer) {
        this.call = call;
        this.from = from;
        this.count = to - from;
        DeltaHeads heads = call.heads();
        keyDim = heads.keyDim();
        valueDim = heads.valueDim();
        int unit = Math.max(L, Tiles.ROWS);
        keyWidth = Math.ceilDiv(keyDim, unit) * unit;
        valueWidth = Math.ceilDiv(valueDim, unit) * unit;
        stateWidth = valueWidth + 16;
        headBytes = 4L * keyWidth * stateWidth + 8L * CHUNK * keyWidth + 4L * CHUNK * valueWidth;
        long floats = count * headBytes / 4
                + (long) keyWidth * lanes
                + 2L * CHUNK * lanes
                + 2L * CHUNK * valueWidth
                + 5L * lanes
                + 4L * L;
        base = buffer.address(4 * floats);
        turned = base + count * headBytes;
        gram = turned + 4L * keyWidth * lanes;
        read = gram + 8L * CHUNK * lanes;
        logs = read + 8L * CHUNK * valueWidth;
        left = logs + 4L * lanes;
        leftAtEnd = left + 4L * lanes;
        betas = leftAtEnd + 4L * lanes;
        readFactors = betas + 4L * lanes;
        sums = readFactors + 4L * lanes;
        Lanes.clear(base, floats);
    }

    /** (keyWidth, valueWidth), the state of a head. */
    private long state(int i) {
        return base + i * headBytes;
    }

    /** (2 n, keyWidth): keys, then queries of a head. */
    private long keyQuery(int i) {
        return state(i) + 4L * keyWidth * stateWidth;
    }

    /** (n, valueWidth): the new values N of a head. */
    private long fresh(int i) {
        return keyQuery(i) + 8L * CHUNK * keyWidth;
    }

    private float log(int r) {
        return RAM.get(FLOAT, logs + 4L * r);
    }

    private float left(int r) {
        return RAM.get(FLOAT, left + 4L * r);
    }

    /** Chunk by chunk, and in each of them head by head. Their states lie from {@code states} on. */
    void advance(Span span, long states) {
        copyStates(states, true);
        int end = span.row() + span.count();
        for (int token = span.row(); token < end; token += CHUNK) {
            int tokens = Math.min(CHUNK, end - token);
            gather(token, tokens);
            for (int i = 0; i < count; i++) {
                advance(i, token, tokens);
            }
        }
        copyStates(states, false);
    }

    private void copyStates(long states, boolean isBegin) {
        for (int row = 0; row < count * keyDim; row++) {
            long stored = states + 4L * row * valueDim;
            long kept = state(row / keyDim) + 4L * (row % keyDim) * stateWidth;
            MemorySegment.copy(RAM, isBegin ? stored : kept, RAM, isBegin ? kept : stored, 4L * valueDim);
        }
    }

    /** Rows that fill up the last tile have no key, no value and no strength: they change nothing. */
    private static int rows(int tokens) {
        return Tiles.wholeRows(tokens);
    }

    /**
     * Normalised keys and queries, and values, of some heads. Token by token, because what a token holds of the heads is
     * one run of memory: head by head, each row would be waited for.
     */
    private void gather(int token, int tokens) {
        int rows = rows(tokens);
        for (int r = 0; r < tokens; r++) {
            for (int i = 0, heads; i < count; i += heads) {
                heads = run(i);
                long k = keyQuery(i) + 4L * r * keyWidth;
                normalise(call.key(token + r, from + i), heads, call.keyWeight(), k);
            }
            for (int i = 0, heads; i < count; i += heads) {
                heads = run(i);
                long q = keyQuery(i) + 4L * (rows + r) * keyWidth;
                normalise(call.query(token + r, from + i), heads, call.queryWeight(), q);
            }
            for (int i = 0; i < count; i++) {
                long v = fresh(i) + 4L * r * valueWidth;
                MemorySegment.copy(RAM, call.value(token + r, from + i), RAM, v, 4L * valueDim);
            }
        }
        int more = rows - tokens;
        for (int i = 0; i < count; i++) {
            Lanes.clear(keyQuery(i) + 4L * tokens * keyWidth, (long) more * keyWidth);
            Lanes.clear(keyQuery(i) + 4L * (rows + tokens) * keyWidth, (long) more * keyWidth);
            Lanes.clear(fresh(i) + 4L * tokens * valueWidth, (long) more * valueWidth);
        }
    }

    /** @param i number of the head in the chunk */
    private void advance(int i, int token, int tokens) {
        int rows = rows(tokens);
        long state = state(i);
        long keyQuery = keyQuery(i);
        long fresh = fresh(i);
        prepare(i, token, tokens, rows);
        long lanesRow = 4L * lanes;
        long keyRow = 4L * keyWidth;
        long valueRow = 4L * valueWidth;
        long stateRow = 4L * stateWidth;

        multiply(keyQuery, keyRow, turned, lanesRow, keyDim, gram, lanesRow, 2 * rows, lanes);
        multiply(keyQuery, keyRow, state, stateRow, keyDim, read, valueRow, 2 * rows, valueWidth);
        mask(rows);
        newValues(fresh, rows);

        long out = read + rows * valueRow;
        scaleRows(out, left, rows);
        for (int r = 0; r < rows; r += ROWS) {
            long weights = gram + (rows + r) * lanesRow;
            long to = out + r * valueRow;
            add(weights, lanesRow, 4, fresh, valueRow, r + ROWS, to, valueRow, ROWS, valueWidth);
        }
        for (int r = 0; r < tokens; r++) {
            MemorySegment.copy(RAM, out + r * valueRow, RAM, call.out(token + r, from + i), 4L * valueDim);
        }
        scaleRows(fresh, leftAtEnd, rows);
        scale(state, left(rows - 1), keyWidth * stateWidth);
        add(keyQuery, 4, keyRow, fresh, valueRow, rows, state, stateRow, keyWidth, valueWidth);
    }

    /** {@code c = a · b}, rows of a are runs. */
    private void multiply(long a, long aRow, long b, long bRow, int depth, long c, long cRow, int rows, int columns) {
        Tiles.outer(call.tile(), a, aRow, 4, b, bRow, depth, c, cRow, rows, columns / L, true);
    }

    /** {@code c += a · b}, see {@link Tiles#outer}. */
    private void add(
            long a, long aRow, long aStep, long b, long bRow, int depth, long c, long cRow, int rows, int columns) {
        Tiles.outer(call.tile(), a, aRow, aStep, b, bRow, depth, c, cRow, rows, columns / L, false);
    }

    /** How many heads from {@code i} on have keys one after the other. */
    private int run(int i) {
        int run = 1;
        while (i + run < count && keyHead(i + run) == keyHead(i) + run) {
            run++;
        }
        return run;
    }

    private int keyHead(int i) {
        return call.heads().keyHeadOf(from + i);
    }

    /**
     * The same as {@code out = x / √(mean(x²) + 1e-6 / K) · weight}, by the loops of another room where they fit.
     *
     * @param heads whose keys, or queries, follow each other; {@code out} is that of the first
     */
    private void normalise(long x, int heads, Tensor weight, long out) {
        if (call.loops() != null && RowLoops.fits(keyDim)) {
            call.loops().rmsNorm(x, Lanes.address(weight, 0), keyDim, heads, 1e-6f / keyDim, out, headBytes);
            return;
        }
        for (int i = 0; i < heads; i++) {
            double factor = weight.get(0, 0) * Math.sqrt(keyDim);
            VectorDelta.normalise(x + 4L * i * keyDim, keyDim, factor, out + i * headBytes, sums);
        }
    }

    /** Works out decays and strengths, and turns the keys. */
    private void prepare(int i, int token, int tokens, int rows) {
        double log = 0;
        for (int r = 0; r < lanes; r++) {
            log += r < tokens ? call.logDecay(token + r, from + i) : 0;
            RAM.set(FLOAT, logs + 4L * r, (float) log);
            RAM.set(FLOAT, betas + 4L * r, r < tokens ? call.beta(token + r, from + i) : 0);
        }
        for (int r = 0; r < lanes; r++) {
            RAM.set(FLOAT, leftAtEnd + 4L * r, (float) log - log(r));
        }
        exp(logs, left);
        exp(leftAtEnd, leftAtEnd);
        VectorRows.transpose(keyQuery(i), 4L * keyWidth, rows, keyDim, turned, 4L * lanes, call.loops());
    }

    /** {@code out = exp(x)} for the tokens of a chunk. */
    private void exp(long x, long out) {
        if (call.loops() != null && RowLoops.fits(lanes)) {
            call.loops().exp(x, lanes, out);
            return;
        }
        for (int r = 0; r < lanes; r += L) {
            FloatVector values = FloatVector.fromMemorySegment(F, RAM, x + 4L * r, LE);
            Exp.exp(values).intoMemorySegment(RAM, out + 4L * r, LE);
        }
    }

    /**
     * Products of keys become -A, those of queries and keys lose what lies after the query; both decay. What lies further
     * above the diagonal than a tile is not read again, and of the keys nothing on it.
     */
    private void mask(int rows) {
        for (int r = 0; r < rows; r++) {
            long keys = gram + 4L * r * lanes;
            long queries = gram + 4L * (rows + r) * lanes;
            decay(keys, queries, log(r), -RAM.get(FLOAT, betas + 4L * r));
            for (int s = r + 1; s % ROWS != 0; s++) {
                RAM.set(FLOAT, queries + 4L * s, 0);
            }
        }
    }

    /** {@link RowLoops#decay} of a row. */
    private void decay(long keys, long queries, float log, float factor) {
        if (call.loops() != null && RowLoops.fits(lanes)) {
            call.loops().decay(keys, queries, logs, log, factor, lanes);
            return;
        }
        FloatVector from = FloatVector.broadcast(F, log);
        for (long at = 0; at < 4L * lanes; at += BYTES) {
            FloatVector decay = Exp.exp(from.sub(FloatVector.fromMemorySegment(F, RAM, logs + at, LE))
                    .min(0f));
            FloatVector.fromMemorySegment(F, RAM, keys + at, LE)
                    .mul(decay)
                    .mul(factor)
                    .intoMemorySegment(RAM, keys + at, LE);
            FloatVector.fromMemorySegment(F, RAM, queries + at, LE).mul(decay).intoMemorySegment(RAM, queries + at, LE);
        }
    }

    /** Solves for N, some rows at a time: what earlier rows contribute is a product, the rest goes row by row. */
    private void newValues(long all, int rows) {
        long lanesRow = 4L * lanes;
        long valueRow = 4L * valueWidth;
        subtractRead(all, rows);
        for (int first = 0; first < rows; first += ROWS) {
            long weights = gram + first * lanesRow;
            long fresh = all + first * valueRow;
            add(weights, lanesRow, 4, all, valueRow, first, fresh, valueRow, ROWS, valueWidth);
            solve(fresh, weights + 4L * first);
        }
    }

    /** {@code β (v - E r)} for the rows r of keys times the state. */
    private void subtractRead(long values, int rows) {
        for (int r = 0; r < rows; r++) {
            RAM.set(FLOAT, readFactors + 4L * r, -left(r) * RAM.get(FLOAT, betas + 4L * r));
        }
        RowLoops loops = call.loops();
        long valueRow = 4L * valueWidth;
        if (loops != null && RowLoops.fits(valueWidth)) {
            loops.mixRows(values, read, valueRow, betas, readFactors, rows, valueWidth);
            return;
        }
        scaleRows(values, betas, rows);
        for (int r = 0; r < rows; r++) {
            float factor = RAM.get(FLOAT, readFactors + 4L * r);
            VectorRows.addScaled(values + r * valueRow, read + r * valueRow, factor, valueWidth);
        }
    }

    /** {@link RowLoops#solve} of some rows. */
    private void solve(long x, long weights) {
        long valueRow = 4L * valueWidth;
        long lanesRow = 4L * lanes;
        if (call.loops() != null && RowLoops.fits(valueWidth) && ROWS == RowLoops.SOLVED) {
            call.loops().solve(x, valueRow, weights, lanesRow, valueWidth);
            return;
        }
        for (int r = 1; r < ROWS; r++) {
            for (int s = 0; s < r; s++) {
                float weight = RAM.get(FLOAT, weights + r * lanesRow + 4L * s);
                VectorRows.addScaled(x + r * valueRow, x + s * valueRow, weight, valueWidth);
            }
        }
    }

    /** Multiplies rows of values with a factor each. */
    private void scaleRows(long x, long factors, int rows) {
        if (call.loops() != null && RowLoops.fits(valueWidth)) {
            call.loops().scaleRows(x, 4L * valueWidth, factors, rows, valueWidth);
            return;
        }
        for (int r = 0; r < rows; r++) {
            scale(x + 4L * r * valueWidth, RAM.get(FLOAT, factors + 4L * r), valueWidth);
        }
    }

    private void scale(long x, float factor, int count) {
        if (call.loops() != null && RowLoops.fits(count)) {
            call.loops().scale(x, factor, count, x);
            return;
        }
        for (int i = 0; i < count; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).mul(factor).intoMemorySegment(RAM, x + 4L * i, LE);
        }
    }
}
