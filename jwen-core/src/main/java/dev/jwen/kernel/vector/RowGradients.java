package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;
import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.SUB;

import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * The way back through the operations on rows. Where rows share a weight, its gradient is added up in blocks of rows,
 * and these in order, so that it does not depend on the number of threads.
 *
 * <p>The last columns, which fill no vector, are a vector with a mask; its other lanes are 0.
 */
final class RowGradients {
    /** Values that are worth another thread. */
    private static final int GRAIN = 16 * 1024;

    /** Rows whose gradients of a weight are added up by one thread. */
    private static final int BLOCK = 32;

    /** Columns of a table in a piece of work. */
    private static final int TABLE_COLUMNS = 64;

    private final WorkerPool pool;
    private final @Nullable RowLoops loops;
    private final Buffer partialSums = new Buffer();
    private final Buffer[] buffers;

    /** Leaves rows to {@code loops} where these fit them. */
    RowGradients(WorkerPool pool, @Nullable RowLoops loops) {
        this.pool = pool;
        this.loops = loops;
        this.buffers = new Buffer[pool.threads()];
        Arrays.setAll(buffers, i -> new Buffer());
    }

    private interface RowTask {
        void run(int row);
    }

    private interface SumTask {
        void run(int worker, int row, long sums);
    }

    private void forEachRow(Tensor x, RowTask task) {
        int grain = (int) Math.max(1, GRAIN / Math.max(1, x.columns()));
        pool.run(Math.toIntExact(x.rows()), grain, (worker, from, to) -> {
            for (int row = from; row < to; row++) {
                task.run(row);
            }
        });
    }

    /**
     * Runs {@code task} for every row of {@code x}, with the sums of its block of rows.
     *
     * @param width how many sums there are
     * @return address of the sums over all rows; valid until the next call
     */
    private long sumOverRows(Tensor x, int width, SumTask task) {
        int rows = Math.toIntExact(x.rows());
        int blocks = Math.ceilDiv(rows, BLOCK);
        long bytes = 4L * width;
        long sums = partialSums.address(bytes * Math.max(1, blocks));
        Lanes.clear(sums, (long) width * Math.max(1, blocks));
        pool.run(blocks, 1, (worker, from, to) -> {
            for (int block = from; block < to; block++) {
                int end = Math.min(rows, (block + 1) * BLOCK);
                for (int row = block * BLOCK; row < end; row++) {
                    task.run(worker, row, sums + block * bytes);
                }
            }
        });
        for (int block = 1; block < blocks; block++) {
            add(sums, sums + block * bytes, width);
        }
        return sums;
    }

    // ---- vectors

