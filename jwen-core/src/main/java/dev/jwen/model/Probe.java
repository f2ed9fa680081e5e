package dev.jwen.model;

import dev.jwen.tensor.Tensor;

/** Looks at intermediate values of a forward pass; the tensor is valid only during the call. */
@FunctionalInterface
public interface Probe {
    /** Sees nothing. */
    Probe NONE = (layer, point, value) -> {};

    /**
     * Sees the output of one module.
     *
     * @param layer index of the layer, or -1 outside the layers
     * @param point the module whose output this is, for example "linear_attn" or "mlp"
     */
    void see(int layer, String point, Tensor value);
}
