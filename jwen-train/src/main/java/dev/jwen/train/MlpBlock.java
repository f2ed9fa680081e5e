package dev.jwen.train;

import dev.jwen.kernel.Scratch;
import dev.jwen.model.Weights;
import dev.jwen.tensor.Tensor;
import java.util.List;

/** The gated MLP, there and back; F feed-forward. */
final class MlpBlock implements Block {
    private final Arithmetic math;
    private final Weights.Mlp w;
    private final Weights.Mlp dw;
    private final Tensor gate; // (T, F)
    private final Tensor up; // (T, F)
    private final Tensor inner; // (T, F), silu(gate) · up

    MlpBlock(Arithmetic math, Weights.Mlp w, Weights.Mlp dw, long tokens) {
        this.math = math;
        this.w = w;
        this.dw = dw;
        this.gate = math.kept().f32(tokens, w.gateProj().rows());
        this.up = math.kept().f32(tokens, w.gateProj().rows());
        this.inner = math.kept().f32(tokens, w.gateProj().rows());
    }

    @Override
    public void forward(Tensor h, Tensor out) {
        math.kernels().matmul(h, List.of(w.gateProj(), w.upProj()), List.of(gate, up));
        math.kernels().swiGlu(gate, up, inner);
        math.kernels().matmul(inner, w.downProj(), out);
    }

    @Override
    public void backward(Tensor h, Tensor dOut, Tensor dh) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dInner = scratch.f32(inner.rows(), inner.columns());
            Tensor dUp = scratch.f32(inner.rows(), inner.columns());
            math.matmulBack(dOut, inner, w.downProj(), dw.downProj(), dInner);
            Tensor dGate = dInner;
            math.gradients().swiGlu(dInner, gate, up, dGate, dUp);
            math.matmulBack(dGate, h, w.gateProj(), dw.gateProj(), dh);
            math.matmulBackToo(dUp, h, w.upProj(), dw.upProj(), dh);
        }
    }
}
