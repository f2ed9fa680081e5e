package dev.jwen.train;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.model.Config;
import dev.jwen.model.Weights;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The gated delta net, there and back: Hv value heads of width V, W the width of queries, keys and values together.
 *
 * @see dev.jwen.model.Qwen35
 */
final class DeltaBlock implements Block {
    private final Arithmetic math;
    private final Config config;
    private final Weights.GatedDeltaNet w;
    private final Weights.GatedDeltaNet dw;
    private final List<Span> spans;

    private final Tensor projected; // (T, W), before the convolution
    private final Tensor qkv; // (T, W)
    private final Tensor z; // (T, Hv, V)
    private final Tensor a; // (T, Hv)
    private final Tensor b; // (T, Hv)
    private final Tensor o; // (T, Hv, V), before the gated norm
    private final Tensor normed; // (T, Hv, V)

    DeltaBlock(Arithmetic math, Config config, Weights.GatedDeltaNet w, Weights.GatedDeltaNet dw, Packed batch) {
        this.math = math;
        this.config = config;
        this.w = w;
        this.dw = dw;
        this.spans = batch.spans();
        DeltaHeads heads = config.deltaHeads();
        long values = (long) heads.valueHeads() * heads.valueDim();
        this.projected = math.kept().f32(batch.size(), heads.qkvWidth());
        this.qkv = math.kept().f32(batch.size(), heads.qkvWidth());
        this.z = math.kept().f32(batch.size(), values);
        this.a = math.kept().f32(batch.size(), heads.valueHeads());
        this.b = math.kept().f32(batch.size(), heads.valueHeads());
        this.o = math.kept().f32(batch.size(), values);
        this.normed = math.kept().f32(batch.size(), values);
    }

    @Override
    public void forward(Tensor h, Tensor out) {
        DeltaHeads heads = config.deltaHeads();
        math.kernels()
                .matmul(h, List.of(w.inProjQkv(), w.inProjZ(), w.inProjA(), w.inProjB()), List.of(projected, z, a, b));
        List<Tensor> before = zeroStates(config.linearConvKernelDim() - 1, heads.qkvWidth());
        math.kernels().convolution(projected, w.conv1d(), spans, before, qkv);
        before.forEach(math.pool()::give);
        List<Tensor> states = zeroStates(heads.valueHeads(), heads.keyDim(), heads.valueDim());
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor overwritten = scratch.f32(qkv.rows(), qkv.columns());
            math.kernels().copy(qkv, overwritten);
            math.kernels().gatedDelta(heads, overwritten, a, b, w.decayRate(), w.dtBias(), spans, states, o);
        }
        states.forEach(math.pool()::give);
        math.kernels().gatedNorm(o, z, w.norm(), config.rmsNormEps(), normed);
        math.kernels().matmul(normed, w.outProj(), out);
    }

    private List<Tensor> zeroStates(long... shape) {
        List<Tensor> states = new ArrayList<>(spans.size());
        for (int i = 0; i < spans.size(); i++) {
            states.add(math.pool().take(DataType.F32, shape));
        }
        return states;
    }

    @Override
    public void backward(Tensor h, Tensor dOut, Tensor dh) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dNormed = scratch.f32(normed.rows(), normed.columns());
            Tensor dz = scratch.f32(z.rows(), z.columns());
            Tensor dQkv = scratch.f32(qkv.rows(), qkv.columns());
            Tensor dProjected = scratch.f32(qkv.rows(), qkv.columns());
            Tensor da = scratch.f32(a.rows(), a.columns());
            Tensor db = scratch.f32(b.rows(), b.columns());
            math.matmulBack(dOut, normed, w.outProj(), dw.outProj(), dNormed);
            Tensor dO = dNormed;
            math.gradients().gatedNorm(dNormed, o, z, w.norm(), config.rmsNormEps(), dO, dz, dw.norm());
            math.gradients()
                    .gatedDelta(
                            config.deltaHeads(),
                            dO,
                            qkv,
                            a,
                            b,
                            w.decayRate(),
                            w.dtBias(),
                            spans,
                            dQkv,
                            da,
                            db,
                            dw.decayRate(),
                            dw.dtBias());
            math.gradients().convolution(dQkv, projected, w.conv1d(), spans, dProjected, dw.conv1d());
            math.matmulBack(dProjected, h, w.inProjQkv(), dw.inProjQkv(), dh);
            math.matmulBackToo(dz, h, w.inProjZ(), dw.inProjZ(), dh);
            math.matmulBackToo(da, h, w.inProjA(), dw.inProjA(), dh);
            math.matmulBackToo(db, h, w.inProjB(), dw.inProjB(), dh);
        }
    }
}
