package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.DeltaStep;
import dev.jwen.kernel.Tolerances;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A step of the delta rule in every instruction set against its definition in float64. */
class X86DeltaStepTest {
    private static final long SEED = 20261126;

    /** Floats between operands, so that writing beside one is seen. */
    private static final int GAP = 32;

    private final SplittableRandom random = new SplittableRandom(SEED);

    private static X86Products open(InstructionSet set) {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        assumeTrue(set.isSupportedBy(CpuFeatures.detect()), () -> "not run: this processor has no " + set);
        return new X86Products(set);
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void advancesStateAndOutput(InstructionSet set) {
        try (X86Products products = open(set)) {
            int[][] shapes = {
                {128, 128}, {64, 64}, {16, 32}, {128, 256}, {256, 128}, {16, 16}, {32, 48}, {32, 144}, {48, 208}
            };
            for (int[] shape : shapes) {
                DeltaStep step = Objects.requireNonNull(products.deltaStep(shape[0], shape[1]));
                for (int i = 0; i < 3; i++) {
                    check(step, shape[0], shape[1], random.nextDouble(), random.nextDouble(), 1);
                }
                check(step, shape[0], shape[1], 1, 1, 1);
                check(step, shape[0], shape[1], 0, 0.5, 1);
                check(step, shape[0], shape[1], 0.9, 0.5, 0);
                check(step, shape[0], shape[1], 0.9, 0.5, 1e-4);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void rowsAndKeysAreWholeVectors(InstructionSet set) {
        try (X86Products products = open(set)) {
            int lanes = set.rows();
            assertThat(products.deltaStep(lanes, lanes)).isNotNull();
            assertThat(products.deltaStep(lanes + lanes / 2, lanes)).isNull();
            assertThat(products.deltaStep(lanes, lanes + lanes / 2)).isNull();
        }
    }

    /** @param size of the keys and queries */
    private void check(DeltaStep step, int keyDim, int valueDim, double alpha, double beta, double size) {
        int states = GAP;
        int keys = states + keyDim * valueDim + GAP;
        int queries = keys + keyDim + GAP;
        int values = queries + keyDim + GAP;
        int outs = values + valueDim + GAP;
        int factors = outs + valueDim + GAP;
        int end = factors + 2 + GAP;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate((long) Float.BYTES * end, 64);
            float[] before = new float[end];
            for (int i = 0; i < end; i++) {
                before[i] = (float) (random.nextDouble(-1, 1) * (i >= keys && i < values ? size : 1));
            }
            before[factors] = (float) alpha;
            before[factors + 1] = (float) beta;
            MemorySegment.copy(before, 0, memory, ValueLayout.JAVA_FLOAT, 0, end);
            long address = memory.address();
            step.advance(
                    address + 4L * states,
                    address + 4L * keys,
                    address + 4L * queries,
                    address + 4L * values,
                    address + 4L * outs,
                    address + 4L * factors);
            float[] after = memory.toArray(ValueLayout.JAVA_FLOAT);

            double[] k = new double[keyDim];
            double[] q = new double[keyDim];
            double keyNorm = norm(before, keys, keyDim);
            double queryNorm = norm(before, queries, keyDim) * Math.sqrt(keyDim);
            for (int i = 0; i < keyDim; i++) {
                k[i] = before[keys + i] / keyNorm;
                q[i] = before[queries + i] / queryNorm;
            }
            String what = "%d x %d, α %s, β %s, size %s, seed %d".formatted(keyDim, valueDim, alpha, beta, size, SEED);
            for (int j = 0; j < valueDim; j++) {
                double read = 0;
                double sizeRead = 0;
                for (int i = 0; i < keyDim; i++) {
                    double s = before[factors] * before[states + i * valueDim + j];
                    read += s * k[i];
                    sizeRead += Math.abs(s * k[i]);
                }
                double u = before[factors + 1] * (before[values + j] - read);
                double sizeU = before[factors + 1] * (Math.abs(before[values + j]) + sizeRead);
                double out = 0;
                double sizeOut = 0;
                for (int i = 0; i < keyDim; i++) {
                    int at = states + i * valueDim + j;
                    double old = before[factors] * before[at];
                    near(after[at], old + k[i] * u, Math.abs(old) + Math.abs(k[i]) * sizeU, what);
                    out += (old + k[i] * u) * q[i];
                    sizeOut += (Math.abs(old) + Math.abs(k[i]) * sizeU) * Math.abs(q[i]);
                }
                near(after[outs + j], out, sizeOut, what);
            }
            for (int i = 0; i < end; i++) {
                boolean isResult =
                        (i >= states && i < states + keyDim * valueDim) || (i >= outs && i < outs + valueDim);
                if (!isResult && after[i] != before[i]) {
                    assertThat(after[i])
                            .as("float %d beside the result, %s", i, what)
                            .isEqualTo(before[i]);
                }
            }
        }
    }

    private static double norm(float[] x, int from, int count) {
        double sum = 1e-6;
        for (int i = from; i < from + count; i++) {
            sum += (double) x[i] * x[i];
        }
        return Math.sqrt(sum);
    }

    /** @param magnitude of what was added up, with the signs removed */
    private static void near(float actual, double expected, double magnitude, String what) {
        if (!(Math.abs(actual - expected) <= Tolerances.SUM * magnitude)) {
            assertThat((double) actual).as(what).isCloseTo(expected, within(Tolerances.SUM * magnitude));
        }
    }
}
