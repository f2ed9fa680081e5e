package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The loops over rows where the tests of the whole kernels do not reach: bits, limits and numbers that are none. */
@ParameterizedClass
@EnumSource(InstructionSet.class)
class X86RowLoopsTest {
    private final X86Products products;
    private final RowLoops loops;

    X86RowLoopsTest(InstructionSet set) {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        assumeTrue(set.isSupportedBy(CpuFeatures.detect()), () -> "not run: this processor has no " + set);
        products = new X86Products(set);
        loops = products.rowLoops();
    }

    @AfterEach
    void close() {
        products.close();
    }

    private static long address(Tensor x) {
        return x.segment().address();
    }

    @Test
    void bitsDoNotDependOnTheInstructionSet() {
        try (X86Products fastest = new X86Products()) {
            for (int count : new int[] {16, 48, 256}) {
                List<Tensor> expected = results(fastest.rowLoops(), count);
                List<Tensor> actual = results(loops, count);
                for (int i = 0; i < expected.size(); i++) {
                    assertThat(actual.get(i).toFloats())
                            .as("%d floats, result %d", count, i)
                            .isEqualTo(expected.get(i).toFloats());
                }
            }
        }
    }

    /** What all loops give but those that add across lanes or are exact. */
    private static List<Tensor> results(RowLoops loops, int count) {
        int rows = 4;
        Random random = new Random(20261215);
        List<Tensor> results = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            results.add(normal(random, RowLoops.SOLVED, 2L * count));
        }
        Tensor other = normal(random, RowLoops.SOLVED, 2L * count);
        Tensor weights = normal(random, RowLoops.SOLVED, KvCache.BLOCK);
        long rowBytes = other.rowBytes();
        long y = address(other);
        long w = address(weights);
        loops.addScaled(address(results.get(0)), y, 0.3f, count);
        loops.scale(y, -3.7f, count, address(results.get(1)));
        loops.scaleRows(address(results.get(2)), rowBytes, w, rows, count);
        loops.mixRows(address(results.get(3)), y, rowBytes, w, w + 64, rows, count);
        loops.solve(address(results.get(4)), rowBytes, w, weights.rowBytes(), count);
        loops.swiGlu(y, y + rowBytes, count, address(results.get(5)));
        loops.swiGluBack(
                y,
                y + rowBytes,
                y + 2 * rowBytes,
                count,
                address(results.get(6)),
                address(results.get(6).rows(1, 1)));
        loops.sigmoidGate(address(results.get(7)), y, count);
        loops.rope(address(results.get(8)), 2 * count, rows, count, y, y + rowBytes);
        loops.fourTaps(
                y,
                y + rowBytes,
                y + 2 * rowBytes,
                y + 3 * rowBytes,
                y + 4 * rowBytes,
                rowBytes,
                count,
                address(results.get(9)));
        loops.decay(address(results.get(10)), address(results.get(10).rows(1, 1)), y, 0.3f, 1.7f, count);
        Tensor max = normal(random, RowLoops.SOLVED, 1);
        Tensor sums = normal(random, RowLoops.SOLVED, RowLoops.STEP);
        loops.soften(w, 55, address(max), address(sums), address(results.get(11)), count, rows);
        results.addAll(List.of(weights, max, sums));
        Tensor lanes = normal(random, 5, count);
        Tensor state = normal(random, 2, count);
        Tensor softened = normal(random, 3, count);
        loops.softenLanes(address(lanes), 5, count, address(state), address(softened), 3);
        results.addAll(List.of(lanes, state, softened));
        return results;
    }

    @Test
    void everyPlaceOfABlockCanHaveItsMaximum() {
        for (int count : new int[] {16, 48, 64}) {
            Tensor x = Tensor.f32(count, count);
            Tensor out = Tensor.f32(1, count + 1L);
            for (int block = 0; block < count; block++) {
                for (int i = 0; i < count; i++) {
                    x.set(block, i, i == block ? -1 - block : -2 - block - i);
                }
            }
            loops.maxima(address(x), count, count, address(out));
            for (int block = 0; block < count; block++) {
                assertThat(out.get(0, block)).as("%d floats", count).isEqualTo(-1 - block);
            }
            assertThat(out.get(0, count)).isZero();
        }
    }

    @Test
    void rowsAreNormalisedOneByOne() {
        Random random = new Random(20261216);
        for (int count : new int[] {16, 48, 80, 256}) {
            Tensor x = normal(random, 3, count);
            Tensor weight = normal(random, 1, count);
            Tensor out = Tensor.f32(3, count + 5L);
            loops.rmsNorm(address(x), address(weight), count, 3, 0.25f, address(out), out.rowBytes());
            for (int r = 0; r < 3; r++) {
                double squares = 0;
                for (int i = 0; i < count; i++) {
                    squares += x.get(r, i) * (double) x.get(r, i);
                }
                for (int i = 0; i < count; i++) {
                    assertClose(out.get(r, i), x.get(r, i) / Math.sqrt(squares / count + 0.25) * weight.get(0, i));
                }
                assertThat(out.get(r, count)).isZero();
            }
        }
    }

    @Test
    void bfloat16HasTheBitsOfTheCache() {
        SplittableRandom random = new SplittableRandom(20261125);
        float[] special = {
            0,
            -0f,
            Float.NaN,
            Float.intBitsToFloat(0x7f800001),
            Float.intBitsToFloat(0xffffffff),
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY,
            Float.MAX_VALUE,
            Float.MIN_VALUE,
            1
        };
        for (int count : new int[] {32, 96, 256}) {
            Tensor x = Tensor.f32(1, count);
            for (int i = 0; i < count; i++) {
                // Every second one a tie between two neighbours.
                int bits = i % 2 == 0 ? random.nextInt() : random.nextInt() << 16 | 0x8000;
                x.set(0, i, i < special.length ? special[i] : Float.intBitsToFloat(bits));
            }
            KvCache cache = new KvCache(new MemoryPool(), DataType.BF16, 1, count);
            cache.reserve(2);
            cache.write(0, x, x, 0);
            Tensor values = cache.keys(0).values();
            loops.toBf16(address(x), count, address(values) + values.rowBytes());
            assertThat(values.rows(1, 1).segment().mismatch(values.rows(0, 1).segment()))
                    .isEqualTo(-1);
        }
    }

    @Test
    void softenCountsWhatIsSeenOnly() {
        for (int seen : new int[] {-3, 0, 1, 15, 16, 33, 64}) {
            Tensor scores = Tensor.f32(1, KvCache.BLOCK);
            for (int p = 0; p < KvCache.BLOCK; p++) {
                scores.set(0, p, p < seen ? (p * 37 % 64 - 90) / 4f : p % 2 == 0 ? Float.NaN : 1e30f);
            }
            float[] before = scores.toFloats();
            Tensor max = Tensor.f32(new float[] {-20}, 1, 1);
            Tensor sums = Tensor.f32(1, RowLoops.STEP);
            Tensor result = Tensor.f32(1, 32);
            sums.set(0, 3, 2);
            result.set(0, 31, 5);
            loops.soften(address(scores), seen, address(max), address(sums), address(result), 32, 1);
            float expectedMax = -20;
            for (int p = 0; p < seen; p++) {
                expectedMax = Math.max(expectedMax, before[p]);
            }
            assertThat(max.get(0, 0)).isEqualTo(expectedMax);
            double shrink = Math.exp(-20 - (double) expectedMax);
            double sum = 2 * shrink;
            for (int p = 0; p < KvCache.BLOCK; p++) {
                double weight = p < seen ? Math.exp((double) before[p] - expectedMax) : 0;
                assertClose(scores.get(0, p), weight);
                sum += weight;
            }
            double actual = 0;
            for (float part : sums.toFloats()) {
                actual += part;
            }
            assertClose(actual, sum);
            assertClose(result.get(0, 31), 5 * shrink);
        }
    }

    @Test
    void softenTreatsEachRowAsIfItWereAlone() {
        int rows = 5;
        int count = 48;
        Random random = new Random(20260415);
        Tensor scores = normal(random, rows, KvCache.BLOCK);
        Tensor max = normal(random, rows, 1);
        Tensor sums = normal(random, rows, RowLoops.STEP);
        Tensor result = normal(random, rows, count);
        List<Tensor> together = List.of(scores, max, sums, result);
        List<Tensor> alone = together.stream().map(X86RowLoopsTest::copy).toList();
        loops.soften(address(scores), 50, address(max), address(sums), address(result), count, rows);
        for (int r = 0; r < rows; r++) {
            loops.soften(
                    address(alone.get(0).rows(r, 1)),
                    50,
                    address(alone.get(1).rows(r, 1)),
                    address(alone.get(2).rows(r, 1)),
                    address(alone.get(3).rows(r, 1)),
                    count,
                    1);
        }
        for (int i = 0; i < together.size(); i++) {
            assertThat(together.get(i).toFloats()).isEqualTo(alone.get(i).toFloats());
        }
    }

    private static Tensor normal(Random random, int rows, long columns) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, columns);
    }

    private static Tensor copy(Tensor x) {
        return Tensor.f32(x.toFloats(), x.shape());
    }

    @Test
    void gatesCloseAtTheLimitsAndKeepWhatIsNoNumber() {
        float[] gates = new float[16];
        float[] some = {0, -87, -88, -89, -1000, 88, 1000, Float.NaN, Float.intBitsToFloat(0xffc00000), 1, -1, 20};
        System.arraycopy(some, 0, gates, 0, some.length);
        Tensor gate = Tensor.f32(gates, 1, 16);
        float[] ones = new float[16];
        Arrays.fill(ones, 1);
        Tensor x = Tensor.f32(ones, 1, 16);
        loops.sigmoidGate(address(x), address(gate), 16);
        for (int i = 0; i < 16; i++) {
            if (Float.isNaN(gates[i])) {
                assertThat(x.get(0, i)).isNaN();
            } else {
                assertClose(x.get(0, i), 1 / (1 + Math.exp(-(double) gates[i])));
            }
        }
    }

    private static void assertClose(double actual, double expected) {
        assertThat(Math.abs(actual - expected)).isLessThanOrEqualTo(1e-6 * Math.abs(expected) + 1e-37);
    }

    @Test
    void rowsBecomeColumns() {
        for (int count : new int[] {16, 32, 80}) {
            Tensor x = Tensor.f32(16, count + 5L);
            Tensor turned = Tensor.f32(count, 19);
            for (int r = 0; r < 16; r++) {
                for (int c = 0; c < count; c++) {
                    x.set(r, c, 1000 * r + c);
                }
            }
            loops.transpose(address(x), x.rowBytes(), count, address(turned), turned.rowBytes());
            for (int c = 0; c < count; c++) {
                for (int r = 0; r < 19; r++) {
                    assertThat(turned.get(c, r)).isEqualTo(r < 16 ? 1000 * r + c : 0);
                }
            }
        }
    }

    @Test
    void decayNeverGrows() {
        Tensor x = Tensor.f32(2, 32);
        Tensor logs = Tensor.f32(1, 32);
        for (int i = 0; i < 32; i++) {
            x.set(0, i, i + 1);
            x.set(1, i, 2 * i - 31);
            logs.set(0, i, -i);
        }
        float log = -20;
        Tensor before = Tensor.f32(2, 32);
        before.copyFrom(x);
        loops.decay(address(x), address(x) + x.rowBytes(), address(logs), log, -0.5f, 32);
        for (int i = 0; i < 32; i++) {
            float e = (float) Math.exp(Math.min(log + i, 0));
            assertThat(x.get(0, i)).isCloseTo(before.get(0, i) * e * -0.5f, within(1e-6f * before.get(0, i)));
            assertThat(x.get(1, i)).isCloseTo(before.get(1, i) * e, within(1e-6f * Math.abs(before.get(1, i))));
        }
    }

    @Test
    void exponentialsAreThoseOfFloat32() {
        Tensor x = Tensor.f32(1, 160);
        Tensor y = Tensor.f32(1, 160);
        for (int i = 0; i < 160; i++) {
            x.set(0, i, i - 80.5f);
        }
        loops.exp(address(x), 160, address(y));
        for (int i = 0; i < 160; i++) {
            float exact = (float) Math.exp(i - 80.5);
            assertThat(y.get(0, i)).isCloseTo(exact, within(3e-7f * exact));
        }
    }

    @Test
    void bfloat16IsTheUpperHalfOfAFloat() {
        Tensor halves = Tensor.allocate(Arena.ofAuto(), DataType.BF16, 1, 256);
        Tensor x = Tensor.f32(1, 256);
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 256; i++) {
            halves.segment().set(ValueLayout.JAVA_SHORT, 2L * i, (short) random.nextInt());
        }
        loops.fromBf16(address(halves), 256, address(x));
        for (int i = 0; i < 256; i++) {
            int bits = halves.segment().get(ValueLayout.JAVA_SHORT, 2L * i) << 16;
            assertThat(Float.floatToRawIntBits(x.get(0, i))).isEqualTo(bits);
        }
    }

    @Test
    void lanesAreSoftenedOneByOne() {
        int lanes = 32;
        int positions = 5;
        int width = 3;
        SplittableRandom random = new SplittableRandom(11);
        Tensor scores = Tensor.f32(positions, lanes);
        Tensor state = Tensor.f32(2, lanes);
        Tensor result = Tensor.f32(width, lanes);
        for (int l = 0; l < lanes; l++) {
            for (int p = 0; p < positions; p++) {
                scores.set(p, l, l == 3 && p > 1 ? Float.NEGATIVE_INFINITY : (float) random.nextDouble(-5, 5));
            }
            state.set(0, l, l % 4 == 0 ? -1e30f : (float) random.nextDouble(-5, 5));
            state.set(1, l, l % 4 == 0 ? 0 : 2);
            for (int c = 0; c < width; c++) {
                result.set(c, l, c + 1);
            }
        }
        Tensor given = Tensor.f32(positions, lanes);
        given.copyFrom(scores);
        Tensor before = Tensor.f32(2, lanes);
        before.copyFrom(state);
        loops.softenLanes(address(scores), positions, lanes, address(state), address(result), width);
        for (int l = 0; l < lanes; l++) {
            double max = before.get(0, l);
            for (int p = 0; p < positions; p++) {
                max = Math.max(max, given.get(p, l));
            }
            double shrink = Math.exp(before.get(0, l) - max);
            double sum = before.get(1, l) * shrink;
            for (int p = 0; p < positions; p++) {
                double weight = Math.exp(given.get(p, l) - max);
                sum += weight;
                assertThat((double) scores.get(p, l)).isCloseTo(weight, within(1e-6));
            }
            assertThat((double) state.get(0, l)).isEqualTo(max);
            assertThat((double) state.get(1, l)).isCloseTo(sum, within(1e-5));
            for (int c = 0; c < width; c++) {
                assertThat((double) result.get(c, l)).isCloseTo((c + 1) * shrink, within(1e-6 * (c + 1)));
            }
        }
    }
}
