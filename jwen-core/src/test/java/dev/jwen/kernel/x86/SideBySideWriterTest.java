package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.SideBySide;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@ParameterizedClass
@EnumSource(InstructionSet.class)
class SideBySideWriterTest {
    private static final int ROWS = 48;
    private static final int FIRST = 16;
    private static final long SEED = 20261126;

    private final SplittableRandom random = new SplittableRandom(SEED);
    private final Arena arena = Arena.ofConfined();
    private final InstructionSet set;
    private X86Products products;

    SideBySideWriterTest(InstructionSet set) {
        this.set = set;
    }

    @BeforeEach
    void open() {
        products = X86ProductsTest.open(set);
    }

    @AfterEach
    void close() {
        arena.close();
        if (products != null) {
            products.close();
        }
    }

    /** With powers of two as factors and one record that is not zero, every float on the way is exact. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void everyNumberOfTokensGivesTheIntegersOfThePlainProduct(boolean isRandom) {
        for (int columns : new int[] {32, 96, 1056}) {
            byte[][] codes = new byte[ROWS][columns];
            Tensor w = weight(codes, isRandom);
            MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
            for (int tokens = 1; tokens <= 2 * SideBySideWriter.maxTokens(set) + 3; tokens++) {
                MemorySegment x = X86ProductsTest.oneRecord(arena, tokens, columns, isRandom, random);
                Activations form = products.activations(w, tokens);
                MemorySegment records = arena.allocate(tokens * form.bytes(columns), 64);
                products.quantise(form, x, tokens, columns, records);
                Tensor out = Tensor.allocate(arena, DataType.F32, tokens, ROWS);
                products.product(w, FIRST, ROWS, records, tokens, out.segment(), ROWS, buffer);
                for (int t = 0; t < tokens; t++) {
                    for (int row = 0; row < ROWS; row++) {
                        assertThat(out.get(t, row))
                                .as("row %d of %d columns, token %d of %d", row, columns, t, tokens)
                                .isEqualTo(row < FIRST ? 0 : product(codes[row], x, t) * factor(row));
                    }
                }
            }
        }
    }

    @Test
    void factorsBesideTheWeightsMultiplyThem() {
        Tensor w = weight(new byte[ROWS][64], true);
        float[] factors = new float[ROWS];
        for (int row = 0; row < ROWS; row++) {
            factors[row] = 0.5f * row;
        }
        Tensor scaled = w.withScale(new Tensor.Scale(Tensor.f32(factors, ROWS, 1), 1, 64));
        assertThat(products.supports(scaled)).isTrue();
        MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
        MemorySegment x = X86ProductsTest.oneRecord(arena, 3, 64, true, random);
        MemorySegment records = arena.allocate(3 * products.activations(w, 3).bytes(64), 64);
        products.quantise(products.activations(w, 3), x, 3, 64, records);
        Tensor plain = Tensor.allocate(arena, DataType.F32, 3, ROWS);
        Tensor out = Tensor.allocate(arena, DataType.F32, 3, ROWS);
        products.product(w, 0, ROWS, records, 3, plain.segment(), ROWS, buffer);
        products.product(scaled, 0, ROWS, records, 3, out.segment(), ROWS, buffer);
        for (int t = 0; t < 3; t++) {
            for (int row = 0; row < ROWS; row++) {
                assertThat(out.get(t, row)).isEqualTo(plain.get(t, row) * factors[row]);
            }
        }
    }

    @Test
    void onlyWholeGroupsOfRowsAreMultiplied() {
        Tensor w = weight(new byte[ROWS][32], true);
        MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
        MemorySegment records = arena.allocate(products.activations(w, 1).bytes(32), 64);
        MemorySegment out = arena.allocate(4 * ROWS);
        assertThatThrownBy(() -> products.product(w, 8, 24, records, 1, out, ROWS, buffer))
                .hasMessage("rows 8 to 24 are not whole groups of 16");
    }

    /** Fills {@code codes} at random, or with the ends of their range. */
    private Tensor weight(byte[][] codes, boolean isRandom) {
        int columns = codes[0].length;
        Tensor w = Tensor.allocate(arena, DataType.Q5_0_R16, ROWS, columns);
        for (int row = 0; row < ROWS; row++) {
            for (int i = 0; i < columns; i++) {
                codes[row][i] = (byte) (isRandom ? random.nextInt(-16, 16) : row % 2 == 0 ? -16 : 15);
            }
            short[] factors = new short[columns / 32];
            Arrays.fill(factors, Float.floatToFloat16(factor(row)));
            SideBySide.store(w, row, factors, codes[row]);
        }
        return w;
    }

    private static float factor(int row) {
        return 1 << row % 3;
    }

    private static float product(byte[] codes, MemorySegment x, int token) {
        float sum = 0;
        for (int i = 0; i < codes.length; i++) {
            sum += codes[i] * x.get(Tensor.FLOAT, 4L * (codes.length * token + i));
        }
        return sum;
    }
}
