package dev.jwen.train;

import dev.jwen.tensor.Tensor;

/**
 * One half of a layer on one batch, there and back. It keeps what the way back needs.
 *
 * <p>T tokens, D hidden.
 */
interface Block {
    /**
     * Computes the block.
     *
     * @param h (T, D), the norm of the residual stream; must stay as it is until {@link #backward}
     * @param out (T, D), =
     */
    void forward(Tensor h, Tensor out);

    /**
     * Adds the gradients of the weights to theirs, and computes the gradient of {@code h}.
     *
     * @param dOut (T, D)
     * @param dh (T, D), =
     */
    void backward(Tensor h, Tensor dOut, Tensor dh);
}
