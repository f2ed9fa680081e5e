package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * The definition of every gradient: scalar loops on one thread, in double precision, that read like the formulas.
 *
 * <p>Faster back ends are tested against this one, and this one against finite differences of {@link PlainKernels}.
 */
public final class PlainGradients implements Gradients {

    @Override
    public String name() {
        return "plain";
    }

    @Override
    public void matmulInput(Tensor dy, Tensor w, Tensor dx) {
        set(dx, product(dy, w));
    }

    @Override
    public void addMatmulInput(Tensor dy, Tensor w, Tensor dx) {
        add(dx, product(dy, w));
    }

    private static Formula product(Tensor dy, Tensor w) {
        Grid out = new Grid(dy);
        Grid weight = new Grid(w);
        return (t, k) -> {
            double sum = 0;
            for (int n = 0; n < out.columns; n++) {
                sum += out.get(t, n) * weight.get(n, k);
            }
            return sum;
        };
    }

    @Override
    public void matmulWeight(Tensor dy, Tensor x, Tensor dw) {
        Grid out = new Grid(dy);
        Grid in = new Grid(x);
        add(dw, (n, k) -> {
            double sum = 0;
            for (int t = 0; t < out.rows; t++) {
                sum += out.get(t, n) * in.get(t, k);
            }
            return sum;
        });
    }

    @Override
    public void embed(Tensor dx, int[] ids, Tensor dTable) {
        Grid in = new Grid(dx);
        Grid sum = new Grid(dTable);
        for (int t = 0; t < ids.length; t++) {
            for (int d = 0; d < in.columns && ids[t] >= 0; d++) {
                sum.add(ids[t], d, in.get(t, d));
            }
        }
        sum.write(dTable);
    }

    @Override
    public void addBias(Tensor dy, Tensor dBias) {
        Grid out = new Grid(dy);
        add(dBias, (zero, i) -> {
            double sum = 0;
            for (int t = 0; t < out.rows; t++) {
                sum += out.get(t, i);
            }
            return sum;
        });
    }

