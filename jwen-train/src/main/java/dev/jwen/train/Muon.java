package dev.jwen.train;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * Momentum whose steps are made orthogonal, for the matrices of the layers; embeddings of tokens and patches and all that
 * is no matrix are left to another optimiser.
 *
 * <p>Five rounds of a Newton-Schulz iteration bring all singular values of the momentum near 1, so every direction of a
 * matrix is learned at one pace. Projections that stand on one another are made orthogonal one by one.
 *
 * @see <a href="https://kellerjordan.github.io/posts/muon/">Muon</a>
 */
final class Muon implements Optimizer, AutoCloseable {
    private static final String MOMENTUM = ".momentum";
    private static final int ROUNDS = 5;
    private static final float A = 3.4445f;
    private static final float B = -4.7750f;
    private static final float C = 2.0315f;

    /**
     * Its settings.
     *
     * @param decay share of a weight that a step with rate 1 takes away
     */
    record Options(double learningRate, double momentum, double decay) {}

    private final Options options;

    /** One for each thread: the matrices are small, so threads work on different ones. */
    private final List<Backends.Training> backends = new ArrayList<>();

    private final Function<Parameter, List<Tensor>> parts;
    private final Optimizer rest;
    private final Map<String, Tensor> momenta = new LinkedHashMap<>();

    /**
     * An optimiser that remembers nothing yet.
     *
     * @param kernels whose back end and number of threads are used; what comes out does not depend on the number
     * @param rows of the matrices that a parameter is made of, one upon another
     * @param rest for the parameters that are no hidden matrices
     */
    Muon(Options options, Kernels kernels, Function<Parameter, List<Long>> rows, Optimizer rest) {
        this.options = options;
        for (int i = 0; i < kernels.threads(); i++) {
            backends.add(Backends.openForTraining(kernels.name(), 1));
        }
        this.parts = parameter -> parts(parameter.value(), rows.apply(parameter));
        this.rest = rest;
    }

    private static List<Tensor> parts(Tensor whole, List<Long> rows) {
        List<Tensor> parts = new ArrayList<>();
        long from = 0;
        Tensor matrix = whole.view(whole.size() / columns(whole), columns(whole));
        for (long count : rows) {
            parts.add(matrix.rows(from, count));
            from += count;
        }
        return parts;
    }

    private static long columns(Tensor whole) {
        return whole.rank() > 3 ? whole.size() / whole.dim(0) : whole.columns();
    }

    @Override
    public void step(List<Parameter> parameters, long number, double schedule) {
        List<Parameter> matrices = new ArrayList<>();
        List<Parameter> others = new ArrayList<>();
        for (Parameter parameter : parameters) {
            if (isOrthogonal(parameter)) {
                momenta.computeIfAbsent(
                        parameter.name(), name -> Tensor.f32(parameter.value().shape()));
                matrices.add(parameter);
            } else {
                others.add(parameter);
            }
        }
        matrices.sort(Comparator.comparingLong(matrix -> -matrix.value().size()));
        AtomicInteger taken = new AtomicInteger();
        backends.parallelStream().forEach(backend -> {
            for (int i = taken.getAndIncrement(); i < matrices.size(); i = taken.getAndIncrement()) {
                Parameter matrix = matrices.get(i);
                step(matrix, Objects.requireNonNull(momenta.get(matrix.name())), schedule, backend);
            }
        });
        rest.step(others, number, schedule);
    }

    private static boolean isOrthogonal(Parameter parameter) {
        return parameter.isHiddenMatrix() && parameter.value().rank() <= 3;
    }

