package dev.jwen.kernel;

/** {@link Kernels#coarsen} of a run of rows, from one type of weights to one type of copies. */
@FunctionalInterface
public interface CoarseRows {
    /**
     * All at absolute addresses, row after row.
     *
     * @param w (rows, columns)
     * @param rows 1 or more
     * @param columns a positive multiple of the block of the copy
     * @param copy (rows, columns)
     * @param norms (rows, 2), float32
     */
    void copy(long w, int rows, long columns, long copy, long norms);
}
