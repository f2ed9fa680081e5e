package dev.jwen.model;

import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.VisionFiles;
import java.util.List;

/**
 * The shape of the vision tower, in the words of the {@code vision_config} in config.json.
 *
 * @param depth blocks
 * @param numPositionEmbeddings rows of the position table, the square of its side
 * @param outHiddenSize width of the text model's embeddings
 */
public record VisionConfig(
        int depth,
        int hiddenSize,
        int numHeads,
        int intermediateSize,
        int inChannels,
        int patchSize,
        int temporalPatchSize,
        int numPositionEmbeddings,
        int outHiddenSize,
        float layerNormEps) {

    /**
     * Reads and checks the configuration of an opened tower.
     *
     * @throws CheckpointException if a field is missing or impossible, or asks for something these towers do not have
     */
    public static VisionConfig of(VisionFiles files) {
        ConfigFields fields = new ConfigFields(files.path() + ": vision_config", files.config());
        String activation = fields.text("hidden_act", "gelu_pytorch_tanh");
        if (!activation.equals("gelu_pytorch_tanh")) {
            throw fields.wrong("hidden_act", "gelu_pytorch_tanh", activation);
        }
        if (!fields.list("deepstack_visual_indexes", List.of()).isEmpty()) {
            throw fields.wrong(
                    "deepstack_visual_indexes", "an empty list", fields.list("deepstack_visual_indexes", List.of()));
        }
        int merge = fields.count("spatial_merge_size", 1, 64, Grid.MERGE);
        if (merge != Grid.MERGE) {
            throw fields.wrong("spatial_merge_size", String.valueOf(Grid.MERGE), merge);
        }
        VisionConfig config = new VisionConfig(
                fields.count("depth", 1024),
                fields.count("hidden_size", 1 << 16),
                fields.count("num_heads", 4096),
                fields.count("intermediate_size", 1 << 20),
                fields.count("in_channels", 1, 4, 3),
                fields.count("patch_size", 1, 64, 16),
                fields.count("temporal_patch_size", 1, 8, 2),
                fields.count("num_position_embeddings", 1 << 24),
                fields.count("out_hidden_size", 1 << 20),
                (float) fields.number("layer_norm_eps", 0, 1e-6));
        if (config.hiddenSize % (4 * config.numHeads) != 0) {
            throw fields.wrong(
                    "hidden_size", "a multiple of 4 for each of num_heads " + config.numHeads, config.hiddenSize);
        }
        int side = config.positionSide();
        if (side * side != config.numPositionEmbeddings) {
            throw fields.wrong("num_position_embeddings", "the square of a whole number", config.numPositionEmbeddings);
        }
        return config;
    }

    /** Values of one patch: channel, frame, y, x. */
    public int patchValues() {
        return inChannels * temporalPatchSize * patchSize * patchSize;
    }

    public int headDim() {
        return hiddenSize / numHeads;
    }

    /** Rows and columns of the learned grid of positions. */
    public int positionSide() {
        return (int) Math.round(Math.sqrt(numPositionEmbeddings));
    }
}
