package dev.jwen.model;

import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * The vision tower of Qwen 3.5: patches in, rows for the text model out. A transformer over the patches of a frame, which
 * see each other in both directions, and a merger that makes one token of two by two patches. A video is frames that do
 * not see each other; each of them was made of two pictures by the patches.
 *
 * <p>Letters in shapes: T patches, D hidden, H heads, C head size, F feed-forward, P values of a patch, O width of the text
 * model's embeddings. Activations are float32.
 *
 * <p>One thread at a time encodes. Kernels and files belong to whoever opened them.
 */
public final class VisionTower {
    /** Patches that go through the tower together, unless a single frame has more: bounds the memory of a video. */
    private static final int PASS_PATCHES = 4096;

    /** Patches whose wide intermediate values exist at a time. */
    private static final int MLP_PATCHES = 1024;

    private final VisionConfig config;
    private final VisionWeights weights;
    private final Kernels kernels;
    private final PatchPositions positions;
    private final float eps;

    private VisionTower(VisionConfig config, VisionWeights weights, Kernels kernels) {
        this.config = config;
        this.weights = weights;
        this.kernels = kernels;
        this.positions = new PatchPositions(weights.posEmbed(), config.positionSide(), config.headDim());
        this.eps = config.layerNormEps();
    }

    /**
     * The tower in opened files, which must stay open as long as it is used.
     *
     * @param text the model that reads what the tower sees
     * @throws CheckpointException if weights are missing, or the tower belongs to a text model of another width
     */
    public static VisionTower of(VisionFiles files, Config text, Kernels kernels) {
        VisionConfig config = VisionConfig.of(files);
        requireFitting(files, config, text);
        return new VisionTower(config, VisionWeights.of(files, config), kernels);
    }

    /**
     * Checks that a tower belongs to a text model of this width.
     *
     * @throws CheckpointException if it does not
     */
    public static void requireFitting(VisionFiles files, VisionConfig config, Config text) {
        if (config.outHiddenSize() != text.hiddenSize()) {
            throw new CheckpointException(
                    "%s: the vision tower makes rows of %d values, but the text model reads rows of %d. Use the vision file of the same model."
                            .formatted(files.path(), config.outHiddenSize(), text.hiddenSize()));
        }
    }

    public VisionConfig config() {
        return config;
    }

    /** Follows an encoding, and may end it. */
    @FunctionalInterface
    public interface Progress {
        /** Does nothing. */
        Progress NONE = (done, total) -> true;

        /**
         * Hears how far it is, in patches: half of them done may mean that all are through half of the blocks.
         *
         * @return false to stop
         */
        boolean update(int done, int total);
    }

    /**
     * Encodes pictures and videos, many small ones at once.
     *
     * @param patches (T, P), those of each grid after one another: frame by frame, in blocks of two by two
     * @param grids what was cut into patches
     * @return (tokens of all grids, O), or an empty matrix if {@code progress} stopped it
     */
    public Tensor encode(Tensor patches, List<Grid> grids, Progress progress) {
        return encode(patches, grids, progress, Probe.NONE);
    }

    /** Like {@link #encode(Tensor, List, Progress)}, and shows the intermediate values. */
    public Tensor encode(Tensor patches, List<Grid> grids, Progress progress, Probe probe) {
        check(patches, grids);
        List<Grid> frames = new ArrayList<>();
        for (Grid grid : grids) {
            for (int t = 0; t < grid.t(); t++) {
                frames.add(grid.frame());
            }
        }
        Tensor out = Tensor.f32(patches.rows() / (Grid.MERGE * Grid.MERGE), config.outHiddenSize());
        int row = 0;
        int next = 0;
        while (next < frames.size()) {
            int first = next;
            int count = 0;
            do {
                count += frames.get(next++).patches();
            } while (next < frames.size() && count + frames.get(next).patches() <= PASS_PATCHES);
            Tensor rows = out.rows(row / (Grid.MERGE * Grid.MERGE), count / (Grid.MERGE * Grid.MERGE));
            int before = row;
            boolean whole = pass(patches.rows(row, count), frames.subList(first, next), rows, probe, blocks -> {
                int done = before + (int) (rows.rows() * Grid.MERGE * Grid.MERGE * blocks / config.depth());
                return progress.update(done, Math.toIntExact(patches.rows()));
            });
            if (!whole) {
                return Tensor.f32(0, config.outHiddenSize());
            }
            row += count;
        }
        return out;
    }

