package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every kernel of every format and instruction set against the plain definition. */
class X86ProductsTest {
    /** The most tokens that have kernels of their own in some format. */
    static final int FEW = Math.max(RowWriter.MAX_TOKENS, ImmediateProducts.MAX_TOKENS);

    private static final long SEED = 20260101;
    private static final float UNTOUCHED = 12345;

    private static final Set<DataType> FORMATS = EnumSet.of(
            DataType.F32,
            DataType.F16,
            DataType.BF16,
            DataType.Q4_0,
            DataType.Q4_1,
            DataType.Q5_0,
            DataType.Q5_1,
            DataType.Q8_0,
            DataType.Q2_K,
            DataType.Q3_K,
            DataType.Q4_K,
            DataType.Q5_K,
            DataType.Q6_K,
            DataType.IQ4_NL,
            DataType.IQ4_XS,
            DataType.MXFP4,
            DataType.NVFP4,
            DataType.F8_E4M3,
            DataType.TQ1_0,
            DataType.TQ2_0,
            DataType.IQ1_S,
            DataType.IQ1_M,
            DataType.IQ2_XXS,
            DataType.IQ2_XS,
            DataType.IQ2_S,
            DataType.IQ3_XXS,
            DataType.IQ3_S);

    /** How the bytes of a matrix and the activations are made. */
    private enum Content {
        RANDOM,
        ALL_ZERO_BITS,
        ALL_ONE_BITS,
        ONLY_SIGN_BITS
    }

    static X86Products open(InstructionSet set) {
        assumeTrue(X86Products.obstacle() == null, "machine code runs here");
        assumeTrue(set.isSupportedBy(CpuFeatures.detect()), "this processor has " + set);
        return new X86Products(set);
    }

