package dev.jwen.train;

import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;

/**
 * What a pass through the network computes with.
 *
 * @param kernels the operations of the forward pass, in float32
 * @param gradients their way back
 * @param kept memory of the pass, where blocks keep what they need on the way back
 * @param pool memory of the states of sequences
 */
record Arithmetic(Kernels kernels, Gradients gradients, Scratch kept, MemoryPool pool) {

    /** {@code y = x·wᵀ} on the way back: {@code dw += dyᵀ·x} and {@code dx = dy·w}. */
    void matmulBack(Tensor dy, Tensor x, Tensor w, Tensor dw, Tensor dx) {
        gradients.matmulWeight(dy, x, dw);
        gradients.matmulInput(dy, w, dx);
    }

    /** The same for another product of the same x: {@code dx += dy·w}. */
    void matmulBackToo(Tensor dy, Tensor x, Tensor w, Tensor dw, Tensor dx) {
        gradients.matmulWeight(dy, x, dw);
        gradients.addMatmulInput(dy, w, dx);
    }

    /** A tensor of zeros that lives as long as the pass. */
    Tensor zeros(long rows, long columns) {
        Tensor tensor = kept.f32(rows, columns);
        tensor.segment().fill((byte) 0);
        return tensor;
    }
}
