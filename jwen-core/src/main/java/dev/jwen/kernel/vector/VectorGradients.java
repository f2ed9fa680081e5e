package dev.jwen.kernel.vector;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The way back through {@link VectorKernels}, in the Vector API; the inner loop of its products may be another's. */
public final class VectorGradients implements Gradients {
    private final String name;
    private final FloatProduct product;
    private final RowGradients rows;
    private final AttentionGradient attention;
    private final ConvolutionGradient convolution;
    private final DeltaGradient delta;

    /** Gradients on {@code pool}, with the inner loop of {@code products} where that has one; closes neither. */
    public VectorGradients(WorkerPool pool, @Nullable MatrixProducts products) {
        name = products == null ? "vector" : products.name();
        product = new FloatProduct(pool, products);
        rows = new RowGradients(pool, products == null ? null : products.rowLoops());
        attention = new AttentionGradient(pool);
        convolution = new ConvolutionGradient(pool);
        delta = new DeltaGradient(pool);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void matmulInput(Tensor dy, Tensor w, Tensor dx) {
        checkMatmulInput(dy, w, dx);
        product.set(dy, false, w, false, dx);
    }

    @Override
    public void addMatmulInput(Tensor dy, Tensor w, Tensor dx) {
        checkMatmulInput(dy, w, dx);
        product.add(dy, false, w, false, dx);
    }

    private static void checkMatmulInput(Tensor dy, Tensor w, Tensor dx) {
        Operands.matrix("w", w, w.rows(), w.columns());
        Operands.matrix("dy", dy, dy.rows(), w.rows());
        Operands.matrix("dx", dx, dy.rows(), w.columns());
    }

    @Override
    public void matmulWeight(Tensor dy, Tensor x, Tensor dw) {
        Operands.matrix("dy", dy, dy.rows(), dy.columns());
        Operands.matrix("x", x, dy.rows(), x.columns());
        Operands.matrix("dw", dw, dy.columns(), x.columns());
        product.add(dy, true, x, false, dw);
    }

    @Override
    public void embed(Tensor dx, int[] ids, Tensor dTable) {
        rows.embed(dx, ids, dTable);
    }

    @Override
    public void addBias(Tensor dy, Tensor dBias) {
        rows.addBias(dy, dBias);
    }

    @Override
    public void rmsNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight) {
        rows.rmsNorm(dy, x, weight, eps, dx, dWeight);
    }

    @Override
    public void layerNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight, Tensor dBias) {
        rows.layerNorm(dy, x, weight, eps, dx, dWeight, dBias);
    }

    @Override
    public void biasGelu(Tensor dy, Tensor x, Tensor bias, Gelu form, Tensor dx, Tensor dBias) {
        rows.biasGelu(dy, x, bias, form, dx, dBias);
    }

    @Override
    public void swiGlu(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        rows.swiGlu(dy, gate, up, dGate, dUp);
    }

    @Override
    public void addGated(Tensor dx, Tensor y, Tensor gate, Tensor dy, Tensor dGate) {
        rows.addGated(dx, y, gate, dy, dGate);
    }

    @Override
    public void sigmoidGate(Tensor dy, Tensor x, Tensor gate, Tensor dx, Tensor dGate) {
        rows.sigmoidGate(dy, x, gate, dx, dGate);
    }

    @Override
    public void splitQueryAndGate(Tensor dq, Tensor dGate, int headDim, Tensor dQueryAndGate) {
        rows.splitQueryAndGate(dq, dGate, headDim, dQueryAndGate);
    }

    @Override
    public void rope(Tensor dx, int headDim, Tensor cos, Tensor sin) {
        rows.rope(dx, headDim, cos, sin);
    }

    @Override
    public void attention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> spans,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        attention.attention(dOut, q, k, v, out, headDim, spans, dq, dk, dv);
    }

    @Override
    public void frameAttention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> frames,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        attention.frameAttention(dOut, q, k, v, out, headDim, frames, dq, dk, dv);
    }

    @Override
    public void convolution(Tensor dOut, Tensor x, Tensor weight, List<Span> spans, Tensor dx, Tensor dWeight) {
        convolution.convolution(dOut, x, weight, spans, dx, dWeight);
    }

    @Override
    public void gatedDelta(
            DeltaHeads heads,
            Tensor dOut,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            Tensor dQkv,
            Tensor dA,
            Tensor dB,
            Tensor dRate,
            Tensor dDtBias) {
        delta.gatedDelta(heads, dOut, qkv, a, b, rate, dtBias, spans, dQkv, dA, dB, dRate, dDtBias);
    }

    @Override
    public void gatedNorm(
            Tensor dy, Tensor x, Tensor z, Tensor weight, float eps, Tensor dx, Tensor dz, Tensor dWeight) {
        rows.gatedNorm(dy, x, z, weight, eps, dx, dz, dWeight);
    }

    @Override
    public void logSoftmax(
            Tensor logits, int vocabulary, int[] targets, float[] coefficients, float[] logProbabilities) {
        rows.logSoftmax(logits, vocabulary, targets, coefficients, logProbabilities);
    }

    @Override
    public void close() {
        // Its memory goes with it.
    }
}