    /** Whole frames through all blocks, unless {@code goOn}, asked with the number of blocks done, says no. */
    private boolean pass(Tensor patches, List<Grid> grids, Tensor out, Probe probe, IntPredicate goOn) {
        List<Span> frames = new ArrayList<>();
        int row = 0;
        for (Grid grid : grids) {
            frames.add(new Span(row, grid.patches(), 0));
            row += grid.patches();
        }
        try (Scratch scratch = kernels.scratch()) {
            Tensor x = scratch.f32(patches.rows(), config.hiddenSize()); // (T, D), the residual stream
            Tensor h = scratch.f32(patches.rows(), config.hiddenSize()); // (T, D), its norm, input of each half block
            Tensor y = scratch.f32(patches.rows(), config.hiddenSize()); // (T, D), output of each half block
            Tensor cos = scratch.f32(patches.rows(), config.headDim() / 2);
            Tensor sin = scratch.f32(patches.rows(), config.headDim() / 2);
            linear(patches, weights.patchEmbed(), x); // a convolution whose stride is its kernel
            probe.see(-1, "patch_embed", x);
            positions.fill(frames, grids, y, cos, sin);
            kernels.add(x, y);
            for (int i = 0; i < config.depth(); i++) {
                VisionWeights.Block block = weights.blocks().get(i);
                probe.see(i, "input", x);
                norm(x, block.norm1(), h);
                attention(block, frames, h, cos, sin, y);
                probe.see(i, "attn", y);
                kernels.add(x, y);
                norm(x, block.norm2(), h);
                mlp(h, block.fc1(), Gelu.TANH, block.fc2(), y);
                kernels.add(x, y);
                probe.see(i, "block", x);
                if (!goOn.test(i + 1)) {
                    return false;
                }
            }
            VisionWeights.Merger merger = weights.merger();
            norm(x, merger.norm(), h);
            // The four patches of a token lie together: one row of four times the width.
            mlp(h.view(out.rows(), 4L * config.hiddenSize()), merger.fc1(), Gelu.ERF, merger.fc2(), out);
            probe.see(-1, "merged", out);
            return true;
        }
    }

    /** Softmax attention inside each frame, in both directions. */
    private void attention(VisionWeights.Block w, List<Span> frames, Tensor h, Tensor cos, Tensor sin, Tensor out) {
        try (Scratch scratch = kernels.scratch()) {
            Tensor q = scratch.f32(h.rows(), config.hiddenSize()); // (T, H, C)
            Tensor k = scratch.f32(h.rows(), config.hiddenSize()); // (T, H, C)
            Tensor v = scratch.f32(h.rows(), config.hiddenSize()); // (T, H, C)
            kernels.matmul(h, List.of(w.q().weight(), w.k().weight(), w.v().weight()), List.of(q, k, v));
            kernels.addBias(q, w.q().bias());
            kernels.addBias(k, w.k().bias());
            kernels.addBias(v, w.v().bias());
            kernels.rope(q, config.headDim(), cos, sin);
            kernels.rope(k, config.headDim(), cos, sin);
            kernels.frameAttention(q, k, v, config.headDim(), frames, q);
            linear(q, w.proj(), out);
        }
    }

    /** {@code out = gelu(x·fc1ᵀ + b1)·fc2ᵀ + b2}, some rows at a time. */
    private void mlp(Tensor x, VisionWeights.Linear fc1, Gelu gelu, VisionWeights.Linear fc2, Tensor out) {
        for (long row = 0; row < x.rows(); row += MLP_PATCHES) {
            long count = Math.min(MLP_PATCHES, x.rows() - row);
            try (Scratch scratch = kernels.scratch()) {
                Tensor wide = scratch.f32(count, fc1.weight().rows()); // (T, F)
                kernels.matmul(x.rows(row, count), fc1.weight(), wide);
                kernels.biasGelu(wide, fc1.bias(), gelu);
                linear(wide, fc2, out.rows(row, count));
            }
        }
    }

    private void norm(Tensor x, VisionWeights.LayerNorm norm, Tensor out) {
        kernels.layerNorm(x, norm.weight(), norm.bias(), eps, out);
    }

    private void linear(Tensor x, VisionWeights.Linear linear, Tensor out) {
        kernels.linear(x, linear.weight(), linear.bias(), out);
    }

    private void check(Tensor patches, List<Grid> grids) {
        long expected = grids.stream().mapToLong(Grid::patches).sum();
        if (patches.rows() != expected || patches.columns() != config.patchValues()) {
            throw new IllegalArgumentException("the grids %s call for [%d, %d] patches, found %s"
                    .formatted(grids, expected, config.patchValues(), patches));
        }
    }
}
