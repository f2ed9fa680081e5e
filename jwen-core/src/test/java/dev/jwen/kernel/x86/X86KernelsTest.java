package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Experts;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.kernel.Routing;
import dev.jwen.kernel.Tolerances;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The back end "x86" against the plain one, and with 1, 2 and 3 threads against itself. */
class X86KernelsTest {
    private static final long SEED = 20260303;
    private static final int[] TOKENS = {1, 2, 5, 16, 17, 40, 130};

    private static final List<Kernels> X86 = new ArrayList<>();
    private static final Kernels PLAIN = new PlainKernels(2);

    private final SplittableRandom random = new SplittableRandom(SEED);

    @BeforeAll
    static void open() {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        for (int threads = 1; threads <= 3; threads++) {
            X86.add(Backends.open("x86", threads));
        }
    }

    @AfterAll
    static void close() {
        X86.forEach(Kernels::close);
        PLAIN.close();
    }

    static Stream<DataType> formats() {
        return Arrays.stream(DataType.values()).filter(type -> Unpacker.packing(type, InstructionSet.AVX512) != null);
    }

    static Stream<DataType> quantised() {
        return formats().filter(DataType::isQuantised);
    }

    @Test
    void theNameIsThatOfTheProducts() {
        for (Kernels kernels : X86) {
            assertThat(kernels.name()).isEqualTo("x86");
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void productsAreThePlainOnesButForTheRoundingOfActivations(DataType type) {
        for (int rows : new int[] {1, 15, 16, 17, 100}) {
            Tensor w = weight(type, rows, 512);
            for (int tokens : TOKENS) {
                Tensor x = normal(tokens, 512);
                compare(x, w, products(X86.get(1), x, w));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void productsDoNotDependOnTheNumberOfThreads(DataType type) {
        Tensor w = weight(type, 1003, 512);
        for (int tokens : TOKENS) {
            Tensor x = normal(tokens, 512);
            float[] one = products(X86.getFirst(), x, w).toFloats();
            for (Kernels kernels : X86) {
                assertThat(products(kernels, x, w).toFloats())
                        .as("%d tokens, %d threads, seed %d", tokens, kernels.threads(), SEED)
                        .isEqualTo(one);
            }
        }
    }

    /** Rows in groups and side by side are shared out in every instruction set, whose groups differ. */
    @Test
    void threadsShareTheRowsInEveryInstructionSet() {
        Tensor w = normal(1008, 512);
        Tensor copy = Tensor.allocate(Arena.ofAuto(), DataType.Q5_0_R16, 1008, 512);
        PLAIN.coarsen(w, copy, Tensor.f32(1008, 2));
        List<Tensor> weights = List.of(copy, w, weight(DataType.Q8_0, 1008, 512), weight(DataType.Q4_K, 1008, 512));
        for (int threads = 2; threads <= 5; threads++) {
            for (Kernels kernels : EveryInstructionSet.open(threads).toList()) {
                try (kernels) {
                    for (Tensor some : weights) {
                        for (int tokens : new int[] {1, 3, 20}) {
                            Tensor x = normal(tokens, 512);
                            compare(x, some, products(kernels, x, some));
                        }
                    }
                }
            }
        }
    }

    /**
     * But for those few that are multiplied by rows, or when they are unpacked. Not so for plain numbers: the order of their additions depends on the
     * number of tokens.
     */
    @ParameterizedTest
    @MethodSource("quantised")
    void aTokenHasTheSameProductsInEveryBatch(DataType type) {
        Tensor w = weight(type, 333, 768);
        int few = X86ProductsTest.FEW + 1;
        Tensor x = normal(14 * few, 768);
        Tensor batch = products(X86.get(1), x, w);
        for (int t = 0; t < x.rows(); t += few) {
            Tensor some = products(X86.get(1), x.rows(t, few), w);
            assertThat(some.toFloats())
                    .as("token %d, seed %d", t, SEED)
                    .isEqualTo(batch.rows(t, few).toFloats());
        }
    }

    /** So many tokens are cut into blocks, at the latest where a second-level cache of 2 MiB is half full of them. */
    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"Q8_0", "Q4_K"})
    void manyTokensHaveTheSameProductsAsFew(DataType type) {
        Tensor w = weight(type, 75, 2048);
        Tensor x = normal(1111, 2048);
        for (Kernels kernels : X86) {
            Tensor all = products(kernels, x, w);
            for (int t = 0; t < x.rows(); t += 101) {
                assertThat(all.rows(t, 101).toFloats())
                        .as("tokens from %d, %d threads, seed %d", t, kernels.threads(), SEED)
                        .isEqualTo(products(kernels, x.rows(t, 101), w).toFloats());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void aTokenAloneHasTheProductsOfABatchButForTheOrderOfAdditions(DataType type) {
        Tensor w = weight(type, 37, 768);
        Tensor x = normal(7, 768);
        Tensor batch = products(X86.get(1), x, w);
        float[] weights = w.toFloats();
        for (int t = 0; t < x.rows(); t++) {
            Tensor alone = products(X86.get(1), x.rows(t, 1), w);
            for (int r = 0; r < w.rows(); r++) {
                double magnitude = 0;
                for (int c = 0; c < 768; c++) {
                    magnitude += Math.abs(weights[768 * r + c] * x.get(t, c));
                }
                assertThat((double) alone.get(0, r))
                        .as("token %d, row %d, seed %d", t, r, SEED)
                        .isCloseTo(batch.get(t, r), within(Tolerances.SUM * magnitude));
            }
        }
    }

    @Test
    void aSetMayMixFormatsAndWeightsThatMachineCodeDoesNotKnow() {
        Tensor factors = Tensor.f32(new float[] {2, 3, 5, 7}, 2, 2);
        List<Tensor> weights = List.of(
                weight(DataType.Q8_0, 100, 256),
                weight(DataType.BF16, 200, 256).withScale(new Tensor.Scale(factors, 128, 128)),
                weight(DataType.F32, 1, 256),
                weight(DataType.TQ2_0, 40, 256),
                weight(DataType.Q4_K, 33, 256),
                weight(DataType.F16, 16, 256));
        for (int tokens : TOKENS) {
            Tensor x = normal(tokens, 256);
            List<Tensor> outs =
                    weights.stream().map(w -> Tensor.f32(tokens, w.rows())).toList();
            X86.get(1).matmul(x, weights, outs);
            for (int i = 0; i < outs.size(); i++) {
                compare(x, weights.get(i), outs.get(i));
            }
        }
        Tensor narrow = weight(DataType.F32, 20, 40);
        Tensor x = normal(3, 40);
        compare(x, narrow, products(X86.get(1), x, narrow));
    }

    @Test
    void anEmptyBatchIsNoWork() {
        Tensor w = weight(DataType.Q4_0, 64, 64);
        assertThat(products(X86.get(1), Tensor.f32(0, 64), w).toFloats()).isEmpty();
    }

    @Test
    void aMixtureIsTheWeightedSumOfItsExpertsAsSingleNetworks() {
        Experts experts = experts(7, 256, 512);
        for (int tokens : new int[] {1, 3, 50, 200}) {
            Tensor x = normal(tokens, 512);
            Tensor logits = normal(tokens, 7);
            Tensor out = mix(X86.get(1), x, logits, experts);
            Routing routing = new Routing();
            routing.choose(logits, 3);
            int otherCodes = 0;
            for (int t = 0; t < tokens; t += 7) {
                float[] sum = new float[512];
                for (int i = 0; i < 3; i++) {
                    int e = routing.expert(t, i);
                    Tensor y = Tensor.f32(1, 512);
                    X86.get(1)
                            .mlp(
                                    x.rows(t, 1),
                                    experts.gate().get(e),
                                    experts.up().get(e),
                                    experts.down().get(e),
                                    y);
                    for (int c = 0; c < 512; c++) {
                        sum[c] = Math.fma(routing.weight(t, i), y.get(0, c), sum[c]);
                    }
                }
                // Alone, a token is added up in another order, by which a value between two codes may get the other
                // one.
                float largest = 0;
                float difference = 0;
                for (int c = 0; c < 512; c++) {
                    largest = Math.max(largest, Math.abs(sum[c]));
                    difference = Math.max(difference, Math.abs(out.get(t, c) - sum[c]));
                }
                assertThat(difference)
                        .as("token %d of %d, seed %d", t, tokens, SEED)
                        .isLessThan(1e-3f * largest);
                if (difference > 1e-5f * largest) {
                    otherCodes++;
                }
            }
            assertThat(otherCodes).isLessThanOrEqualTo(tokens / 50);
        }
    }

    @Test
    void mixturesAreThePlainOnesButForTheRoundingOfActivationsWithAnyThreads() {
        Experts experts = experts(16, 256, 512);
        for (int tokens : new int[] {1, 4, 60}) {
            Tensor x = normal(tokens, 512);
            Tensor logits = normal(tokens, 16);
            float[] expected = mix(PLAIN, x, logits, experts).toFloats();
            float[] one = mix(X86.getFirst(), x, logits, experts).toFloats();
            double square = 0;
            double difference = 0;
            for (int i = 0; i < one.length; i++) {
                square += expected[i] * (double) expected[i];
                difference += (one[i] - expected[i]) * (double) (one[i] - expected[i]);
            }
            assertThat(Math.sqrt(difference / square))
                    .as("%d tokens, seed %d", tokens, SEED)
                    .isLessThan(Tolerances.INT8_MLP);
            for (Kernels kernels : X86) {
                assertThat(mix(kernels, x, logits, experts).toFloats())
                        .as("%d tokens, %d threads, seed %d", tokens, kernels.threads(), SEED)
                        .isEqualTo(one);
            }
        }
    }

    private Experts experts(int count, int hidden, int width) {
        List<Tensor> gate = new ArrayList<>();
        List<Tensor> up = new ArrayList<>();
        List<Tensor> down = new ArrayList<>();
        for (int e = 0; e < count; e++) {
            gate.add(weight(DataType.Q4_K, hidden, width));
            up.add(weight(DataType.Q4_K, hidden, width));
            down.add(weight(DataType.Q6_K, width, hidden));
        }
        return new Experts(gate, up, down);
    }

    private static Tensor mix(Kernels kernels, Tensor x, Tensor logits, Experts experts) {
        Tensor out = Tensor.f32(x.rows(), x.columns());
        kernels.experts(x, logits, experts, 3, out);
        return out;
    }

    private static Tensor products(Kernels kernels, Tensor x, Tensor w) {
        Tensor out = Tensor.f32(x.rows(), w.rows());
        kernels.matmul(x, w, out);
        return out;
    }

    /** Every value of {@code out = x · wᵀ} lies within what rounding its activations may cause. */
    private static void compare(Tensor x, Tensor w, Tensor out) {
        Tensor expected = products(PLAIN, x, w);
        int columns = (int) w.columns();
        float[] weights = w.toFloats();
        float[] activations = x.toFloats();
        for (int t = 0; t < x.rows(); t++) {
            double[] steps = steps(w.type(), activations, t * columns, columns);
            for (int r = 0; r < w.rows(); r++) {
                double variance = 0;
                double magnitude = 0;
                for (int c = 0; c < columns; c++) {
                    double weight = weights[r * columns + c];
                    variance += weight * weight * steps[c] * steps[c] / 12;
                    magnitude += Math.abs(weight * activations[t * columns + c]);
                }
                assertThat((double) out.get(t, r))
                        .as("%s, token %d of %d, row %d of %d, seed %d", w, t, x.rows(), r, w.rows(), SEED)
                        .isCloseTo(
                                expected.get(t, r),
                                within(Tolerances.SUM * magnitude + Tolerances.ROUNDING * Math.sqrt(variance)));
            }
        }
    }

    /** How far two neighbouring values of an activation are apart, for each of a row. */
    private static double[] steps(DataType type, float[] x, int start, int columns) {
        double[] steps = new double[columns];
        boolean bf16 = (type == DataType.BF16 || type == DataType.F8_E4M3)
                && X86Products.chosen() == InstructionSet.AVX512_BF16;
        boolean int8 = type == DataType.Q5_0_R16
                || (type.isQuantised() && Unpacker.packing(type, InstructionSet.AVX512) != null);
        for (int c = 0; c < columns; c++) {
            if (int8) {
                double largest = 0;
                for (int i = c / 32 * 32; i < c / 32 * 32 + 32; i++) {
                    largest = Math.max(largest, Math.abs(x[start + i]));
                }
                steps[c] = largest / 127;
            } else if (bf16) {
                steps[c] = Math.ulp(x[start + c]) * (1 << 16);
            }
        }
        return steps;
    }

    private Tensor normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, columns);
    }

    private Tensor weight(DataType type, int rows, int columns) {
        Tensor w = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        for (long i = 0; i < w.sizeBytes(); i++) {
            w.segment().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        if (type == DataType.TQ2_0) {
            for (long block = 0; block < w.sizeBytes(); block += type.blockBytes()) {
                w.segment().set(ValueLayout.JAVA_SHORT_UNALIGNED, block + 64, Float.floatToFloat16(0.01f));
            }
        } else {
            PlainProducts.setScales(type, w.segment(), 0.004f, random);
        }
        return w;
    }
}
