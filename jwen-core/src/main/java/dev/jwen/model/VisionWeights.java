package dev.jwen.model;

import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * All weights of the vision tower. Matrices stay in the format and the memory of their file; biases and norms are small
 * and are kept as float32. D hidden, F feed-forward, P values of a patch, O width of the text model.
 *
 * @param patchEmbed (D, P) with its bias
 * @param posEmbed (side², D)
 */
public record VisionWeights(Linear patchEmbed, Tensor posEmbed, List<Block> blocks, Merger merger) {

    /** A matrix (out, in) and a bias (out). */
    public record Linear(Tensor weight, Tensor bias) {}

    /** Factor and offset of a layer norm. */
    public record LayerNorm(Tensor weight, Tensor bias) {}

    /**
     * Attention and feed-forward, each behind its norm.
     *
     * @param q (D, D), as k, v and proj
     * @param fc1 (F, D)
     * @param fc2 (D, F)
     */
    public record Block(
            LayerNorm norm1, Linear q, Linear k, Linear v, Linear proj, LayerNorm norm2, Linear fc1, Linear fc2) {}

    /**
     * From four patches to one token.
     *
     * @param norm (D)
     * @param fc1 (4D, 4D)
     * @param fc2 (O, 4D)
     */
    public record Merger(LayerNorm norm, Linear fc1, Linear fc2) {}

    public VisionWeights {
        blocks = List.copyOf(blocks);
    }

    /**
     * Finds and checks the weights; their memory stays that of the files.
     *
     * @throws CheckpointException if one is missing or has another shape than the config says
     */
    static VisionWeights of(VisionFiles files, VisionConfig config) {
        Reader reader = new Reader(files);
        int hidden = config.hiddenSize();
        int merged = Grid.MERGE * Grid.MERGE * hidden;
        Tensor proj = reader.tensor("patch_embed.proj.weight");
        reader.require("patch_embed.proj.weight", proj, proj.size() == (long) hidden * config.patchValues());
        Linear patchEmbed =
                new Linear(proj.view(hidden, config.patchValues()), reader.floats("patch_embed.proj.bias", hidden));
        Tensor posEmbed = reader.matrix("pos_embed.weight", config.numPositionEmbeddings(), hidden);
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < config.depth(); i++) {
            blocks.add(reader.block("blocks." + i + ".", hidden, config.intermediateSize()));
        }
        Merger merger = new Merger(
                reader.norm("merger.norm", hidden),
                reader.linear("merger.linear_fc1", merged, merged),
                reader.linear("merger.linear_fc2", config.outHiddenSize(), merged));
        return new VisionWeights(patchEmbed, posEmbed, blocks, merger);
    }

    private record Reader(VisionFiles files) {
        Block block(String prefix, int hidden, int width) {
            Linear qkv = linear(prefix + "attn.qkv", 3 * hidden, hidden);
            return new Block(
                    norm(prefix + "norm1", hidden),
                    part(qkv, 0, hidden),
                    part(qkv, 1, hidden),
                    part(qkv, 2, hidden),
                    linear(prefix + "attn.proj", hidden, hidden),
                    norm(prefix + "norm2", hidden),
                    linear(prefix + "mlp.linear_fc1", width, hidden),
                    linear(prefix + "mlp.linear_fc2", hidden, width));
        }

        /** The rows of queries, keys or values. */
        private static Linear part(Linear qkv, int which, int hidden) {
            float[] bias = Arrays.copyOfRange(qkv.bias.toFloats(), which * hidden, (which + 1) * hidden);
            return new Linear(qkv.weight.rows((long) which * hidden, hidden), Tensor.f32(bias, hidden));
        }

        LayerNorm norm(String name, int width) {
            return new LayerNorm(floats(name + ".weight", width), floats(name + ".bias", width));
        }

        Linear linear(String name, int rows, int columns) {
            return new Linear(matrix(name + ".weight", rows, columns), floats(name + ".bias", rows));
        }

        Tensor matrix(String name, int rows, int columns) {
            Tensor tensor = tensor(name);
            require(name, tensor, tensor.rank() == 2 && tensor.rows() == rows && tensor.columns() == columns);
            return tensor;
        }

        Tensor floats(String name, int width) {
            Tensor tensor = tensor(name);
            require(name, tensor, tensor.size() == width);
            return Tensor.f32(tensor.toFloats(), width);
        }

        Tensor tensor(String name) {
            return files.tensor("visual." + name);
        }

        void require(String name, Tensor tensor, boolean fits) {
            if (!fits || !tensor.type().isFloating() || tensor.scale() != null) {
                throw new CheckpointException(
                        "%s: tensor visual.%s is %s, which does not fit the vision config. The vision file belongs to another model or is damaged."
                                .formatted(files.path(), name, tensor));
            }
        }
    }
}
