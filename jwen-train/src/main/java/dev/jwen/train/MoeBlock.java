package dev.jwen.train;

import dev.jwen.kernel.Routing;
import dev.jwen.kernel.Scratch;
import dev.jwen.model.Weights;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/** The mixture of experts with its shared expert, there and back; E experts of which k are chosen for a token. */
final class MoeBlock implements Block {
    private final Arithmetic math;
    private final Weights.Moe w;
    private final Weights.Moe dw;
    private final int k;
    private final LoadBalance balance;
    private final Routing routing = new Routing();
    private final Tensor routerLogits; // (T, E)
    private final Tensor sharedGate; // (T, 1)
    private final Tensor shared; // (T, D)
    private final MlpBlock sharedExpert;

    MoeBlock(Arithmetic math, Weights.Moe w, Weights.Moe dw, int k, LoadBalance balance, long tokens) {
        this.math = math;
        this.w = w;
        this.dw = dw;
        this.k = k;
        this.balance = balance;
        this.routerLogits = math.kept().f32(tokens, w.router().rows());
        this.sharedGate = math.kept().f32(tokens, 1);
        this.shared = math.kept().f32(tokens, w.router().columns());
        this.sharedExpert = new MlpBlock(math, w.sharedExpert(), dw.sharedExpert(), tokens);
    }

    @Override
    public void forward(Tensor h, Tensor out) {
        math.kernels().matmul(h, List.of(w.router(), w.sharedExpertGate()), List.of(routerLogits, sharedGate));
        math.kernels().experts(h, routerLogits, w.experts(), k, out);
        sharedExpert.forward(h, shared);
        math.kernels().addGated(out, shared, sharedGate);
        routing.choose(routerLogits, k);
        for (int t = 0; t < h.rows(); t++) {
            balance.add(probabilities(t), experts(t));
        }
    }

    @Override
    public void backward(Tensor h, Tensor dOut, Tensor dh) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor dShared = scratch.f32(h.rows(), h.columns());
            Tensor dSharedGate = scratch.f32(h.rows(), 1);
            Tensor dRouterLogits = scratch.f32(h.rows(), routerLogits.columns());
            math.gradients().addGated(dOut, shared, sharedGate, dShared, dSharedGate);
            sharedExpert.backward(h, dShared, dh);
            math.matmulBackToo(dSharedGate, h, w.sharedExpertGate(), dw.sharedExpertGate(), dh);
            float[][] dWeights = expertsBack(h, dOut, dh);
            for (int t = 0; t < h.rows(); t++) {
                routerBack(t, dWeights[t], dRouterLogits);
            }
            math.matmulBackToo(dRouterLogits, h, w.router(), dw.router(), dh);
        }
    }

    /** Computes each expert again on its tokens, and back; returns by token and choice the gradient of its weight. */
    private float[][] expertsBack(Tensor h, Tensor dOut, Tensor dh) {
        float[][] dWeights = new float[Math.toIntExact(h.rows())][k];
        for (int e = 0; e < w.experts().count(); e++) {
            int[] tokens = new int[Math.toIntExact(h.rows())];
            int[] choices = new int[tokens.length];
            int count = 0;
            for (int t = 0; t < h.rows(); t++) {
                for (int i = 0; i < k; i++) {
                    if (routing.expert(t, i) == e) {
                        tokens[count] = t;
                        choices[count++] = i;
                    }
                }
            }
            if (count > 0) {
                expertBack(e, Arrays.copyOf(tokens, count), choices, h, dOut, dh, dWeights);
            }
        }
        return dWeights;
    }

    private void expertBack(int e, int[] tokens, int[] choices, Tensor h, Tensor dOut, Tensor dh, float[][] dWeights) {
        try (Scratch scratch = math.kernels().scratch()) {
            Tensor x = scratch.f32(tokens.length, h.columns());
            Tensor y = scratch.f32(tokens.length, h.columns());
            Tensor dy = scratch.f32(tokens.length, h.columns());
            Tensor dx = scratch.f32(tokens.length, h.columns());
            math.kernels().gather(h, tokens, x);
            math.kernels().gather(dOut, tokens, dy);
            Arithmetic local = new Arithmetic(math.kernels(), math.gradients(), scratch, math.pool());
            MlpBlock expert = new MlpBlock(local, mlp(w, e), mlp(dw, e), tokens.length);
            expert.forward(x, y);
            for (int i = 0; i < tokens.length; i++) {
                float weight = routing.weight(tokens[i], choices[i]);
                double along = 0;
                for (int d = 0; d < y.columns(); d++) {
                    along += (double) dy.get(i, d) * y.get(i, d);
                    dy.set(i, d, weight * dy.get(i, d));
                }
                dWeights[tokens[i]][choices[i]] = (float) along;
            }
            expert.backward(x, dy, dx);
            for (int i = 0; i < tokens.length; i++) {
                for (int d = 0; d < dx.columns(); d++) {
                    dh.set(tokens[i], d, dh.get(tokens[i], d) + dx.get(i, d));
                }
            }
        }
    }

    private static Weights.Mlp mlp(Weights.Moe moe, int e) {
        return new Weights.Mlp(
                moe.experts().gate().get(e),
                moe.experts().up().get(e),
                moe.experts().down().get(e));
    }

    /** From the weights of the chosen, p_e / Σ p, to all logits by way of the probabilities. */
    private void routerBack(int t, float[] dWeight, Tensor dRouterLogits) {
        double[] p = probabilities(t);
        double[] dp = new double[p.length];
        double chosen = 0;
        double mean = 0;
        for (int i = 0; i < k; i++) {
            chosen += p[routing.expert(t, i)];
            mean += dWeight[i] * routing.weight(t, i);
        }
        for (int i = 0; i < k; i++) {
            dp[routing.expert(t, i)] = (dWeight[i] - mean) / chosen;
        }
        double along = 0;
        for (int e = 0; e < p.length; e++) {
            dp[e] += balance.gradient(e);
            along += dp[e] * p[e];
        }
        for (int e = 0; e < p.length; e++) {
            dRouterLogits.set(t, e, (float) (p[e] * (dp[e] - along)));
        }
    }

    private double[] probabilities(int t) {
        double[] p = new double[Math.toIntExact(routerLogits.columns())];
        double max = Double.NEGATIVE_INFINITY;
        for (int e = 0; e < p.length; e++) {
            max = Math.max(max, routerLogits.get(t, e));
        }
        double sum = 0;
        for (int e = 0; e < p.length; e++) {
            p[e] = Math.exp(routerLogits.get(t, e) - max);
            sum += p[e];
        }
        for (int e = 0; e < p.length; e++) {
            p[e] /= sum;
        }
        return p;
    }

    private int[] experts(int t) {
        int[] experts = new int[k];
        Arrays.setAll(experts, i -> routing.expert(t, i));
        return experts;
    }
}
