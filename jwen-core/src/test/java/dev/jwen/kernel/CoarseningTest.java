package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.x86.EveryInstructionSet;
import dev.jwen.tensor.Blocks;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Coarse copies, gathered rows and rounded activations: what products of selected rows stand on, on every back end. */
class CoarseningTest {
    private static final List<Kernels> KERNELS = Stream.concat(
                    EveryInstructionSet.open(2),
                    Backends.all().stream()
                            .filter(provider -> provider.unavailable().isEmpty())
                            .map(provider -> provider.open(2)))
            .toList();

    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Kinds of rows that try the limits of types and of arithmetic. */
    private static final int KINDS = 12;

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(20261125);

    static Stream<Kernels> kernels() {
        return KERNELS.stream();
    }

    @AfterAll
    static void close() {
        KERNELS.forEach(Kernels::close);
    }

    private static Tensor weight(DataType type, int rows, int columns, IntToDoubleFunction values) {
        float[] all = new float[rows * columns];
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) values.applyAsDouble(i);
        }
        Tensor w = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        Blocks.encode(type, all, 0, all.length, w.segment(), 0);
        return w;
    }

    private static Tensor copyOf(Kernels kernels, Tensor w, Tensor norms) {
        return copyOf(kernels, w, DataType.Q8_0, norms);
    }

    private static Tensor copyOf(Kernels kernels, Tensor w, DataType type, Tensor norms) {
        Tensor copy = Tensor.allocate(Arena.ofAuto(), type, wholeGroups(type, w.rows()), w.columns());
        kernels.coarsen(w, copy, norms);
        return copy;
    }

    private static long wholeGroups(DataType type, long rows) {
        return Math.ceilDiv(rows, type.rowGroup()) * type.rowGroup();
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void theNormsBoundWhatTheCopyLostAndKept(Kernels kernels) {
        List<IntToDoubleFunction> kinds = List.of(
                i -> random.nextGaussian() * 0.02,
                i -> i % 32 == 5 ? 1000 : random.nextGaussian() * 1e-3,
                i -> random.nextGaussian() * 1e-38,
                i -> random.nextGaussian() * Float.MIN_VALUE * 3,
                i -> random.nextGaussian() * 1e-6,
                i -> random.nextGaussian() * 1e30,
                i -> 0,
                i -> 1,
                i -> (i % 2 == 0 ? 1 : -1) * (double) Float.MAX_VALUE);
        for (DataType type : List.of(DataType.F32, DataType.F16, DataType.BF16, DataType.Q8_0)) {
            for (IntToDoubleFunction kind : kinds) {
                for (int columns : new int[] {32, 96, 768, 1056}) {
                    Tensor w = weight(type, 33, columns, kind);
                    Tensor norms = Tensor.f32(33, 2);
                    Tensor copy = copyOf(kernels, w, norms);
                    float[] original = w.toFloats();
                    if (!allFinite(original)) {
                        continue; // what does not fit the type
                    }
                    checkNorms(original, copy.toFloats(), norms, columns);
                    Tensor five = copyOf(kernels, w, DataType.Q5_0_R16, norms);
                    checkNorms(original, five.toFloats(), norms, columns);
                }
            }
        }
    }

    private static boolean allFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    private static void checkNorms(float[] original, float[] copy, Tensor norms, int columns) {
        for (int r = 0; r < norms.rows(); r++) {
            double lost = 0;
            double kept = 0;
            for (int i = r * columns; i < (r + 1) * columns; i++) {
                double difference = (double) original[i] - copy[i];
                lost += difference * difference;
                kept += (double) copy[i] * copy[i];
            }
            checkNorm(norms.get(r, 0), Math.sqrt(lost));
            checkNorm(norms.get(r, 1), Math.sqrt(kept));
        }
    }

    private static void checkNorm(double actual, double exact) {
        double most = exact * (1 + 1e-6) + 2 * Float.MIN_VALUE;
        assertThat(actual).isBetween(exact, most > Float.MAX_VALUE ? Double.POSITIVE_INFINITY : most);
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void aCopyOfOrdinaryWeightsLosesHalfAPercent(Kernels kernels) {
        Tensor norms = Tensor.f32(64, 2);
        copyOf(kernels, weight(DataType.BF16, 64, 1024, i -> random.nextGaussian() * 0.02), norms);
        for (int r = 0; r < 64; r++) {
            assertThat(norms.get(r, 0) / norms.get(r, 1)).isBetween(0.004f, 0.007f);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void inFiveBitsTheyLoseAsMuchAsCodesOfThirtyOneStepsDo(Kernels kernels) {
        Tensor norms = Tensor.f32(64, 2);
        Tensor w = weight(DataType.Q8_0, 64, 1024, i -> random.nextGaussian() * 0.02);
        copyOf(kernels, w, DataType.Q5_0_R16, norms);
        for (int r = 0; r < 64; r++) {
            assertThat(norms.get(r, 0) / (0.02 * 32)).isBetween(0.04, 0.05);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void aRowThatIsNotFiniteHasInfiniteNormsAndItsNeighboursTheirOwn(Kernels kernels) {
        for (float broken : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            Tensor w = weight(DataType.F32, 3, 64, i -> i == 64 + 40 ? broken : 1);
            Tensor norms = Tensor.f32(3, 2);
            copyOf(kernels, w, norms);
            assertThat(norms.get(1, 0)).isEqualTo(Float.POSITIVE_INFINITY);
            assertThat(norms.get(1, 1)).isEqualTo(Float.POSITIVE_INFINITY);
            assertThat(norms.get(0, 1)).isCloseTo(8, within(0.1f));
            assertThat(norms.get(2, 1)).isCloseTo(8, within(0.1f));
        }
    }

    @Test
    void allBackEndsMakeTheSameCopy() {
        Tensor w = weight(DataType.BF16, 129, 160, i -> random.nextGaussian() * 0.02);
        Tensor norms = Tensor.f32(129, 2);
        float[] expected = copyOf(KERNELS.getLast(), w, norms).toFloats();
        for (Kernels kernels : KERNELS) {
            Tensor others = Tensor.f32(129, 2);
            assertThat(copyOf(kernels, w, others).toFloats()).isEqualTo(expected);
            assertThat(others.toFloats()).isEqualTo(norms.toFloats());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0"})
    void everyBackEndHasTheCodesAndFactorsOfTheDefinition(DataType type) {
        for (int rows : new int[] {1, 3 * KINDS, 2 * KINDS * Coarsening.GRAIN + 5}) {
            for (int columns : new int[] {32, 64, 96, 256, 288, 512, 1024, 1056, 2560}) {
                Tensor w = type == DataType.Q8_0 ? extremeBlocks(rows, columns) : extremes(type, rows, columns);
                checkDefinition(w, DataType.Q8_0);
                checkDefinition(w, DataType.Q5_0_R16);
            }
        }
    }

    /** The copies, with rows before and behind that nothing may write to. */
    private static void checkDefinition(Tensor w, DataType to) {
        int rows = Math.toIntExact(w.rows());
        int group = to.rowGroup();
        long copied = wholeGroups(to, rows);
        Tensor expected = unwritten(to, copied + 2L * group, w.columns());
        Tensor expectedNorms = Tensor.f32(rows + 2, 2);
        Coarsening.rows(w, 0, rows, expected.rows(group, copied), expectedNorms.rows(1, rows));
        Coarsening.pad(w, expected.rows(group, copied));
        for (Kernels kernels : KERNELS) {
            Tensor copy = unwritten(to, copied + 2L * group, w.columns());
            Tensor norms = Tensor.f32(rows + 2, 2);
            kernels.coarsen(w, copy.rows(group, copied), norms.rows(1, rows));
            for (long r = 0; r < expected.rows(); r += group) {
                Tensor there = expected.rows(r, group);
                assertThat(copy.rows(r, group).segment().mismatch(there.segment()))
                        .as("%s, %s to %s, row %d", kernels.name(), w, to, r - group)
                        .isEqualTo(-1);
            }
            for (int r = 0; r < rows + 2; r++) {
                for (int i = 0; i < 2; i++) {
                    float norm = expectedNorms.get(r, i);
                    // The order of the sums may differ, by far less than one float from the next.
                    assertThat(norms.get(r, i))
                            .as("%s, %s to %s, row %d", kernels.name(), w, to, r - 1)
                            .isBetween(Math.nextDown(norm), Math.nextUp(norm));
                }
            }
        }
    }

    private static Tensor unwritten(DataType type, long rows, long columns) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        tensor.segment().fill((byte) 0x55);
        return tensor;
    }

    /** Rows of each kind in turn. */
    private Tensor extremes(DataType type, int rows, int columns) {
        return weight(type, rows, columns, i -> extreme(i / columns % KINDS, i % columns));
    }

    private double extreme(int kind, int column) {
        boolean here = column == 21;
        return switch (kind) {
            case 0 -> random.nextGaussian() * 0.02;
            case 1 -> column % 2 == 0 ? 0 : -0.0;
            case 2 -> random.nextInt(-9, 10) * (double) Float.MIN_VALUE;
            case 3 -> (random.nextInt(-254, 255) + (column % 32 == 0 ? 1e-3 : 0)) / 2; // ties
            case 4 -> column % 64 < 32 ? -1.4e12 : random.nextGaussian() * 1e-7;
            case 5 -> random.nextGaussian() * Math.scalb(1.0, random.nextInt(-140, 120));
            case 6 -> Float.intBitsToFloat(random.nextInt());
            case 7 -> (column % 2 == 0 ? 1 : -1) * (double) Float.MAX_VALUE;
            case 8 -> Math.scalb((double) random.nextInt(-31, 32), -26 - column / 32 % 4);
            case 9 -> here ? Float.NaN : 1;
            case 10 -> here ? Float.POSITIVE_INFINITY : 0;
            default -> here ? Float.NEGATIVE_INFINITY : random.nextGaussian();
        };
    }

    /** Q8_0 with factors and codes of each kind in turn. */
    private Tensor extremeBlocks(int rows, int columns) {
        Tensor w = Tensor.allocate(Arena.ofAuto(), DataType.Q8_0, rows, columns);
        int blocks = columns / 32;
        for (int block = 0; block < rows * blocks; block++) {
            int at = 34 * block;
            int kind = block / blocks % KINDS;
            w.segment().set(HALF, at, (short) extremeFactor(kind, block % blocks));
            for (int i = 0; i < 32; i++) {
                boolean zeros = kind == 10 || (kind == 11 && block % 2 == 0);
                int code = zeros ? 0 : random.nextInt(-128, 128);
                w.segment().set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) code);
            }
        }
        return w;
    }

    /** The bits of a half float. */
    private int extremeFactor(int kind, int block) {
        return switch (kind) {
            case 0 -> Float.floatToFloat16((float) random.nextGaussian() * 2e-4f);
            case 1 -> random.nextInt(2) << 15;
            case 2 -> random.nextInt(8); // subnormal
            case 3 -> 0x3c00; // 1
            case 4 -> block % 2 == 0 ? 0x7bff : 1; // the largest and the smallest
            case 5 -> random.nextInt(0x7c00) | random.nextInt(2) << 15;
            case 6 -> random.nextInt();
            case 7 -> 0xfbff; // minus the largest
            case 8 -> random.nextInt(0x400) | 0x8000;
            case 9 -> block == 0 ? 0x7e00 : 0x2000; // no number
            case 10 -> block == 0 ? 0x7c00 : 0x2000; // infinite, and all codes 0
            default -> Float.floatToFloat16((float) random.nextGaussian());
        };
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void magnitudesThatDoNotFitAreCut(Kernels kernels) {
        for (float magnitude : new float[] {1e7f, 1e10f, 1.4e12f, 1e15f, 1e30f, Float.MAX_VALUE}) {
            Tensor w = weight(DataType.F32, 1, 32, i -> i % 2 == 0 ? magnitude : -magnitude);
            float[] copy = copyOf(kernels, w, Tensor.f32(1, 2)).toFloats();
            for (int i = 0; i < 32; i++) {
                assertThat(copy[i]).isEqualTo(i % 2 == 0 ? 127 * 65504f : -127 * 65504f);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0"})
    void gatheredRowsAreTheStoredOnesAndHaveTheSameProductsBitByBit(DataType type) {
        for (Kernels kernels : KERNELS) {
            for (int columns : new int[] {768, 1056}) {
                for (int tokens : new int[] {1, 2, 3, 8}) {
                    checkGathered(kernels, type, columns, tokens);
                }
            }
        }
    }

    private void checkGathered(Kernels kernels, DataType type, int columns, int tokens) {
        Tensor w = weight(type, 333, columns, i -> random.nextGaussian() * 0.02);
        Tensor x = weight(DataType.F32, tokens, columns, i -> random.nextGaussian());
        Tensor all = Tensor.f32(tokens, 333);
        kernels.matmul(x, w, all);
        for (int count : new int[] {1, 5, 16, 17, 100}) {
            int[] rows = random.ints(count, 0, 333).toArray();
            Tensor some = Tensor.allocate(Arena.ofAuto(), type, count, columns);
            kernels.gather(w, rows, some);
            Tensor out = Tensor.f32(tokens, count);
            kernels.matmul(x, some, out);
            for (int t = 0; t < tokens; t++) {
                for (int i = 0; i < count; i++) {
                    assertThat(out.get(t, i))
                            .as("%s, %s, %d tokens, %d rows", kernels.name(), type, tokens, count)
                            .isEqualTo(all.get(t, rows[i]));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0"})
    void aProductIsThatOfTheActivationsAsMultipliedWithinTheStatedRounding(DataType type) {
        for (Kernels kernels : KERNELS) {
            for (int columns : new int[] {32, 96, 768, 1056}) {
                Tensor w = weight(type, 65, columns, i -> random.nextGaussian() * 0.02);
                Tensor x = weight(DataType.F32, 2, columns, i -> random.nextGaussian() * (i % 41 == 0 ? 30 : 1));
                Tensor rounded = Tensor.f32(2, columns);
                Tensor out = Tensor.f32(2, 65);
                kernels.asMultiplied(x, w, rounded);
                kernels.matmul(x, w, out);
                checkRounding(w.toFloats(), rounded, out);
            }
        }
    }

    private static void checkRounding(float[] w, Tensor x, Tensor out) {
        int columns = Math.toIntExact(x.columns());
        for (int t = 0; t < x.rows(); t++) {
            for (int r = 0; r < out.columns(); r++) {
                double exact = 0;
                double xNorm = 0;
                double wNorm = 0;
                for (int i = 0; i < columns; i++) {
                    exact += (double) x.get(t, i) * w[r * columns + i];
                    xNorm += (double) x.get(t, i) * x.get(t, i);
                    wNorm += (double) w[r * columns + i] * w[r * columns + i];
                }
                double bound = (columns + 32) * 0x1p-24 * Math.sqrt(xNorm) * Math.sqrt(wNorm);
                assertThat((double) out.get(t, r)).isBetween(exact - bound, exact + bound);
            }
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void operandsThatDoNotFitAreRefusedInWords(Kernels kernels) {
        Tensor w = Tensor.f32(4, 64);
        Tensor halves = Tensor.allocate(Arena.ofAuto(), DataType.BF16, 2, 64);
        assertThatThrownBy(() -> kernels.gather(w, new int[] {0, 1}, halves)).hasMessageContaining("F32 [2, 64]");
        assertThatThrownBy(() -> kernels.gather(w, new int[] {4}, Tensor.f32(1, 64)))
                .hasMessageContaining("row 4 of a matrix with 4 rows");
        assertThatThrownBy(() -> kernels.coarsen(w, Tensor.f32(4, 64), Tensor.f32(4, 2)))
                .hasMessageContaining("expected Q8_0 or Q5_0_R16");
        Tensor sideBySide = Tensor.allocate(Arena.ofAuto(), DataType.Q5_0_R16, 16, 64);
        assertThatThrownBy(() -> kernels.coarsen(Tensor.f32(17, 64), sideBySide, Tensor.f32(17, 2)))
                .hasMessageContaining("expected a floating type [32, 64]");
        assertThatThrownBy(() -> kernels.gather(sideBySide, new int[16], sideBySide))
                .hasMessageContaining("expected rows that follow one another, found Q5_0_R16 [16, 64]");
    }
}
