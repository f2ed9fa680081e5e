package dev.jwen.model;

import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A matrix in 8 or 5 bits with what each row lost, so that a product with it bounds the product with the original.
 *
 * <p>Let w be a row, c its copy, x the activations as they are multiplied with the original and x' those multiplied with
 * the copy. By the inequality of Cauchy and Schwarz
 * {@code |w·x - c·x'| = |(w - c)·x + c·(x - x')| <= ‖w - c‖ ‖x‖ + ‖c‖ ‖x - x'‖}. Both products are rounded, each by at most
 * γ times the product of its norms, with γ = n u / (1 - n u), u = 2⁻²⁴ and n the number of roundings that a term can meet
 * [1]; and they may lose tiny terms. Altogether a row is off by at most {@code ‖w - c‖ · α + ‖c‖ · β + ε}, where α, β and ε
 * belong to the activations: {@link Bound}.
 *
 * <p>[1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.1.
 */
final class CoarseCopy {
    /** Rows whose norms are summed up by their largest. */
    static final int BLOCK = 64;

    private static final double UNIT = 0x1p-24;

    /** Roundings beside the additions: those of factors, of their products, and of the comparison with the bound. */
    private static final int OTHER_ROUNDINGS = 64;

    /** What one term can lose when it becomes too small for float32, with room for what multiplies it later. */
    private static final double UNDERFLOW = 0x1p-120;

    /** Sums and products stay below this, far from what float32 cannot hold. */
    private static final double LARGEST = 1e37;

    /** More than the rounding of α and β can take away. */
    private static final double UP = 1 + 0x1p-20;

    private final Tensor weight;
    private final DataType type;
    private final Kernels kernels;
    private final MemoryPool pool;
    private final int partRows;
    private @Nullable Tensor matrix;
    /** ‖w - c‖ by row. */
    private final float[] lost;
    /** The largest of a block of rows. */
    private final float[] mostLost;

    /** The largest ‖c‖ of a block of rows. */
    private final float[] mostKept;

    private double largestNorm;
    private int copied;

    /** How far coarse logits can be from the ones of the whole product, for one row of activations. */
    record Bound(float alpha, float beta, float epsilon) {}

    /** @param type of the copy, one that {@link Kernels#coarsen} makes */
    CoarseCopy(Tensor weight, DataType type, Kernels kernels, MemoryPool pool, int parts) {
        this.weight = weight;
        this.type = type;
        this.kernels = kernels;
        this.pool = pool;
        int rows = Math.toIntExact(weight.rows());
        partRows = Math.ceilDiv(Math.ceilDiv(rows, parts), BLOCK) * BLOCK;
        lost = new float[rows];
        mostLost = new float[Math.ceilDiv(rows, BLOCK)];
        mostKept = new float[mostLost.length];
    }

    /** Rows of a copy of this type: those of the weight, rounded up to whole groups. */
    static long rows(Tensor weight, DataType type) {
        return Math.ceilDiv(weight.rows(), type.rowGroup()) * type.rowGroup();
    }

    long rows() {
        return rows(weight, type);
    }

    boolean isComplete() {
        return copied == lost.length;
    }

    /** Copies the next rows. */
    void makePart() {
        int rows = Math.min(partRows, lost.length - copied);
        try (Scratch scratch = kernels.scratch()) {
            Tensor norms = scratch.f32(rows, 2);
            Tensor copies = matrix().rows(copied, Math.min(partRows, rows() - copied));
            kernels.coarsen(weight.rows(copied, rows), copies, norms);
            float[] pairs = norms.view(2L * rows).toFloats();
            for (int r = 0; r < rows; r++) {
                keep(copied + r, pairs[2 * r], pairs[2 * r + 1]);
            }
        }
        copied += rows;
    }

    private Tensor matrix() {
        Tensor made = matrix;
        if (made == null) {
            made = pool.take(type, rows(), weight.columns());
            matrix = made;
        }
        return made;
    }

    private void keep(int row, float rowLost, float rowKept) {
        lost[row] = rowLost;
        mostLost[row / BLOCK] = Math.max(mostLost[row / BLOCK], rowLost);
        mostKept[row / BLOCK] = Math.max(mostKept[row / BLOCK], rowKept);
        largestNorm = Math.max(largestNorm, (double) rowLost + rowKept);
    }

    /**
     * Coarse logits of all rows.
     *
     * @param coarse (T, {@link #rows()}); those beyond the rows of the weight mean nothing
     * @param largest (T, blocks of {@value #BLOCK} rows): the largest of each block, or more in the last one
     */
    void multiply(Tensor x, Tensor coarse, Tensor largest) {
        kernels.matmul(x, matrix(), coarse);
        kernels.blockMaxima(coarse, BLOCK, largest);
    }

    /** The bound for each row of {@code x}; null if there is none for one of them. */
    @Nullable
    List<Bound> bounds(Tensor x) {
        List<Bound> bounds = new ArrayList<>();
        try (Scratch scratch = kernels.scratch()) {
            Tensor stored = scratch.f32(x.rows(), x.columns());
            Tensor coarse = scratch.f32(x.rows(), x.columns());
            kernels.asMultiplied(x, weight, stored);
            kernels.asMultiplied(x, matrix(), coarse);
            for (int t = 0; t < x.rows(); t++) {
                Bound bound = bound(row(x, t), row(stored, t), row(coarse, t));
                if (bound == null) {
                    return null;
                }
                bounds.add(bound);
            }
        }
        return bounds;
    }

    private @Nullable Bound bound(float[] x, float[] stored, float[] coarse) {
        double given = 0;
        double storedNorm = 0;
        double coarseNorm = 0;
        double apart = 0;
        for (int i = 0; i < x.length; i++) {
            double difference = (double) stored[i] - coarse[i];
            given += (double) x[i] * x[i];
            storedNorm += (double) stored[i] * stored[i];
            coarseNorm += (double) coarse[i] * coarse[i];
            apart += difference * difference;
        }
        storedNorm = Math.sqrt(storedNorm);
        coarseNorm = Math.sqrt(coarseNorm);
        apart = Math.sqrt(apart);
        boolean fits = largestNorm * (storedNorm + coarseNorm + Math.sqrt(given)) < LARGEST; // false for NaN
        if (!fits) {
            return null;
        }
        int roundings = x.length + OTHER_ROUNDINGS;
        double gamma = roundings * UNIT / (1 - roundings * UNIT);
        double alpha = storedNorm * (1 + gamma);
        double beta = apart + gamma * (storedNorm + coarseNorm);
        double epsilon = UNDERFLOW * x.length * (1 + storedNorm + coarseNorm) * (1 + largestNorm);
        return new Bound(up(alpha), up(beta), up(epsilon));
    }

    private static float up(double value) {
        return Math.nextUp((float) (value * UP));
    }

    private static float[] row(Tensor matrix, int row) {
        float[] values = new float[Math.toIntExact(matrix.columns())];
        matrix.decode(row, 0, values.length, values, 0);
        return values;
    }

    /** The largest that the logit of {@code row} can be. */
    float above(int row, float coarse, Bound bound) {
        return coarse + apart(lost[row], mostKept[row / BLOCK], bound);
    }

    /** Turns the coarse logits of the first {@code count} rows of a block into what {@link #above} says of each. */
    void addBound(int block, int count, Bound bound, float[] coarse) {
        int first = block * BLOCK;
        for (int i = 0; i < count; i++) {
            coarse[i] += apart(lost[first + i], mostKept[block], bound);
        }
    }

    /** The largest that a logit can be in block {@code block} of rows, of which the largest is {@code coarse}. */
    float aboveBlock(int block, float coarse, Bound bound) {
        return coarse + apart(mostLost[block], mostKept[block], bound);
    }

    /** How far a coarse logit can be from the true one. */
    private static float apart(float rowLost, float rowKept, Bound bound) {
        return rowLost * bound.alpha + rowKept * bound.beta + bound.epsilon;
    }
}
