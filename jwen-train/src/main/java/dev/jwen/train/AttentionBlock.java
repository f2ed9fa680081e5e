package dev.jwen.train;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.model.Config;
import dev.jwen.model.Weights;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Gated softmax attention, there and back: H query heads and G key/value heads of C values.
 *
 * @see dev.jwen.model.Qwen35
 */
final class AttentionBlock implements Block {
    private final Arithmetic math;
    private final Config config;
    private final Weights.FullAttention w;
    private final Weights.FullAttention dw;
    private final List<Span> spans;
    private final Tensor cos;
    private final Tensor sin;

    private final Tensor projectedQ; // (T, H, C), before norm and rope
    private final Tensor projectedK; // (T, G, C), before norm and rope
    private final Tensor q; // (T, H, C)
    private final Tensor k; // (T, G, C)
    private final Tensor v; // (T, G, C)
    private final Tensor gate; // (T, H, C)
    private final Tensor attended; // (T, H, C), before the gate
    private final Tensor gated; // (T, H, C)

    AttentionBlock(
            Arithmetic math,
            Config config,
            Weights.FullAttention w,
            Weights.FullAttention dw,
            Packed batch,
            Tensor cos,
            Tensor sin) {
        this.math = math;
        this.config = config;
        this.w = w;
        this.dw = dw;
        this.spans = batch.spans();
        this.cos = cos;
        this.sin = sin;
        long queries = (long) config.numAttentionHeads() * config.headDim();
        long keys = (long) config.numKeyValueHeads() * config.headDim();
        this.projectedQ = math.kept().f32(batch.size(), queries);
        this.projectedK = math.kept().f32(batch.size(), keys);
        this.q = math.kept().f32(batch.size(), queries);
        this.k = math.kept().f32(batch.size(), keys);
        this.v = math.kept().f32(batch.size(), keys);
        this.gate = math.kept().f32(batch.size(), queries);
        this.attended = math.kept().f32(batch.size(), queries);
        this.gated = math.kept().f32(batch.size(), queries);
    }

    @Override
    public void forward(Tensor h, Tensor out) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor queryAndGate = scratch.f32(h.rows(), 2 * q.columns()); // (T, H, 2, C)
            math.kernels().matmul(h, List.of(w.qProj(), w.kProj(), w.vProj()), List.of(queryAndGate, projectedK, v));
            math.kernels().splitQueryAndGate(queryAndGate, config.headDim(), projectedQ, gate);
        }
        math.kernels().copy(projectedQ, q);
        math.kernels().copy(projectedK, k);
        math.kernels().normAndRope(q, w.qNorm(), config.rmsNormEps(), cos, sin);
        math.kernels().normAndRope(k, w.kNorm(), config.rmsNormEps(), cos, sin);
        List<KvCache> caches = emptyCaches();
        math.kernels().attention(q, k, v, spans, caches, attended);
        caches.forEach(KvCache::close);
        math.kernels().copy(attended, gated);
        math.kernels().sigmoidGate(gated, gate);
        math.kernels().matmul(gated, w.oProj(), out);
    }

    private List<KvCache> emptyCaches() {
        List<KvCache> caches = new ArrayList<>(spans.size());
        for (Span span : spans) {
            KvCache cache = new KvCache(math.pool(), DataType.F32, config.numKeyValueHeads(), config.headDim());
            cache.reserve(span.count());
            caches.add(cache);
        }
        return caches;
    }

    @Override
    public void backward(Tensor h, Tensor dOut, Tensor dh) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dGated = scratch.f32(q.rows(), q.columns());
            Tensor dGate = scratch.f32(q.rows(), q.columns());
            Tensor dq = scratch.f32(q.rows(), q.columns());
            Tensor dk = scratch.f32(k.rows(), k.columns());
            Tensor dv = scratch.f32(v.rows(), v.columns());
            Tensor dProjectedQ = scratch.f32(q.rows(), q.columns());
            Tensor dProjectedK = scratch.f32(k.rows(), k.columns());
            Tensor dQueryAndGate = scratch.f32(q.rows(), 2 * q.columns());
            dProjectedQ.segment().fill((byte) 0);
            dProjectedK.segment().fill((byte) 0);
            math.matmulBack(dOut, gated, w.oProj(), dw.oProj(), dGated);
            math.gradients().sigmoidGate(dGated, attended, gate, dGated, dGate);
            math.gradients().attention(dGated, q, k, v, attended, config.headDim(), spans, dq, dk, dv);
            normAndRopeBack(dq, projectedQ, w.qNorm(), dProjectedQ, dw.qNorm());
            normAndRopeBack(dk, projectedK, w.kNorm(), dProjectedK, dw.kNorm());
            math.gradients().splitQueryAndGate(dProjectedQ, dGate, config.headDim(), dQueryAndGate);
            math.matmulBack(dQueryAndGate, h, w.qProj(), dw.qProj(), dh);
            math.matmulBackToo(dProjectedK, h, w.kProj(), dw.kProj(), dh);
            math.matmulBackToo(dv, h, w.vProj(), dw.vProj(), dh);
        }
    }

    private void normAndRopeBack(Tensor dy, Tensor x, Tensor norm, Tensor dx, Tensor dNorm) {
        math.gradients().rope(dy, config.headDim(), cos, sin);
        math.gradients().rmsNorm(dy, x, norm, config.rmsNormEps(), dx, dNorm);
    }
}
