package dev.jwen.kernel;

/**
 * The inner loop of a product of float32 matrices: a tile of the result, which stays in registers while the sums run.
 *
 * <p>Addresses are absolute. {@code a} and {@code b} are packed: of {@code a}, for a tile of {@link #rows()} rows, either
 * each row in one run, {@value #ROW_BYTES} bytes from the next, or each column, one after the other without gaps; of
 * {@code b} each row of {@link #columns()} values, one after the other without gaps.
 */
public interface ProductTile {
    /** The longest sum of one call. */
    int DEPTH = 256;

    /** From one packed row to the next: a cache line more than the longest row, lest all rows start in one cache set. */
    int ROW_BYTES = Float.BYTES * DEPTH + 64;

    int rows();

    int columns();

    /**
     * {@code c[i][j] += Σ_k a[i][k] · b[k][j]}, added in the order of k, from zero or from what is there.
     *
     * @param depth how many k, 1 to {@value #DEPTH}
     * @param byColumns how {@code a} is packed
     * @param rowBytes from one row of {@code c} to the next
     */
    void add(long a, boolean byColumns, long b, int depth, long c, long rowBytes);
}
