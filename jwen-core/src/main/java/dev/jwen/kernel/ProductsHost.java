package dev.jwen.kernel;

/** A back end that leaves matrix products to another room where that one supports the weight. */
public interface ProductsHost extends KernelsProvider {

    /** Opens the back end on {@code pool}, with products by {@code products}; both are closed with it. */
    Kernels open(WorkerPool pool, MatrixProducts products);

    /** Like {@link #open(WorkerPool, MatrixProducts)}, with the way back. */
    Backends.Training openForTraining(WorkerPool pool, MatrixProducts products);
}
