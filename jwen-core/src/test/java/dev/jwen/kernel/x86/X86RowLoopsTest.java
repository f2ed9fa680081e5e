package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The loops over rows where the tests of the whole kernels do not reach: bits, limits and numbers that are none. */
class X86RowLoopsTest {
    private static X86Products products;
    private static RowLoops loops;

    @BeforeAll
    static void open() {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        products = new X86Products();
        RowLoops found = products.rowLoops();
        assumeTrue(found != null, "not run: this processor has no AVX-512");
        loops = Objects.requireNonNull(found);
    }

    @AfterAll
    static void close() {
        if (products != null) {
            products.close();
        }
    }

    private static long address(Tensor x) {
        return x.segment().address();
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
            loops.soften(address(scores), seen, address(max), address(sums), address(result), 32);
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
}
