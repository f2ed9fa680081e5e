package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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

    /** See {@link Kernels#asMultiplied}; {@code w} is supported. */
    void asMultiplied(Tensor x, Tensor w, Tensor out);

    /** See {@link Kernels#keepsUpWithMemory}. */
    boolean keepsUpWithMemory(DataType type, long columns);

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

    /** The products of attention with a cache of this type and head size, or null where there are none. */
    @Nullable
    AttentionTile attentionTile(DataType type, int headDim);

    /** The step of the delta rule for states (keyDim, valueDim), or null where there is none. */
    @Nullable
    DeltaStep deltaStep(int keyDim, int valueDim);

    /** Loops over single rows, or null where there are none. */
    @Nullable
    RowLoops rowLoops();

    /** What makes coarse copies of weights, or null where it cannot read {@code from} or write {@code to}. */
    @Nullable
    CoarseRows coarseRows(DataType from, DataType to);

    /** The inner loop of products of float32 matrices, or null where there is none. */
    @Nullable
    ProductTile productTile();

    /** The same with so many rows, for matrices that are too small for all that registers hold; null where there is none. */
    @Nullable
    ProductTile productTile(int rows);

    /** Frees what the products need; the pool belongs to whoever opened it. */
    @Override
    void close();
}
