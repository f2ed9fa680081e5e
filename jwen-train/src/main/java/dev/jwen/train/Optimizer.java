package dev.jwen.train;

import dev.jwen.tensor.Tensor;
import java.util.List;
import java.util.Map;

/** Changes parameters by their gradients. */
interface Optimizer {
    /**
     * One step on all parameters.
     *
     * @param number of the step, from 1 on
     * @param schedule what the learning rates are multiplied with at this step
     */
    void step(List<Parameter> parameters, long number, double schedule);

    /** What it remembers between steps, by name, to be saved; the tensors are its own memory. */
    Map<String, Tensor> memory();

    /**
     * Takes back what was saved after at least one step on these parameters.
     *
     * @throws IllegalArgumentException if something is missing or has another shape
     */
    void restore(List<Parameter> parameters, Map<String, Tensor> saved);
}
