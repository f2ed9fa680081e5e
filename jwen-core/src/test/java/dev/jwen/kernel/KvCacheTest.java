package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is written into a cache comes out of it, as exactly as its type promises. */
class KvCacheTest {
    private static final long SEED = 20260404;
    private static final int HEADS = 2;
    private static final int HEAD_DIM = 48;
    private static final int WIDTH = HEADS * HEAD_DIM;

    private final SplittableRandom random = new SplittableRandom(SEED);

    private Tensor normal(int rows) {
        float[] values = new float[rows * WIDTH];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.f32(values, rows, WIDTH);
    }

    private static KvCache filled(MemoryPool pool, DataType type, Tensor k, Tensor v) {
        KvCache cache = new KvCache(pool, type, HEADS, HEAD_DIM);
        int rows = Math.toIntExact(k.rows());
        cache.reserve(rows);
        for (int t = 0; t < rows; t++) {
            cache.write(t, k, v, t);
        }
        return cache;
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "BF16", "Q8_0"})
    void keysAndValuesComeBackWithinTheRoundingOfTheType(DataType type) {
        Tensor k = normal(100);
        Tensor v = normal(100);
        try (MemoryPool pool = new MemoryPool();
                KvCache cache = filled(pool, type, k, v)) {
            float[] out = new float[HEAD_DIM];
            for (int t = 0; t < 100; t++) {
                for (int head = 0; head < HEADS; head++) {
                    cache.readKey(t, head, out);
                    compare(type, k, t, head, out);
                    cache.readValue(t, head, out);
                    compare(type, v, t, head, out);
                }
            }
        }
    }

    private static void compare(DataType type, Tensor written, int t, int head, float[] read) {
        for (int c = 0; c < HEAD_DIM; c++) {
            float largest = 0;
            for (int i = c / 32 * 32; i < Math.min(HEAD_DIM, c / 32 * 32 + 32); i++) {
                largest = Math.max(largest, Math.abs(written.get(t, head * HEAD_DIM + i)));
            }
            float x = written.get(t, head * HEAD_DIM + c);
            float bound = switch (type) {
                case F32 -> 0;
                case BF16 -> Math.abs(x) / 256;
                // Half a step, and the rounding of the scale and the product.
                default -> largest / 254 * 1.00001f;
            };
            assertThat(read[c])
                    .as("position %d, head %d, value %d, seed %d", t, head, c, SEED)
                    .isEqualTo(x, within(bound));
        }
    }

    @Test
    void eightBitsAreTheNearestStepAndTiesGoToTheEvenOne() {
        float[] row = new float[WIDTH];
        row[0] = 127;
        row[1] = 0.5f;
        row[2] = 1.5f;
        row[3] = -2.5f;
        row[4] = -126.4f;
        Tensor k = Tensor.f32(row, 1, WIDTH);
        try (MemoryPool pool = new MemoryPool();
                KvCache cache = filled(pool, DataType.Q8_0, k, k)) {
            float[] out = new float[HEAD_DIM];
            cache.readKey(0, 0, out);
            assertThat(Arrays.copyOf(out, 6)).containsExactly(127, 0, 2, -2, -126, 0);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "BF16", "Q8_0"})
    void aValueThatIsNoFiniteNumberIsNeverTurnedIntoOne(DataType type) {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            Tensor k = normal(1);
            k.set(0, 40, bad);
            try (MemoryPool pool = new MemoryPool();
                    KvCache cache = filled(pool, type, k, k)) {
                float[] out = new float[HEAD_DIM];
                cache.readValue(0, 0, out);
                assertThat(Float.isFinite(out[40])).isFalse();
                assertThat(Float.isFinite(out[31])).isTrue();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "BF16", "Q8_0"})
    void aForkKeepsWhatItHadAndGoesItsOwnWay(DataType type) {
        Tensor k = normal(100);
        Tensor v = normal(100);
        try (MemoryPool pool = new MemoryPool()) {
            KvCache cache = filled(pool, type, k, v);
            KvCache fork = cache.fork(90);
            float[] before = new float[HEAD_DIM];
            float[] after = new float[HEAD_DIM];
            cache.readValue(80, 1, before);
            cache.write(80, v, k, 3);
            fork.readValue(80, 1, after);
            assertThat(after).isEqualTo(before);
            cache.close();
            fork.readKey(10, 0, after);
            fork.readKey(89, 0, before);
            assertThat(after).isNotEqualTo(before);
            fork.close();
            assertThat(pool.takenBytes()).isZero();
        }
    }

    @Test
    void theSizeIsThatOfTheMemoryTaken() {
        try (MemoryPool pool = new MemoryPool()) {
            for (DataType type : new DataType[] {DataType.F32, DataType.BF16, DataType.Q8_0}) {
                try (KvCache cache = new KvCache(pool, type, 2, 64)) {
                    cache.reserve(65);
                    long values = 2 * 2 * 2 * 64 * 64;
                    long expected = switch (type) {
                        case F32 -> 4 * values;
                        case BF16 -> 2 * values;
                        default -> values + values / 32 * 4;
                    };
                    assertThat(cache.sizeBytes()).isEqualTo(expected).isEqualTo(pool.takenBytes());
                }
            }
        }
    }

    @Test
    void otherTypesAreRefused() {
        try (MemoryPool pool = new MemoryPool()) {
            assertThatThrownBy(() -> new KvCache(pool, DataType.Q4_0, 1, 32))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("a KV cache holds F32, BF16 or Q8_0, not Q4_0");
        }
    }
}
