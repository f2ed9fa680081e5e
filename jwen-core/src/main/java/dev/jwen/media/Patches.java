package dev.jwen.media;

import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * The patches of one picture or clip, in the order a vision tower reads them.
 *
 * <p>Row {@code (((step·(gh/m) + br)·(gw/m) + bc)·m + ir)·m + ic} is the patch at row {@code m·br + ir} and column
 * {@code m·bc + ic} of its temporal step, for a merge size m (2): the patches that the tower merges lie together. A row
 * is (channel, frame, y, x).
 *
 * @param values float32 (t · gridHeight · gridWidth, 3 · frames of a step · patch size²), normalised
 * @param t temporal steps: 1 for a picture, half the frames of a clip
 * @param gridHeight patches from top to bottom, before merging
 * @param gridWidth patches from left to right, before merging
 * @param timestamps seconds, one per temporal step: the mean over its frames. Empty for a picture. A prompt writes them
 *     as C's {@code %.1f} does: 0.25 is {@code 0.2}, which Java's {@code %.1f} would make 0.3
 * @param contentKey SHA-256 in hexadecimal of the resized pixels, grid and normalisation: equal keys, equal values
 */
public record Patches(Tensor values, int t, int gridHeight, int gridWidth, List<Double> timestamps, String contentKey) {

    public Patches {
        timestamps = List.copyOf(timestamps);
        if (values.rows() != (long) t * gridHeight * gridWidth) {
            throw new IllegalArgumentException(
                    "%s cannot hold a grid of %d x %d x %d".formatted(values, t, gridHeight, gridWidth));
        }
    }

    /** Whether these are the steps of a clip. */
    public boolean isVideo() {
        return !timestamps.isEmpty();
    }
}
