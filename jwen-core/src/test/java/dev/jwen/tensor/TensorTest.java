package dev.jwen.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class TensorTest {

    private static final long SEED = 7;

    /** 0, 1, 2 … in this shape. */
    private static Tensor counting(long... shape) {
        Tensor tensor = Tensor.f32(shape);
        float[] values = new float[Math.toIntExact(tensor.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        return Tensor.f32(values, shape);
    }

    private static MemorySegment bytes(long size) {
        return MemorySegment.ofArray(new byte[Math.toIntExact(size)]);
    }

    @Test
    void aShapeIsRowsTimesItsLastDimension() {
        Tensor tensor = Tensor.f32(2, 3, 5);
        assertThat(tensor.rank()).isEqualTo(3);
        assertThat(tensor.dim(1)).isEqualTo(3);
        assertThat(tensor.shape()).containsExactly(2, 3, 5);
        assertThat(tensor.rows()).isEqualTo(6);
        assertThat(tensor.columns()).isEqualTo(5);
        assertThat(tensor.size()).isEqualTo(30);
        assertThat(tensor.rowBytes()).isEqualTo(20);
        assertThat(tensor.sizeBytes()).isEqualTo(120);
        assertThat(tensor.type()).isEqualTo(DataType.F32);
        assertThat(tensor.scale()).isNull();
        assertThat(tensor).hasToString("F32 [2, 3, 5]");
    }

    @Test
    void aVectorIsOneRowAndAScalarOneValue() {
        assertThat(Tensor.f32(7).rows()).isEqualTo(1);
        assertThat(Tensor.f32(7).columns()).isEqualTo(7);
        assertThat(Tensor.f32().size()).isEqualTo(1);
        assertThat(Tensor.f32().toFloats()).containsExactly(0);
    }

    @Test
    void anEmptyDimensionMakesAnEmptyTensor() {
        assertThat(Tensor.f32(0, 4).toFloats()).isEmpty();
        assertThat(Tensor.f32(4, 0).toFloats()).isEmpty();
    }

    @Test
    void changingTheShapeOutsideDoesNotChangeTheTensor() {
        long[] shape = {2, 3};
        Tensor tensor = Tensor.f32(shape);
        shape[0] = 9;
        tensor.shape()[1] = 9;
        assertThat(tensor.shape()).containsExactly(2, 3);
    }

    @Test
    void memoryMustHaveExactlyTheBytesOfTheShape() {
        for (long size : new long[] {0, 287, 289}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tensor.of(DataType.Q4_K, bytes(size), 2, 256))
                    .withMessage("Q4_K [2, 256] needs 288 bytes, but the memory has " + size);
        }
        assertThat(Tensor.of(DataType.Q4_K, bytes(288), 2, 256).rowBytes()).isEqualTo(144);
    }

    @Test
    void rowsMustBeWholeBlocks() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.sizeBytes(DataType.Q8_0, 32, 33))
                .withMessageContaining("33 values are not whole blocks of Q8_0, which holds 32");
        assertThatIllegalArgumentException().isThrownBy(() -> Tensor.of(DataType.Q8_0, bytes(34)));
    }

    @Test
    void negativeAndOverflowingShapesAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Tensor.sizeBytes(DataType.F32, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> Tensor.sizeBytes(DataType.F32, -1, 4));
        assertThatIllegalArgumentException().isThrownBy(() -> Tensor.sizeBytes(DataType.F32, -2, -2));
        assertThatThrownBy(() -> Tensor.sizeBytes(DataType.F32, Long.MAX_VALUE))
                .isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> Tensor.sizeBytes(DataType.F32, 1L << 31, 1L << 31))
                .isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> Tensor.of(DataType.U8, bytes(0), 1L << 32, 1L << 32))
                .isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> Tensor.of(DataType.U8, bytes(0), 1L << 40, 1L << 40, 0))
                .isInstanceOf(ArithmeticException.class);
    }

    @Test
    void allocatedTensorsAreZeroAndAligned() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, DataType.BF16, 3, 5);
            assertThat(tensor.segment().address() % 64).isZero();
            assertThat(tensor.toFloats()).hasSize(15).containsOnly(0f);
        }
    }

    @Test
    void valuesMustFillTheShape() {
        assertThat(Tensor.f32(new float[] {1, 2, 3, 4}, 2, 2).get(1, 0)).isEqualTo(3);
        for (int size : new int[] {0, 3, 5}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tensor.f32(new float[size], 2, 2))
                    .withMessage("F32 [2, 2] needs 4 values, got " + size);
        }
    }

    @Test
    void singleValuesAreReadAndWrittenInFloat32Only() {
        Tensor tensor = counting(2, 3);
        tensor.set(1, 1, 40);
        assertThat(tensor.toFloats()).containsExactly(0, 1, 2, 3, 40, 5);
        assertThatThrownBy(() -> tensor.get(0, 3)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.set(2, 0, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.get(1, -1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(DataType.BF16, bytes(4), 2).get(0, 0))
                .withMessageContaining("BF16 [2]");
    }

    @Test
    void viewsSlicesAndRowsShareTheMemory() {
        Tensor tensor = counting(3, 2, 4);
        assertThat(tensor.slice(1).shape()).containsExactly(2, 4);
        assertThat(tensor.slice(1).toFloats()).containsExactly(8, 9, 10, 11, 12, 13, 14, 15);
        assertThat(tensor.slice(2).slice(1).toFloats()).containsExactly(20, 21, 22, 23);
        assertThat(tensor.rows(1, 2).shape()).containsExactly(2, 4);
        assertThat(tensor.rows(1, 2).toFloats()).containsExactly(4, 5, 6, 7, 8, 9, 10, 11);
        assertThat(tensor.rows(6, 0).toFloats()).isEmpty();
        assertThat(tensor.view(4, 6).get(1, 0)).isEqualTo(6);
        tensor.slice(1).set(0, 0, 99);
        assertThat(tensor.view(24).get(0, 8)).isEqualTo(99);
        assertThat(tensor.rows(2, 1).get(0, 0)).isEqualTo(99);
    }

    @Test
    void slicesOfBlocksDecodeAsTheirPartOfTheWhole() {
        Tensor experts = random(DataType.Q4_0, 3, 5, 64);
        float[] whole = experts.toFloats();
        assertThat(experts.slice(2).toFloats()).isEqualTo(Arrays.copyOfRange(whole, 640, 960));
        assertThat(experts.rows(4, 7).toFloats()).isEqualTo(Arrays.copyOfRange(whole, 4 * 64, 11 * 64));
        assertThat(experts.view(5, 192).toFloats()).isEqualTo(whole);
    }

    @Test
    void slicesAndRowsOutsideTheTensorAreRefused() {
        Tensor tensor = counting(3, 2, 4);
        for (long index : new long[] {-1, 3, 1L << 61}) {
            assertThatThrownBy(() -> tensor.slice(index)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> tensor.rows(index == 3 ? 4 : index, 3))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> tensor.rows(0, index == 3 ? 7 : index))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        assertThatThrownBy(() -> Tensor.f32(2, 0).slice(2)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Tensor.f32().slice(0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aViewMustHaveTheSameSizeAndWholeBlocks() {
        Tensor tensor = random(DataType.Q4_0, 4, 32);
        assertThat(tensor.view(2, 64).rows()).isEqualTo(2);
        assertThatIllegalArgumentException().isThrownBy(() -> tensor.view(3, 32));
        assertThatIllegalArgumentException().isThrownBy(() -> tensor.view(8, 16));
    }

    @Test
    void copyingNeedsTheSameTypeAndSize() {
        Tensor target = Tensor.f32(6);
        target.copyFrom(counting(2, 3));
        assertThat(target.toFloats()).containsExactly(0, 1, 2, 3, 4, 5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> target.copyFrom(Tensor.f32(7)))
                .withMessage("cannot copy F32 [7] into F32 [6]");
        assertThatIllegalArgumentException().isThrownBy(() -> target.copyFrom(Tensor.of(DataType.I32, bytes(24), 6)));
    }

    @Test
    void partsOfARowDecodeAsInTheWholeRow() {
        Tensor tensor = random(DataType.Q8_0, 3, 128);
        float[] whole = tensor.toFloats();
        for (int column = 0; column <= 128; column += 32) {
            for (int count = 0; column + count <= 128; count += 32) {
                float[] out = new float[200];
                tensor.decode(1, column, count, out, 5);
                assertThat(Arrays.copyOfRange(out, 5, 5 + count))
                        .isEqualTo(Arrays.copyOfRange(whole, 128 + column, 128 + column + count));
            }
        }
    }

    @Test
    void valuesOutsideTheRowAreRefused() {
        Tensor tensor = random(DataType.Q8_0, 3, 64);
        float[] out = new float[200];
        assertThatThrownBy(() -> tensor.decode(3, 0, 32, out, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.decode(-1, 0, 32, out, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.decode(0, 32, 64, out, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.decode(0, -32, 32, out, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatIllegalArgumentException().isThrownBy(() -> tensor.decode(0, 16, 32, out, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> tensor.decode(0, 0, 31, out, 0));
        assertThat(out).containsOnly(0f);
    }

    @Test
    void blockScalesReachUnevenEdges() {
        int rows = 130;
        int columns = 300;
        Tensor stored = random(DataType.F8_E4M3, rows, columns);
        float[] factors = {1, 2, 4, 8, 16, 32};
        Tensor scaled = stored.withScale(new Tensor.Scale(Tensor.f32(factors, 2, 3), 128, 128));
        float[] plain = stored.toFloats();
        float[] whole = scaled.toFloats();
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                float factor = factors[3 * (row / 128) + column / 128];
                assertThat(whole[row * columns + column])
                        .isEqualTo(Float.valueOf(plain[row * columns + column] * factor));
            }
        }
    }

    @Test
    void partsOfAScaledRowDecodeAsInTheWholeRow() {
        Tensor values = Tensor.of(DataType.BF16, bytes(12), 2, 3);
        Blocks.encode(DataType.BF16, new float[] {0.5f, 3, -7, 0.25f, 11, 1}, 0, 6, values.segment(), 0);
        Tensor scaled = random(DataType.F8_E4M3, 130, 300).withScale(new Tensor.Scale(values, 128, 128));
        float[] whole = scaled.toFloats();
        for (int row : new int[] {0, 127, 128, 129}) {
            for (int column : new int[] {0, 1, 127, 128, 129, 255, 256, 299}) {
                for (int count : new int[] {0, 1, 127, 128, 129, 172, 300}) {
                    if (column + count <= 300) {
                        float[] out = new float[count + 3];
                        scaled.decode(row, column, count, out, 3);
                        int from = row * 300 + column;
                        assertThat(Arrays.copyOfRange(out, 3, 3 + count))
                                .as("row %d, column %d, count %d, seed %d", row, column, count, SEED)
                                .isEqualTo(Arrays.copyOfRange(whole, from, from + count));
                    }
                }
            }
        }
    }

    @Test
    void theFactorOfAPlaceIsThatOfItsBlock() {
        Tensor values = Tensor.of(DataType.BF16, bytes(12), 2, 3);
        float[] factors = {0.5f, 3, -7, 0.25f, 11, 1};
        Blocks.encode(DataType.BF16, factors, 0, 6, values.segment(), 0);
        Tensor weight = random(DataType.F8_E4M3, 130, 300);
        assertThat(weight.factor(129, 299)).isEqualTo(1);
        Tensor scaled = weight.withScale(new Tensor.Scale(values, 128, 128));
        for (int row : new int[] {0, 127, 128, 129}) {
            for (int column : new int[] {0, 127, 128, 255, 256, 299}) {
                assertThat(scaled.factor(row, column)).isEqualTo(factors[3 * (row / 128) + column / 128]);
            }
        }
        assertThatThrownBy(() -> scaled.factor(130, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> scaled.factor(0, 300)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aVectorOfFactorsServesRowsOrColumns() {
        Tensor weight = counting(3, 4);
        Tensor factors = Tensor.f32(new float[] {1, 10, 100}, 3);
        Tensor column = factors.view(3, 1);
        float[] expected = {0, 1, 2, 3, 40, 50, 60, 70, 800, 900, 1000, 1100};
        assertThat(weight.withScale(new Tensor.Scale(factors, 1, 4)).toFloats()).isEqualTo(expected);
        assertThat(weight.withScale(new Tensor.Scale(column, 1, 4)).toFloats()).isEqualTo(expected);
        Tensor pairs = Tensor.f32(new float[] {1, 10}, 2);
        assertThat(weight.withScale(new Tensor.Scale(pairs, 3, 2)).toFloats())
                .containsExactly(0, 1, 20, 30, 4, 5, 60, 70, 8, 9, 100, 110);
    }

    @Test
    void factorsMustFitTheWeight() {
        Tensor weight = Tensor.f32(130, 300);
        Tensor transposed = Tensor.f32(3, 2);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> weight.withScale(new Tensor.Scale(transposed, 128, 128)))
                .withMessage("scale of shape [3, 2] does not fit a weight of shape [130, 300] in blocks of 128 x 128");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> weight.withScale(new Tensor.Scale(Tensor.f32(6), 128, 128)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> weight.withScale(new Tensor.Scale(Tensor.f32(2, 2), 128, 128)));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tensor.Scale(transposed, 0, 128));
        Tensor blocks = random(DataType.Q8_0, 2, 32);
        assertThatIllegalArgumentException().isThrownBy(() -> new Tensor.Scale(blocks, 128, 128));
    }

    @Test
    void aScaledWeightIsNotCutOrReshaped() {
        Tensor weight = Tensor.f32(2, 4).withScale(new Tensor.Scale(Tensor.f32(1, 1), 2, 4));
        assertThatIllegalArgumentException().isThrownBy(() -> weight.slice(0)).withMessageContaining("F32 [2, 4]");
        assertThatIllegalArgumentException().isThrownBy(() -> weight.rows(0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> weight.view(8));
    }

    @Test
    void dataTypesAreFoundByTheirNamesAndIds() {
        for (DataType type : DataType.values()) {
            assertThat(DataType.ofGgmlId(type.ggmlId())).isEqualTo(type.ggmlId() < 0 ? null : type);
            assertThat(DataType.ofSafetensorsName(type.name()))
                    .isIn(type.isQuantised() ? new DataType[] {null} : new DataType[] {type});
        }
        assertThat(DataType.ofGgmlId(9)).isNull();
        assertThat(DataType.ofSafetensorsName("F8_E5M2")).isNull();
    }

    /** Blocks of random codes whose factors are 1. */
    private static Tensor random(DataType type, long... shape) {
        byte[] bytes = new byte[Math.toIntExact(Tensor.sizeBytes(type, shape))];
        new SplittableRandom(SEED).nextBytes(bytes);
        for (int block = 0; block < bytes.length; block += type.blockBytes()) {
            if (type.isQuantised()) {
                bytes[block] = 0;
                bytes[block + 1] = 0x3C;
            }
        }
        return Tensor.of(type, MemorySegment.ofArray(bytes), shape);
    }
}
