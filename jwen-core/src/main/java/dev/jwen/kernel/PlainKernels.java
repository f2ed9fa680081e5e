package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * The definition of every operation: scalar loops that read like the formulas of {@link Kernels}.
 *
 * <p>Sums are double. Faster back ends are tested against this one.
 */
public final class PlainKernels implements Kernels {
    private final WorkerPool pool;
    private final ScratchStack scratch = new ScratchStack();
    private final Routing routing = new Routing();

    public PlainKernels(int threads) {
        pool = new WorkerPool(threads);
    }

    @Override
    public String name() {
        return "plain";
    }

    @Override
    public int threads() {
        return pool.threads();
    }

    @Override
    public Scratch scratch() {
        return scratch.open();
    }

    @Override
    public void embed(Tensor table, int[] ids, Tensor out) {
        Operands.matrix("out", out, ids.length, table.columns());
        Operands.weight("table", table, table.rows(), table.columns());
        Operands.rowNumbers("ids", ids, table.rows());
        for (int t = 0; t < ids.length; t++) {
            writeRow(out, t, row(table, ids[t]));
        }
    }

    @Override
    public void blockMaxima(Tensor x, int size, Tensor out) {
        Operands.blockMaxima(x, size, out);
        for (int t = 0; t < x.rows(); t++) {
            float[] row = row(x, t);
            float[] largest = new float[Math.toIntExact(out.columns())];
            Arrays.fill(largest, Float.NEGATIVE_INFINITY);
            for (int i = 0; i < row.length; i++) {
                largest[i / size] = Math.max(largest[i / size], row[i]);
            }
            writeRow(out, t, largest);
        }
    }

    @Override
    public void gather(Tensor x, int[] rows, Tensor out) {
        Operands.gather(x, rows, out);
        for (int t = 0; t < rows.length; t++) {
            out.rows(t, 1).copyFrom(x.rows(rows[t], 1));
        }
    }

    @Override
    public void scatter(Tensor rows, int[] at, Tensor x) {
        Operands.scatter(rows, at, x);
        for (int t = 0; t < at.length; t++) {
            writeRow(x, at[t], row(rows, t));
        }
    }

    @Override
    public void copy(Tensor x, Tensor out) {
        Operands.matrix("out", out, x.rows(), x.columns());
        map(out, x::get);
    }

    @Override
    public void add(Tensor x, Tensor y) {
        Operands.matrix("y", y, x.rows(), x.columns());
        map(x, (t, i) -> x.get(t, i) + y.get(t, i));
    }

    @Override
    public void addBias(Tensor x, Tensor bias) {
        Operands.vector("bias", bias, x.columns());
        map(x, (t, i) -> x.get(t, i) + bias.get(0, i));
    }

    @Override
    public void biasGelu(Tensor x, Tensor bias, Gelu form) {
        Operands.vector("bias", bias, x.columns());
        map(x, (t, i) -> form.of((double) x.get(t, i) + bias.get(0, i)));
    }

