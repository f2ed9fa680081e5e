package dev.jwen.model;

import dev.jwen.tensor.Tensor;

/**
 * What the vision tower made of a picture or a video.
 *
 * @param key names the content: equal keys, equal features
 * @param features float32 (tokens of the grid, D), frame by frame
 */
public record EncodedPicture(String key, Grid grid, Tensor features) {
    public EncodedPicture {
        if (features.rows() != grid.tokens()) {
            throw new IllegalArgumentException(
                    "%s calls for %d rows of features, found %s".formatted(grid, grid.tokens(), features));
        }
    }
}