    private void step(Parameter parameter, Tensor momentum, double schedule, Backends.Training backend) {
        List<Tensor> values = parts.apply(parameter);
        double learningRate = options.learningRate * schedule;
        float mu = (float) options.momentum;
        long from = 0;
        for (Tensor value : values) {
            int rows = Math.toIntExact(value.rows());
            int columns = Math.toIntExact(value.columns());
            float[] g = run(parameter.gradient(), from, rows * columns);
            float[] m = run(momentum, from, rows * columns);
            float[] x = new float[g.length];
            double squares = 0;
            for (int i = 0; i < g.length; i++) {
                m[i] = mu * m[i] + (1 - mu) * g[i];
                x[i] = (1 - mu) * g[i] + mu * m[i];
                squares += (double) x[i] * x[i];
            }
            put(m, momentum, from);
            float[] step = orthogonal(x, rows, columns, (float) (1 / (Math.sqrt(squares) + 1e-12)), backend);
            float stride = (float) (learningRate * Math.sqrt(Math.max(1.0, (double) rows / columns)));
            float keep = (float) (1 - learningRate * options.decay);
            float[] w = value.toFloats();
            for (int i = 0; i < w.length; i++) {
                w[i] = keep * w[i] - stride * step[i];
            }
            put(w, value, 0);
            from += g.length;
        }
    }

    /**
     * The matrix with its singular values brought near 1. It stands upright meanwhile, as then no product has to turn an
     * operand: X = X (a + b XᵀX + c (XᵀX)²).
     */
    private static float[] orthogonal(float[] matrix, int rows, int columns, float scale, Backends.Training backend) {
        boolean isTurned = rows < columns;
        int r = isTurned ? columns : rows;
        int c = isTurned ? rows : columns;
        float[] tall = isTurned ? turned(matrix, rows, columns) : matrix;
        for (int i = 0; i < tall.length; i++) {
            tall[i] *= scale;
        }
        try (Scratch scratch = backend.kernels().scratch()) {
            Tensor x = scratch.f32(r, c);
            Tensor next = scratch.f32(r, c);
            Tensor xx = scratch.f32(c, c); // XᵀX
            Tensor xxxx = scratch.f32(c, c); // its square
            put(tall, x, 0);
            for (int round = 0; round < ROUNDS; round++) {
                xx.segment().fill((byte) 0);
                backend.gradients().matmulWeight(x, x, xx);
                backend.gradients().matmulInput(xx, xx, xxxx);
                float[] first = xx.toFloats();
                float[] second = xxxx.toFloats();
                for (int i = 0; i < first.length; i++) {
                    first[i] = B * first[i] + C * second[i];
                }
                for (int i = 0; i < c; i++) {
                    first[i * c + i] += A;
                }
                put(first, xx, 0);
                backend.gradients().matmulInput(x, xx, next);
                Tensor old = x;
                x = next;
                next = old;
            }
            return isTurned ? turned(x.toFloats(), r, c) : x.toFloats();
        }
    }

    private static float[] turned(float[] matrix, int rows, int columns) {
        float[] turned = new float[matrix.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned[j * rows + i] = matrix[i * columns + j];
            }
        }
        return turned;
    }

    private static float[] run(Tensor tensor, long from, int count) {
        float[] run = new float[count];
        MemorySegment.copy(tensor.segment(), Tensor.FLOAT, from * Float.BYTES, run, 0, count);
        return run;
    }

    private static void put(float[] run, Tensor tensor, long at) {
        MemorySegment.copy(run, 0, tensor.segment(), Tensor.FLOAT, at * Float.BYTES, run.length);
    }

    @Override
    public Map<String, Tensor> memory() {
        Map<String, Tensor> memory = new LinkedHashMap<>(rest.memory());
        momenta.forEach((name, momentum) -> memory.put(name + MOMENTUM, momentum));
        return memory;
    }

    @Override
    public void restore(List<Parameter> parameters, Map<String, Tensor> saved) {
        momenta.clear();
        List<Parameter> others = new ArrayList<>();
        for (Parameter parameter : parameters) {
            if (isOrthogonal(parameter)) {
                momenta.put(parameter.name(), parameter.remembered(saved, MOMENTUM));
            } else {
                others.add(parameter);
            }
        }
        rest.restore(others, saved);
    }

    /** Stops the threads. */
    @Override
    public void close() {
        backends.forEach(Backends.Training::close);
    }
}
