package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.CoarseRows;
import dev.jwen.kernel.Coarsening;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** The operations that work on rows of activations: norms, gates, rotation, convolution, copies. */
public final class VectorRows {
    /** Values that are worth another thread. */
    private static final int GRAIN = 16 * 1024;

    /** Channels of the convolution in a piece of work, at least, and values of a few tokens: they come from memory. */
    private static final int CHANNELS = 512;

    private static final int CONVOLVED = 2048;

    private final WorkerPool pool;
    private final @Nullable RowLoops loops;
    private final Buffer[] buffers;

    /** Leaves rows to {@code loops} where these fit them. */
    public VectorRows(WorkerPool pool, @Nullable RowLoops loops) {
        this.pool = pool;
        this.loops = loops;
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
    }

    private interface RowTask {
        void run(int worker, int row);
    }

    private void forEachRow(Tensor x, RowTask task) {
        int grain = (int) Math.max(1, GRAIN / Math.max(1, x.columns()));
        pool.run(Math.toIntExact(x.rows()), grain, (worker, from, to) -> {
            for (int row = from; row < to; row++) {
                task.run(worker, row);
            }
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#embed}. */
    public void embed(Tensor table, int[] ids, Tensor out) {
        Operands.matrix("out", out, ids.length, table.columns());
        Operands.weight("table", table, table.rows(), table.columns());
        Operands.rowNumbers("ids", ids, table.rows());
        int width = Math.toIntExact(table.columns());
        forEachRow(out, (worker, row) -> {
            float[] values = new float[width];
            table.decode(ids[row], 0, width, values, 0);
            MemorySegment.copy(values, 0, RAM, FLOAT, Lanes.address(out, row), width);
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#blockMaxima}. */
    public void blockMaxima(Tensor x, int size, Tensor out) {
        Operands.blockMaxima(x, size, out);
        int blocks = Math.toIntExact(out.columns());
        int all = Math.toIntExact(out.size());
        pool.run(all, Math.max(1, GRAIN / size), (worker, from, to) -> {
            for (int block = from; block < to; ) {
                int first = block % blocks;
                int count = Math.min(blocks - first, to - block);
                blockMaxima(x, block / blocks, size, first, first + count, out);
                block += count;
            }
        });
    }

    /** Of row {@code t} the blocks {@code from} to {@code to - 1}. */
    private void blockMaxima(Tensor x, int t, int size, int from, int to, Tensor out) {
        int columns = Math.toIntExact(x.columns());
        long source = Lanes.address(x, t);
        long target = Lanes.address(out, t);
        int next = from;
        int whole = Math.min(to, columns / size);
        if (loops != null && RowLoops.fits(size) && from < whole) {
            loops.maxima(source + 4L * from * size, size, whole - from, target + 4L * from);
            next = whole;
        }
        for (int b = next; b < to; b++) {
            int count = Math.min(size, columns - b * size);
            RAM.set(FLOAT, target + 4L * b, largest(source + 4L * b * size, count));
        }
    }

    private static float largest(long x, int count) {
        FloatVector largest = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= count - L; i += L) {
            largest = largest.max(FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE));
        }
        float max = Lanes.max(largest);
        for (; i < count; i++) {
            max = Math.max(max, RAM.get(FLOAT, x + 4L * i));
        }
        return max;
    }

    /** See {@link dev.jwen.kernel.Kernels#gather}. */
    public void gather(Tensor x, int[] rows, Tensor out) {
        Operands.gather(x, rows, out);
        forEachRow(out, (worker, row) -> {
            MemorySegment.copy(RAM, Lanes.address(x, rows[row]), RAM, Lanes.address(out, row), x.rowBytes());
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#coarsen}; leaves it to {@code rows} where they know all of {@code w}. */
    public void coarsen(Tensor w, Tensor copy, Tensor norms, @Nullable CoarseRows rows) {
        Operands.coarsen(w, copy, norms);
        pool.run(Math.toIntExact(w.rows()), Coarsening.GRAIN, (worker, from, to) -> {
            if (rows == null || w.scale() != null || w.columns() == 0) {
                Coarsening.rows(w, from, to, copy, norms);
                return;
            }
            long source = Lanes.address(w, from);
            rows.copy(source, to - from, w.columns(), Lanes.address(copy, from), Lanes.address(norms, from));
        });
        Coarsening.pad(w, copy);
    }

    /** See {@link dev.jwen.kernel.Kernels#copy}. */
    public void copy(Tensor x, Tensor out) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("out", out, x.rows(), x.columns());
        pool.run(Math.toIntExact(Math.ceilDiv(x.size(), GRAIN)), 1, (worker, from, to) -> {
            long first = (long) from * GRAIN;
            long count = Math.min((long) to * GRAIN, x.size()) - first;
            MemorySegment.copy(RAM, Lanes.address(x, 0) + 4 * first, RAM, Lanes.address(out, 0) + 4 * first, 4 * count);
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#add}. */
    public void add(Tensor x, Tensor y) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("y", y, x.rows(), x.columns());
        int width = (int) x.columns();
        forEachRow(x, (worker, row) -> add(Lanes.address(x, row), Lanes.address(y, row), width));
    }

    private void add(long x, long y, int count) {
        if (loops != null && RowLoops.fits(count)) {
            loops.addScaled(x, y, 1, count);
            return;
        }
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector sum = FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                    .add(FloatVector.fromMemorySegment(F, RAM, y + 4L * i, LE));
            sum.intoMemorySegment(RAM, x + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, x + 4L * i, RAM.get(FLOAT, x + 4L * i) + RAM.get(FLOAT, y + 4L * i));
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#rmsNorm}. */
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
        checkNorm(x, weight, out);
        forEachRow(x, (worker, row) -> normRow(worker, x, row, weight, eps, out));
    }

    /** See {@link dev.jwen.kernel.Kernels#addRmsNorm}. */
    public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
        Operands.matrix("y", y, x.rows(), x.columns());
        checkNorm(x, weight, out);
        int width = (int) x.columns();
        forEachRow(x, (worker, row) -> {
            add(Lanes.address(x, row), Lanes.address(y, row), width);
            normRow(worker, x, row, weight, eps, out);
        });
    }

    private static void checkNorm(Tensor x, Tensor weight, Tensor out) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("out", out, x.rows(), x.columns());
        Operands.groupWeight("weight", weight, x.columns());
    }

    private void normRow(int worker, Tensor x, int row, Tensor weight, float eps, Tensor out) {
        int group = (int) weight.columns();
        if (loops != null && RowLoops.fits(group) && x.columns() > 0) {
            int groups = (int) (x.columns() / group);
            long to = Lanes.address(out, row);
            loops.rmsNorm(Lanes.address(x, row), Lanes.address(weight, 0), group, groups, eps, to, 4L * group);
            return;
        }
        long sums = buffers[worker].address(4L * BYTES);
        for (long from = 0; from < x.rowBytes(); from += 4L * group) {
            long at = Lanes.address(x, row) + from;
            float scale = inverseRms(at, group, eps, sums);
            scale(at, scale, Lanes.address(weight, 0), group, Lanes.address(out, row) + from);
        }
    }

    /** 1 / √(mean(x²) + eps); {@code sums} has room for 4 vectors. */
    private static float inverseRms(long x, int count, float eps, long sums) {
        return (float) (1 / Math.sqrt(squares(x, count, sums) / count + eps));
    }

    /** Sum of the squares; {@code sums} has room for 4 vectors. */
    static double squares(long x, int count, long sums) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        FloatVector s2 = FloatVector.zero(F);
        FloatVector s3 = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - 4 * L; i += 4 * L) {
            long at = x + 4L * i;
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, at, LE);
            FloatVector x1 = FloatVector.fromMemorySegment(F, RAM, at + BYTES, LE);
            FloatVector x2 = FloatVector.fromMemorySegment(F, RAM, at + 2 * BYTES, LE);
            FloatVector x3 = FloatVector.fromMemorySegment(F, RAM, at + 3 * BYTES, LE);
            s0 = x0.fma(x0, s0);
            s1 = x1.fma(x1, s1);
            s2 = x2.fma(x2, s2);
            s3 = x3.fma(x3, s3);
        }
        for (; i <= count - L; i += L) {
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE);
            s0 = x0.fma(x0, s0);
        }
        s0.intoMemorySegment(RAM, sums, LE);
        s1.intoMemorySegment(RAM, sums + BYTES, LE);
        s2.intoMemorySegment(RAM, sums + 2 * BYTES, LE);
        s3.intoMemorySegment(RAM, sums + 3 * BYTES, LE);
        Tiles.sum4(sums, sums);
        double sum = 0;
        for (int s = 0; s < 4; s++) {
            sum += RAM.get(FLOAT, sums + 4L * s);
        }
        for (; i < count; i++) {
            double value = RAM.get(FLOAT, x + 4L * i);
            sum += value * value;
        }
        return sum;
    }

    private static void scale(long x, float factor, long weight, int count, long out) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                    .mul(factor)
                    .mul(FloatVector.fromMemorySegment(F, RAM, weight + 4L * i, LE))
                    .intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, out + 4L * i, RAM.get(FLOAT, x + 4L * i) * factor * RAM.get(FLOAT, weight + 4L * i));
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#gatedNorm}. */
    public void gatedNorm(Tensor x, Tensor z, Tensor weight, float eps, Tensor out) {
        Operands.matrix("z", z, x.rows(), x.columns());
        rmsNorm(x, weight, eps, out);
        swiGlu(z, out, out);
    }

    /** See {@link dev.jwen.kernel.Kernels#swiGlu}; {@code out} may also be {@code up}. */
    public void swiGlu(Tensor gate, Tensor up, Tensor out) {
        Operands.matrix("gate", gate, gate.rows(), gate.columns());
        Operands.matrix("up", up, gate.rows(), gate.columns());
        Operands.matrix("out", out, gate.rows(), gate.columns());
        int width = (int) gate.columns();
        forEachRow(out, (worker, row) -> {
            swiGlu(Lanes.address(gate, row), Lanes.address(up, row), width, Lanes.address(out, row));
        });
    }

    private void swiGlu(long gate, long up, int count, long out) {
        if (loops != null && RowLoops.fits(count)) {
            loops.swiGlu(gate, up, count, out);
            return;
        }
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector g = FloatVector.fromMemorySegment(F, RAM, gate + 4L * i, LE);
            FloatVector u = FloatVector.fromMemorySegment(F, RAM, up + 4L * i, LE);
            g.mul(Exp.sigmoid(g)).mul(u).intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            float g = RAM.get(FLOAT, gate + 4L * i);
            RAM.set(FLOAT, out + 4L * i, g * Exp.sigmoid(g) * RAM.get(FLOAT, up + 4L * i));
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#addGated}. */
    public void addGated(Tensor x, Tensor y, Tensor gate) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("y", y, x.rows(), x.columns());
        Operands.matrix("gate", gate, x.rows(), 1);
        int width = (int) x.columns();
        forEachRow(x, (worker, row) -> {
            float factor = Exp.sigmoid(RAM.get(FLOAT, Lanes.address(gate, row)));
            addScaled(Lanes.address(x, row), Lanes.address(y, row), factor, width, loops);
        });
    }

    /**
     * {@code out[c][r] = x[r][c]}.
     *
     * @param rowBytes from row to row of {@code x}
     * @param outRowBytes from row to row of {@code out}
     */
    static void transpose(
            long x, long rowBytes, int rows, int columns, long out, long outRowBytes, @Nullable RowLoops loops) {
        int r = 0;
        for (; loops != null && RowLoops.fits(columns) && r <= rows - RowLoops.STEP; r += RowLoops.STEP) {
            loops.transpose(x + r * rowBytes, rowBytes, columns, out + 4L * r, outRowBytes);
        }
        for (; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                RAM.set(FLOAT, out + c * outRowBytes + 4L * r, RAM.get(FLOAT, x + r * rowBytes + 4L * c));
            }
        }
    }

