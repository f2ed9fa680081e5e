package dev.jwen.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SideBySideTest {
    private static final long SEED = 20260512;

    private final SplittableRandom random = new SplittableRandom(SEED);

    @Test
    void rowsDecodeToWhatWasStored() {
        int columns = 96;
        Tensor matrix = Tensor.allocate(Arena.ofAuto(), DataType.Q5_0_R16, 32, columns);
        float[] expected = new float[32 * columns];
        for (int row = 0; row < 32; row++) {
            short[] factors = new short[columns / 32];
            byte[] codes = new byte[columns];
            for (int i = 0; i < columns; i++) {
                if (i % 32 == 0) {
                    factors[i / 32] = Float.floatToFloat16((float) random.nextGaussian());
                }
                codes[i] = (byte) random.nextInt(-16, 16);
                expected[row * columns + i] = Float.float16ToFloat(factors[i / 32]) * codes[i];
            }
            SideBySide.store(matrix, row, factors, codes);
        }
        assertThat(matrix.toFloats()).isEqualTo(expected);
        assertThat(matrix.rows(16, 16).toFloats()).startsWith(expected[16 * columns], expected[16 * columns + 1]);
        float[] some = new float[40];
        matrix.decode(21, 32, 32, some, 5);
        for (int i = 0; i < 32; i++) {
            assertThat(some[5 + i]).isEqualTo(expected[21 * columns + 32 + i]);
        }
    }

    @Test
    void aPanelIsLaidOutAsItIsDrawn() {
        Tensor matrix = Tensor.allocate(Arena.ofAuto(), DataType.Q5_0_R16, 16, 32);
        byte[] codes = new byte[32];
        codes[0] = -16 + 0b00001;
        codes[7] = -16 + 0b10110;
        codes[30] = -16 + 0b11111;
        for (int c = 0; c < 32; c++) {
            codes[c] = c == 0 || c == 7 || c == 30 ? codes[c] : -16;
        }
        SideBySide.store(matrix, 3, new short[] {Float.floatToFloat16(1)}, codes);
        byte[] bytes = matrix.segment().toArray(ValueLayout.JAVA_BYTE);
        assertThat(bytes).hasSize(SideBySide.PANEL_BYTES);
        assertThat(bytes[6 + 1]).isEqualTo((byte) 0x3c); // 1 as a half float
        assertThat(bytes[32 + 4 * 3]).isEqualTo((byte) 1); // column 0: bit 0 of byte 0
        assertThat(bytes[32 + 4 * 3 + 2]).isEqualTo((byte) 0x80); // column 30: bit 7 of byte 2
        assertThat(bytes[96 + 64 + 4 * 3 + 3]).isEqualTo((byte) 0x0b); // column 7: int 1, byte 3, low nibble
        assertThat(bytes[96 + 3 * 64 + 4 * 3 + 2]).isEqualTo((byte) 0xf0); // column 30: int 3, byte 2, high nibble
        int used = 0;
        for (byte b : bytes) {
            used += b == 0 ? 0 : 1;
        }
        assertThat(used).isEqualTo(5);
    }

    @Test
    void onlyWholeGroupsOfRowsAndBlocksOfColumnsExist() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.sizeBytes(DataType.Q5_0_R16, 17, 32))
                .withMessage("17 rows are not whole groups of Q5_0_R16, which holds 16");
        Tensor matrix = Tensor.allocate(Arena.ofAuto(), DataType.Q5_0_R16, 48, 64);
        assertThatIllegalArgumentException().isThrownBy(() -> matrix.rows(8, 16));
        assertThatIllegalArgumentException().isThrownBy(() -> matrix.rows(16, 8));
        assertThatIllegalArgumentException().isThrownBy(() -> matrix.decode(0, 16, 32, new float[32], 0));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Blocks.decode(DataType.Q5_0_R16, matrix.segment(), 0, 32, new float[32], 0));
    }
}
