package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;

/**
 * Sets of products of activations with weights, computed by the threads of a pool: the part of the arithmetic that one
 * room may do for the back end of another, which computes everything else.
 *
 * <p>A set is {@link #begin}, any number of {@link #add}, {@link #run}. Calls come from one thread at a time.
 */
public interface MatrixProducts extends AutoCloseable {

    /** What a back end with these products is called. */
    String name();

    /** Whether products with this weight can be computed here. */
    boolean supports(Tensor w);

    /** Starts a set of products, and forgets the one before. */
    void begin();

    /**
     * Adds {@code out = x · wᵀ} to the set. Products that follow one another with the same tensor {@code x} share its
     * preparation.
     *
     * @param x (T, K), float32
     * @param w (N, K), supported
     * @param out (T, N), float32
     */
    void add(Tensor x, Tensor w, Tensor out);

    /** Computes the products of the set; all are complete when it returns. */
    void run();

    /** Frees what the products need; the pool belongs to whoever opened it. */
    @Override
    void close();
}
