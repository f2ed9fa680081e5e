package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.Golden;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The definition against numbers worked out by hand and against the reference's intermediate values. */
class PlainKernelsTest {
    private final Kernels kernels = new PlainKernels(2);

    @AfterEach
    void close() {
        kernels.close();
    }

    @Test
    void matmulMultipliesWithTheTransposedWeight() {
        Tensor out = Tensor.f32(2, 2);
        kernels.matmul(rows(3, 1, 2, 3, 4, 5, 6), rows(3, 1, 0, -1, 2, 2, 2), out);
        assertThat(out.toFloats()).containsExactly(-2, 12, -2, 30);
    }

    @Test
    void rmsNormWorksOnWholeRowsAndOnHeads() {
        Tensor out = Tensor.f32(1, 4);
        kernels.rmsNorm(rows(4, 2, 2, 4, -4), rows(4, 1, 2, 1, 2), 6, out);
        assertThat(out.toFloats()).containsExactly(0.5f, 1, 1, -2);
        kernels.rmsNorm(rows(4, 3, -3, 4, 4), rows(2, 1, 10), 0, out);
        assertThat(out.toFloats()).containsExactly(1, -10, 1, 10);
    }

    @Test
    void ropeRotatesPairsAHalfApartAndLeavesTheRest() {
        Tensor x = rows(10, 1, 2, 3, 4, 5, 10, 20, 30, 40, 50);
        kernels.rope(x, 5, rows(2, 0, 1), rows(2, 1, 0));
        assertThat(x.toFloats()).containsExactly(-3, 2, 1, 4, 5, -30, 20, 10, 40, 50);
    }

    @Test
    void queriesAndGatesAlternateByHead() {
        Tensor q = Tensor.f32(1, 4);
        Tensor gate = Tensor.f32(1, 4);
        kernels.splitQueryAndGate(rows(8, 1, 2, 3, 4, 5, 6, 7, 8), 2, q, gate);
        assertThat(q.toFloats()).containsExactly(1, 2, 5, 6);
        assertThat(gate.toFloats()).containsExactly(3, 4, 7, 8);
    }

    @Test
    void equalRouterProbabilitiesGoToTheLowerIndex() {
        Routing routing = new Routing();
        routing.choose(rows(4, 1, 3, 3, 1, 0, 0, 0, 0), 3);
        assertThat(new int[] {routing.expert(0, 0), routing.expert(0, 1), routing.expert(0, 2)})
                .containsExactly(1, 2, 0);
        assertThat(new int[] {routing.expert(1, 0), routing.expert(1, 1), routing.expert(1, 2)})
                .containsExactly(0, 1, 2);
        assertThat(routing.weight(1, 2)).isCloseTo(1 / 3f, within(1e-7f));
    }

    @Test
    void theConvolutionContinuesFromItsState() {
        Tensor weight = rows(1, 1, 10, 100);
        Tensor whole = Tensor.f32(3, 1);
        Tensor state = Tensor.f32(2, 1);
        kernels.convolution(rows(1, 1, 2, 3), weight, List.of(new Span(0, 3, 0)), List.of(state), whole);
        assertThat(whole.toFloats()).containsExactly(100, 210, 321);
        assertThat(state.toFloats()).containsExactly(2, 3);

        Tensor one = Tensor.f32(1, 1);
        kernels.convolution(rows(1, 4), weight, List.of(new Span(0, 1, 3)), List.of(state), one);
        assertThat(one.toFloats()).containsExactly(432);
        assertThat(state.toFloats()).containsExactly(3, 4);
    }

    @Test
    void theDeltaRuleAgreesWithTheReference() {
        Map<String, Golden.Array> golden =
                Golden.arrays(Golden.shared("golden/dense-text/cases/hidden-states.safetensors"));
        String prefix = golden.keySet().stream()
                .filter(name -> name.endsWith("delta_rule.query"))
                .findFirst()
                .map(name -> name.substring(0, name.length() - "query".length()))
                .orElseThrow();
        Golden.Array query = array(golden, prefix + "query");
        int tokens = (int) query.shape()[0];
        int n = (int) query.shape()[1];
        int dim = (int) query.shape()[2];
        // Key heads come repeated, so the golden heads are as many key heads as value heads.
        DeltaHeads heads = new DeltaHeads(n, n, dim, dim, false);
        Tensor qkv = Tensor.f32(tokens, heads.qkvWidth());
        String[] parts = {"query", "key", "value"};
        for (int part = 0; part < parts.length; part++) {
            float[] values = array(golden, prefix + parts[part]).floats();
            for (int i = 0; i < values.length; i++) {
                qkv.set(i / (n * dim), part * n * dim + i % (n * dim), values[i]);
            }
        }
        Tensor a = Tensor.f32(tokens, n);
        Tensor b = Tensor.f32(tokens, n);
        for (int i = 0; i < tokens * n; i++) {
            double beta = array(golden, prefix + "beta").floats()[i];
            a.set(i / n, i % n, (float)
                    Math.log(Math.expm1(-array(golden, prefix + "g").floats()[i])));
            b.set(i / n, i % n, (float) Math.log(beta / (1 - beta)));
        }
        Tensor rate = Tensor.f32(n);
        for (int i = 0; i < n; i++) {
            rate.set(0, i, -1);
        }
        Tensor state = Tensor.f32(n, dim, dim);
        Tensor out = Tensor.f32(tokens, (long) n * dim);
        kernels.gatedDelta(heads, qkv, a, b, rate, Tensor.f32(n), List.of(new Span(0, tokens, 0)), List.of(state), out);
        assertThat(out.toFloats()).containsExactly(array(golden, prefix + "out").floats(), within(2e-6f));
        assertThat(state.toFloats())
                .containsExactly(array(golden, "cache.0.recurrent_state").floats(), within(2e-6f));
    }

    @Test
    void attentionReadsThePastAndItselfOnly() {
        KvCache cache = new KvCache(new MemoryPool(), DataType.F32, 1, 2);
        cache.reserve(3);
        Tensor first = Tensor.f32(1, 2);
        kernels.attention(
                rows(2, 1, 1), rows(2, 5, 5), rows(2, 7, 8), List.of(new Span(0, 1, 0)), List.of(cache), first);
        assertThat(first.toFloats()).containsExactly(7, 8);
        Tensor next = Tensor.f32(2, 2);
        kernels.attention(
                rows(2, 0, 0, 0, 0),
                rows(2, 1, 1, 1, 1),
                rows(2, 9, 10, 2, 3),
                List.of(new Span(0, 2, 1)),
                List.of(cache),
                next);
        assertThat(next.toFloats()).containsExactly(8, 9, 6, 7);
    }

    @Test
    void aWrongShapeIsRefusedWithWhatWasExpectedAndFound() {
        assertThatThrownBy(() -> kernels.matmul(Tensor.f32(2, 3), Tensor.f32(4, 3), Tensor.f32(2, 5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("out: expected F32 [2, 4], found F32 [2, 5]");
        assertThatThrownBy(() -> kernels.embed(Tensor.f32(4, 3), new int[] {4}, Tensor.f32(1, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("row 4 of a matrix with 4 rows");
    }

    private static Golden.Array array(Map<String, Golden.Array> golden, String name) {
        return Objects.requireNonNull(golden.get(name), name);
    }

    private static Tensor rows(int columns, float... values) {
        return Tensor.f32(values, values.length / columns, columns);
    }
}
