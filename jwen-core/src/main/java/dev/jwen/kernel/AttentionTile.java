package dev.jwen.kernel;

/**
 * The two products of attention with a block of a KV cache, for a few rows, a row being one query head of one token.
 *
 * <p>Addresses are absolute. Rows come in groups of {@value #ROWS}; rows of scores are {@value KvCache#BLOCK} floats
 * apart, rows of queries and of sums the head size.
 */
public interface AttentionTile {
    /** Rows and positions are computed in groups of this many. */
    int ROWS = 4;

    /**
     * {@code scores[r][p] = Σ_c queries[r][c] · keys[p][c]}.
     *
     * @param keys of one key head, in the type of the cache
     * @param queries float32
     * @param positions a multiple of {@value #ROWS}; the block has memory for all of them
     * @param rows a multiple of {@value #ROWS}
     * @param values what {@link #add} reads next
     */
    void score(long keys, long queries, int positions, int rows, long scores, long values);

    /**
     * {@code sums[r][c] += Σ_p weights[r][p] · values[p][c]}.
     *
     * @param positions any number above 0
     * @param rows a multiple of {@value #ROWS}
     * @param keys what {@link #score} reads next
     */
    void add(long values, long weights, int positions, int rows, long sums, long keys);
}
