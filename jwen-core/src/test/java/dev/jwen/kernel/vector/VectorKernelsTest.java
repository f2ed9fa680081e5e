package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Experts;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.Tolerances;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every operation of the vector kernels against the plain ones, and with 1, 2, 3 and 5 threads against itself. */
class VectorKernelsTest {
    static {
        assertThat(VectorModule.load()).isEmpty();
    }

    private static final long SEED = 20260214;
    private static final Kernels PLAIN = new PlainKernels(2);

    static {
        assertThat(VectorModule.load()).isEmpty();
    }

    private static final List<Kernels> VECTOR =
            List.of(new VectorKernels(1), new VectorKernels(2), new VectorKernels(3), new VectorKernels(5));

    /** These kernels with inner loops in machine code; none where those cannot run. */
    private static final List<Kernels> WITH_MACHINE_CODE = Backends.all().stream()
            .filter(provider ->
                    provider.name().equals("x86") && provider.unavailable().isEmpty())
            .flatMap(provider -> Stream.of(provider.open(1), provider.open(3)))
            .toList();

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);

    @AfterAll
    static void close() {
        PLAIN.close();
        VECTOR.forEach(Kernels::close);
        WITH_MACHINE_CODE.forEach(Kernels::close);
    }

    static Stream<DataType> floating() {
        return Arrays.stream(DataType.values()).filter(type -> type.isFloating() && type.rowGroup() == 1);
    }

    // ---- Products.

    @ParameterizedTest
    @MethodSource("floating")
    void productsAreThoseOfTheDefinition(DataType type) {
        int[] columns = type.isQuantised()
                ? new int[] {type.blockValues(), 256, 768, 1280}
                : new int[] {1, 7, 15, 16, 17, 31, 33, 255, 257, 512, 515};
        for (int k : columns) {
            for (int n : new int[] {1, 31, 33}) {
                Tensor w = RandomWeights.of(type, n, k, random);
                for (int t : new int[] {1, 2, 3, 4, 5, 12, 13, 16, 17, 31, 33, 49}) {
                    checkProduct(normal(t, k), w);
                }
            }
        }
        checkProduct(normal(257, 256), RandomWeights.of(type, 256, 256, random));
    }

    @Test
    void productsOfMoreTokensThanOnePassHolds() {
        checkProduct(normal(1100, 40), RandomWeights.of(DataType.F32, 37, 40, random));
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F8_E4M3", "F32", "BF16", "F16"})
    void factorsBesideAWeightAreApplied(DataType type) {
        for (int t : new int[] {1, 5, 20}) {
            Tensor w = RandomWeights.of(type, 200, 300, random);
            checkProduct(normal(t, 300), w.withScale(new Tensor.Scale(normal(2, 3), 128, 128)));
            checkProduct(normal(t, 300), w.withScale(new Tensor.Scale(normal(200, 1), 1, 300)));
            checkProduct(normal(t, 300), w.withScale(new Tensor.Scale(normal(1, 1), 200, 300)));
        }
    }

    @ParameterizedTest
    @MethodSource("floating")
    void allBitsSetAndAllClearAreWeightsLikeOthers(DataType type) {
        if (!type.isQuantised()) {
            return;
        }
        for (byte fill : new byte[] {0, (byte) 0xff, (byte) 0x80, 0x7f}) {
            Tensor w = RandomWeights.filled(type, 9, 512, fill, random);
            checkProduct(normal(1, 512), w);
            checkProduct(normal(14, 512), w);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F16", "BF16", "F8_E4M3"})
    void everyBitPatternOfAShortTypeIsDecodedExactly(DataType type) {
        int count = type == DataType.F8_E4M3 ? 256 : 65536;
        Tensor w = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), type, count / 256, 256);
        for (int i = 0; i < count; i++) {
            if (type == DataType.F8_E4M3) {
                w.segment().set(Lanes.BYTE, i, (byte) i);
            } else {
                w.segment().set(Lanes.SHORT, 2L * i, (short) i);
            }
        }
        Tensor out = Tensor.f32(1, 256);
        Unpack.Source source = new Unpack.Source();
        source.set(w);
        float[] expected = new float[256];
        for (int row = 0; row < count / 256; row++) {
            Unpack.unpack(source, row, 0, 256, out.segment().address());
            w.decode(row, 0, 256, expected, 0);
            assertEqual("row " + row, expected, out.toFloats());
        }
    }

    @Test
    void hugeTinyAndZeroValuesMultiplyAsTheyShould() {
        Tensor x = Tensor.f32(new float[] {1e30f, -1e30f, 1e-30f, 0, 1e-38f, 3e38f, 1, -1}, 1, 8);
        Tensor w = Tensor.f32(new float[] {1e5f, 1e5f, 1e10f, 5, 1, 1e-3f, 0, 0}, 1, 8);
        checkProduct(x, w);
        Tensor out = Tensor.f32(1, 1);
        VECTOR.getFirst()
                .matmul(Tensor.f32(new float[] {1, 2}, 1, 2), Tensor.f32(new float[] {Float.NaN, 1}, 1, 2), out);
        assertThat(out.get(0, 0)).isNaN();
    }

    @Test
    void severalProductsOfOneInputAreTheSingleOnes() {
        for (int t : new int[] {1, 6, 40}) {
            Tensor x = normal(t, 256);
            List<Tensor> weights = List.of(
                    RandomWeights.of(DataType.Q4_K, 70, 256, random),
                    RandomWeights.of(DataType.F32, 3, 256, random),
                    RandomWeights.of(DataType.Q8_0, 128, 256, random));
            List<Tensor> together = List.of(Tensor.f32(t, 70), Tensor.f32(t, 3), Tensor.f32(t, 128));
            for (Kernels kernels : VECTOR) {
                kernels.matmul(x, weights, together);
                for (int i = 0; i < 3; i++) {
                    Tensor alone = Tensor.f32(t, weights.get(i).rows());
                    kernels.matmul(x, weights.get(i), alone);
                    assertEqual(
                            "product " + i, alone.toFloats(), together.get(i).toFloats());
                }
            }
        }
    }

    @Test
    void twoToTwelveTokensHaveTheSameBitsInEveryBatch() {
        Tensor x = normal(12, 1280);
        Tensor w = RandomWeights.of(DataType.Q4_K, 45, 1280, random);
        Kernels kernels = VECTOR.get(1);
        float[] together = run(kernels, 12, 45, out -> kernels.matmul(x, w, out));
        for (int t = 0; t < 11; t++) {
            Tensor rows = x.rows(t, 2);
            float[] pair = run(kernels, 2, 45, out -> kernels.matmul(rows, w, out));
            assertEqual("token " + t, pair, Arrays.copyOfRange(together, t * 45, t * 45 + 90));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "F16", "BF16", "F32"})
    void everyWeightOfARowMeetsItsOwnActivation(DataType type) {
        int columns = 768;
        Tensor w = RandomWeights.of(type, 8, columns, random);
        assertThat(RowDots.supports(w)).isTrue();
        float[] row = new float[columns];
        w.decode(5, 0, columns, row, 0);
        Kernels kernels = VECTOR.getFirst();
        Tensor x = Tensor.f32(1, columns);
        for (int k = 0; k < columns; k++) {
            x.set(0, k, 1);
            float[] products = run(kernels, 1, 8, out -> kernels.matmul(x, w, out));
            assertThat(products[5]).as("%s, column %d", type, k).isCloseTo(row[k], within(Math.abs(row[k]) * 1e-6f));
            x.set(0, k, 0);
        }
    }

    private void checkProduct(Tensor x, Tensor w) {
        int t = (int) x.rows();
        int n = (int) w.rows();
        float[] expected = run(PLAIN, t, n, out -> PLAIN.matmul(x, w, out));
        float[] size = absolute(x, w);
        check("%s x %s".formatted(x, w), t, n, expected, size, Tolerances.SUM, (k, out) -> k.matmul(x, w, out));
    }

    /** Σ |x|·|w|, the size of the terms that are added up. */
    private static float[] absolute(Tensor x, Tensor w) {
        Tensor out = Tensor.f32(x.rows(), w.rows());
        PLAIN.matmul(absolute(x), absolute(w), out);
        return out.toFloats();
    }

    private static Tensor absolute(Tensor t) {
        float[] values = t.toFloats();
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.abs(values[i]);
        }
        return Tensor.f32(values, t.rows(), t.columns());
    }

    // ---- Rows.

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 31, 32, 33, 64, 255, 256, 257, 1024, 4098})
    void elementwiseOperationsAreThoseOfTheDefinition(int width) {
        for (int t : new int[] {1, 3, 40}) {
            Tensor x = normal(t, width);
            Tensor y = wide(t, width);
            Tensor gate = wide(t, 1);
            checkInPlace("add", x, (k, v) -> k.add(v, y));
            checkInPlace("addGated", x, (k, v) -> k.addGated(v, y, gate));
            checkInPlace("sigmoidGate", x, (k, v) -> k.sigmoidGate(v, y));
            checkInPlace("swiGlu", y, (k, v) -> k.swiGlu(v, x, v));
            Tensor weight = normal(1, width);
            checkInPlace("rmsNorm", x, (k, v) -> k.rmsNorm(v, weight, 1e-6f, v));
            checkInPlace("gatedNorm", x, (k, v) -> k.gatedNorm(v, y, weight, 1e-6f, v));
            checkInPlace("addRmsNorm", x, (k, v) -> {
                Tensor normed = Tensor.f32(v.rows(), v.columns());
                k.addRmsNorm(v, y, weight, 1e-6f, normed);
                k.add(v, normed);
            });
        }
    }

    @Test
    void normsAndRotationWorkOnHeads() {
        for (int headDim : new int[] {6, 32, 33, 128, 256}) {
            Tensor x = normal(5, 3 * headDim);
            Tensor weight = normal(1, headDim);
            checkInPlace("rmsNorm", x, (k, v) -> k.rmsNorm(v, weight, 1e-6f, v));
            for (int pairs : new int[] {1, headDim / 4, headDim / 2}) {
                Tensor cos = normal(5, Math.max(1, pairs));
                Tensor sin = normal(5, Math.max(1, pairs));
                checkInPlace("rope", x, (k, v) -> k.rope(v, headDim, cos, sin));
                checkInPlace("normAndRope", x, (k, v) -> k.normAndRope(v, weight, 1e-6f, cos, sin));
            }
            Tensor queryAndGate = normal(4, 6 * headDim);
            check("split", 4, 3 * headDim, ELEMENT, (k, out) -> {
                Tensor gate = Tensor.f32(4, 3L * headDim);
                k.splitQueryAndGate(queryAndGate, headDim, out, gate);
                k.swiGlu(gate, out, out);
            });
        }
    }

    @Test
    void blocksOfAnySizeHaveMaxima() {
        for (int width : new int[] {1, 63, 64, 65, 5000}) {
            Tensor x = normal(3, width);
            for (int size : new int[] {1, 16, 33, 64, 7000}) {
                int blocks = Math.ceilDiv(width, size);
                check("blockMaxima", 3, blocks, 0, (k, out) -> k.blockMaxima(x, size, out));
            }
        }
    }

    @Test
    void rowsAreCopiedAndDecoded() {
        Tensor x = normal(9, 77);
        check("gather", 4, 77, 0, (k, out) -> k.gather(x, new int[] {8, 0, 3, 3}, out));
        for (DataType type : floating().toList()) {
            Tensor table = RandomWeights.of(type, 9, 512, random);
            check("embed " + type, 3, 512, 0, (k, out) -> k.embed(table, new int[] {0, 8, 4}, out));
        }
    }

    @Test
    void theConvolutionRunsOverSeveralSequencesAndInPlace() {
        for (int taps : new int[] {4, 2, 5}) {
            for (int width : new int[] {1, 33, 256, 600}) {
                Tensor x = normal(9, width);
                Tensor weight = normal(taps, width);
                List<Span> spans = List.of(new Span(0, 1, 7), new Span(1, 2, 0), new Span(3, 6, 1));
                List<Tensor> states =
                        List.of(normal(taps - 1, width), normal(taps - 1, width), normal(taps - 1, width));
                for (boolean inPlace : new boolean[] {false, true}) {
                    checkWithMachineCode("convolution", 9, width, ELEMENT, (k, out) -> {
                        List<Tensor> copies =
                                states.stream().map(VectorKernelsTest::copy).toList();
                        Tensor from = inPlace ? copyInto(x, out) : x;
                        k.convolution(from, weight, spans, copies, out);
                        k.add(out.rows(0, taps - 1), copies.get(0));
                        k.add(out.rows(3, taps - 1), copies.get(2));
                    });
                }
            }
        }
    }

    // ---- Attention.

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "BF16", "Q8_0"})
    void attentionIsThatOfTheDefinition(DataType cacheType) {
        int[][] shapes = {{4, 2, 32}, {4, 4, 16}, {8, 1, 64}, {6, 2, 256}, {3, 1, 20}, {16, 1, 32}, {32, 2, 64}};
        for (int[] shape : shapes) {
            checkAttention(cacheType, shape, new int[] {1, 0});
            checkAttention(cacheType, shape, new int[] {1, 63}, new int[] {1, 64}, new int[] {1, 200});
            checkAttention(cacheType, shape, new int[] {5, 0}, new int[] {3, 61}, new int[] {1, 0});
            checkAttention(cacheType, shape, new int[] {70, 0}, new int[] {2, 130});
            checkAttention(cacheType, shape, new int[] {33, 95});
        }
    }

    @Test
    void aLongPastIsReadInPieces() {
        checkAttention(DataType.F32, new int[] {4, 2, 16}, new int[] {1, 2500});
        checkAttention(DataType.BF16, new int[] {8, 2, 256}, new int[] {1, 4100}, new int[] {2, 1050});
        checkAttention(DataType.BF16, new int[] {4, 1, 32}, new int[] {3, 1023}, new int[] {1, 2047});
        checkAttention(DataType.F32, new int[] {16, 1, 16}, new int[] {6, 1021}, new int[] {20, 1100});
        checkAttention(DataType.Q8_0, new int[] {4, 1, 64}, new int[] {3, 1023}, new int[] {1, 2047});
        checkAttention(DataType.BF16, new int[] {12, 4, 64}, new int[] {3, 700}, new int[] {1, 600});
        checkAttention(DataType.BF16, new int[] {8, 4, 128}, new int[] {1, 513}, new int[] {1, 511});
        checkAttention(DataType.BF16, new int[] {16, 2, 64}, new int[] {16, 900}, new int[] {17, 900});
    }

    /** @param spans (count, past) of each */
    private void checkAttention(DataType cacheType, int[] shape, int[]... spans) {
        int heads = shape[0];
        int keyHeads = shape[1];
        int headDim = shape[2];
        List<Span> list = new ArrayList<>();
        int rows = 0;
        for (int[] span : spans) {
            list.add(new Span(rows, span[0], span[1]));
            rows += span[0];
        }
        List<Tensor> pastKeys =
                list.stream().map(s -> normal(s.past(), keyHeads * headDim)).toList();
        List<Tensor> pastValues =
                list.stream().map(s -> normal(s.past(), keyHeads * headDim)).toList();
        Tensor q = wide(rows, heads * headDim);
        Tensor k = normal(rows, keyHeads * headDim);
        Tensor v = normal(rows, keyHeads * headDim);
        checkWithMachineCode(
                "attention %s %s %s".formatted(cacheType, Arrays.toString(shape), list),
                rows,
                heads * headDim,
                Tolerances.ATTENTION,
                (kernels, out) -> {
                    MemoryPool pool = new MemoryPool();
                    List<KvCache> caches = new ArrayList<>();
                    for (int s = 0; s < list.size(); s++) {
                        KvCache cache = new KvCache(pool, cacheType, keyHeads, headDim);
                        cache.reserve(list.get(s).past() + list.get(s).count());
                        for (int p = 0; p < list.get(s).past(); p++) {
                            cache.write(p, pastKeys.get(s), pastValues.get(s), p);
                        }
                        caches.add(cache);
                    }
                    kernels.attention(q, k, v, list, caches, out);
                });
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "BF16", "Q8_0"})
    void theCacheHoldsTheBitsOfTheDefinition(DataType type) {
        float[] special = {0, -0f, Float.NaN, Float.intBitsToFloat(0x7f800001), Float.POSITIVE_INFINITY, 1e-36f, 1e30f};
        for (int headDim : new int[] {20, 32, 96, 256}) {
            Tensor k = normal(70, 2 * headDim);
            Tensor v = normal(70, 2 * headDim);
            for (int t = 0; t < 70; t++) {
                // Ties: whole and half steps of a scale of 1 or, as bfloat16, of a last place.
                for (int i = 0; i < headDim && t % 3 == 0; i++) {
                    k.set(t, i, i == 3 ? 127 : random.nextInt(-252, 253) / 2f);
                    v.set(t, i, Float.intBitsToFloat(random.nextInt(1 << 14) << 15 | 0x3f800000));
                }
                v.set(t, t % headDim, special[t % special.length]);
                for (int i = 32; i < headDim && t % 5 == 0; i++) {
                    v.set(t, headDim + i, i % 2 * 1e-36f);
                }
            }
            MemoryPool pool = new MemoryPool();
            KvCache expected = new KvCache(pool, type, 2, headDim);
            KvCache actual = new KvCache(pool, type, 2, headDim);
            expected.reserve(70);
            actual.reserve(70);
            for (int t = 0; t < 70; t++) {
                expected.write(t, k, v, t);
                VectorCache.write(actual, t, k, v, t, null);
            }
            for (int block = 0; block < 2; block++) {
                assertSameBits(actual.keys(block), expected.keys(block));
                assertSameBits(actual.values(block), expected.values(block));
            }
        }
    }

    private static void assertSameBits(KvCache.Entries actual, KvCache.Entries expected) {
        assertThat(actual.values().segment().mismatch(expected.values().segment()))
                .isEqualTo(-1);
        Tensor scales = expected.scales();
        if (scales != null) {
            // Of numbers that are none, the bits may differ.
            assertThat(Objects.requireNonNull(actual.scales()).toFloats()).isEqualTo(scales.toFloats());
        }
    }

    @Test
    void splittingAPromptChangesAttentionByRoundingOnly() {
        Tensor q = normal(100, 64);
        Tensor k = normal(100, 32);
        Tensor v = normal(100, 32);
        Kernels kernels = VECTOR.get(1);
        float[] whole = run(kernels, 100, 64, out -> {
            KvCache cache = new KvCache(new MemoryPool(), DataType.F32, 1, 32);
            cache.reserve(100);
            kernels.attention(q, k, v, List.of(new Span(0, 100, 0)), List.of(cache), out);
        });
        float[] split = run(kernels, 100, 64, out -> {
            KvCache cache = new KvCache(new MemoryPool(), DataType.F32, 1, 32);
            cache.reserve(100);
            int from = 0;
            for (int count : new int[] {1, 2, 60, 1, 30, 6}) {
                kernels.attention(
                        q.rows(from, count),
                        k.rows(from, count),
                        v.rows(from, count),
                        List.of(new Span(0, count, from)),
                        List.of(cache),
                        out.rows(from, count));
                from += count;
            }
        });
        assertClose("split prompt", whole, split, sizes(whole), Tolerances.ATTENTION);
    }

    // ---- The delta rule.

    @Test
    void theDeltaRuleAgreesForEveryLengthUpTo200() {
        DeltaHeads chunked = new DeltaHeads(1, 2, 32, 48, false);
        DeltaHeads whole = new DeltaHeads(1, 2, 40, 64, false); // of tiles of machine code
        DeltaHeads stepped = new DeltaHeads(1, 2, 32, 32, false);
        for (int length = 1; length <= 200; length += length < 70 ? 1 : 13) {
            checkDelta(chunked, 1, new Span(0, length, 0));
            checkDelta(whole, 1, new Span(0, length, 0));
            checkDelta(stepped, 1, new Span(0, length, 0));
        }
    }

    @Test
    void theDeltaRuleAgreesForOtherShapesAndHeadOrders() {
        for (boolean tiled : new boolean[] {false, true}) {
            checkDelta(new DeltaHeads(2, 6, 128, 128, tiled), 1, new Span(0, 3, 9), new Span(3, 40, 0));
            checkDelta(new DeltaHeads(1, 2, 24, 256, tiled), 1, new Span(0, 1, 9), new Span(1, 5, 0));
            checkDelta(new DeltaHeads(2, 4, 16, 16, tiled), 1, new Span(0, 17, 9), new Span(17, 1, 0));
            checkDelta(new DeltaHeads(3, 3, 20, 33, tiled), 1, new Span(0, 2, 9), new Span(2, 67, 0));
            checkDelta(new DeltaHeads(3, 3, 37, 33, tiled), 1, new Span(0, 2, 9), new Span(2, 67, 0));
            checkDelta(new DeltaHeads(1, 2, 16, 48, tiled), 1, new Span(0, 20, 9), new Span(20, 1, 0));
        }
    }

    @Test
    void strongAndWeakDecaysAreBothExact() {
        DeltaHeads heads = new DeltaHeads(1, 1, 64, 64, false);
        for (double decay : new double[] {0, 1e-4, 0.5, 20, 1000}) {
            checkDelta(heads, decay, new Span(0, 130, 0));
            checkDelta(heads, decay, new Span(0, 5, 0));
        }
    }

    @Test
    void splittingAPromptDoesNotChangeTheState() {
        for (int size : new int[] {32, 48}) {
            splittingDoesNotChangeTheState(size);
        }
    }

    private void splittingDoesNotChangeTheState(int size) {
        DeltaHeads heads = new DeltaHeads(2, 4, size, size, false);
        DeltaInput input = new DeltaInput(heads, 150, 0.1);
        Tensor start = normal(4 * size, size);
        for (Kernels kernels : VECTOR) {
            Tensor whole = copy(start);
            float[] expected = run(kernels, 150, 4 * size, out -> input.run(kernels, 0, 150, whole, out));
            Tensor state = copy(start);
            float[] split = run(kernels, 150, 4 * size, out -> {
                int from = 0;
                for (int count : new int[] {1, 15, 16, 17, 64, 1, 36}) {
                    input.run(kernels, from, count, state, out.rows(from, count));
                    from += count;
                }
            });
            assertClose("outputs", expected, split, sizes(expected), Tolerances.DELTA);
            assertClose("states", whole.toFloats(), state.toFloats(), sizes(whole.toFloats()), Tolerances.DELTA);
        }
    }

    private void checkDelta(DeltaHeads heads, double decay, Span... spans) {
        int tokens = Arrays.stream(spans).mapToInt(Span::count).sum();
        DeltaInput input = new DeltaInput(heads, tokens, decay);
        int stateRows = heads.valueHeads() * heads.keyDim();
        List<Tensor> states = Arrays.stream(spans)
                .map(span -> normal(stateRows, heads.valueDim()))
                .toList();
        int width = heads.valueHeads() * heads.valueDim();
        List<Tensor> last = new ArrayList<>();
        checkWithMachineCode(
                "delta %s decay %s %s".formatted(heads, decay, Arrays.toString(spans)),
                tokens,
                width,
                Tolerances.DELTA,
                (k, out) -> {
                    List<Tensor> copies =
                            states.stream().map(VectorKernelsTest::copy).toList();
                    k.gatedDelta(
                            heads,
                            copy(input.qkv),
                            input.a,
                            input.b,
                            input.rate,
                            input.dtBias,
                            List.of(spans),
                            copies,
                            out);
                    if (k == PLAIN) {
                        last.addAll(copies);
                    } else {
                        for (int s = 0; s < copies.size(); s++) {
                            float[] expected = last.get(s).toFloats();
                            assertClose("state", expected, copies.get(s).toFloats(), sizes(expected), Tolerances.DELTA);
                        }
                    }
                });
    }

    private final class DeltaInput {
        final DeltaHeads heads;
        final Tensor qkv;
        final Tensor a;
        final Tensor b;
        final Tensor rate;
        final Tensor dtBias;

        DeltaInput(DeltaHeads heads, int tokens, double decay) {
            this.heads = heads;
            qkv = normal(tokens, heads.qkvWidth());
            a = normal(tokens, heads.valueHeads());
            b = normal(tokens, heads.valueHeads());
            dtBias = normal(1, heads.valueHeads());
            rate = Tensor.f32(heads.valueHeads());
            for (int n = 0; n < heads.valueHeads(); n++) {
                rate.set(0, n, (float) -(decay * (0.5 + random.nextDouble())));
            }
        }

        void run(Kernels kernels, int from, int count, Tensor state, Tensor out) {
            kernels.gatedDelta(
                    heads,
                    copy(qkv.rows(from, count)),
                    a.rows(from, count),
                    b.rows(from, count),
                    rate,
                    dtBias,
                    List.of(new Span(0, count, from)),
                    List.of(state),
                    out);
        }
    }

    // ---- Experts.

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"F32", "Q4_K", "Q8_0"})
    void mixturesAreThoseOfTheDefinition(DataType type) {
        int count = 8;
        List<Tensor> gate = new ArrayList<>();
        List<Tensor> up = new ArrayList<>();
        List<Tensor> down = new ArrayList<>();
        for (int e = 0; e < count; e++) {
            gate.add(RandomWeights.of(type, 256, 256, random));
            up.add(RandomWeights.of(type, 256, 256, random));
            down.add(RandomWeights.of(type, 256, 256, random));
        }
        Experts experts = new Experts(gate, up, down);
        for (int t : new int[] {1, 2, 9, 70}) {
            Tensor x = normal(t, 256);
            for (int k : new int[] {1, 3, 8}) {
                Tensor logits = normal(t, count);
                // Ties: the lower index wins in both.
                logits.set(0, 5, logits.get(0, 2));
                logits.set(0, 7, logits.get(0, 2));
                check("experts", t, 256, Tolerances.SUM, (kernels, out) -> {
                    kernels.experts(x, logits, experts, k, out);
                });
            }
        }
    }

    @Test
    void gatedMlpIsThatOfTheDefinition() {
        Tensor gate = RandomWeights.of(DataType.BF16, 96, 64, random);
        Tensor up = RandomWeights.of(DataType.BF16, 96, 64, random);
        Tensor down = RandomWeights.of(DataType.BF16, 64, 96, random);
        Tensor x = normal(7, 64);
        check("mlp", 7, 64, Tolerances.SUM, (kernels, out) -> kernels.mlp(x, gate, up, down, out));
    }

    // ---- The exponential function.

    @Test
    void theExponentialErrsByLessThanTwoUnits() {
        float[] in = new float[Lanes.L];
        float[] out = new float[Lanes.L];
        double worst = 0;
        for (float x = -87.3f; x < 88; x += 0.00037f * Lanes.L) {
            for (int l = 0; l < Lanes.L; l++) {
                in[l] = Math.min(88, x + 0.00037f * l);
            }
            Exp.exp(jdk.incubator.vector.FloatVector.fromArray(Lanes.F, in, 0)).intoArray(out, 0);
            for (int l = 0; l < Lanes.L; l++) {
                double exact = Math.exp(in[l]);
                worst = Math.max(worst, Math.abs(out[l] - exact) / Math.ulp((float) exact));
            }
        }
        assertThat(worst).isLessThan(2);
        float[] special = new float[Lanes.L];
        special[0] = Float.NEGATIVE_INFINITY;
        special[1] = Float.NaN;
        special[2] = -1000;
        Exp.exp(jdk.incubator.vector.FloatVector.fromArray(Lanes.F, special, 0)).intoArray(out, 0);
        assertThat(out[0]).isZero();
        assertThat(out[1]).isNaN();
        assertThat(out[2]).isZero();
        assertThat(out[3]).isEqualTo(1);
    }

    // ---- Comparing.

    private static final double ELEMENT = Tolerances.ELEMENT;

    private interface Operation {
        void run(Kernels kernels, Tensor out);
    }

    private void checkInPlace(String what, Tensor x, Operation operation) {
        checkWithMachineCode(what, (int) x.rows(), (int) x.columns(), ELEMENT, (kernels, out) -> {
            operation.run(kernels, copyInto(x, out));
        });
    }

    /** As {@link #check(String, int, int, double, Operation)}, also with machine code. */
    private void checkWithMachineCode(String what, int rows, int columns, double tolerance, Operation operation) {
        check(what, rows, columns, tolerance, operation);
        float[] expected = run(PLAIN, rows, columns, out -> operation.run(PLAIN, out));
        float[] first = null;
        for (Kernels kernels : WITH_MACHINE_CODE) {
            float[] actual = run(kernels, rows, columns, out -> operation.run(kernels, out));
            assertClose("%s in machine code".formatted(what), expected, actual, sizes(expected), tolerance);
            if (first != null) {
                assertEqual("%s with %d threads".formatted(what, kernels.threads()), first, actual);
            }
            first = actual;
        }
    }

    /** As {@link #check(String, int, int, float[], float[], double, Operation)}, relative to the largest value. */
    private void check(String what, int rows, int columns, double tolerance, Operation operation) {
        float[] expected = run(PLAIN, rows, columns, out -> operation.run(PLAIN, out));
        check(what, rows, columns, expected, sizes(expected), tolerance, operation);
    }

    /** The first vector back end must be close to what is expected, the others equal to the first bit by bit. */
    private static void check(
            String what, int rows, int columns, float[] expected, float[] size, double tolerance, Operation operation) {
        Kernels first = VECTOR.getFirst();
        float[] actual = run(first, rows, columns, out -> operation.run(first, out));
        assertClose(what, expected, actual, size, tolerance);
        for (Kernels kernels : VECTOR.subList(1, VECTOR.size())) {
            float[] other = run(kernels, rows, columns, out -> operation.run(kernels, out));
            assertEqual("%s with %d threads".formatted(what, kernels.threads()), actual, other);
        }
    }

    private static float[] run(Kernels kernels, int rows, int columns, Consumer<Tensor> operation) {
        try (Scratch scratch = kernels.scratch()) {
            Tensor out = scratch.f32(rows, columns);
            out.segment().fill((byte) 0x7f); // nothing may depend on what was there
            operation.accept(out);
            return out.toFloats();
        }
    }

    private static void assertClose(String what, float[] expected, float[] actual, float[] size, double tolerance) {
        for (int i = 0; i < expected.length; i++) {
            double error = Math.abs((double) actual[i] - expected[i]);
            if (!(error <= tolerance * size[i] + 1e-30) && Float.compare(actual[i], expected[i]) != 0) {
                throw new AssertionError("%s, seed %d, element %d: expected %s, found %s, size %s"
                        .formatted(what, SEED, i, expected[i], actual[i], size[i]));
            }
        }
    }

    /** Bit by bit, all NaNs being one. */
    private static void assertEqual(String what, float[] expected, float[] actual) {
        assertThat(Arrays.mismatch(expected, actual))
                .as("%s, seed %d: first element that differs", what, SEED)
                .isEqualTo(-1);
    }

    private static float[] sizes(float[] values) {
        float max = 0;
        for (float value : values) {
            max = Math.max(max, Math.abs(value));
        }
        float[] sizes = new float[values.length];
        Arrays.fill(sizes, max);
        return sizes;
    }

    private Tensor normal(int rows, int columns) {
        return random(rows, columns, 1);
    }

    /** Values up to about 30, where gates close and softmax is nearly a choice. */
    private Tensor wide(int rows, int columns) {
        return random(rows, columns, 8);
    }

    private Tensor random(int rows, int columns, double deviation) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian(0, deviation);
        }
        return Tensor.f32(values, rows, columns);
    }

    private static Tensor copy(Tensor x) {
        return copyInto(x, Tensor.f32(x.rows(), x.columns()));
    }

    private static Tensor copyInto(Tensor x, Tensor to) {
        to.segment().copyFrom(x.segment());
        return to;
    }
}
