package dev.jwen.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;

class BlocksTest {

    private static final Map<String, Golden.Array> SHIPPED =
            Golden.arrays(Golden.shipped("dequant/dequant.safetensors"));

    private static final List<Sample> SAMPLES = samples(SHIPPED);

    /** Blocks and the values that ggml decodes them to. */
    @SuppressWarnings("ArrayRecordComponent") // read only, never compared
    record Sample(String name, DataType type, byte[] raw, float[] values) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static List<Sample> samples(Map<String, Golden.Array> arrays) {
        List<Sample> samples = new ArrayList<>();
        arrays.forEach((name, array) -> {
            @Nullable DataType type = type(name.substring(0, Math.max(0, name.indexOf('.'))));
            if (type != null && name.endsWith("raw")) {
                float[] values = Objects.requireNonNull(arrays.get(name.replace("raw", "values")))
                        .floats();
                samples.add(new Sample(name, type, array.bytes(), values));
            }
        });
        return samples;
    }

    private static @Nullable DataType type(String name) {
        return Arrays.stream(DataType.values())
                .filter(type -> type.name().equals(name.toUpperCase(Locale.ROOT)))
                .findAny()
                .orElse(null);
    }

    private static Stream<DataType> floating() {
        return Arrays.stream(DataType.values()).filter(type -> type.isFloating() && type.rowGroup() == 1);
    }

    @Test
    void theSamplesCoverEveryTypeOfGgml() {
        Set<DataType> covered = EnumSet.of(DataType.F32, DataType.F8_E4M3); // their own tests are below
        SAMPLES.forEach(sample -> covered.add(sample.type));
        assertThat(covered).containsExactlyInAnyOrderElementsOf(floating().toList());
    }

    @ParameterizedTest
    @FieldSource("SAMPLES")
    void wholeRowsDecodeToTheValuesOfGgml(Sample sample) {
        assertBits(sample, decode(sample.type, MemorySegment.ofArray(sample.raw), 0, sample.values.length));
    }

    @Test
    void theFullSetDecodesToTheValuesOfGgml() {
        List<Sample> all = samples(Golden.arrays(Golden.shared("golden/dequant/dequant.safetensors")));
        assertThat(all)
                .hasSizeGreaterThan(40)
                .allSatisfy(sample -> assertBits(
                        sample, decode(sample.type, MemorySegment.ofArray(sample.raw), 0, sample.values.length)));
    }

