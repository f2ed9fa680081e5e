package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * The routed experts of one layer, each a gated MLP.
 *
 * @param gate by expert, (F, D)
 * @param up by expert, (F, D)
 * @param down by expert, (D, F)
 */
public record Experts(List<Tensor> gate, List<Tensor> up, List<Tensor> down) {
    public int count() {
        return gate.size();
    }
}