    /** {@code out = x · factor}. */
    static void scaled(long x, float factor, int count, long out, @Nullable RowLoops loops) {
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

    /** x += factor · y, by {@code loops} where these fit. */
    static void addScaled(long x, long y, float factor, int count, @Nullable RowLoops loops) {
        if (loops != null && RowLoops.fits(count)) {
            loops.addScaled(x, y, factor, count);
        } else {
            addScaled(x, y, factor, count);
        }
    }

    /** x += factor · y. */
    static void addScaled(long x, long y, float factor, int count) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, y + 4L * i, LE)
                    .fma(FloatVector.broadcast(F, factor), FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE))
                    .intoMemorySegment(RAM, x + 4L * i, LE);
        }
        for (; i < count; i++) {
            float sum = Math.fma(RAM.get(FLOAT, y + 4L * i), factor, RAM.get(FLOAT, x + 4L * i));
            RAM.set(FLOAT, x + 4L * i, sum);
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#sigmoidGate}. */
    public void sigmoidGate(Tensor x, Tensor gate) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("gate", gate, x.rows(), x.columns());
        int width = (int) x.columns();
        forEachRow(x, (worker, row) -> sigmoidGate(Lanes.address(x, row), Lanes.address(gate, row), width));
    }

    private void sigmoidGate(long x, long gate, int count) {
        if (loops != null && RowLoops.fits(count)) {
            loops.sigmoidGate(x, gate, count);
            return;
        }
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                    .mul(Exp.sigmoid(FloatVector.fromMemorySegment(F, RAM, gate + 4L * i, LE)))
                    .intoMemorySegment(RAM, x + 4L * i, LE);
        }
        for (; i < count; i++) {
            float factor = Exp.sigmoid(RAM.get(FLOAT, gate + 4L * i));
            RAM.set(FLOAT, x + 4L * i, RAM.get(FLOAT, x + 4L * i) * factor);
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#splitQueryAndGate}. */
    public void splitQueryAndGate(Tensor queryAndGate, int headDim, Tensor q, Tensor gate) {
        Operands.matrix("q", q, q.rows(), q.columns());
        Operands.group("q", headDim, q.columns());
        Operands.matrix("queryAndGate", queryAndGate, q.rows(), 2 * q.columns());
        Operands.matrix("gate", gate, q.rows(), q.columns());
        long bytes = 4L * headDim;
        forEachRow(queryAndGate, (worker, row) -> {
            long from = Lanes.address(queryAndGate, row);
            for (long at = 0; at < q.rowBytes(); at += bytes) {
                MemorySegment.copy(RAM, from + 2 * at, RAM, Lanes.address(q, row) + at, bytes);
                MemorySegment.copy(RAM, from + 2 * at + bytes, RAM, Lanes.address(gate, row) + at, bytes);
            }
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#rope}. */
    public void rope(Tensor x, int headDim, Tensor cos, Tensor sin) {
        int pairs = Operands.rope(x, headDim, cos, sin);
        int heads = (int) (x.columns() / headDim);
        forEachRow(x, (worker, row) -> {
            rope(Lanes.address(x, row), headDim, heads, pairs, Lanes.address(cos, row), Lanes.address(sin, row));
        });
    }

    private void rope(long x, int headDim, int heads, int pairs, long cos, long sin) {
        if (loops != null && RowLoops.fits(pairs) && heads > 0) {
            loops.rope(x, headDim, heads, pairs, cos, sin);
            return;
        }
        for (int head = 0; head < heads; head++) {
            rotate(x + 4L * head * headDim, pairs, cos, sin);
        }
    }

    private static void rotate(long x, int pairs, long cos, long sin) {
        long y = x + 4L * pairs;
        int j = 0;
        for (; j <= pairs - L; j += L) {
            FloatVector a = FloatVector.fromMemorySegment(F, RAM, x + 4L * j, LE);
            FloatVector b = FloatVector.fromMemorySegment(F, RAM, y + 4L * j, LE);
            FloatVector c = FloatVector.fromMemorySegment(F, RAM, cos + 4L * j, LE);
            FloatVector s = FloatVector.fromMemorySegment(F, RAM, sin + 4L * j, LE);
            a.mul(c).sub(b.mul(s)).intoMemorySegment(RAM, x + 4L * j, LE);
            b.mul(c).add(a.mul(s)).intoMemorySegment(RAM, y + 4L * j, LE);
        }
        for (; j < pairs; j++) {
            float a = RAM.get(FLOAT, x + 4L * j);
            float b = RAM.get(FLOAT, y + 4L * j);
            float c = RAM.get(FLOAT, cos + 4L * j);
            float s = RAM.get(FLOAT, sin + 4L * j);
            RAM.set(FLOAT, x + 4L * j, a * c - b * s);
            RAM.set(FLOAT, y + 4L * j, b * c + a * s);
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#convolution}. */
    public void convolution(Tensor x, Tensor weight, List<Span> spans, List<Tensor> states, Tensor out) {
        Operands.convolution(x, weight, spans, states, out);
        int taps = Math.toIntExact(weight.rows());
        int channels = Math.toIntExact(x.columns());
        int size = (int) Math.max(CHANNELS, CONVOLVED / Math.max(1, x.rows()) / CHANNELS * CHANNELS);
        pool.run(Math.ceilDiv(channels, size), 1, (worker, from, to) -> {
            long kept = buffers[worker].address(4L * taps * size);
            for (int block = from; block < to; block++) {
                int channel = block * size;
                int count = Math.min(size, channels - channel);
                for (int s = 0; s < spans.size(); s++) {
                    convolve(x, weight, channel, count, spans.get(s), states.get(s), kept, out);
                }
            }
        });
    }

    /** From the last token to the first, because {@code out} may be {@code x} and earlier rows are needed again. */
    private void convolve(
            Tensor x, Tensor weight, int channel, int count, Span span, Tensor state, long kept, Tensor out) {
        int taps = Math.toIntExact(weight.rows());
        long weights = Lanes.address(weight, 0) + 4L * channel;
        for (int j = 0; j < taps - 1; j++) {
            long from = rowBefore(x, span, state, span.count() - taps + 1 + j, taps) + 4L * channel;
            MemorySegment.copy(RAM, from, RAM, kept + 4L * j * count, 4L * count);
        }
        for (int t = span.count() - 1; t >= 0; t--) {
            long to = Lanes.address(out, span.row() + t) + 4L * channel;
            if (taps == 4) {
                long x0 = rowBefore(x, span, state, t - 3, taps) + 4L * channel;
                long x1 = rowBefore(x, span, state, t - 2, taps) + 4L * channel;
                long x2 = rowBefore(x, span, state, t - 1, taps) + 4L * channel;
                long x3 = rowBefore(x, span, state, t, taps) + 4L * channel;
                int whole = count / L * L;
                fourTaps(x0, x1, x2, x3, weights, weight.rowBytes(), whole, to);
                convolveScalar(x, weight, channel, whole, count, span, state, t, to);
            } else {
                convolveScalar(x, weight, channel, 0, count, span, state, t, to);
            }
        }
        for (int j = 0; j < taps - 1; j++) {
            long to = Lanes.address(state, j) + 4L * channel;
            MemorySegment.copy(RAM, kept + 4L * j * count, RAM, to, 4L * count);
        }
    }

    /** Address of row {@code t} of the span; before its first row, of the state. */
    private static long rowBefore(Tensor x, Span span, Tensor state, int t, int taps) {
        return t >= 0 ? Lanes.address(x, span.row() + t) : Lanes.address(state, taps - 1 + t);
    }

    private void fourTaps(long x0, long x1, long x2, long x3, long weights, long tap, int count, long out) {
        if (loops != null && RowLoops.fits(count)) {
            loops.fourTaps(x0, x1, x2, x3, weights, tap, count, out);
            return;
        }
        for (int c = 0; c < count; c += L) {
            long at = 4L * c;
            long w = weights + at;
            FloatVector sum = FloatVector.fromMemorySegment(F, RAM, x0 + at, LE)
                    .mul(FloatVector.fromMemorySegment(F, RAM, w, LE));
            sum = FloatVector.fromMemorySegment(F, RAM, x1 + at, LE)
                    .fma(FloatVector.fromMemorySegment(F, RAM, w + tap, LE), sum);
            sum = FloatVector.fromMemorySegment(F, RAM, x2 + at, LE)
                    .fma(FloatVector.fromMemorySegment(F, RAM, w + 2 * tap, LE), sum);
            sum = FloatVector.fromMemorySegment(F, RAM, x3 + at, LE)
                    .fma(FloatVector.fromMemorySegment(F, RAM, w + 3 * tap, LE), sum);
            sum.mul(Exp.sigmoid(sum)).intoMemorySegment(RAM, out + at, LE);
        }
    }

    private static void convolveScalar(
            Tensor x, Tensor weight, int channel, int from, int count, Span span, Tensor state, int t, long out) {
        int taps = Math.toIntExact(weight.rows());
        for (int c = from; c < count; c++) {
            float sum = 0;
            for (int j = 0; j < taps; j++) {
                long row = rowBefore(x, span, state, t - taps + 1 + j, taps);
                float value = RAM.get(FLOAT, row + 4L * (channel + c));
                sum = Math.fma(RAM.get(FLOAT, Lanes.address(weight, j) + 4L * (channel + c)), value, sum);
            }
            RAM.set(FLOAT, out + 4L * c, sum * Exp.sigmoid(sum));
        }
    }
}