    private static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F, RAM, address, LE);
    }

    private static FloatVector load(long address, VectorMask<Float> mask) {
        return FloatVector.fromMemorySegment(F, RAM, address, LE, mask);
    }

    private static void store(FloatVector x, long address) {
        x.intoMemorySegment(RAM, address, LE);
    }

    private static void store(FloatVector x, long address, VectorMask<Float> mask) {
        x.intoMemorySegment(RAM, address, LE, mask);
    }

    /** The lanes of the columns from {@code i} on. */
    private static VectorMask<Float> rest(int i, int count) {
        return F.indexInRange(i, count);
    }

    private static FloatVector all(float x) {
        return FloatVector.broadcast(F, x);
    }

    /** x += y. */
    private static void add(long x, long y, int count) {
        int i = 0;
        for (; i <= count - L; i += L) {
            store(load(x + 4L * i).add(load(y + 4L * i)), x + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            store(load(x + 4L * i, m).add(load(y + 4L * i, m)), x + 4L * i, m);
        }
    }

    private static float dot(long x, long y, int count) {
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - L; i += L) {
            sum = load(x + 4L * i).fma(load(y + 4L * i), sum);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            sum = load(x + 4L * i, m).fma(load(y + 4L * i, m), sum);
        }
        return Lanes.sum(sum);
    }

    /** Σ x y z. */
    private static float dot(long x, long y, long z, int count) {
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - L; i += L) {
            sum = load(x + 4L * i).mul(load(y + 4L * i)).fma(load(z + 4L * i), sum);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            sum = load(x + 4L * i, m).mul(load(y + 4L * i, m)).fma(load(z + 4L * i, m), sum);
        }
        return Lanes.sum(sum);
    }

    // ---- embedding and bias

    /** See {@link dev.jwen.kernel.Gradients#embed}. */
    void embed(Tensor dx, int[] ids, Tensor dTable) {
        Operands.matrix("dTable", dTable, dTable.rows(), dTable.columns());
        Operands.matrix("dx", dx, ids.length, dTable.columns());
        for (int id : ids) {
            if (id >= dTable.rows()) {
                throw new IllegalArgumentException("ids: row %d of a matrix with %d rows".formatted(id, dTable.rows()));
            }
        }
        int width = Math.toIntExact(dTable.columns());
        // Two tokens may share a row, so the threads share the columns.
        pool.run(Math.ceilDiv(width, TABLE_COLUMNS), 1, (worker, from, to) -> {
            int column = from * TABLE_COLUMNS;
            int count = Math.min(width, to * TABLE_COLUMNS) - column;
            for (int t = 0; t < ids.length; t++) {
                if (ids[t] >= 0) {
                    add(Lanes.address(dTable, ids[t]) + 4L * column, Lanes.address(dx, t) + 4L * column, count);
                }
            }
        });
    }

    /** See {@link dev.jwen.kernel.Gradients#addBias}. */
    void addBias(Tensor dy, Tensor dBias) {
        Operands.matrix("dy", dy, dy.rows(), dy.columns());
        Operands.vector("dBias", dBias, dy.columns());
        int width = (int) dy.columns();
        long sums = sumOverRows(dy, width, (worker, row, to) -> add(to, Lanes.address(dy, row), width));
        add(Lanes.address(dBias, 0), sums, width);
    }

    // ---- norms

    /** See {@link dev.jwen.kernel.Gradients#rmsNorm}. */
    void rmsNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("dy", dy, x.rows(), x.columns());
        Operands.matrix("dx", dx, x.rows(), x.columns());
        Operands.groupWeight("weight", weight, x.columns());
        Operands.vector("dWeight", dWeight, weight.size());
        int group = (int) weight.columns();
        long w = Lanes.address(weight, 0);
        long sums = sumOverRows(x, group, (worker, row, to) -> {
            for (long at = 0; at < x.rowBytes(); at += 4L * group) {
                long dyAt = Lanes.address(dy, row) + at;
                long xAt = Lanes.address(x, row) + at;
                double r = inverseRms(xAt, eps, group);
                float shared = (float) (r * r * r * dot(dyAt, w, xAt, group) / group);
                rmsNorm(dyAt, xAt, w, (float) r, shared, group, Lanes.address(dx, row) + at, true, to);
            }
        });
        add(Lanes.address(dWeight, 0), sums, group);
    }

    private static double inverseRms(long x, float eps, int count) {
        return 1 / Math.sqrt((double) dot(x, x, count) / count + eps);
    }

    /** {@code dx (+)= r dy w - shared x} and {@code dWeight += r dy x}. */
    private static void rmsNorm(
            long dy, long x, long weight, float r, float shared, int count, long dx, boolean added, long dWeight) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector scaled = load(dy + 4L * i).mul(r);
            FloatVector value = load(x + 4L * i);
            FloatVector before = added ? load(dx + 4L * i) : FloatVector.zero(F);
            FloatVector sum = value.fma(all(-shared), scaled.fma(load(weight + 4L * i), before));
            store(scaled.fma(value, load(dWeight + 4L * i)), dWeight + 4L * i);
            store(sum, dx + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            FloatVector scaled = load(dy + 4L * i, m).mul(r);
            FloatVector value = load(x + 4L * i, m);
            FloatVector before = added ? load(dx + 4L * i, m) : FloatVector.zero(F);
            FloatVector sum = value.fma(all(-shared), scaled.fma(load(weight + 4L * i, m), before));
            store(scaled.fma(value, load(dWeight + 4L * i, m)), dWeight + 4L * i, m);
            store(sum, dx + 4L * i, m);
        }
    }

    /** See {@link dev.jwen.kernel.Gradients#gatedNorm}. */
    void gatedNorm(Tensor dy, Tensor x, Tensor z, Tensor weight, float eps, Tensor dx, Tensor dz, Tensor dWeight) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("dy", dy, x.rows(), x.columns());
        Operands.matrix("z", z, x.rows(), x.columns());
        Operands.matrix("dx", dx, x.rows(), x.columns());
        Operands.matrix("dz", dz, x.rows(), x.columns());
        Operands.groupWeight("weight", weight, x.columns());
        Operands.vector("dWeight", dWeight, weight.size());
        int group = (int) weight.columns();
        long w = Lanes.address(weight, 0);
        long sums = sumOverRows(x, group, (worker, row, to) -> {
            long gated = buffers[worker].address(4L * group);
            for (long at = 0; at < x.rowBytes(); at += 4L * group) {
                long xAt = Lanes.address(x, row) + at;
                double r = inverseRms(xAt, eps, group);
                float product = gate(
                        Lanes.address(dy, row) + at,
                        xAt,
                        Lanes.address(z, row) + at,
                        w,
                        (float) r,
                        group,
                        gated,
                        Lanes.address(dz, row) + at);
                float shared = (float) (r * r * r * product / group);
                rmsNorm(gated, xAt, w, (float) r, shared, group, Lanes.address(dx, row) + at, false, to);
            }
        });
        add(Lanes.address(dWeight, 0), sums, group);
    }

    /**
     * {@code gated = dy silu(z)} and {@code dz = dy x r w silu'(z)}.
     *
     * @return Σ gated w x
     */
    private static float gate(long dy, long x, long z, long weight, float r, int count, long gated, long dz) {
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector gate = load(z + 4L * i);
            FloatVector s = Exp.sigmoid(gate);
            FloatVector gradient = load(dy + 4L * i);
            FloatVector normed = load(x + 4L * i).mul(load(weight + 4L * i));
            FloatVector passed = gradient.mul(gate.mul(s));
            sum = passed.fma(normed, sum);
            store(gradient.mul(normed).mul(r).mul(siluSlope(gate, s)), dz + 4L * i);
            store(passed, gated + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            FloatVector gate = load(z + 4L * i, m);
            FloatVector s = Exp.sigmoid(gate);
            FloatVector gradient = load(dy + 4L * i, m);
            FloatVector normed = load(x + 4L * i, m).mul(load(weight + 4L * i, m));
            FloatVector passed = gradient.mul(gate.mul(s));
            sum = passed.fma(normed, sum);
            store(gradient.mul(normed).mul(r).mul(siluSlope(gate, s)), dz + 4L * i, m);
            store(passed, gated + 4L * i, m);
        }
        return Lanes.sum(sum);
    }

    /** {@code s (1 + x (1 - s))}. */
    private static FloatVector siluSlope(FloatVector x, FloatVector s) {
        return s.mul(all(1).sub(s).fma(x, all(1)));
    }

    /** See {@link dev.jwen.kernel.Gradients#layerNorm}. */
    void layerNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight, Tensor dBias) {
        Operands.layerNorm(x, weight, dBias, dx);
        Operands.matrix("dy", dy, x.rows(), x.columns());
        Operands.vector("dWeight", dWeight, x.columns());
        int width = (int) x.columns();
        long w = Lanes.address(weight, 0);
        long sums = sumOverRows(x, 2 * width, (worker, row, to) -> {
            long at = Lanes.address(x, row);
            layerNorm(Lanes.address(dy, row), at, w, eps, width, Lanes.address(dx, row), to, to + 4L * width);
        });
        add(Lanes.address(dWeight, 0), sums, width);
        add(Lanes.address(dBias, 0), sums + 4L * width, width);
    }

    private static void layerNorm(
            long dy, long x, long weight, float eps, int count, long dx, long dWeight, long dBias) {
        FloatVector sum = FloatVector.zero(F);
        for (int i = 0; i < count; i += L) {
            sum = sum.add(load(x + 4L * i, rest(i, count)));
        }
        float mean = Lanes.sum(sum) / count;
        FloatVector squares = FloatVector.zero(F);
        FloatVector us = FloatVector.zero(F);
        FloatVector products = FloatVector.zero(F);
        for (int i = 0; i < count; i += L) {
            VectorMask<Float> m = rest(i, count);
            FloatVector centred = load(x + 4L * i, m).lanewise(SUB, mean, m);
            FloatVector u = load(dy + 4L * i, m).mul(load(weight + 4L * i, m));
            squares = centred.fma(centred, squares);
            us = us.add(u);
            products = u.fma(centred, products);
        }
        double r = 1 / Math.sqrt((double) Lanes.sum(squares) / count + eps);
        float scale = (float) r;
        float meanU = Lanes.sum(us) / count;
        float shared = (float) (r * r * Lanes.sum(products) / count);
        for (int i = 0; i < count; i += L) {
            VectorMask<Float> m = rest(i, count);
            FloatVector centred = load(x + 4L * i, m).sub(mean);
            FloatVector gradient = load(dy + 4L * i, m);
            FloatVector u = gradient.mul(load(weight + 4L * i, m)).sub(meanU);
            store(centred.fma(all(-shared), u).fma(all(scale), load(dx + 4L * i, m)), dx + 4L * i, m);
            store(centred.mul(scale).fma(gradient, load(dWeight + 4L * i, m)), dWeight + 4L * i, m);
            store(gradient.add(load(dBias + 4L * i, m)), dBias + 4L * i, m);
        }
    }

    // ---- gates and activations

    /** See {@link dev.jwen.kernel.Gradients#biasGelu}. */
    void biasGelu(Tensor dy, Tensor x, Tensor bias, Gelu form, Tensor dx, Tensor dBias) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("dy", dy, x.rows(), x.columns());
        Operands.matrix("dx", dx, x.rows(), x.columns());
        Operands.vector("bias", bias, x.columns());
        Operands.vector("dBias", dBias, x.columns());
        int width = (int) x.columns();
        long b = Lanes.address(bias, 0);
        long sums = sumOverRows(x, width, (worker, row, to) -> {
            biasGelu(Lanes.address(dy, row), Lanes.address(x, row), b, form, width, Lanes.address(dx, row), to);
        });
        add(Lanes.address(dBias, 0), sums, width);
    }

    /** {@code dx = dy gelu'(x + bias)} and {@code dBias += dx}. */
    private static void biasGelu(long dy, long x, long bias, Gelu form, int count, long dx, long dBias) {
        int whole = count - count % L;
        switch (form) {
            case TANH -> geluTanh(dy, x, bias, whole, dx);
            case ERF -> geluErf(dy, x, bias, whole, dx);
        }
        if (whole < count) {
            geluRest(dy, x, bias, form, whole, count, dx);
        }
        add(dBias, dx, count);
    }

    private static void geluTanh(long dy, long x, long bias, int count, long dx) {
        for (int i = 0; i < count; i += L) {
            FloatVector slope = VectorVision.tanhSlope(load(x + 4L * i).add(load(bias + 4L * i)));
            store(load(dy + 4L * i).mul(slope), dx + 4L * i);
        }
    }

    private static void geluErf(long dy, long x, long bias, int count, long dx) {
        for (int i = 0; i < count; i += L) {
            FloatVector slope = VectorVision.erfSlope(load(x + 4L * i).add(load(bias + 4L * i)));
            store(load(dy + 4L * i).mul(slope), dx + 4L * i);
        }
    }

    private static void geluRest(long dy, long x, long bias, Gelu form, int from, int count, long dx) {
        VectorMask<Float> m = rest(from, count);
        FloatVector sum = load(x + 4L * from, m).add(load(bias + 4L * from, m));
        FloatVector slope = form == Gelu.TANH ? VectorVision.tanhSlope(sum) : VectorVision.erfSlope(sum);
        store(load(dy + 4L * from, m).mul(slope), dx + 4L * from, m);
    }

    /** See {@link dev.jwen.kernel.Gradients#swiGlu}. */
    void swiGlu(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        Operands.matrix("gate", gate, gate.rows(), gate.columns());
        Operands.matrix("dy", dy, gate.rows(), gate.columns());
        Operands.matrix("up", up, gate.rows(), gate.columns());
        Operands.matrix("dGate", dGate, gate.rows(), gate.columns());
        Operands.matrix("dUp", dUp, gate.rows(), gate.columns());
        int width = (int) gate.columns();
        forEachRow(gate, row -> {
            long dyAt = Lanes.address(dy, row);
            long dGateAt = Lanes.address(dGate, row);
            swiGlu(dyAt, Lanes.address(gate, row), Lanes.address(up, row), width, dGateAt, Lanes.address(dUp, row));
        });
    }

    private void swiGlu(long dy, long gate, long up, int count, long dGate, long dUp) {
        if (loops != null && RowLoops.fits(count)) {
            loops.swiGluBack(dy, gate, up, count, dGate, dUp);
            return;
        }
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector gradient = load(dy + 4L * i);
            FloatVector g = load(gate + 4L * i);
            FloatVector s = Exp.sigmoid(g);
            FloatVector passed = gradient.mul(load(up + 4L * i)).mul(siluSlope(g, s));
            store(gradient.mul(g.mul(s)), dUp + 4L * i);
            store(passed, dGate + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            FloatVector gradient = load(dy + 4L * i, m);
            FloatVector g = load(gate + 4L * i, m);
            FloatVector s = Exp.sigmoid(g);
            FloatVector passed = gradient.mul(load(up + 4L * i, m)).mul(siluSlope(g, s));
            store(gradient.mul(g.mul(s)), dUp + 4L * i, m);
            store(passed, dGate + 4L * i, m);
        }
    }

    /** See {@link dev.jwen.kernel.Gradients#addGated}. */
    void addGated(Tensor dx, Tensor y, Tensor gate, Tensor dy, Tensor dGate) {
        Operands.matrix("y", y, y.rows(), y.columns());
        Operands.matrix("dx", dx, y.rows(), y.columns());
        Operands.matrix("gate", gate, y.rows(), 1);
        Operands.matrix("dy", dy, y.rows(), y.columns());
        Operands.matrix("dGate", dGate, y.rows(), 1);
        int width = (int) y.columns();
        forEachRow(y, row -> {
            float s = Exp.sigmoid(RAM.get(FLOAT, Lanes.address(gate, row)));
            float product = dot(Lanes.address(dx, row), Lanes.address(y, row), width);
            scale(Lanes.address(dx, row), s, width, Lanes.address(dy, row));
            RAM.set(FLOAT, Lanes.address(dGate, row), product * s * (1 - s));
        });
    }

    private static void scale(long x, float factor, int count, long out) {
        int i = 0;
        for (; i <= count - L; i += L) {
            store(load(x + 4L * i).mul(factor), out + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            store(load(x + 4L * i, m).mul(factor), out + 4L * i, m);
        }
    }

    /** See {@link dev.jwen.kernel.Gradients#sigmoidGate}. */
    void sigmoidGate(Tensor dy, Tensor x, Tensor gate, Tensor dx, Tensor dGate) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("dy", dy, x.rows(), x.columns());
        Operands.matrix("gate", gate, x.rows(), x.columns());
        Operands.matrix("dx", dx, x.rows(), x.columns());
        Operands.matrix("dGate", dGate, x.rows(), x.columns());
        int width = (int) x.columns();
        forEachRow(x, row -> {
            long dyAt = Lanes.address(dy, row);
            long dxAt = Lanes.address(dx, row);
            long dGateAt = Lanes.address(dGate, row);
            sigmoidGate(dyAt, Lanes.address(x, row), Lanes.address(gate, row), width, dxAt, dGateAt);
        });
    }

    private static void sigmoidGate(long dy, long x, long gate, int count, long dx, long dGate) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector s = Exp.sigmoid(load(gate + 4L * i));
            FloatVector passed = load(dy + 4L * i).mul(s);
            store(passed.mul(load(x + 4L * i)).mul(all(1).sub(s)), dGate + 4L * i);
            store(passed, dx + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            FloatVector s = Exp.sigmoid(load(gate + 4L * i, m));
            FloatVector passed = load(dy + 4L * i, m).mul(s);
            store(passed.mul(load(x + 4L * i, m)).mul(all(1).sub(s)), dGate + 4L * i, m);
            store(passed, dx + 4L * i, m);
        }
    }

    // ---- queries

    /** See {@link dev.jwen.kernel.Gradients#splitQueryAndGate}. */
    void splitQueryAndGate(Tensor dq, Tensor dGate, int headDim, Tensor dQueryAndGate) {
        Operands.matrix("dq", dq, dq.rows(), dq.columns());
        Operands.group("dq", headDim, dq.columns());
        Operands.matrix("dGate", dGate, dq.rows(), dq.columns());
        Operands.matrix("dQueryAndGate", dQueryAndGate, dq.rows(), 2 * dq.columns());
        long bytes = 4L * headDim;
        forEachRow(dQueryAndGate, row -> {
            long to = Lanes.address(dQueryAndGate, row);
            for (long at = 0; at < dq.rowBytes(); at += bytes) {
                MemorySegment.copy(RAM, Lanes.address(dq, row) + at, RAM, to + 2 * at, bytes);
                MemorySegment.copy(RAM, Lanes.address(dGate, row) + at, RAM, to + 2 * at + bytes, bytes);
            }
        });
    }

    /** See {@link dev.jwen.kernel.Gradients#rope}. */
    void rope(Tensor dx, int headDim, Tensor cos, Tensor sin) {
        int pairs = Operands.rope(dx, headDim, cos, sin);
        forEachRow(dx, row -> {
            long at = Lanes.address(dx, row);
            for (long head = at; head < at + dx.rowBytes(); head += 4L * headDim) {
                turnBack(head, pairs, Lanes.address(cos, row), Lanes.address(sin, row));
            }
        });
    }

    private static void turnBack(long x, int pairs, long cos, long sin) {
        long y = x + 4L * pairs;
        for (int j = 0; j < pairs; j += L) {
            VectorMask<Float> m = rest(j, pairs);
            FloatVector a = load(x + 4L * j, m);
            FloatVector b = load(y + 4L * j, m);
            FloatVector c = load(cos + 4L * j, m);
            FloatVector s = load(sin + 4L * j, m);
            store(a.mul(c).add(b.mul(s)), x + 4L * j, m);
            store(b.mul(c).sub(a.mul(s)), y + 4L * j, m);
        }
    }

    // ---- loss

    /** See {@link dev.jwen.kernel.Gradients#logSoftmax}. */
    void logSoftmax(Tensor logits, int vocabulary, int[] targets, float[] coefficients, float[] logProbabilities) {
        Operands.matrix("logits", logits, targets.length, logits.columns());
        if (vocabulary < 1 || vocabulary > logits.columns()) {
            throw new IllegalArgumentException(
                    "a vocabulary of %d tokens, and %d logits".formatted(vocabulary, logits.columns()));
        }
        if (coefficients.length != targets.length || logProbabilities.length != targets.length) {
            throw new IllegalArgumentException("expected %d coefficients and log-probabilities, found %d and %d"
                    .formatted(targets.length, coefficients.length, logProbabilities.length));
        }
        Operands.rowNumbers("targets", targets, vocabulary);
        forEachRow(logits, row -> {
            long at = Lanes.address(logits, row);
            long target = at + 4L * targets[row];
            float coefficient = coefficients[row];
            float logit = RAM.get(FLOAT, target);
            float max = max(at, vocabulary);
            double sum = exp(at, max, vocabulary);
            logProbabilities[row] = (float) (logit - max - Math.log(sum));
            scale(at, (float) (-coefficient / sum), vocabulary, at);
            RAM.set(FLOAT, target, RAM.get(FLOAT, target) + coefficient);
            Lanes.clear(at + 4L * vocabulary, logits.columns() - vocabulary);
        });
    }

    private static float max(long x, int count) {
        FloatVector max = all(Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= count - L; i += L) {
            max = max.max(load(x + 4L * i));
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            max = max.lanewise(MAX, load(x + 4L * i, m), m);
        }
        return Lanes.max(max);
    }

    /** {@code x = exp(x - max)}; returns the sum. */
    private static double exp(long x, float max, int count) {
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector e = Exp.exp(load(x + 4L * i).sub(max));
            sum = sum.add(e);
            store(e, x + 4L * i);
        }
        if (i < count) {
            VectorMask<Float> m = rest(i, count);
            FloatVector e = Exp.exp(load(x + 4L * i, m).sub(max));
            sum = sum.lanewise(ADD, e, m);
            store(e, x + 4L * i, m);
        }
        return Lanes.sum(sum);
    }
}
