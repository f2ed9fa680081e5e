package dev.jwen.train;

import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.model.Grid;
import dev.jwen.model.PatchPositions;
import dev.jwen.model.VisionConfig;
import dev.jwen.model.VisionWeights;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The vision tower on the pictures of one batch, there and back. P patches, D hidden.
 *
 * @see dev.jwen.model.VisionTower
 */
final class VisionPass {
    private final Arithmetic math;
    private final VisionConfig config;
    private final VisionWeights w;
    private final VisionWeights dw;
    private final List<Grid> grids;
    private final List<Span> frames = new ArrayList<>();
    private final PatchPositions positions;
    private final Tensor patches; // (P, values of a patch)
    private final Tensor cos;
    private final Tensor sin;
    private final List<Layer> layers = new ArrayList<>();
    private final Tensor last; // (P, D), the residual stream before the merger
    private final Tensor lastNormed; // (P, D)
    private final Tensor mergerWide; // (P/4, 4D), before bias and activation
    private final Tensor mergerInner; // (P/4, 4D)
    private final Tensor features; // (P/4, width of the text model)

    /** What a block keeps. All but {@code wide} and {@code inner} are (P, D). */
    private record Layer(
            Tensor x,
            Tensor h,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor attended,
            Tensor middle,
            Tensor h2,
            Tensor wide,
            Tensor inner) {}

