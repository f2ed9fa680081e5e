package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.Blocks;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Logits by way of a coarse copy are those of the whole product, on every back end. */
class LmHeadTest {
    private static final List<Kernels> KERNELS = Backends.all().stream()
            .filter(provider -> provider.unavailable().isEmpty())
            .map(provider -> provider.open(2))
            .toList();

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(20261126);
    private final MemoryPool pool = new MemoryPool();

    static Stream<Kernels> kernels() {
        return KERNELS.stream();
    }

    @AfterAll
    static void closeKernels() {
        KERNELS.forEach(Kernels::close);
    }

    @AfterEach
    void closePool() {
        pool.close();
    }

    private static Tensor matrix(DataType type, int rows, int columns, IntToDoubleFunction values) {
        float[] all = new float[rows * columns];
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) values.applyAsDouble(i);
        }
        Tensor matrix = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
        Blocks.encode(type, all, 0, all.length, matrix.segment(), 0);
        return matrix;
    }

    private Tensor gaussian(DataType type, int rows, int columns, double deviation) {
        return matrix(type, rows, columns, i -> random.nextGaussian() * deviation);
    }

    private LmHead head(Tensor weight, Kernels kernels) {
        LmHead head = new LmHead(weight, kernels, pool);
        head.complete();
        return head;
    }

    /** Checks every token's shortlist; the rows that were multiplied as they are stored. */
    private static int check(LmHead head, Tensor weight, Kernels kernels, Tensor x, Shortlist... shortlists) {
        Tensor all = Tensor.f32(x.rows(), weight.rows());
        kernels.matmul(x, weight, all);
        Tensor some = head.multiply(x, Arrays.asList(shortlists));
        for (int t = 0; t < x.rows(); t++) {
            check(TinyModel.rows(all).get(t), TinyModel.rows(some).get(t), shortlists[t]);
            int kept = 0;
            for (float logit : TinyModel.rows(some).get(t)) {
                kept += logit == Float.NEGATIVE_INFINITY ? 0 : 1;
            }
            assertThat(kept).isLessThanOrEqualTo(head.rowsRead());
        }
        return head.rowsRead();
    }

    private static void check(float[] all, float[] some, Shortlist shortlist) {
        int vocabulary = Math.min(all.length, shortlist.vocabularySize());
        float[] counted = Arrays.copyOf(all, vocabulary);
        for (int[] ids : List.of(shortlist.lowered(), shortlist.raised())) {
            for (int id : ids) {
                counted[id] = Float.NEGATIVE_INFINITY;
            }
        }
        Arrays.sort(counted);
        float threshold = counted[Math.max(0, vocabulary - shortlist.count())];
        for (int id : shortlist.raised()) {
            assertThat(some[id]).isEqualTo(Float.valueOf(all[id]));
        }
        for (int i = 0; i < all.length; i++) {
            if (some[i] != Float.NEGATIVE_INFINITY || (i < vocabulary && all[i] >= threshold)) {
                assertThat(some[i]).as("logit %d of %d", i, all.length).isEqualTo(Float.valueOf(all[i]));
            }
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void theLargestLogitsAreThoseOfTheWholeProduct(Kernels kernels) {
        for (DataType type : List.of(DataType.BF16, DataType.F16, DataType.F32, DataType.Q8_0)) {
            for (int rows : new int[] {1, 63, 64, 65, 4099}) {
                for (int columns : new int[] {32, 96, 256, 768, 1056}) {
                    Tensor weight = gaussian(type, rows, columns, 0.02);
                    LmHead head = head(weight, kernels);
                    boolean isCopied = LmHead.copyBytes(weight, kernels) > 0;
                    for (int count : new int[] {1, 2, 20}) {
                        Tensor x = gaussian(DataType.F32, 1, columns, 3);
                        int read = check(head, weight, kernels, x, Shortlist.largest(count, rows));
                        // Of so few rows too many could be among so many, if they are known to five bits only.
                        boolean isProvable = count < 20 || columns < 768;
                        assertThat(read).isLessThanOrEqualTo(rows > 4000 && isCopied && isProvable ? rows / 8 : rows);
                    }
                }
            }
        }
    }

    /** Five bits are worth their reading only where products with them are as fast as memory. */
    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void theCopyHasFiveBitsWhereTheyKeepUpWithMemory(Kernels kernels) {
        for (int columns : new int[] {768, 1056}) {
            boolean keepsUp = kernels.keepsUpWithMemory(DataType.Q5_0_R16, columns);
            Tensor eight = gaussian(DataType.Q8_0, 2041, columns, 0.02);
            assertThat(LmHead.copyBytes(eight, kernels)).isEqualTo(keepsUp ? 2048L * columns / 32 * 22 : 0);
            LmHead head = head(eight, kernels);
            Tensor x = gaussian(DataType.F32, 2, columns, 1);
            Shortlist shortlist = Shortlist.largest(1, 2000);
            int read = check(head, eight, kernels, x, shortlist, shortlist);
            assertThat(read < 2041).isEqualTo(keepsUp);
            Tensor sixteen = gaussian(DataType.BF16, 2041, columns, 0.02);
            boolean keepsUpInEight = kernels.keepsUpWithMemory(DataType.Q8_0, columns);
            assertThat(LmHead.copyBytes(sixteen, kernels))
                    .isEqualTo(keepsUp ? 2048L * columns / 32 * 22 : keepsUpInEight ? 2041L * columns / 32 * 34 : 0);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void severalTokensHaveTheirOwnShortlists(Kernels kernels) {
        Tensor weight = gaussian(DataType.BF16, 4099, 96, 0.02);
        LmHead head = head(weight, kernels);
        for (int tokens : new int[] {2, 8, 3, 8, 1}) {
            Shortlist[] shortlists = new Shortlist[tokens];
            Arrays.setAll(shortlists, t -> Shortlist.largest(1 + 3 * t, 4000 + t));
            for (int i = 0; i < 2; i++) {
                Tensor x = gaussian(DataType.F32, tokens, 96, 1);
                assertThat(check(head, weight, kernels, x, shortlists)).isLessThan(4099 / 8);
            }
            head.multiply(gaussian(DataType.F32, 5, 96, 1), Collections.nCopies(5, null));
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void equalAndNearlyEqualLogitsAreAllKept(Kernels kernels) {
        int columns = 96;
        Tensor x = gaussian(DataType.F32, 1, columns, 1);
        float[] direction = x.toFloats();
        // 40 rows are the best direction, and 40 differ from it in the last bit of a weight.
        Tensor weight = matrix(DataType.BF16, 2048, columns, i -> {
            int row = i / columns;
            float along = 0.02f * direction[i % columns];
            boolean best = row % 50 == 7 || row % 50 == 8;
            boolean nudged = row % 50 == 8 && i % columns == row % columns;
            return best ? nudged ? along * 1.008 : along : random.nextGaussian() * 0.01;
        });
        LmHead head = head(weight, kernels);
        for (int count : new int[] {1, 20, 41, 81, 100}) {
            assertThat(check(head, weight, kernels, x, Shortlist.largest(count, 2048)))
                    .isLessThan(2048);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void oddRowsAreNoObstacle(Kernels kernels) {
        int columns = 64;
        Tensor weight = matrix(DataType.F32, 1000, columns, i -> switch (i / columns % 10) {
            case 0 -> 0;
            case 1 -> random.nextGaussian() * 1e-40;
            case 2 -> i / columns == 502 ? 1e20 * random.nextGaussian() : random.nextGaussian() * 1e-7;
            case 3 -> i % columns == 3 ? 500 : 1e-3;
            default -> random.nextGaussian() * 0.02;
        });
        LmHead head = head(weight, kernels);
        for (double scale : new double[] {1, 1e-30, 1e-38, 1e10, 0}) {
            for (int count : new int[] {1, 20}) {
                check(head, weight, kernels, gaussian(DataType.F32, 1, columns, scale), Shortlist.largest(count, 990));
            }
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void whatIsNotFiniteIsLeftToTheWholeProduct(Kernels kernels) {
        Tensor weight = gaussian(DataType.BF16, 1000, 64, 0.02);
        for (float broken : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.MAX_VALUE}) {
            LmHead head = head(weight, kernels);
            Tensor x = matrix(DataType.F32, 1, 64, i -> i == 40 ? broken : 1);
            assertThat(check(head, weight, kernels, x, Shortlist.largest(1, 1000)))
                    .isEqualTo(1000);
            Tensor damaged = matrix(DataType.F32, 1000, 64, i -> i == 64 * 500 + 3 ? broken : 0.1);
            assertThat(check(
                            head(damaged, kernels),
                            damaged,
                            kernels,
                            gaussian(DataType.F32, 1, 64, 1),
                            Shortlist.largest(1, 1000)))
                    .isEqualTo(1000);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void changedIdsDoNotCountAndComeWhereTheyAreNeeded(Kernels kernels) {
        Tensor weight = gaussian(DataType.BF16, 4096, 96, 0.02);
        LmHead head = head(weight, kernels);
        Tensor x = gaussian(DataType.F32, 1, 96, 1);
        Tensor all = Tensor.f32(1, 4096);
        kernels.matmul(x, weight, all);
        int best = TinyModel.argMax(all.toFloats());
        int[] some = random.ints(50, 0, 4096).distinct().toArray();
        int[] withBest = {best, some[0], some[1]};
        for (int[] lowered : List.of(new int[0], some, withBest)) {
            for (int[] raised : List.of(new int[0], new int[] {3, 4095})) {
                Shortlist shortlist = new Shortlist(5, lowered, raised, 4096);
                assertThat(check(head, weight, kernels, x, shortlist)).isLessThan(4096 / 8);
            }
        }
        Tensor logits = head.multiply(x, List.of(new Shortlist(5, withBest, new int[0], 4096)));
        assertThat(logits.get(0, best)).isEqualTo(all.get(0, best));
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void theCopyIsMadeOverTheFirstStepsAndChangesNothing(Kernels kernels) {
        Tensor weight = gaussian(DataType.BF16, 4096, 64, 0.02);
        LmHead head = new LmHead(weight, kernels, pool);
        int whole = 0;
        for (int step = 0; step < 80; step++) {
            Tensor x = gaussian(DataType.F32, 1, 64, 1);
            whole += check(head, weight, kernels, x, Shortlist.largest(1, 4096)) == 4096 ? 1 : 0;
        }
        assertThat(whole).isEqualTo(LmHead.PARTS);
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void aBoundThatRulesOutTooLittleIsNotTriedAgainAtOnce(Kernels kernels) {
        // All rows are the same but for less than the copy can tell.
        Tensor weight = matrix(DataType.F32, 1024, 64, i -> (i % 64 + 1) * 0.01 * (1 + 1e-6 * Math.floorDiv(i, 64)));
        LmHead head = head(weight, kernels);
        for (int step = 0; step < 20; step++) {
            Tensor x = gaussian(DataType.F32, 1, 64, 1);
            assertThat(check(head, weight, kernels, x, Shortlist.largest(1, 1024)))
                    .isEqualTo(1024);
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("kernels")
    void noLogitIsFurtherFromItsCoarseOneThanTheBoundSays(Kernels kernels) {
        double tightest = Double.POSITIVE_INFINITY;
        for (int round = 0; round < 32; round++) {
            boolean isSmall = round >= 24;
            DataType type = isSmall
                    ? DataType.Q8_0
                    : List.of(DataType.BF16, DataType.F16, DataType.F32).get(round % 3);
            int columns = isSmall
                    ? new int[] {256, 768, 1024, 2560}[round % 4]
                    : new int[] {32, 160, 768, 1056}[round / 3 % 4];
            double outliers = round / 4 % 2 == 0 ? 1 : 40;
            Tensor weight = matrix(
                    type, 500, columns, i -> 0.02 * random.nextGaussian() * (random.nextInt(50) == 0 ? outliers : 1));
            Tensor x = matrix(
                    DataType.F32, 2, columns, i -> random.nextGaussian() * (random.nextInt(50) == 0 ? outliers : 1));
            DataType copied = round % 2 == 0 ? DataType.Q5_0_R16 : DataType.Q8_0;
            CoarseCopy copy = new CoarseCopy(weight, copied, kernels, pool, 1);
            copy.makePart();
            Tensor logits = Tensor.f32(2, 500);
            kernels.matmul(x, weight, logits);
            List<CoarseCopy.Bound> bounds = copy.bounds(x);
            assertThat(bounds).isNotNull();
            Tensor coarse = Tensor.f32(2, copy.rows());
            Tensor largest = Tensor.f32(2, Math.ceilDiv(500, CoarseCopy.BLOCK));
            copy.multiply(x, coarse, largest);
            for (int t = 0; t < 2; t++) {
                for (int r = 0; r < 500; r++) {
                    float above = copy.above(r, coarse.get(t, r), bounds.get(t));
                    float below = -copy.above(r, -coarse.get(t, r), bounds.get(t));
                    assertThat(logits.get(t, r)).isBetween(below, above);
                    assertThat(coarse.get(t, r)).isLessThanOrEqualTo(largest.get(t, r / CoarseCopy.BLOCK));
                    tightest = Math.min(tightest, (above - below) / 2);
                }
            }
        }
        assertThat(tightest).isPositive().isLessThan(0.1);
    }
}
