package dev.jwen.model;

import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The last product: hidden values to logits, one for each row of the vocabulary.
 *
 * <p>A token reads every weight once, so its time is bytes, and the output matrix of a small model is a third of them. Where a
 * sampler says that it needs the largest logits only ({@link Shortlist}), most rows can be ruled out without reading
 * them in full:
 *
 * <ol>
 *   <li>A copy c of the matrix w in fewer bits gives coarse logits of all rows: a third of the bytes of bfloat16, or two
 *       thirds of those of 8 bits.
 *   <li>The rows that lead are multiplied again as they are stored. The smallest of the {@code count} results is a
 *       threshold: at least {@code count} logits reach it.
 *   <li>Every row that could reach it, as {@link CoarseCopy} proves, is multiplied as it is stored as well. All others are
 *       too small and become negative infinity.
 * </ol>
 *
 * <p>The rows of the second and third step are gathered and multiplied by the same product as the whole matrix would be,
 * in which the result of a row does not depend on the rows beside it. So the logits that come out are the ones of the
 * whole product, bit by bit, and so is what greedy or top-k sampling makes of them.
 *
 * <p>How many rows are multiplied twice, with a copy of 8 bits: with normally distributed weights of width D the logits deviate by
 * ‖w‖‖x‖/√D, and the bound is 0.0054‖w‖‖x‖ for the copy and about as much where a back end rounds activations to 8 bits.
 * Measured on random matrices of 248,320 rows, for the largest logit and the 20 largest: 4 and 77 rows for D = 1024, 13 and
 * 166 for D = 2560; with float32 activations half of that.
 *
 * <p>How many bits: 8 leave so few rows that they serve every matrix stored in 16. 5 bits lose 0.043‖w‖ and leave 420 and
 * 3,000 rows for D = 1024, 5,100 and 21,000 for D = 2560 (by computation for the same matrices); 4 bits lose 0.086‖w‖, and
 * 6 % to 80 % of all rows would be read again. So the copy has 5 bits where a product with them keeps up with memory and the rows
 * that are read again are far fewer bytes than are saved: of all matrices in 8 bits, and of those in 16 with up to
 * {@value #NARROW} columns.
 *
 * <p>The copy takes 0.6875 or 1.0625 bytes a weight outside the heap, and the stored matrix, of which few rows are then
 * read, may leave the page cache. It is made a part at a time in the first {@value #PARTS} steps that could have used it,
 * so that no token waits for all of it.
 *
 * <p>The whole product runs instead while the copy is not complete, for rows of which all logits are wanted, for more than
 * {@value #MAX_TOKENS} rows, for activations or weights that are not finite or so large that sums could overflow, and
 * where more than one in {@value #WORTHWHILE} rows could reach the threshold; then, because the next tokens are probably no
 * better, also for the next few of them.
 */
final class LmHead {
    /** Steps in which the copy is made. */
    static final int PARTS = 32;

    /** More rows of activations are multiplied at once: their arithmetic takes longer than reading the weights. */
    private static final int MAX_TOKENS = 8;

    private static final int WORTHWHILE = 8;

    /** The most columns of a matrix in 16 bits that is copied into 5. */
    private static final int NARROW = 2048;

    /** Rows multiplied as they are stored in one go. */
    private static final int GATHERED_ROWS = 512;

    /** Longest pause after the bound was of no use, in steps. */
    private static final int LONGEST_PAUSE = 1024;

    private final Tensor weight;
    private final Kernels kernels;
    private final MemoryPool pool;

    /** (1, V) of negative infinity. */
    private @Nullable Tensor forbidden;

    private @Nullable Tensor gathered;

    /** (T or more, V): those of the last call. */
    private Tensor logits;

    /** By row of logits: whether all are negative infinity but those that {@link #allowed} has. */
    private boolean[] isForbidden = {};

    private int[][] allowed = {};

    private final @Nullable CoarseCopy copy;
    private final List<CoarseLogits> coarse = new ArrayList<>();
    private final CoarseLogits.RowSet rows;
    private int pause;
    private int pauses;
    private int rowsRead;

    /**
     * The last product with this matrix.
     *
     * @param weight (V, D)
     * @param pool for the memory of the copy, which is taken while it is made
     */
    LmHead(Tensor weight, Kernels kernels, MemoryPool pool) {
        this.weight = weight;
        this.kernels = kernels;
        this.pool = pool;
        this.logits = Tensor.f32(0, weight.rows());
        int vocabulary = Math.toIntExact(weight.rows());
        DataType type = copyType(weight, kernels);
        this.copy = type == null ? null : new CoarseCopy(weight, type, kernels, pool, PARTS);
        this.rows = new CoarseLogits.RowSet(vocabulary, vocabulary / WORTHWHILE);
    }

    /** The type of the coarse copy of an output matrix; null if it would gain nothing from one. */
    private static @Nullable DataType copyType(Tensor weight, Kernels kernels) {
        List<DataType> worthwhile = weight.scale() != null
                ? List.of()
                : switch (weight.type()) {
                    case F32, F16, BF16 ->
                        weight.columns() <= NARROW ? List.of(DataType.Q5_0_R16, DataType.Q8_0) : List.of(DataType.Q8_0);
                    case Q8_0 -> List.of(DataType.Q5_0_R16);
                    default -> List.of();
                };
        return worthwhile.stream()
                .filter(type ->
                        weight.columns() % type.blockValues() == 0 && kernels.keepsUpWithMemory(type, weight.columns()))
                .findFirst()
                .orElse(null);
    }

    /**
     * Bytes of the coarse copy of an output matrix; 0 if there is none.
     *
     * @param kernels that would multiply with it
     */
    static long copyBytes(Tensor weight, Kernels kernels) {
        DataType type = copyType(weight, kernels);
        return type == null ? 0 : Tensor.sizeBytes(type, CoarseCopy.rows(weight, type), weight.columns());
    }

    /** Makes what is missing of the copy now. */
    void complete() {
        while (copy != null && !copy.isComplete()) {
            copy.makePart();
        }
    }

    /** Rows that the last call multiplied as they are stored. */
    int rowsRead() {
        return rowsRead;
    }

    /**
     * Computes logits.
     *
     * @param x (T, D), the normalised hidden values
     * @param shortlists by row of {@code x}; null where all logits are wanted
     * @return (T, V), to be read only; overwritten by the next call
     */
    Tensor multiply(Tensor x, List<@Nullable Shortlist> shortlists) {
        int tokens = Math.toIntExact(x.rows());
        makeRoom(tokens);
        multiply(x, shortlists, logits.rows(0, tokens));
        return logits.rows(0, tokens);
    }

    /** For the logits of so many tokens; room for many is given up when few come. */
    private void makeRoom(int tokens) {
        if (logits.rows() < tokens || logits.rows() > Math.max(tokens, MAX_TOKENS)) {
            logits = Tensor.f32(tokens, weight.rows());
            isForbidden = new boolean[tokens];
            allowed = new int[tokens][0];
        }
    }

    private void multiply(Tensor x, List<@Nullable Shortlist> shortlists, Tensor logits) {
        List<Shortlist> wanted = shortlists.stream()
                .filter(Objects::nonNull)
                .map(Objects::requireNonNull)
                .toList();
        CoarseCopy made = wanted.size() == x.rows() && wanted.size() <= MAX_TOKENS ? copy : null;
        if (made != null && made.isComplete() && pause == 0 && multiplyShort(x, made, wanted, logits)) {
            pauses = 0;
            rowsRead = rows.size();
            Arrays.fill(isForbidden, 0, wanted.size(), true);
            Arrays.fill(allowed, 0, wanted.size(), rows.from(0, rows.size()));
            return;
        }
        rowsRead = Math.toIntExact(weight.rows());
        Arrays.fill(isForbidden, 0, shortlists.size(), false);
        kernels.matmul(x, weight, logits);
        if (made == null) {
            return;
        }
        if (!made.isComplete()) {
            made.makePart();
        } else if (pause > 0) {
            pause--;
        } else {
            pause = Math.min(LONGEST_PAUSE, 1 << Math.min(pauses++, 30));
        }
    }

    /** Computes the logits of the shortlists; false, and the logits undefined, where the bound does not serve. */
    private boolean multiplyShort(Tensor x, CoarseCopy made, List<Shortlist> shortlists, Tensor logits) {
        List<CoarseCopy.Bound> bounds = made.bounds(x);
        if (bounds == null) {
            return false;
        }
        rows.clear();
        try (Scratch scratch = kernels.scratch()) {
            Tensor approximate = scratch.f32(x.rows(), made.rows());
            Tensor largest = scratch.f32(x.rows(), Math.ceilDiv(made.rows(), CoarseCopy.BLOCK));
            made.multiply(x, approximate, largest);
            boolean enough = true;
            for (int t = 0; t < x.rows(); t++) {
                if (t == coarse.size()) {
                    coarse.add(new CoarseLogits(made, Math.toIntExact(weight.rows())));
                }
                coarse.get(t).read(approximate, largest, t, shortlists.get(t));
                enough &= coarse.get(t).lead(rows);
            }
            if (!enough || rows.isFull()) {
                return false;
            }
            forbid(logits);
            int leaders = rows.size();
            multiplyStored(x, 0, logits);
            for (int t = 0; t < x.rows(); t++) {
                coarse.get(t).reach(coarse.get(t).threshold(logits, t), bounds.get(t), rows);
            }
            if (rows.isFull()) {
                return false;
            }
            multiplyStored(x, leaders, logits);
            return true;
        }
    }

    /** Makes all logits negative infinity; after a call like this one only few are more. */
    private void forbid(Tensor logits) {
        for (int t = 0; t < logits.rows(); t++) {
            if (!isForbidden[t]) {
                kernels.copy(forbidden(), logits.rows(t, 1));
                continue;
            }
            isForbidden[t] = false; // until it is known what will be allowed
            for (int row : allowed[t]) {
                logits.set(t, row, Float.NEGATIVE_INFINITY);
            }
        }
    }

    private Tensor forbidden() {
        Tensor made = forbidden;
        if (made == null) {
            float[] values = new float[Math.toIntExact(weight.rows())];
            Arrays.fill(values, Float.NEGATIVE_INFINITY);
            made = Tensor.f32(values, 1, values.length);
            forbidden = made;
        }
        return made;
    }

    /** Multiplies the rows of the set from its {@code start} on as they are stored. */
    private void multiplyStored(Tensor x, int start, Tensor logits) {
        for (int from = start; from < rows.size(); from += GATHERED_ROWS) {
            int[] numbers = rows.from(from, Math.min(rows.size(), from + GATHERED_ROWS));
            Tensor some = gathered().rows(0, numbers.length);
            kernels.gather(weight, numbers, some);
            try (Scratch scratch = kernels.scratch()) {
                Tensor values = scratch.f32(x.rows(), numbers.length);
                kernels.matmul(x, some, values);
                for (int t = 0; t < x.rows(); t++) {
                    for (int i = 0; i < numbers.length; i++) {
                        logits.set(t, numbers[i], values.get(t, i));
                    }
                }
            }
        }
    }

    private Tensor gathered() {
        Tensor made = gathered;
        if (made == null) {
            made = pool.take(weight.type(), GATHERED_ROWS, weight.columns());
            gathered = made;
        }
        return made;
    }
}
