package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** The operations on rows that the vision tower has and the text network has not. */
public final class VectorVision {
    /** Values that are worth another thread. */
    private static final int GRAIN = 16 * 1024;

    /** √(8/π): tanh u is 2 sigmoid(2u) - 1. */
    private static final float TWICE_ROOT = 0x1.988453p0f;

    /** Here the result has long been 0. */
    private static final float LOWEST = -20;

    private static final float CUBIC = 0.044715f;

    /** 1/√(2π): the density of a normal variable at 0. */
    private static final float DENSITY = 0x1.988454p-2f;

    private static final float ROOT_HALF = 0x1.6a09e6p-1f;

    /**
     * log(exp(z²) erfc(z) / t) as a polynomial of t = 1 / (1 + z/2), lowest power first: a least-squares fit on the Chebyshev
     * points of 1/7 ≤ t ≤ 1, wrong by 6e-8 at most. Beyond, erfc is 0 in float32.
     */
    private static final float[] ERFC = {
        -0x1.43f6a6p+0f,
        0x1.ffaa8ep-1f,
        0x1.857b8cp-2f,
        0x1.0b3166p-4f,
        -0x1.71afeep-4f,
        0x1.825734p-4f,
        -0x1.d1c988p-1f,
        0x1.51933ep+0f,
        -0x1.8017ccp-1f,
        0x1.4312f6p-3f
    };

    private final WorkerPool pool;

    public VectorVision(WorkerPool pool) {
        this.pool = pool;
    }

    private interface RowTask {
        void run(int row);
    }

    private void forEachRow(Tensor x, RowTask task) {
        int grain = (int) Math.max(1, GRAIN / Math.max(1, x.columns()));
        pool.run(Math.toIntExact(x.rows()), grain, (worker, from, to) -> {
            for (int row = from; row < to; row++) {
                task.run(row);
            }
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#scatter}. */
    public void scatter(Tensor rows, int[] at, Tensor x) {
        Operands.scatter(rows, at, x);
        forEachRow(rows, row -> {
            MemorySegment.copy(RAM, Lanes.address(rows, row), RAM, Lanes.address(x, at[row]), rows.rowBytes());
        });
    }

    /** See {@link dev.jwen.kernel.Kernels#addBias}. */
    public void addBias(Tensor x, Tensor bias) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.vector("bias", bias, x.columns());
        int width = (int) x.columns();
        long b = Lanes.address(bias, 0);
        forEachRow(x, row -> addBias(Lanes.address(x, row), b, width));
    }

    private static void addBias(long x, long bias, int count) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                    .add(FloatVector.fromMemorySegment(F, RAM, bias + 4L * i, LE))
                    .intoMemorySegment(RAM, x + 4L * i, LE);
        }
        for (; i < count; i++) {
            RAM.set(FLOAT, x + 4L * i, RAM.get(FLOAT, x + 4L * i) + RAM.get(FLOAT, bias + 4L * i));
        }
    }

