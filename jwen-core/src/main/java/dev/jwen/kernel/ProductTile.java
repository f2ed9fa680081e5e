package dev.jwen.kernel;

/**
 * The inner loop of a product of float32 matrices: a tile of the result, which stays in registers while the sums run.
 *
 * <p>Addresses are absolute. The operands may lie anywhere, packed or in the midst of a matrix: {@code a[i][k]} at
 * {@code a + i · aRow + k · aStep}, where the rows or the columns must be runs (one of the two distances is that of a
 * float), {@code b[k][j]} at {@code b + k · bRow + 4 j}, and {@code c[i][j]} at {@code c + i · cRow + 4 j}.
 */
public interface ProductTile {
    /** The longest sum that callers should ask for at once: so many rows of {@code b} stay in a first-level cache. */
    int DEPTH = 256;

    int rows();

    int columns();

    /**
     * {@code c[i][j] += Σ_k a[i][k] · b[k][j]}, added in the order of k from zero, and then to what is there.
     *
     * @param depth how many k, at least 1
     * @param isFresh whether the sum is written rather than added
     */
    void add(long a, long aRow, long aStep, long b, long bRow, int depth, long c, long cRow, boolean isFresh);
}
