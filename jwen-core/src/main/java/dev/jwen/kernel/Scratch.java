package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;

/** Temporary float32 tensors for one operation, given back together on {@link #close}. */
public interface Scratch extends AutoCloseable {

    /** A float32 matrix with undefined contents. */
    Tensor f32(long rows, long columns);

    @Override
    void close();
}