    /** See {@link dev.jwen.kernel.Kernels#biasGelu}. */
    public void biasGelu(Tensor x, Tensor bias, Gelu form) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.vector("bias", bias, x.columns());
        int width = (int) x.columns();
        int whole = width / L * L;
        long b = Lanes.address(bias, 0);
        float[] rest = new float[L];
        for (int i = whole; i < width; i++) {
            rest[i - whole] = bias.get(0, i);
        }
        forEachRow(x, row -> {
            long at = Lanes.address(x, row);
            switch (form) {
                case TANH -> geluTanh(at, b, whole);
                case ERF -> geluErf(at, b, whole);
            }
            if (whole < width) {
                geluRest(at + 4L * whole, rest, width - whole, form);
            }
        });
    }

    private static void geluTanh(long x, long bias, int count) {
        for (int i = 0; i < count; i += L) {
            tanhForm(biased(x, bias, i)).intoMemorySegment(RAM, x + 4L * i, LE);
        }
    }

    private static void geluErf(long x, long bias, int count) {
        for (int i = 0; i < count; i += L) {
            erfForm(biased(x, bias, i)).intoMemorySegment(RAM, x + 4L * i, LE);
        }
    }

    private static FloatVector biased(long x, long bias, int i) {
        return FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                .add(FloatVector.fromMemorySegment(F, RAM, bias + 4L * i, LE));
    }

    /** The last columns, which fill no vector. */
    private static void geluRest(long x, float[] bias, int count, Gelu form) {
        float[] values = new float[L];
        MemorySegment.copy(RAM, FLOAT, x, values, 0, count);
        FloatVector sum = FloatVector.fromArray(F, values, 0).add(FloatVector.fromArray(F, bias, 0));
        FloatVector result = form == Gelu.TANH ? tanhForm(sum) : erfForm(sum);
        result.intoArray(values, 0);
        MemorySegment.copy(values, 0, RAM, FLOAT, x, count);
    }

    private static FloatVector tanhForm(FloatVector x) {
        FloatVector inner = x.mul(x).fma(FloatVector.broadcast(F, CUBIC), FloatVector.broadcast(F, 1));
        // The sigmoid stops at e⁻⁸⁸, which a huge x would bring back.
        return x.max(LOWEST).mul(Exp.sigmoid(inner.mul(x).mul(TWICE_ROOT)));
    }

    private static FloatVector erfForm(FloatVector x) {
        return x.mul(below(x));
    }

    /** Part of a normal distribution below x: erfc(-x/√2) / 2, where erfc(-z) = 2 - erfc(z). */
    private static FloatVector below(FloatVector x) {
        FloatVector z = x.abs().mul(ROOT_HALF);
        FloatVector t = FloatVector.broadcast(F, 1).div(z.mul(0.5f).add(1));
        FloatVector sum = FloatVector.broadcast(F, ERFC[ERFC.length - 1]);
        for (int i = ERFC.length - 2; i >= 0; i--) {
            sum = sum.fma(t, FloatVector.broadcast(F, ERFC[i]));
        }
        FloatVector half = t.mul(Exp.exp(z.mul(z).neg().add(sum))).mul(0.5f);
        return half.neg().add(1).blend(half, x.lt(0));
    }

    /** Derivative of the form with tanh: with s = sigmoid(u), {@code s + x s (1 - s) du/dx}. */
    static FloatVector tanhSlope(FloatVector x) {
        // Farther out it is 0 or 1.
        FloatVector near = x.max(LOWEST).min(-LOWEST);
        FloatVector square = near.mul(near);
        FloatVector inner = square.fma(FloatVector.broadcast(F, CUBIC), FloatVector.broadcast(F, 1));
        FloatVector s = Exp.sigmoid(inner.mul(near).mul(TWICE_ROOT));
        FloatVector outer = square.fma(FloatVector.broadcast(F, 3 * CUBIC), FloatVector.broadcast(F, 1))
                .mul(near)
                .mul(TWICE_ROOT);
        return s.mul(FloatVector.broadcast(F, 1).sub(s)).fma(outer, s);
    }

    /** Derivative of the form with erf: {@code Φ(x) + x φ(x)}, distribution and density of a normal variable. */
    static FloatVector erfSlope(FloatVector x) {
        FloatVector density = Exp.exp(x.mul(x).mul(-0.5f)).mul(DENSITY);
        return density.fma(x, below(x));
    }

    /** See {@link dev.jwen.kernel.Kernels#layerNorm}. */
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor out) {
        Operands.layerNorm(x, weight, bias, out);
        int width = (int) x.columns();
        long w = Lanes.address(weight, 0);
        long b = Lanes.address(bias, 0);
        forEachRow(x, row -> {
            long at = Lanes.address(x, row);
            float mean = (float) (sum(at, width) / width);
            float scale = (float) (1 / Math.sqrt(squares(at, mean, width) / width + eps));
            normalise(at, mean, scale, w, b, width, Lanes.address(out, row));
        });
    }

    private static double sum(long x, int count) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - 2 * L; i += 2 * L) {
            s0 = s0.add(FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE));
            s1 = s1.add(FloatVector.fromMemorySegment(F, RAM, x + 4L * (i + L), LE));
        }
        double sum = Lanes.sum(s0.add(s1));
        for (; i < count; i++) {
            sum += RAM.get(FLOAT, x + 4L * i);
        }
        return sum;
    }

    /** Sum of (x - mean)². */
    private static double squares(long x, float mean, int count) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = FloatVector.zero(F);
        int i = 0;
        for (; i <= count - 2 * L; i += 2 * L) {
            FloatVector x0 =
                    FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE).sub(mean);
            FloatVector x1 =
                    FloatVector.fromMemorySegment(F, RAM, x + 4L * (i + L), LE).sub(mean);
            s0 = x0.fma(x0, s0);
            s1 = x1.fma(x1, s1);
        }
        double sum = Lanes.sum(s0.add(s1));
        for (; i < count; i++) {
            double value = RAM.get(FLOAT, x + 4L * i) - mean;
            sum += value * value;
        }
        return sum;
    }

    private static void normalise(long x, float mean, float scale, long weight, long bias, int count, long out) {
        int i = 0;
        for (; i <= count - L; i += L) {
            FloatVector.fromMemorySegment(F, RAM, x + 4L * i, LE)
                    .sub(mean)
                    .mul(scale)
                    .fma(
                            FloatVector.fromMemorySegment(F, RAM, weight + 4L * i, LE),
                            FloatVector.fromMemorySegment(F, RAM, bias + 4L * i, LE))
                    .intoMemorySegment(RAM, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            float normed = (RAM.get(FLOAT, x + 4L * i) - mean) * scale;
            float value = Math.fma(normed, RAM.get(FLOAT, weight + 4L * i), RAM.get(FLOAT, bias + 4L * i));
            RAM.set(FLOAT, out + 4L * i, value);
        }
    }
}
