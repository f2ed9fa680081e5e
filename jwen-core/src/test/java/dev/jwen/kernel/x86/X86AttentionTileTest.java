package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.Tolerances;
import dev.jwen.tensor.DataType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The products of attention in every instruction set against their definition in float64. */
class X86AttentionTileTest {
    private static final long SEED = 20261126;
    private static final int BLOCK = KvCache.BLOCK;

    /** Floats around results, so that writing beside one is seen. */
    private static final int GAP = 32;

    private final SplittableRandom random = new SplittableRandom(SEED);

    private static X86Products open(InstructionSet set) {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        assumeTrue(set.isSupportedBy(CpuFeatures.detect()), () -> "not run: this processor has no " + set);
        return new X86Products(set);
    }

    /** What a test does with a tile. */
    @FunctionalInterface
    private interface Check {
        void run(AttentionTile tile, DataType type, int headDim, int rows);
    }

    private static void forAll(InstructionSet set, Check check) {
        try (X86Products products = open(set)) {
            for (DataType type : new DataType[] {DataType.BF16, DataType.F32}) {
                for (int headDim : new int[] {64, 128, 192, 256}) {
                    AttentionTile tile = Objects.requireNonNull(products.attentionTile(type, headDim));
                    for (int rows = AttentionTile.ROWS; rows <= 16; rows += AttentionTile.ROWS) {
                        check.run(tile, type, headDim, rows);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void scoresAreDotProducts(InstructionSet set) {
        forAll(set, (tile, type, headDim, rows) -> {
            for (int positions = AttentionTile.ROWS; positions <= BLOCK; positions += AttentionTile.ROWS) {
                score(tile, type, headDim, rows, positions);
            }
        });
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void sumsGrowByWeightedValues(InstructionSet set) {
        forAll(set, (tile, type, headDim, rows) -> {
            for (int positions : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 33, 63, BLOCK}) {
                add(tile, type, headDim, rows, positions);
            }
        });
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void headsAreWholeVectorsOfPlainNumbers(InstructionSet set) {
        try (X86Products products = open(set)) {
            int step = 4 * set.rows();
            assertThat(products.attentionTile(DataType.BF16, step)).isNotNull();
            assertThat(products.attentionTile(DataType.BF16, step + step / 2)).isNull();
            assertThat(products.attentionTile(DataType.Q8_0, step)).isNull();
        }
    }

    private void score(AttentionTile tile, DataType type, int headDim, int rows, int positions) {
        try (Arena arena = Arena.ofConfined()) {
            float[] keys = uniform(BLOCK * headDim, type);
            float[] queries = uniform(rows * headDim, DataType.F32);
            float[] before = uniform(GAP + rows * BLOCK + GAP, DataType.F32);
            MemorySegment cache = stored(keys, type, arena);
            MemorySegment scores = stored(before, DataType.F32, arena);
            tile.score(
                    cache.address(),
                    stored(queries, DataType.F32, arena).address(),
                    positions,
                    rows,
                    scores.address() + Float.BYTES * GAP,
                    cache.address());
            float[] after = scores.toArray(ValueLayout.JAVA_FLOAT);
            String what =
                    "%s, head size %d, %d rows, %d positions, seed %d".formatted(type, headDim, rows, positions, SEED);
            for (int i = 0; i < after.length; i++) {
                int row = Math.floorDiv(i - GAP, BLOCK);
                int position = Math.floorMod(i - GAP, BLOCK);
                if (row < 0 || row >= rows || position >= positions) {
                    near(after[i], before[i], 0, what);
                    continue;
                }
                double sum = 0;
                double magnitude = 0;
                for (int c = 0; c < headDim; c++) {
                    double product = (double) queries[row * headDim + c] * keys[position * headDim + c];
                    sum += product;
                    magnitude += Math.abs(product);
                }
                near(after[i], sum, magnitude, what);
            }
        }
    }

    private void add(AttentionTile tile, DataType type, int headDim, int rows, int positions) {
        try (Arena arena = Arena.ofConfined()) {
            float[] values = uniform(BLOCK * headDim, type);
            float[] weights = uniform(rows * BLOCK, DataType.F32);
            float[] before = uniform(GAP + rows * headDim + GAP, DataType.F32);
            MemorySegment cache = stored(values, type, arena);
            MemorySegment sums = stored(before, DataType.F32, arena);
            tile.add(
                    cache.address(),
                    stored(weights, DataType.F32, arena).address(),
                    positions,
                    rows,
                    sums.address() + Float.BYTES * GAP,
                    cache.address());
            float[] after = sums.toArray(ValueLayout.JAVA_FLOAT);
            String what =
                    "%s, head size %d, %d rows, %d positions, seed %d".formatted(type, headDim, rows, positions, SEED);
            for (int i = 0; i < after.length; i++) {
                int row = Math.floorDiv(i - GAP, headDim);
                if (row < 0 || row >= rows) {
                    near(after[i], before[i], 0, what);
                    continue;
                }
                double sum = before[i];
                double magnitude = Math.abs(sum);
                for (int p = 0; p < positions; p++) {
                    double product =
                            (double) weights[row * BLOCK + p] * values[p * headDim + Math.floorMod(i - GAP, headDim)];
                    sum += product;
                    magnitude += Math.abs(product);
                }
                near(after[i], sum, magnitude, what);
            }
        }
    }

    /** Values that {@code type} holds exactly. */
    private float[] uniform(int count, DataType type) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            float value = (float) random.nextDouble(-1, 1);
            values[i] = type == DataType.F32 ? value : Float.intBitsToFloat(Float.floatToIntBits(value) & 0xffff_0000);
        }
        return values;
    }

    private static MemorySegment stored(float[] values, DataType type, Arena arena) {
        MemorySegment memory = arena.allocate(type.bytes(values.length), 64);
        for (int i = 0; i < values.length; i++) {
            if (type == DataType.F32) {
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
            } else {
                memory.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToIntBits(values[i]) >> 16));
            }
        }
        return memory;
    }

    /** @param magnitude of what was added up, with the signs removed; 0 for the same number */
    private static void near(float actual, double expected, double magnitude, String what) {
        if (!(Math.abs(actual - expected) <= Tolerances.SUM * magnitude)) {
            assertThat((double) actual).as(what).isCloseTo(expected, within(Tolerances.SUM * magnitude));
        }
    }
}