    @ParameterizedTest
    @FieldSource("SAMPLES")
    void eachBlockAloneDecodesAsInItsRowWhereverItLies(Sample sample) {
        int width = sample.type.blockValues();
        int bytes = sample.type.blockBytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(bytes + 16).fill((byte) 0xA5);
            for (int block = 0; block < sample.values.length / width; block++) {
                int offset = 1 + block % 9;
                MemorySegment.copy(MemorySegment.ofArray(sample.raw), (long) block * bytes, memory, offset, bytes);
                float[] out = new float[width + 8];
                Arrays.fill(out, 77);
                int at = block % 8;
                Blocks.decode(sample.type, memory, offset, width, out, at);
                assertThat(Arrays.copyOfRange(out, at, at + width))
                        .isEqualTo(Arrays.copyOfRange(sample.values, block * width, (block + 1) * width));
                assertThat(out[at + width]).isEqualTo(77);
                assertThat(at == 0 ? 77 : out[at - 1]).isEqualTo(77);
            }
        }
    }

    @ParameterizedTest
    @FieldSource("SAMPLES")
    void longRowsDecodeAsTheirPieces(Sample sample) {
        int copies = 1 + 40_000 / sample.raw.length;
        int n = sample.values.length;
        MemorySegment row = MemorySegment.ofArray(new byte[copies * sample.raw.length]);
        for (int i = 0; i < copies; i++) {
            row.asSlice((long) i * sample.raw.length).copyFrom(MemorySegment.ofArray(sample.raw));
        }
        float[] out = decode(sample.type, row, 0, copies * n);
        for (int i = 0; i < copies; i++) {
            assertBits(sample, Arrays.copyOfRange(out, i * n, (i + 1) * n));
        }
    }

    @ParameterizedTest
    @MethodSource("floating")
    void countsThatAreNotWholeBlocksAreRefused(DataType type) {
        MemorySegment memory = MemorySegment.ofArray(new byte[4 * type.blockBytes()]);
        assertThatThrownBy(() -> Blocks.decode(type, memory, 0, -type.blockValues(), new float[512], 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-" + type.blockValues());
        if (type.isQuantised()) {
            int count = type.blockValues() + 1;
            assertThatThrownBy(() -> Blocks.decode(type, memory, 0, count, new float[512], 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(count + " values")
                    .hasMessageContaining(type.name());
        }
    }

    @ParameterizedTest
    @MethodSource("floating")
    void shortMemoryIsRefusedBeforeAnythingIsWritten(DataType type) {
        int count = 2 * type.blockValues();
        int bytes = 2 * type.blockBytes();
        MemorySegment enough = MemorySegment.ofArray(new byte[bytes + 1]);
        float[] out = new float[count + 1];
        Arrays.fill(out, 77);
        float[] untouched = out.clone();
        for (long offset : new long[] {-1, 1, bytes, Long.MAX_VALUE}) {
            // A slice: what lies behind its end is there to be read by mistake.
            assertThatThrownBy(() -> Blocks.decode(type, enough.asSlice(0, bytes), offset, count, out, 0))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        for (int offset : new int[] {-1, 2, Integer.MAX_VALUE}) {
            assertThatThrownBy(() -> Blocks.decode(type, enough, 0, count, out, offset))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        assertThat(out).isEqualTo(untouched);
    }

    @ParameterizedTest
    @MethodSource("floating")
    void noValuesAreDecodedFromNoMemory(DataType type) {
        assertThat(decode(type, MemorySegment.ofArray(new byte[0]), 0, 0)).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "I8", "I16", "I32", "I64", "U8", "BOOL"})
    void typesThatAreNotFloatingAreRefused(DataType type) {
        assertThatThrownBy(() -> Blocks.decode(type, MemorySegment.ofArray(new byte[8]), 0, 1, new float[1], 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(type.name());
    }

    @Test
    void floatsDecodeToThemselves() {
        float[] values = {0, -0f, 1, Float.MIN_VALUE, Float.NEGATIVE_INFINITY, Float.NaN};
        MemorySegment memory = MemorySegment.ofArray(new byte[4 * values.length]);
        Blocks.encode(DataType.F32, values, 0, values.length, memory, 0);
        assertThat(decode(DataType.F32, memory, 0, values.length)).isEqualTo(values);
    }

    @Test
    void everyCodeOfE4m3HasItsValue() {
        byte[] codes = new byte[256];
        for (int i = 0; i < 256; i++) {
            codes[i] = (byte) i;
        }
        float[] values = decode(DataType.F8_E4M3, MemorySegment.ofArray(codes), 0, 256);
        for (int i = 0; i < 256; i++) {
            int exponent = i >> 3 & 15;
            double magnitude =
                    exponent == 0 ? (i & 7) / 8.0 * Math.pow(2, -6) : (1 + (i & 7) / 8.0) * Math.pow(2, exponent - 7);
            double expected = (i & 127) == 127 ? Double.NaN : i < 128 ? magnitude : -magnitude;
            assertThat(values[i]).as("code %02x", i).isEqualTo(Float.valueOf((float) expected));
        }
        assertThat(values[0x7E]).isEqualTo(448);
        assertThat(values[0x38]).isEqualTo(1);
        assertThat(values[0x81]).isEqualTo(-0x1p-9f);
    }

    @Test
    void halvesKeepInfinityNanAndSubnormals() {
        short[] halves = {0x7C00, (short) 0xFC00, 0x7E00, 1, (short) 0x8000};
        float[] expected = {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN, 0x1p-24f, -0f};
        assertThat(decode(DataType.F16, MemorySegment.ofArray(halves), 0, 5)).isEqualTo(expected);
        short[] bfloats = {0x7F80, (short) 0xFF80, 0x7FC0, 1, (short) 0x8000};
        expected[3] = 0x1p-133f;
        assertThat(decode(DataType.BF16, MemorySegment.ofArray(bfloats), 0, 5)).isEqualTo(expected);
    }

    @Test
    void mxfp4ReachesBothEndsOfItsExponent() {
        byte[] block = new byte[17];
        block[1] = 0x71; // 0.5 in value 0, 6 in value 16
        assertThat(decode(DataType.MXFP4, MemorySegment.ofArray(block), 0, 32)).contains(0x1p-128f, 12 * 0x1p-128f);
        block[0] = (byte) 254;
        assertThat(decode(DataType.MXFP4, MemorySegment.ofArray(block), 0, 32)).contains(0x1p126f, 12 * 0x1p126f);
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16", "Q8_0"})
    void encodingGivesTheBlocksOfGgml(DataType type) {
        float[] source = Objects.requireNonNull(SHIPPED.get("source")).floats();
        byte[] expected = Objects.requireNonNull(SHIPPED.get(type.name().toLowerCase(Locale.ROOT) + ".raw"))
                .bytes();
        MemorySegment out = MemorySegment.ofArray(new byte[expected.length + 3]);
        Blocks.encode(type, source, 0, source.length, out, 3);
        assertThat(out.asSlice(3).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE))
                .isEqualTo(expected);
    }

    @Test
    void bfloat16RoundsToNearestEvenAndKeepsNan() {
        int[] bits = {0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0x3F80_7FFF, 0x7F7F_FFFF, 0x7F80_0001, 0xFF80_0000};
        int[] expected = {0x3F80, 0x3F82, 0x3F81, 0x3F80, 0x7F80, 0x7FC0, 0xFF80};
        float[] source = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            source[i] = Float.intBitsToFloat(bits[i]);
        }
        short[] out = new short[bits.length];
        Blocks.encode(DataType.BF16, source, 0, bits.length, MemorySegment.ofArray(out), 0);
        for (int i = 0; i < bits.length; i++) {
            assertThat(out[i] & 0xFFFF).as("%08x", bits[i]).isEqualTo(expected[i]);
        }
    }

    @Test
    void q8KeepsEveryValueWithinHalfAStep() {
        float[] source = new float[96];
        for (int i = 0; i < 64; i++) {
            source[i] = (i < 32 ? 1 : 1000) * (float) Math.sin(3.0 * i);
        }
        MemorySegment blocks = MemorySegment.ofArray(new byte[3 * 34]);
        Blocks.encode(DataType.Q8_0, source, 0, 96, blocks, 0);
        float[] decoded = decode(DataType.Q8_0, blocks, 0, 96);
        for (int i = 0; i < 96; i++) {
            // Half a step of 1/127, and the half float that holds it is off by up to 2^-11.
            float bound = (i < 32 ? 1 : 1000) * (0.5f / 127 + 0x1p-11f);
            assertThat(decoded[i]).isBetween(source[i] - bound, source[i] + bound);
        }
        assertThat(Arrays.copyOfRange(decoded, 64, 96)).containsOnly(0f);
    }

    @Test
    void whatCannotBeEncodedIsRefused() {
        MemorySegment target = MemorySegment.ofArray(new byte[144]);
        assertThatThrownBy(() -> Blocks.encode(DataType.Q4_K, new float[256], 0, 256, target, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Q4_K");
        assertThatThrownBy(() -> Blocks.encode(DataType.Q8_0, new float[64], 0, 33, target, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("33");
        assertThatThrownBy(() -> Blocks.encode(DataType.F32, new float[64], 0, 64, target, 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Blocks.encode(DataType.BF16, new float[4], 1, 4, target, 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    private static float[] decode(DataType type, MemorySegment source, long offset, int count) {
        float[] out = new float[count];
        Blocks.decode(type, source, offset, count, out, 0);
        return out;
    }

    private static void assertBits(Sample sample, float[] actual) {
        for (int i = 0; i < sample.values.length; i++) {
            assertThat(Float.floatToRawIntBits(actual[i]))
                    .as("%s value %d: %s, expected %s", sample, i, actual[i], sample.values[i])
                    .isEqualTo(Float.floatToRawIntBits(sample.values[i]));
        }
    }

    @Test
    void codeBooksAreCopiesAndOnlyOfTheTypesThatHaveOne() {
        byte[] book = CodeBooks.of(DataType.IQ3_XXS);
        assertThat(book).hasSize(256 * 4);
        book[0]++;
        assertThat(CodeBooks.of(DataType.IQ3_XXS)[0]).isEqualTo((byte) (book[0] - 1));
        assertThat(CodeBooks.of(DataType.IQ1_M)).hasSize(2048 * 8).containsOnly(-1, 0, 1);
        assertThatThrownBy(() -> CodeBooks.of(DataType.IQ4_XS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("IQ4_XS has no code book");
    }
}
