package dev.jwen.train;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/**
 * Adam with decoupled weight decay.
 *
 * @see <a href="https://arxiv.org/abs/1711.05101">Decoupled Weight Decay Regularization</a>
 */
final class AdamW implements Optimizer {

    /**
     * Its settings.
     *
     * @param decay share of a weight that a step with rate 1 takes away
     */
    record Options(double learningRate, double beta1, double beta2, double epsilon, double decay) {}

    private static final String FIRST = ".first_moment";
    private static final String SECOND = ".second_moment";

    /** Values worked on at a time: they and the moments stay in the cache. */
    private static final int CHUNK = 4096;

    private final Options options;
    private final Predicate<Parameter> decays;
    private final ToDoubleFunction<Parameter> rate;
    private final Map<String, Moments> moments = new LinkedHashMap<>();

    private record Moments(Tensor first, Tensor second) {}

    /**
     * An optimiser that remembers nothing yet.
     *
     * @param decays which parameters decay
     * @param rate what the learning rate of a parameter is multiplied with
     */
    AdamW(Options options, Predicate<Parameter> decays, ToDoubleFunction<Parameter> rate) {
        this.options = options;
        this.decays = decays;
        this.rate = rate;
    }

    @Override
    public void step(List<Parameter> parameters, long number, double schedule) {
        for (Parameter parameter : parameters) {
            moments.computeIfAbsent(parameter.name(), name -> zeros(parameter));
        }
        parameters.parallelStream().forEach(parameter -> {
            double learningRate = options.learningRate * schedule * rate.applyAsDouble(parameter);
            step(parameter, Objects.requireNonNull(moments.get(parameter.name())), number, learningRate);
        });
    }

    private static Moments zeros(Parameter parameter) {
        long[] shape = parameter.value().shape();
        return new Moments(Tensor.f32(shape), Tensor.f32(shape));
    }

    private void step(Parameter parameter, Moments own, long number, double learningRate) {
        float keep = (float) (1 - learningRate * (decays.test(parameter) ? options.decay : 0));
        float beta1 = (float) options.beta1;
        float beta2 = (float) options.beta2;
        float fresh1 = (float) (1 - options.beta1);
        float fresh2 = (float) (1 - options.beta2);
        float stride = (float) (learningRate / (1 - Math.pow(options.beta1, (double) number)));
        float unbias = (float) (1 / Math.sqrt(1 - Math.pow(options.beta2, (double) number)));
        float epsilon = (float) options.epsilon;
        float[] w = new float[CHUNK];
        float[] g = new float[CHUNK];
        float[] m = new float[CHUNK];
        float[] v = new float[CHUNK];
        long size = parameter.value().size();
        for (long from = 0; from < size; from += CHUNK) {
            int count = (int) Math.min(CHUNK, size - from);
            read(parameter.value(), from, w, count);
            read(parameter.gradient(), from, g, count);
            read(own.first, from, m, count);
            read(own.second, from, v, count);
            for (int i = 0; i < count; i++) {
                m[i] = beta1 * m[i] + fresh1 * g[i];
                v[i] = beta2 * v[i] + fresh2 * g[i] * g[i];
                w[i] = keep * w[i] - stride * m[i] / ((float) Math.sqrt(v[i]) * unbias + epsilon);
            }
            write(w, parameter.value(), from, count);
            write(m, own.first, from, count);
            write(v, own.second, from, count);
        }
    }

    private static void read(Tensor tensor, long from, float[] to, int count) {
        MemorySegment.copy(tensor.segment(), Tensor.FLOAT, from * Float.BYTES, to, 0, count);
    }

    private static void write(float[] from, Tensor tensor, long to, int count) {
        MemorySegment.copy(from, 0, tensor.segment(), Tensor.FLOAT, to * Float.BYTES, count);
    }

    @Override
    public Map<String, Tensor> memory() {
        Map<String, Tensor> memory = new LinkedHashMap<>();
        moments.forEach((name, own) -> {
            memory.put(name + FIRST, own.first);
            memory.put(name + SECOND, own.second);
        });
        return memory;
    }

    @Override
    public void restore(List<Parameter> parameters, Map<String, Tensor> saved) {
        moments.clear();
        for (Parameter parameter : parameters) {
            moments.put(
                    parameter.name(),
                    new Moments(parameter.remembered(saved, FIRST), parameter.remembered(saved, SECOND)));
        }
    }
}