    @Override
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor out) {
        Operands.layerNorm(x, weight, bias, out);
        forEachRow(x, t -> {
            float[] row = row(x, t);
            double mean = 0;
            for (float value : row) {
                mean += (double) value / row.length;
            }
            double variance = 0;
            for (float value : row) {
                variance += (value - mean) * (value - mean) / row.length;
            }
            double scale = 1 / Math.sqrt(variance + eps);
            for (int i = 0; i < row.length; i++) {
                out.set(t, i, (float) ((row[i] - mean) * scale * weight.get(0, i) + bias.get(0, i)));
            }
        });
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
        Operands.matrix("out", out, x.rows(), x.columns());
        Operands.groupWeight("weight", weight, x.columns());
        int group = Math.toIntExact(weight.columns());
        forEachRow(x, t -> {
            float[] row = row(x, t);
            for (int from = 0; from < row.length; from += group) {
                double scale = inverseRms(row, from, group, eps);
                for (int i = 0; i < group; i++) {
                    out.set(t, from + i, (float) (row[from + i] * scale * weight.get(0, i)));
                }
            }
        });
    }

    @Override
    public void matmul(Tensor x, Tensor w, Tensor out) {
        Operands.matrix("x", x, x.rows(), w.columns());
        Operands.weight("w", w, w.rows(), w.columns());
        Operands.matrix("out", out, x.rows(), w.rows());
        int columns = Math.toIntExact(x.columns());
        float[] activations = x.toFloats();
        pool.run(Math.toIntExact(w.rows()), 4, (worker, from, to) -> {
            for (int n = from; n < to; n++) {
                float[] weights = row(w, n);
                for (int t = 0; t < x.rows(); t++) {
                    out.set(t, n, (float) dot(activations, t * columns, weights, 0, columns));
                }
            }
        });
    }

    @Override
    public void coarsen(Tensor w, Tensor copy, Tensor norms) {
        Operands.coarsen(w, copy, norms);
        pool.run(
                Math.toIntExact(w.rows()),
                Coarsening.GRAIN,
                (worker, from, to) -> Coarsening.rows(w, from, to, copy, norms));
        Coarsening.pad(w, copy);
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor out) {
        Operands.matrix("up", up, gate.rows(), gate.columns());
        Operands.matrix("out", out, gate.rows(), gate.columns());
        map(out, (t, i) -> silu(gate.get(t, i)) * up.get(t, i));
    }

    @Override
    public void experts(Tensor x, Tensor routerLogits, Experts experts, int k, Tensor out) {
        Operands.matrix("routerLogits", routerLogits, x.rows(), experts.count());
        Operands.matrix("out", out, x.rows(), x.columns());
        routing.choose(routerLogits, k);
        try (Scratch frame = scratch()) {
            Tensor one = frame.f32(1, x.columns());
            Tensor y = frame.f32(1, x.columns());
            for (int t = 0; t < x.rows(); t++) {
                writeRow(one, 0, row(x, t));
                double[] sum = new double[Math.toIntExact(x.columns())];
                for (int i = 0; i < k; i++) {
                    int e = routing.expert(t, i);
                    mlp(
                            one,
                            experts.gate().get(e),
                            experts.up().get(e),
                            experts.down().get(e),
                            y);
                    for (int d = 0; d < sum.length; d++) {
                        sum[d] += (double) routing.weight(t, i) * y.get(0, d);
                    }
                }
                for (int d = 0; d < sum.length; d++) {
                    out.set(t, d, (float) sum[d]);
                }
            }
        }
    }

    @Override
    public void addGated(Tensor x, Tensor y, Tensor gate) {
        Operands.matrix("y", y, x.rows(), x.columns());
        Operands.matrix("gate", gate, x.rows(), 1);
        map(x, (t, i) -> x.get(t, i) + sigmoid(gate.get(t, 0)) * y.get(t, i));
    }

    @Override
    public void sigmoidGate(Tensor x, Tensor gate) {
        Operands.matrix("gate", gate, x.rows(), x.columns());
        map(x, (t, i) -> x.get(t, i) * sigmoid(gate.get(t, i)));
    }

    @Override
    public void splitQueryAndGate(Tensor queryAndGate, int headDim, Tensor q, Tensor gate) {
        Operands.group("q", headDim, q.columns());
        Operands.matrix("queryAndGate", queryAndGate, q.rows(), 2 * q.columns());
        Operands.matrix("gate", gate, q.rows(), q.columns());
        map(q, (t, i) -> queryAndGate.get(t, i / headDim * 2 * headDim + i % headDim));
        map(gate, (t, i) -> queryAndGate.get(t, (i / headDim * 2 + 1) * headDim + i % headDim));
    }

    @Override
    public void rope(Tensor x, int headDim, Tensor cos, Tensor sin) {
        int pairs = Operands.rope(x, headDim, cos, sin);
        forEachRow(x, t -> {
            for (long head = 0; head < x.columns(); head += headDim) {
                for (int j = 0; j < pairs; j++) {
                    double a = x.get(t, head + j);
                    double b = x.get(t, head + j + pairs);
                    x.set(t, head + j, (float) (a * cos.get(t, j) - b * sin.get(t, j)));
                    x.set(t, head + j + pairs, (float) (b * cos.get(t, j) + a * sin.get(t, j)));
                }
            }
        });
    }

    @Override
    public void attention(Tensor q, Tensor k, Tensor v, List<Span> spans, List<KvCache> caches, Tensor out) {
        KvCache shape = caches.getFirst();
        int headDim = shape.headDim();
        int keyHeads = shape.heads();
        Operands.attention(q, k, v, spans, caches, out);
        int heads = Math.toIntExact(q.columns() / headDim);
        for (int s = 0; s < spans.size(); s++) {
            Span span = spans.get(s);
            KvCache cache = caches.get(s);
            for (int t = 0; t < span.count(); t++) {
                cache.write(span.past() + t, k, v, span.row() + t);
            }
            pool.run(span.count() * heads, 1, (worker, from, to) -> {
                for (int i = from; i < to; i++) {
                    int head = i % heads;
                    attend(q, span, i / heads, head, cache, head / (heads / keyHeads), out);
                }
            });
        }
    }

    private static void attend(Tensor q, Span span, int t, int head, KvCache cache, int keyHead, Tensor out) {
        int headDim = cache.headDim();
        int positions = span.past() + t + 1;
        int row = span.row() + t;
        float[] query = new float[headDim];
        q.decode(row, (long) head * headDim, headDim, query, 0);
        float[] entry = new float[headDim];
        double[] score = new double[positions];
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < positions; p++) {
            cache.readKey(p, keyHead, entry);
            score[p] = dot(query, 0, entry, 0, headDim) / Math.sqrt(headDim);
            max = Math.max(max, score[p]);
        }
        double sum = 0;
        double[] weighted = new double[headDim];
        for (int p = 0; p < positions; p++) {
            double weight = Math.exp(score[p] - max);
            sum += weight;
            cache.readValue(p, keyHead, entry);
            for (int c = 0; c < headDim; c++) {
                weighted[c] += weight * entry[c];
            }
        }
        for (int c = 0; c < headDim; c++) {
            out.set(row, (long) head * headDim + c, (float) (weighted[c] / sum));
        }
    }

    @Override
    public void frameAttention(Tensor q, Tensor k, Tensor v, int headDim, List<Span> frames, Tensor out) {
        Operands.frameAttention(q, k, v, headDim, frames, out);
        int heads = Math.toIntExact(q.columns() / headDim);
        for (Span frame : frames) {
            pool.run(frame.count() * heads, 1, (worker, from, to) -> {
                for (int i = from; i < to; i++) {
                    attend(q, k, v, frame.row() + i / heads, (long) (i % heads) * headDim, headDim, frame, out);
                }
            });
        }
    }

    /** One head of one row over its frame; {@code column} is where the head begins. */
    private static void attend(
            Tensor q, Tensor k, Tensor v, int row, long column, int headDim, Span frame, Tensor out) {
        float[] query = new float[headDim];
        q.decode(row, column, headDim, query, 0);
        float[] entry = new float[headDim];
        double[] score = new double[frame.count()];
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < score.length; p++) {
            k.decode(frame.row() + p, column, headDim, entry, 0);
            score[p] = dot(query, 0, entry, 0, headDim) / Math.sqrt(headDim);
            max = Math.max(max, score[p]);
        }
        double sum = 0;
        double[] weighted = new double[headDim];
        for (int p = 0; p < score.length; p++) {
            double weight = Math.exp(score[p] - max);
            sum += weight;
            v.decode(frame.row() + p, column, headDim, entry, 0);
            for (int c = 0; c < headDim; c++) {
                weighted[c] += weight * entry[c];
            }
        }
        for (int c = 0; c < headDim; c++) {
            out.set(row, column + c, (float) (weighted[c] / sum));
        }
    }

    @Override
    public void convolution(Tensor x, Tensor weight, List<Span> spans, List<Tensor> states, Tensor out) {
        Operands.convolution(x, weight, spans, states, out);
        int taps = Math.toIntExact(weight.rows());
        pool.run(Math.toIntExact(x.columns()), 16, (worker, from, to) -> {
            for (int s = 0; s < spans.size(); s++) {
                for (int c = from; c < to; c++) {
                    convolve(x, weight, taps, c, spans.get(s), states.get(s), out);
                }
            }
        });
    }

    private static void convolve(Tensor x, Tensor weight, int taps, int c, Span span, Tensor state, Tensor out) {
        float[] history = new float[taps - 1 + span.count()];
        for (int j = 0; j < taps - 1; j++) {
            history[j] = state.get(j, c);
        }
        for (int t = 0; t < span.count(); t++) {
            history[taps - 1 + t] = x.get(span.row() + t, c);
        }
        for (int t = 0; t < span.count(); t++) {
            double sum = 0;
            for (int j = 0; j < taps; j++) {
                sum += (double) weight.get(j, c) * history[t + j];
            }
            out.set(span.row() + t, c, (float) silu(sum));
        }
        for (int j = 0; j < taps - 1; j++) {
            state.set(j, c, history[span.count() + j]);
        }
    }

    @Override
    public void gatedDelta(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            List<Tensor> states,
            Tensor out) {
        Operands.gatedDelta(heads, qkv, a, b, rate, dtBias, spans, states, out);
        for (int s = 0; s < spans.size(); s++) {
            Span span = spans.get(s);
            Tensor state = states.get(s);
            pool.run(heads.valueHeads(), 1, (worker, from, to) -> {
                for (int n = from; n < to; n++) {
                    delta(heads, n, qkv, a, b, rate.get(0, n), dtBias.get(0, n), span, state, out);
                }
            });
        }
    }

    private static void delta(
            DeltaHeads heads,
            int n,
            Tensor qkv,
            Tensor a,
            Tensor b,
            float rate,
            float dtBias,
            Span span,
            Tensor state,
            Tensor out) {
        int keyDim = heads.keyDim();
        int valueDim = heads.valueDim();
        int keyStart = (heads.keyHeads() + heads.keyHeadOf(n)) * keyDim;
        int valueStart = 2 * heads.keyHeads() * keyDim + n * valueDim;
        for (int t = span.row(); t < span.row() + span.count(); t++) {
            float[] row = row(qkv, t);
            double[] q = l2Normalised(row, heads.keyHeadOf(n) * keyDim, keyDim, 1 / Math.sqrt(keyDim));
            double[] k = l2Normalised(row, keyStart, keyDim, 1);
            double decay = Math.exp(rate * softplus((double) a.get(t, n) + dtBias));
            double beta = sigmoid(b.get(t, n));
            for (int j = 0; j < valueDim; j++) {
                double read = 0;
                for (int i = 0; i < keyDim; i++) {
                    read += decay * state.get((long) n * keyDim + i, j) * k[i];
                }
                double write = beta * (row[valueStart + j] - read);
                double answer = 0;
                for (int i = 0; i < keyDim; i++) {
                    long stateRow = (long) n * keyDim + i;
                    double value = decay * state.get(stateRow, j) + k[i] * write;
                    state.set(stateRow, j, (float) value);
                    answer += value * q[i];
                }
                out.set(t, (long) n * valueDim + j, (float) answer);
            }
        }
    }

    @Override
    public void gatedNorm(Tensor x, Tensor z, Tensor weight, float eps, Tensor out) {
        Operands.matrix("z", z, x.rows(), x.columns());
        Operands.matrix("out", out, x.rows(), x.columns());
        Operands.groupWeight("weight", weight, x.columns());
        int group = Math.toIntExact(weight.columns());
        forEachRow(x, t -> {
            float[] row = row(x, t);
            for (int from = 0; from < row.length; from += group) {
                double scale = inverseRms(row, from, group, eps);
                for (int i = 0; i < group; i++) {
                    double normed = row[from + i] * scale * weight.get(0, i);
                    out.set(t, from + i, (float) (normed * silu(z.get(t, from + i))));
                }
            }
        });
    }

    @Override
    public void close() {
        pool.close();
        scratch.close();
    }

    private interface RowTask {
        void run(int row);
    }

    private interface Value {
        double at(int row, int column);
    }

    private void forEachRow(Tensor x, RowTask task) {
        pool.run(Math.toIntExact(x.rows()), 1, (worker, from, to) -> {
            for (int t = from; t < to; t++) {
                task.run(t);
            }
        });
    }

    /** Sets every element of {@code out}. */
    private void map(Tensor out, Value value) {
        Operands.matrix("out", out, out.rows(), out.columns());
        forEachRow(out, t -> {
            for (int i = 0; i < out.columns(); i++) {
                out.set(t, i, (float) value.at(t, i));
            }
        });
    }

    private static float[] row(Tensor matrix, long row) {
        float[] values = new float[Math.toIntExact(matrix.columns())];
        matrix.decode(row, 0, values.length, values, 0);
        return values;
    }

    private static void writeRow(Tensor out, long row, float[] values) {
        for (int i = 0; i < values.length; i++) {
            out.set(row, i, values[i]);
        }
    }

    private static double dot(float[] x, int xFrom, float[] y, int yFrom, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += (double) x[xFrom + i] * y[yFrom + i];
        }
        return sum;
    }

    private static double inverseRms(float[] row, int from, int count, float eps) {
        return 1 / Math.sqrt(dot(row, from, row, from, count) / count + eps);
    }

    private static double[] l2Normalised(float[] row, int from, int count, double factor) {
        double scale = factor / Math.sqrt(dot(row, from, row, from, count) + 1e-6);
        double[] normalised = new double[count];
        for (int i = 0; i < count; i++) {
            normalised[i] = row[from + i] * scale;
        }
        return normalised;
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static double silu(double x) {
        return x * sigmoid(x);
    }

    /** log(1 + eˣ); the identity from 20 on, as in the reference, where the rest is below float precision. */
    private static double softplus(double x) {
        return x > 20 ? x : Math.log1p(Math.exp(x));
    }
}