    @Override
    public void rmsNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight) {
        int group = Math.toIntExact(weight.columns());
        Tensor groups = x.view(x.size() / group, group);
        Grid out = new Grid(dy.view(groups.shape()));
        Grid in = new Grid(groups);
        Grid w = new Grid(weight);
        Grid toX = new Grid(dx.view(groups.shape()));
        Grid toWeight = new Grid(dWeight);
        for (int g = 0; g < in.rows; g++) {
            double squares = 0;
            double ux = 0;
            for (int i = 0; i < group; i++) {
                squares += in.get(g, i) * in.get(g, i);
                ux += out.get(g, i) * w.get(0, i) * in.get(g, i);
            }
            double r = 1 / Math.sqrt(squares / group + eps);
            for (int i = 0; i < group; i++) {
                double u = out.get(g, i) * w.get(0, i);
                toX.add(g, i, r * u - in.get(g, i) * r * r * r * ux / group);
                toWeight.add(0, i, out.get(g, i) * in.get(g, i) * r);
            }
        }
        toX.write(dx);
        toWeight.write(dWeight);
    }

    @Override
    public void layerNorm(Tensor dy, Tensor x, Tensor weight, float eps, Tensor dx, Tensor dWeight, Tensor dBias) {
        Grid out = new Grid(dy);
        Grid in = new Grid(x);
        Grid w = new Grid(weight);
        Grid toX = new Grid(dx);
        Grid toWeight = new Grid(dWeight);
        Grid toBias = new Grid(dBias);
        int n = in.columns;
        for (int t = 0; t < in.rows; t++) {
            double mean = 0;
            for (int i = 0; i < n; i++) {
                mean += in.get(t, i) / n;
            }
            double variance = 0;
            for (int i = 0; i < n; i++) {
                variance += (in.get(t, i) - mean) * (in.get(t, i) - mean) / n;
            }
            double r = 1 / Math.sqrt(variance + eps);
            double u = 0;
            double ux = 0;
            for (int i = 0; i < n; i++) {
                double ui = out.get(t, i) * w.get(0, i);
                u += ui / n;
                ux += ui * (in.get(t, i) - mean) * r / n;
            }
            for (int i = 0; i < n; i++) {
                double normed = (in.get(t, i) - mean) * r;
                toX.add(t, i, r * (out.get(t, i) * w.get(0, i) - u - normed * ux));
                toWeight.add(0, i, out.get(t, i) * normed);
                toBias.add(0, i, out.get(t, i));
            }
        }
        toX.write(dx);
        toWeight.write(dWeight);
        toBias.write(dBias);
    }

    @Override
    public void biasGelu(Tensor dy, Tensor x, Tensor bias, Gelu form, Tensor dx, Tensor dBias) {
        Grid out = new Grid(dy);
        Grid in = new Grid(x);
        Grid b = new Grid(bias);
        Grid toBias = new Grid(dBias);
        set(dx, (t, i) -> {
            double d = out.get(t, i) * form.slope(in.get(t, i) + b.get(0, i));
            toBias.add(0, i, d);
            return d;
        });
        toBias.write(dBias);
    }

    @Override
    public void swiGlu(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        Grid out = new Grid(dy);
        Grid g = new Grid(gate);
        Grid u = new Grid(up);
        set(dUp, (t, i) -> out.get(t, i) * silu(g.get(t, i)));
        set(dGate, (t, i) -> out.get(t, i) * u.get(t, i) * siluSlope(g.get(t, i)));
    }

    @Override
    public void addGated(Tensor dx, Tensor y, Tensor gate, Tensor dy, Tensor dGate) {
        Grid sum = new Grid(dx);
        Grid added = new Grid(y);
        Grid g = new Grid(gate);
        set(dy, (t, i) -> sum.get(t, i) * sigmoid(g.get(t, 0)));
        set(dGate, (t, zero) -> {
            double s = sigmoid(g.get(t, 0));
            double product = 0;
            for (int i = 0; i < added.columns; i++) {
                product += sum.get(t, i) * added.get(t, i);
            }
            return product * s * (1 - s);
        });
    }

    @Override
    public void sigmoidGate(Tensor dy, Tensor x, Tensor gate, Tensor dx, Tensor dGate) {
        Grid out = new Grid(dy);
        Grid in = new Grid(x);
        Grid g = new Grid(gate);
        set(dx, (t, i) -> out.get(t, i) * sigmoid(g.get(t, i)));
        set(dGate, (t, i) -> {
            double s = sigmoid(g.get(t, i));
            return out.get(t, i) * in.get(t, i) * s * (1 - s);
        });
    }

    @Override
    public void splitQueryAndGate(Tensor dq, Tensor dGate, int headDim, Tensor dQueryAndGate) {
        Grid q = new Grid(dq);
        Grid g = new Grid(dGate);
        set(dQueryAndGate, (t, i) -> {
            int half = i / headDim;
            int column = half / 2 * headDim + i % headDim;
            return half % 2 == 0 ? q.get(t, column) : g.get(t, column);
        });
    }

    @Override
    public void rope(Tensor dx, int headDim, Tensor cos, Tensor sin) {
        Grid x = new Grid(dx);
        Grid c = new Grid(cos);
        Grid s = new Grid(sin);
        int pairs = c.columns;
        for (int t = 0; t < x.rows; t++) {
            for (int head = 0; head < x.columns; head += headDim) {
                for (int j = 0; j < pairs; j++) {
                    double first = x.get(t, head + j);
                    double second = x.get(t, head + pairs + j);
                    x.set(t, head + j, first * c.get(t, j) + second * s.get(t, j));
                    x.set(t, head + pairs + j, second * c.get(t, j) - first * s.get(t, j));
                }
            }
        }
        x.write(dx);
    }

    @Override
    public void attention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> spans,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        softmaxAttention(dOut, q, k, v, headDim, spans, true, dq, dk, dv);
    }

    @Override
    public void frameAttention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            int headDim,
            List<Span> frames,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        softmaxAttention(dOut, q, k, v, headDim, frames, false, dq, dk, dv);
    }

    /** With p = softmax(q·k/√C): dv = pᵀ dOut, and ds = p (dOut·v - Σ p dOut·v) goes to q and k. */
    private static void softmaxAttention(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            int headDim,
            List<Span> spans,
            boolean causal,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        Grid toOut = new Grid(dOut);
        Grid queries = new Grid(q);
        Grid keys = new Grid(k);
        Grid values = new Grid(v);
        Grid toQ = Grid.zeros(dq);
        Grid toK = Grid.zeros(dk);
        Grid toV = Grid.zeros(dv);
        int group = queries.columns / keys.columns; // query heads that share a key head
        double scale = 1 / Math.sqrt(headDim);
        for (Span span : spans) {
            for (int t = 0; t < span.count(); t++) {
                int row = span.row() + t;
                int seen = causal ? t + 1 : span.count();
                for (int query = 0; query < queries.columns; query += headDim) {
                    int key = query / headDim / group * headDim;
                    double[] p = new double[seen];
                    double max = Double.NEGATIVE_INFINITY;
                    for (int j = 0; j < seen; j++) {
                        p[j] = scale * queries.dot(row, query, keys, span.row() + j, key, headDim);
                        max = Math.max(max, p[j]);
                    }
                    double sum = 0;
                    for (int j = 0; j < seen; j++) {
                        p[j] = Math.exp(p[j] - max);
                        sum += p[j];
                    }
                    double mean = 0;
                    for (int j = 0; j < seen; j++) {
                        p[j] /= sum;
                        mean += p[j] * toOut.dot(row, query, values, span.row() + j, key, headDim);
                    }
                    for (int j = 0; j < seen; j++) {
                        int at = span.row() + j;
                        double ds = p[j] * (toOut.dot(row, query, values, at, key, headDim) - mean) * scale;
                        for (int c = 0; c < headDim; c++) {
                            toV.add(at, key + c, p[j] * toOut.get(row, query + c));
                            toQ.add(row, query + c, ds * keys.get(at, key + c));
                            toK.add(at, key + c, ds * queries.get(row, query + c));
                        }
                    }
                }
            }
        }
        toQ.write(dq);
        toK.write(dk);
        toV.write(dv);
    }

    @Override
    public void convolution(Tensor dOut, Tensor x, Tensor weight, List<Span> spans, Tensor dx, Tensor dWeight) {
        Grid out = new Grid(dOut);
        Grid in = new Grid(x);
        Grid w = new Grid(weight);
        Grid toX = Grid.zeros(dx);
        Grid toWeight = new Grid(dWeight);
        for (Span span : spans) {
            for (int t = 0; t < span.count(); t++) {
                int row = span.row() + t;
                int first = Math.max(0, w.rows - 1 - t); // the taps before it lie before the span
                for (int c = 0; c < in.columns; c++) {
                    double sum = 0;
                    for (int j = first; j < w.rows; j++) {
                        sum += w.get(j, c) * in.get(row - w.rows + 1 + j, c);
                    }
                    double d = out.get(row, c) * siluSlope(sum);
                    for (int j = first; j < w.rows; j++) {
                        toX.add(row - w.rows + 1 + j, c, w.get(j, c) * d);
                        toWeight.add(j, c, in.get(row - w.rows + 1 + j, c) * d);
                    }
                }
            }
        }
        toX.write(dx);
        toWeight.write(dWeight);
    }

    @Override
    public void gatedDelta(
            DeltaHeads heads,
            Tensor dOut,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            Tensor dQkv,
            Tensor dA,
            Tensor dB,
            Tensor dRate,
            Tensor dDtBias) {
        Grid out = new Grid(dOut);
        Grid in = new Grid(qkv);
        Grid as = new Grid(a);
        Grid bs = new Grid(b);
        Grid rates = new Grid(rate);
        Grid biases = new Grid(dtBias);
        Grid toQkv = Grid.zeros(dQkv);
        Grid toA = Grid.zeros(dA);
        Grid toB = Grid.zeros(dB);
        Grid toRate = new Grid(dRate);
        Grid toBias = new Grid(dDtBias);
        int width = heads.keyDim();
        int depth = heads.valueDim();
        for (int head = 0; head < heads.valueHeads(); head++) {
            int qAt = heads.keyHeadOf(head) * width;
            int kAt = qAt + heads.keyHeads() * width;
            int vAt = 2 * heads.keyHeads() * width + head * depth;
            for (Span span : spans) {
                int n = span.count();
                double[][] q = new double[n][];
                double[][] k = new double[n][];
                double[][][] decayed = new double[n][][]; // α S before the write of token t
                double[][][] states = new double[n + 1][width][depth]; // S before token t
                double[][] errors = new double[n][depth]; // v - (α S)ᵀ k
                double[] alpha = new double[n];
                double[] beta = new double[n];
                for (int t = 0; t < n; t++) {
                    int row = span.row() + t;
                    q[t] = in.normalised(row, qAt, width, 1 / Math.sqrt(width));
                    k[t] = in.normalised(row, kAt, width, 1);
                    double open = as.get(row, head) + biases.get(0, head);
                    alpha[t] = Math.exp(rates.get(0, head) * softplus(open));
                    beta[t] = sigmoid(bs.get(row, head));
                    decayed[t] = new double[width][depth];
                    for (int j = 0; j < depth; j++) {
                        double read = 0;
                        for (int i = 0; i < width; i++) {
                            decayed[t][i][j] = alpha[t] * states[t][i][j];
                            read += decayed[t][i][j] * k[t][i];
                        }
                        errors[t][j] = in.get(row, vAt + j) - read;
                        for (int i = 0; i < width; i++) {
                            states[t + 1][i][j] = decayed[t][i][j] + k[t][i] * beta[t] * errors[t][j];
                        }
                    }
                }
                double[][] ds = new double[width][depth]; // gradient of the state after token t
                for (int t = n - 1; t >= 0; t--) {
                    int row = span.row() + t;
                    double[] dq = new double[width];
                    double[] dk = new double[width];
                    double dBeta = 0;
                    double dLogAlpha = 0;
                    for (int j = 0; j < depth; j++) {
                        double o = out.get(row, head * depth + j);
                        double dWrite = 0;
                        for (int i = 0; i < width; i++) {
                            dq[i] += states[t + 1][i][j] * o;
                            ds[i][j] += q[t][i] * o;
                            dWrite += ds[i][j] * k[t][i];
                        }
                        dBeta += dWrite * errors[t][j];
                        double dError = beta[t] * dWrite;
                        toQkv.add(row, vAt + j, dError);
                        for (int i = 0; i < width; i++) {
                            dk[i] += ds[i][j] * beta[t] * errors[t][j] - decayed[t][i][j] * dError;
                            double dDecayed = ds[i][j] - k[t][i] * dError;
                            dLogAlpha += dDecayed * decayed[t][i][j];
                            ds[i][j] = alpha[t] * dDecayed;
                        }
                    }
                    double open = as.get(row, head) + biases.get(0, head);
                    double dOpen = dLogAlpha * rates.get(0, head) * sigmoid(open);
                    toRate.add(0, head, dLogAlpha * softplus(open));
                    toBias.add(0, head, dOpen);
                    toA.add(row, head, dOpen);
                    toB.add(row, head, dBeta * beta[t] * (1 - beta[t]));
                    in.normalisedBack(row, qAt, width, 1 / Math.sqrt(width), dq, toQkv);
                    in.normalisedBack(row, kAt, width, 1, dk, toQkv);
                }
            }
        }
        toQkv.write(dQkv);
        toA.write(dA);
        toB.write(dB);
        toRate.write(dRate);
        toBias.write(dDtBias);
    }

    @Override
    public void gatedNorm(
            Tensor dy, Tensor x, Tensor z, Tensor weight, float eps, Tensor dx, Tensor dz, Tensor dWeight) {
        int group = Math.toIntExact(weight.columns());
        Tensor groups = x.view(x.size() / group, group);
        Grid out = new Grid(dy.view(groups.shape()));
        Grid in = new Grid(groups);
        Grid gate = new Grid(z.view(groups.shape()));
        Grid w = new Grid(weight);
        Grid toX = Grid.zeros(groups);
        Grid toZ = Grid.zeros(groups);
        Grid toWeight = new Grid(dWeight);
        for (int g = 0; g < in.rows; g++) {
            double squares = 0;
            double ux = 0;
            for (int i = 0; i < group; i++) {
                squares += in.get(g, i) * in.get(g, i);
                ux += out.get(g, i) * w.get(0, i) * silu(gate.get(g, i)) * in.get(g, i);
            }
            double r = 1 / Math.sqrt(squares / group + eps);
            for (int i = 0; i < group; i++) {
                double u = out.get(g, i) * w.get(0, i) * silu(gate.get(g, i));
                double normed = in.get(g, i) * r;
                toX.add(g, i, r * (u - normed * r * ux / group));
                toZ.add(g, i, out.get(g, i) * w.get(0, i) * normed * siluSlope(gate.get(g, i)));
                toWeight.add(0, i, out.get(g, i) * normed * silu(gate.get(g, i)));
            }
        }
        toX.write(dx);
        toZ.write(dz);
        toWeight.write(dWeight);
    }

    @Override
    public void logSoftmax(
            Tensor logits, int vocabulary, int[] targets, float[] coefficients, float[] logProbabilities) {
        Grid in = new Grid(logits);
        for (int t = 0; t < in.rows; t++) {
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < vocabulary; j++) {
                max = Math.max(max, in.get(t, j));
            }
            double sum = 0;
            for (int j = 0; j < vocabulary; j++) {
                sum += Math.exp(in.get(t, j) - max);
            }
            logProbabilities[t] = (float) (in.get(t, targets[t]) - max - Math.log(sum));
            for (int j = 0; j < in.columns; j++) {
                double p = j < vocabulary ? Math.exp(in.get(t, j) - max) / sum : 0;
                in.set(t, j, coefficients[t] * ((j == targets[t] ? 1 : 0) - p));
            }
        }
        in.write(logits);
    }

    @Override
    public void close() {}

    private interface Formula {
        double at(int row, int column);
    }

    private static void set(Tensor out, Formula formula) {
        Grid grid = Grid.zeros(out);
        grid.addAll(formula);
        grid.write(out);
    }

    private static void add(Tensor out, Formula formula) {
        Grid grid = new Grid(out);
        grid.addAll(formula);
        grid.write(out);
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static double softplus(double x) {
        return x > 20 ? x : Math.log1p(Math.exp(x));
    }

    private static double silu(double x) {
        return x * sigmoid(x);
    }

    private static double siluSlope(double x) {
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    }

    /** A matrix in double precision. */
    private static final class Grid {
        final int rows;
        final int columns;
        private final double[] values;

        Grid(Tensor tensor) {
            this(Math.toIntExact(tensor.rows()), Math.toIntExact(tensor.columns()));
            float[] floats = tensor.toFloats();
            for (int i = 0; i < floats.length; i++) {
                values[i] = floats[i];
            }
        }

        private Grid(int rows, int columns) {
            this.rows = rows;
            this.columns = columns;
            this.values = new double[rows * columns];
        }

        static Grid zeros(Tensor shape) {
            return new Grid(Math.toIntExact(shape.rows()), Math.toIntExact(shape.columns()));
        }

        double get(int row, int column) {
            return values[row * columns + column];
        }

        void set(int row, int column, double value) {
            values[row * columns + column] = value;
        }

        void add(int row, int column, double value) {
            values[row * columns + column] += value;
        }

        void addAll(Formula formula) {
            for (int t = 0; t < rows; t++) {
                for (int i = 0; i < columns; i++) {
                    add(t, i, formula.at(t, i));
                }
            }
        }

        double dot(int row, int column, Grid other, int otherRow, int otherColumn, int count) {
            double sum = 0;
            for (int i = 0; i < count; i++) {
                sum += get(row, column + i) * other.get(otherRow, otherColumn + i);
            }
            return sum;
        }

        /** x · factor / √(Σx² + 1e-6), as queries and keys of the delta rule are. */
        double[] normalised(int row, int from, int count, double factor) {
            double r = 1 / Math.sqrt(dot(row, from, this, row, from, count) + 1e-6);
            double[] normed = new double[count];
            for (int i = 0; i < count; i++) {
                normed[i] = get(row, from + i) * r * factor;
            }
            return normed;
        }

        /** The way back through {@link #normalised}: adds r (u - n <n, u>) with n = x r and u = factor · d to {@code to}. */
        void normalisedBack(int row, int from, int count, double factor, double[] d, Grid to) {
            double r = 1 / Math.sqrt(dot(row, from, this, row, from, count) + 1e-6);
            double along = 0;
            for (int i = 0; i < count; i++) {
                along += get(row, from + i) * r * factor * d[i];
            }
            for (int i = 0; i < count; i++) {
                to.add(row, from + i, r * (factor * d[i] - get(row, from + i) * r * along));
            }
        }

        void write(Tensor tensor) {
            float[] floats = new float[values.length];
            for (int i = 0; i < floats.length; i++) {
                floats[i] = (float) values[i];
            }
            tensor.copyFrom(Tensor.f32(floats, tensor.shape()));
        }
    }
}