    VisionPass(Arithmetic math, VisionConfig config, VisionWeights w, VisionWeights dw, List<Picture> pictures) {
        this.math = math;
        this.config = config;
        this.w = w;
        this.dw = dw;
        this.grids = pictures.stream().map(Picture::grid).toList();
        this.positions = new PatchPositions(w.posEmbed(), config.positionSide(), config.headDim());
        int row = 0;
        for (Grid grid : grids) {
            frames.add(new Span(row, grid.patches(), 0));
            row += grid.patches();
        }
        this.patches = math.kept().f32(row, config.patchValues());
        for (int i = 0; i < frames.size(); i++) {
            patches.rows(frames.get(i).row(), frames.get(i).count())
                    .copyFrom(pictures.get(i).patches());
        }
        int hidden = config.hiddenSize();
        this.cos = math.kept().f32(row, config.headDim() / 2);
        this.sin = math.kept().f32(row, config.headDim() / 2);
        for (int i = 0; i < config.depth(); i++) {
            layers.add(new Layer(
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, hidden),
                    math.kept().f32(row, config.intermediateSize()),
                    math.kept().f32(row, config.intermediateSize())));
        }
        this.last = math.kept().f32(row, hidden);
        this.lastNormed = math.kept().f32(row, hidden);
        int merge = Grid.MERGE * Grid.MERGE;
        this.mergerWide = math.kept().f32(row / merge, (long) merge * hidden);
        this.mergerInner = math.kept().f32(row / merge, (long) merge * hidden);
        this.features = math.kept().f32(row / merge, config.outHiddenSize());
    }

    /** The features of the pictures, one row for each of their tokens. */
    Tensor forward() {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor y = scratch.f32(last.rows(), last.columns());
            Tensor x = layers.getFirst().x;
            linear(patches, w.patchEmbed(), x);
            positions.fill(frames, grids, y, cos, sin);
            math.kernels().add(x, y);
            for (int i = 0; i < layers.size(); i++) {
                Layer kept = layers.get(i);
                VisionWeights.Block block = w.blocks().get(i);
                norm(kept.x, block.norm1(), kept.h);
                attention(block, kept, y);
                math.kernels().copy(kept.x, kept.middle);
                math.kernels().add(kept.middle, y);
                norm(kept.middle, block.norm2(), kept.h2);
                mlp(kept.h2, block.fc1(), Gelu.TANH, block.fc2(), kept.wide, kept.inner, y);
                Tensor next = after(i);
                math.kernels().copy(kept.middle, next);
                math.kernels().add(next, y);
            }
            norm(last, w.merger().norm(), lastNormed);
            mlp(merged(lastNormed), w.merger().fc1(), Gelu.ERF, w.merger().fc2(), mergerWide, mergerInner, features);
        }
        return features;
    }

    /** @param dFeatures gradient of what {@link #forward} gave */
    void backward(Tensor dFeatures) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dx = scratch.f32(last.rows(), last.columns());
            Tensor dh = scratch.f32(last.rows(), last.columns());
            dx.segment().fill((byte) 0);
            VisionWeights.Merger merger = w.merger();
            mlpBack(
                    dFeatures,
                    merged(lastNormed),
                    merger.fc1(),
                    dw.merger().fc1(),
                    Gelu.ERF,
                    merger.fc2(),
                    dw.merger().fc2(),
                    mergerWide,
                    mergerInner,
                    merged(dh));
            normBack(dh, last, merger.norm(), dw.merger().norm(), dx);
            for (int i = layers.size() - 1; i >= 0; i--) {
                Layer kept = layers.get(i);
                VisionWeights.Block block = w.blocks().get(i);
                VisionWeights.Block dBlock = dw.blocks().get(i);
                mlpBack(
                        dx,
                        kept.h2,
                        block.fc1(),
                        dBlock.fc1(),
                        Gelu.TANH,
                        block.fc2(),
                        dBlock.fc2(),
                        kept.wide,
                        kept.inner,
                        dh);
                normBack(dh, kept.middle, block.norm2(), dBlock.norm2(), dx);
                attentionBack(dx, block, dBlock, kept, dh);
                normBack(dh, kept.x, block.norm1(), dBlock.norm1(), dx);
            }
            positions.spread(frames, grids, dx, dw.posEmbed());
            math.gradients().matmulWeight(dx, patches, dw.patchEmbed().weight());
            math.gradients().addBias(dx, dw.patchEmbed().bias());
        }
    }

    private Tensor after(int layer) {
        return layer + 1 < layers.size() ? layers.get(layer + 1).x : last;
    }

    /** The four patches of a token lie together: one row of four times the width. */
    private static Tensor merged(Tensor rows) {
        int merge = Grid.MERGE * Grid.MERGE;
        return rows.view(rows.rows() / merge, rows.columns() * merge);
    }

    private void attention(VisionWeights.Block block, Layer kept, Tensor out) {
        linear(kept.h, block.q(), kept.q);
        linear(kept.h, block.k(), kept.k);
        linear(kept.h, block.v(), kept.v);
        math.kernels().rope(kept.q, config.headDim(), cos, sin);
        math.kernels().rope(kept.k, config.headDim(), cos, sin);
        math.kernels().frameAttention(kept.q, kept.k, kept.v, config.headDim(), frames, kept.attended);
        linear(kept.attended, block.proj(), out);
    }

    private void attentionBack(
            Tensor dOut, VisionWeights.Block block, VisionWeights.Block dBlock, Layer kept, Tensor dh) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dAttended = scratch.f32(last.rows(), last.columns());
            Tensor dq = scratch.f32(last.rows(), last.columns());
            Tensor dk = scratch.f32(last.rows(), last.columns());
            Tensor dv = scratch.f32(last.rows(), last.columns());
            linearBack(dOut, kept.attended, block.proj(), dBlock.proj(), dAttended);
            math.gradients()
                    .frameAttention(
                            dAttended, kept.q, kept.k, kept.v, kept.attended, config.headDim(), frames, dq, dk, dv);
            math.gradients().rope(dq, config.headDim(), cos, sin);
            math.gradients().rope(dk, config.headDim(), cos, sin);
            linearBack(dq, kept.h, block.q(), dBlock.q(), dh);
            linearBackToo(dk, kept.h, block.k(), dBlock.k(), dh);
            linearBackToo(dv, kept.h, block.v(), dBlock.v(), dh);
        }
    }

    private void mlp(
            Tensor x,
            VisionWeights.Linear fc1,
            Gelu gelu,
            VisionWeights.Linear fc2,
            Tensor wide,
            Tensor inner,
            Tensor out) {
        math.kernels().matmul(x, fc1.weight(), wide);
        math.kernels().copy(wide, inner);
        math.kernels().biasGelu(inner, fc1.bias(), gelu);
        linear(inner, fc2, out);
    }

    private void mlpBack(
            Tensor dOut,
            Tensor x,
            VisionWeights.Linear fc1,
            VisionWeights.Linear dFc1,
            Gelu gelu,
            VisionWeights.Linear fc2,
            VisionWeights.Linear dFc2,
            Tensor wide,
            Tensor inner,
            Tensor dx) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dInner = scratch.f32(inner.rows(), inner.columns());
            linearBack(dOut, inner, fc2, dFc2, dInner);
            math.gradients().biasGelu(dInner, wide, fc1.bias(), gelu, dInner, dFc1.bias());
            math.matmulBack(dInner, x, fc1.weight(), dFc1.weight(), dx);
        }
    }

    private void linear(Tensor x, VisionWeights.Linear linear, Tensor out) {
        math.kernels().linear(x, linear.weight(), linear.bias(), out);
    }

    private void linearBack(Tensor dy, Tensor x, VisionWeights.Linear linear, VisionWeights.Linear dLinear, Tensor dx) {
        math.matmulBack(dy, x, linear.weight(), dLinear.weight(), dx);
        math.gradients().addBias(dy, dLinear.bias());
    }

    private void linearBackToo(
            Tensor dy, Tensor x, VisionWeights.Linear linear, VisionWeights.Linear dLinear, Tensor dx) {
        math.matmulBackToo(dy, x, linear.weight(), dLinear.weight(), dx);
        math.gradients().addBias(dy, dLinear.bias());
    }

    private void norm(Tensor x, VisionWeights.LayerNorm norm, Tensor out) {
        math.kernels().layerNorm(x, norm.weight(), norm.bias(), config.layerNormEps(), out);
    }

    private void normBack(Tensor dy, Tensor x, VisionWeights.LayerNorm norm, VisionWeights.LayerNorm dNorm, Tensor dx) {
        math.gradients().layerNorm(dy, x, norm.weight(), config.layerNormEps(), dx, dNorm.weight(), dNorm.bias());
    }
}
