package dev.jwen.kernel;

import org.jspecify.annotations.Nullable;

/** A back end that leaves matrix products to another room where that one supports the weight. */
public interface ProductsHost extends KernelsProvider {

    /** Opens the back end on {@code pool}, with products by {@code products}; both are closed with it. */
    Kernels open(WorkerPool pool, MatrixProducts products);

    /** Like {@link #open(WorkerPool, MatrixProducts)}, with the way back; {@code products} may be null. */
    Backends.Training openForTraining(WorkerPool pool, @Nullable MatrixProducts products);
}
