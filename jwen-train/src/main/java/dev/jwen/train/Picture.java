package dev.jwen.train;

import dev.jwen.model.Grid;
import dev.jwen.tensor.Tensor;

/**
 * A picture as the vision tower reads it.
 *
 * @param patches float32 (patches of the grid, values of a patch)
 */
public record Picture(Grid grid, Tensor patches) {}