    @Test
    void instructionSetsAreNamedAsPeopleWriteThem() {
        for (InstructionSet set : InstructionSet.values()) {
            assertThat(InstructionSet.named(set.name())).contains(set);
            assertThat(InstructionSet.named(set.name().toLowerCase(Locale.ROOT).replace('_', '-')))
                    .contains(set);
        }
        assertThat(InstructionSet.named("AVX-512")).contains(InstructionSet.AVX512);
        assertThat(InstructionSet.named("")).isEmpty();
        assertThat(InstructionSet.named("avx2,avx512")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void supportedFormatsAreTheseInEveryInstructionSet(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : DataType.values()) {
                boolean isSupported = type == DataType.Q5_0_R16 || FORMATS.contains(type);
                assertThat(products.supports(type)).as(type.name()).isEqualTo(isSupported);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void everyNumberOfTokensGivesThePlainProduct(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : FORMATS) {
                for (int tokens = 1; tokens <= 25; tokens++) {
                    compare(products, type, 33, 1 + tokens % 3, tokens, Content.RANDOM);
                }
                compare(products, type, 17, 2, 48, Content.RANDOM);
                compare(products, type, 16, 1, 97, Content.RANDOM);
            }
        }
    }

    @Test
    void formatsAreReadWithoutPermutationsOfBytes() {
        assumeTrue(X86Products.obstacle() == null, "machine code runs here");
        assumeTrue(CpuFeatures.detect().vbmi(), "this processor permutes bytes");
        try (X86Products products = new X86Products(InstructionSet.AVX512, false)) {
            for (DataType type : new DataType[] {DataType.IQ2_XXS, DataType.IQ3_XXS, DataType.IQ3_S}) {
                for (Content content : Content.values()) {
                    compare(products, type, 33, 3, 1, content);
                    compare(products, type, 17, 2, 21, content);
                }
            }
            for (int tokens = 1; tokens <= RowWriter.MAX_TOKENS; tokens++) {
                compare(products, DataType.Q4_0, 5, 24, tokens, Content.RANDOM);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void everyNumberOfRowsAndBlocksGivesThePlainProduct(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : FORMATS) {
                for (int rows : new int[] {1, 7, 8, 9, 15, 16, 17, 31, 33}) {
                    compare(products, type, rows, 1 + rows % 5, 3, Content.RANDOM);
                    compare(products, type, rows, 1 + rows % 2, 21, Content.RANDOM);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void columnsThatArePackedInSeveralPiecesGiveThePlainProduct(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : FORMATS) {
                compare(products, type, 17, 2560 / Unpacker.blockColumns(type), 18, Content.RANDOM);
                compare(products, type, 35, 2560 / Unpacker.blockColumns(type), 19, Content.RANDOM);
                compare(products, type, 3, 2560 / Unpacker.blockColumns(type), 18, Content.RANDOM);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void fewTokensGiveThePlainProductOfRowsOfWholeSteps(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : FORMATS) {
                for (Content content : Content.values()) {
                    for (int steps : new int[] {1, 2, 5}) {
                        int blocks = RowWriter.columns(type, set) / Unpacker.blockColumns(type) * steps;
                        for (int tokens = 1; tokens <= FEW + 1; tokens++) {
                            compare(products, type, steps == 1 ? 67 : 1 + 6 * steps, blocks, tokens, content);
                        }
                    }
                }
            }
        }
    }

    /** What a token is multiplied to by rows does not depend on those beside it. */
    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void fewTokensGiveTheSameBitsTogetherAndAlone(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        int columns = 1536;
        int rows = 37;
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (DataType type : FORMATS) {
                Packing packing = Objects.requireNonNull(Unpacker.packing(type, set));
                int most = RowWriter.mostTokens(type, packing, columns, set);
                if (most == 0) {
                    continue;
                }
                Tensor w = matrix(arena, type, rows, columns, 0.01f, Content.RANDOM, random);
                MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
                Activations form = products.activations(w, 1);
                MemorySegment x = arena.allocate(4L * most * columns);
                for (int i = 0; i < most * columns; i++) {
                    x.set(Tensor.FLOAT, 4L * i, random.nextFloat() - 0.5f);
                }
                MemorySegment records = arena.allocate(most * form.bytes(columns), 64);
                products.quantise(form, x, most, columns, records);
                Tensor alone = Tensor.allocate(arena, DataType.F32, most, rows);
                for (int t = 0; t < most; t++) {
                    MemorySegment one = records.asSlice(t * form.bytes(columns));
                    MemorySegment to = alone.segment().asSlice(t * alone.rowBytes());
                    products.product(w, 0, rows, one, 1, to, rows, buffer);
                }
                for (int tokens = 2; tokens <= most; tokens++) {
                    assertThat(products.activations(w, tokens)).isEqualTo(form);
                    Tensor together = Tensor.allocate(arena, DataType.F32, tokens, rows);
                    products.product(w, 0, rows, records, tokens, together.segment(), rows, buffer);
                    assertThat(together.toFloats())
                            .as("%d tokens with %s", tokens, type)
                            .isEqualTo(alone.rows(0, tokens).toFloats());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void extremeWeightsAndActivationsGiveThePlainProduct(InstructionSet set) {
        try (X86Products products = open(set)) {
            for (DataType type : FORMATS) {
                for (Content content : Content.values()) {
                    compare(products, type, 17, 2, 4, content);
                    compare(products, type, 33, 3, 19, content);
                }
            }
        }
    }

    /** With scales of 1 and one record that is not zero, every float on the way is an integer below 2^24. */
    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void integerPartsAreExact(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (DataType type : FORMATS) {
                if (!type.isQuantised()) {
                    continue;
                }
                for (Content content : Content.values()) {
                    Tensor w = matrix(arena, type, 34, 512, 1, content, random);
                    int tokens = 20;
                    MemorySegment x = oneRecord(arena, tokens, 512, content == Content.RANDOM, random);
                    Tensor out = Tensor.allocate(arena, DataType.F32, tokens, 34);
                    MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
                    for (int count : new int[] {1, 2, 3, 4, 5, 8, tokens}) {
                        Activations form = products.activations(w, count);
                        MemorySegment records = arena.allocate(count * form.bytes(512), 64);
                        products.quantise(form, x, count, 512, records);
                        products.product(w, 0, 34, records, count, out.segment(), 34, buffer);
                        for (int t = 0; t < count; t++) {
                            for (int r = 0; r < 34; r++) {
                                double expected = PlainProducts.product(w, r, form, records, t)
                                        .value();
                                assertThat((double) out.get(t, r))
                                        .as("%s %s row %d of %d tokens", type, content, r, count)
                                        .isEqualTo(expected);
                            }
                        }
                    }
                }
            }
        }
    }

    /** Integers up to 127 in 32 columns of each token, zeros elsewhere. */
    static MemorySegment oneRecord(Arena arena, int tokens, int columns, boolean isRandom, SplittableRandom random) {
        MemorySegment x = arena.allocate(4L * tokens * columns);
        for (int t = 0; t < tokens; t++) {
            int record = random.nextInt(columns / 32);
            for (int i = 0; i < 32; i++) {
                float value = isRandom && i > 0 ? random.nextInt(-127, 128) : 127;
                x.set(Tensor.FLOAT, 4L * (columns * t + 32 * record + i), value);
            }
        }
        return x;
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void factorsBesideTheWeightsMultiplyThem(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (long[] block : new long[][] {{128, 128}, {64, 32}, {7, 96}, {1, 512}, {300, 512}, {150, 600}}) {
                for (DataType type : new DataType[] {DataType.F8_E4M3, DataType.NVFP4, DataType.BF16}) {
                    Tensor w = matrix(arena, type, 300, 512, 0.01f, Content.RANDOM, random)
                            .withScale(factors(block[0], block[1], random));
                    assertThat(products.supports(w)).isEqualTo(type == DataType.F8_E4M3 || block[1] >= 512);
                    if (products.supports(w)) {
                        check(arena, products, w, 0, 300, 2, Content.RANDOM, random);
                        check(arena, products, w, 100, 267, 20, Content.RANDOM, random);
                        check(arena, products, w, 131, 140, 1, Content.RANDOM, random);
                    }
                }
            }
            Tensor few = matrix(arena, DataType.F8_E4M3, 5, 512, 0.01f, Content.RANDOM, random)
                    .withScale(new Tensor.Scale(Tensor.f32(new float[] {2, 3, 5, 7, 11, 13, 17, 19}, 2, 4), 3, 128));
            check(arena, products, few, 0, 5, 3, Content.RANDOM, random);
            check(arena, products, few, 1, 4, 30, Content.RANDOM, random);
            Tensor narrow = Tensor.allocate(arena, DataType.F8_E4M3, 32, 128)
                    .withScale(new Tensor.Scale(Tensor.f32(32, 8), 1, 16));
            assertThat(products.supports(narrow)).isFalse();
        }
    }

    private static Tensor.Scale factors(long blockRows, long blockColumns, SplittableRandom random) {
        Tensor values = Tensor.f32(Math.ceilDiv(300, blockRows), Math.ceilDiv(512, blockColumns));
        for (long i = 0; i < values.size(); i++) {
            values.segment().set(Tensor.FLOAT, 4 * i, random.nextFloat(-2, 2));
        }
        return new Tensor.Scale(values, blockRows, blockColumns);
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void aWeightThatIsNoNumberSpoilsItsRowAlone(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (int bits : new int[] {0x7f, 0xff}) {
                Tensor w = matrix(arena, DataType.F8_E4M3, 40, 64, 1, Content.RANDOM, random);
                w.segment().set(ValueLayout.JAVA_BYTE, 64 * 19 + 37, (byte) bits);
                for (int tokens : new int[] {1, 20}) {
                    MemorySegment x = activations(arena, tokens, 64, Content.RANDOM, random);
                    Activations form = products.activations(w, tokens);
                    MemorySegment records = arena.allocate(form.bytes(64) * tokens, 64);
                    products.quantise(form, x, tokens, 64, records);
                    Tensor out = Tensor.allocate(arena, DataType.F32, tokens, 40);
                    MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
                    products.product(w, 0, 40, records, tokens, out.segment(), 40, buffer);
                    for (int r = 0; r < 40; r++) {
                        assertThat(Float.isNaN(out.get(tokens - 1, r)))
                                .as("row %d, seed %d", r, SEED)
                                .isEqualTo(r == 19);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void onlyTheWantedRowsAreWritten(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (int[] range : new int[][] {{0, 40}, {3, 5}, {0, 17}, {38, 40}, {20, 37}, {5, 5}}) {
                for (int tokens : new int[] {1, 5, 40}) {
                    Tensor w = matrix(arena, DataType.Q8_0, 40, 64, 0.01f, Content.RANDOM, random);
                    check(arena, products, w, range[0], range[1], tokens, Content.RANDOM, random);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InstructionSet.class)
    void splittingRowsOrTokensDoesNotChangeTheResult(InstructionSet set) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(set);
                Arena arena = Arena.ofConfined()) {
            for (DataType type : new DataType[] {DataType.Q8_0, DataType.Q4_K, DataType.Q6_K}) {
                Tensor w = matrix(arena, type, 50, 512, 0.01f, Content.RANDOM, random);
                int few = FEW + 1;
                int tokens = 4 * few;
                MemorySegment x = activations(arena, tokens, 512, Content.RANDOM, random);
                MemorySegment records = arena.allocate(tokens * Activations.INT8.bytes(512), 64);
                products.quantise(Activations.INT8, x, tokens, 512, records);
                MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
                Tensor whole = Tensor.allocate(arena, DataType.F32, tokens, 50);
                products.product(w, 0, 50, records, tokens, whole.segment(), 50, buffer);
                Tensor pieces = Tensor.allocate(arena, DataType.F32, tokens, 50);
                for (int t = 0; t < tokens; t += few) {
                    MemorySegment some = records.asSlice(t * Activations.INT8.bytes(512));
                    MemorySegment row = pieces.segment().asSlice(4L * 50 * t);
                    products.product(w, 0, 21, some, few, row, 50, buffer);
                    products.product(w, 21, 50, some, few, row, 50, buffer);
                }
                assertThat(pieces.segment().mismatch(whole.segment()))
                        .as(type.name())
                        .isEqualTo(-1);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Activations.class)
    void activationsAreBitByBitThoseOfTheDefinition(Activations form) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (X86Products products = open(InstructionSet.AVX2);
                Arena arena = Arena.ofConfined()) {
            int columns = 512 * 26;
            MemorySegment x = arena.allocate(4L * columns);
            for (int i = 0; i < columns; i++) {
                float scale = (float) Math.pow(10, i / 32 % 40 - 20);
                float value = i / 32 % 3 == 0 ? random.nextInt(-4, 5) * 0.5f : random.nextFloat(-1, 1);
                x.set(Tensor.FLOAT, 4L * i, i < 64 ? 0 : scale * value);
            }
            long rowBytes = form.bytes(columns / 2);
            MemorySegment expected = arena.allocate(2 * rowBytes);
            form.quantise(x, 0, columns / 2, expected, 0);
            form.quantise(x, 2L * columns, columns / 2, expected, rowBytes);
            MemorySegment actual = arena.allocate(2 * rowBytes);
            products.quantise(form, x, 2, columns / 2, actual);
            assertThat(actual.mismatch(expected)).isEqualTo(-1);
        }
    }

    @Test
    void wrongArgumentsAreRefused() {
        try (X86Products products = open(InstructionSet.AVX2);
                Arena arena = Arena.ofConfined()) {
            Tensor w = Tensor.allocate(arena, DataType.Q8_0, 16, 32);
            MemorySegment records = arena.allocate(64);
            MemorySegment out = arena.allocate(64);
            MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
            assertThatThrownBy(() -> products.product(w, 0, 16, records, 2, out, 16, buffer))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("activations needs 128 bytes");
            assertThatThrownBy(() -> products.product(w, 0, 17, records, 1, out, 16, buffer))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            MemorySegment heap = MemorySegment.ofArray(new float[16]);
            assertThatThrownBy(() -> products.product(w, 0, 16, records, 1, heap, 16, buffer))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("on the heap");
            Tensor odd = Tensor.allocate(arena, DataType.F32, 16, 33);
            assertThat(products.supports(odd)).isFalse();
            assertThatThrownBy(() -> products.product(odd, 0, 16, records, 1, out, 16, buffer))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void useAfterCloseIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            X86Products products = open(InstructionSet.AVX2);
            products.close();
            MemorySegment memory = arena.allocate(128, 64);
            assertThatThrownBy(() -> products.quantise(Activations.INT8, memory, 1, 32, memory))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    private static void compare(
            X86Products products, DataType type, int rows, int blocks, int tokens, Content content) {
        SplittableRandom random = new SplittableRandom(SEED + tokens);
        try (Arena arena = Arena.ofConfined()) {
            int columns = blocks * Unpacker.blockColumns(type);
            Tensor w = matrix(arena, type, rows, columns, 0.01f, content, random);
            check(arena, products, w, 0, rows, tokens, content, random);
        }
    }

    private static void check(
            Arena arena,
            X86Products products,
            Tensor w,
            int from,
            int to,
            int tokens,
            Content content,
            SplittableRandom random) {
        int columns = (int) w.columns();
        Activations form = products.activations(w, tokens);
        MemorySegment x = activations(arena, tokens, columns, content, random);
        MemorySegment records = arena.allocate(form.bytes(columns) * tokens, 64);
        products.quantise(form, x, tokens, columns, records);
        int stride = (int) w.rows() + 3;
        Tensor out = Tensor.allocate(arena, DataType.F32, tokens, stride);
        for (long i = 0; i < out.size(); i++) {
            out.segment().set(Tensor.FLOAT, 4 * i, UNTOUCHED);
        }
        MemorySegment buffer = arena.allocate(products.packBytes(w), 64);
        products.product(w, from, to, records, tokens, out.segment(), stride, buffer);
        for (int t = 0; t < tokens; t++) {
            for (int r = 0; r < stride; r++) {
                if (r < from || r >= to) {
                    assertThat(out.get(t, r)).isEqualTo(UNTOUCHED);
                    continue;
                }
                PlainProducts.Product expected = PlainProducts.product(w, r, form, records, t);
                double error = Math.abs(out.get(t, r) - expected.value());
                // float32 keeps 24 bits; the sums have a few dozen terms.
                if (!(error <= 2e-6 * expected.magnitude() + 1e-30)) {
                    assertThat((double) out.get(t, r))
                            .as(
                                    "%s %s %s: row %d of %d, %d columns, token %d of %d, seed %d",
                                    products.instructionSet(), w.type(), content, r, w.rows(), columns, t, tokens, SEED)
                            .isEqualTo(expected.value(), within(2e-6 * expected.magnitude()));
                }
            }
        }
    }

    private static Tensor matrix(
            Arena arena, DataType type, int rows, int columns, float scale, Content content, SplittableRandom random) {
        Tensor w = Tensor.allocate(arena, type, rows, columns);
        MemorySegment memory = w.segment();
        for (long i = 0; i < memory.byteSize(); i++) {
            int value = switch (content) {
                case RANDOM -> random.nextInt();
                case ALL_ZERO_BITS -> 0;
                case ALL_ONE_BITS -> 0xff;
                case ONLY_SIGN_BITS -> 0x80;
            };
            memory.set(ValueLayout.JAVA_BYTE, i, (byte) value);
        }
        PlainProducts.setScales(type, memory, scale, random);
        return w;
    }

    private static MemorySegment activations(
            Arena arena, int tokens, int columns, Content content, SplittableRandom random) {
        MemorySegment x = arena.allocate(4L * tokens * columns);
        for (long i = 0; i < (long) tokens * columns; i++) {
            float value = content == Content.RANDOM ? random.nextFloat(-3, 3) : i / columns % 2 == 0 ? 1 : -1;
            x.set(Tensor.FLOAT, 4 * i, i / 32 % 7 == 6 ? 0 : value);
        }
        return x;
    }

    /** Runs all comparisons without a test runner. */
    static void main() {
        X86ProductsTest test = new X86ProductsTest();
        for (InstructionSet set : InstructionSet.values()) {
            test.everyNumberOfTokensGivesThePlainProduct(set);
            test.columnsThatArePackedInSeveralPiecesGiveThePlainProduct(set);
        }
    }
}
