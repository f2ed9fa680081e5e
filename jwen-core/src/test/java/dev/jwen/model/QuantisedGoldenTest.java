package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.Golden;
import dev.jwen.kernel.x86.InstructionSet;
import dev.jwen.kernel.x86.X86Products;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The network on the back end "x86", which rounds activations to 8 bits where weights are quantised: as close to the
 * references as another implementation that does so, and as close as float32 where the weights are plain numbers.
 */
class QuantisedGoldenTest {
    private static final Set<String> PLAIN_NUMBERS = Set.of("F32", "F16", "BF16");

    @BeforeAll
    static void canRun() {
        String obstacle = X86Products.obstacle();
        assumeTrue(obstacle == null, () -> "not run: the x86 kernels cannot run here: " + obstacle);
    }

    static Stream<GoldenTest.Case> shared() {
        return GoldenTest.shared();
    }

    static Stream<GoldenTest.Case> shipped() {
        return GoldenTest.shippedOnEveryBackend()
                .map(arguments -> (GoldenTest.Case) arguments.get()[0])
                .distinct();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shared")
    void logitsOfOnePassAgree(GoldenTest.Case golden) {
        check(
                golden,
                Golden.shared("golden/" + golden.model()),
                Golden.shared("golden/" + golden.file() + ".safetensors"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shipped")
    void logitsOfTheShippedModelsAgree(GoldenTest.Case golden) {
        check(golden, Golden.shipped(golden.model()), Golden.shipped(golden.file() + ".safetensors"));
    }

    @Test
    void greedyTokensOfBfloat16WeightsAreEqual() {
        Path directory = Golden.shared("golden/dense-256");
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("cases/greedy-40.safetensors"));
        int[] expected = arrays.get("output_ids").ints();
        int[] produced = new int[expected.length];
        List<float[]> rows = new ArrayList<>();
        try (TinyModel tiny = new TinyModel(directory.resolve("checkpoint"), "x86", 2)) {
            State state = tiny.newState();
            int[] next = arrays.get("input_ids").ints();
            for (int i = 0; i < expected.length; i++) {
                rows.add(tiny.read(state, next, next.length).getLast());
                produced[i] = TinyModel.argMax(rows.getLast());
                next = new int[] {produced[i]};
            }
        }
        assertThat(produced).isEqualTo(expected);
        assertThat(TinyModel.meanDifference(rows, arrays.get("logits").floats()))
                .isLessThan((double) LogitTolerances.INT8_MEAN);
    }

    private static void check(GoldenTest.Case golden, Path model, Path file) {
        Map<String, Golden.Array> arrays = Golden.arrays(file);
        String prefix = "logits_dequantised.";
        String type = golden.logits().startsWith(prefix) ? golden.logits().substring(prefix.length()) : "F32";
        try (TinyModel tiny = new TinyModel(model, "x86", 2)) {
            List<float[]> rows = tiny.read(arrays.get("input_ids").ints());
            compare(golden, rows, arrays.get(golden.logits()), PLAIN_NUMBERS.contains(type));
            Golden.Array ggml = arrays.get("logits." + type);
            if (ggml != null) {
                compare(golden, rows, ggml, false);
            }
        }
    }

    /** {@code expected} holds the logits of the last tokens. */
    private static void compare(GoldenTest.Case golden, List<float[]> rows, Golden.Array expected, boolean isFloat) {
        List<float[]> last = rows.subList(rows.size() - Math.toIntExact(expected.shape()[0]), rows.size());
        if (isFloat && multipliesPlainNumbersAsFloat32()) {
            assertThat(TinyModel.maxDifference(last, expected.floats())).isLessThan(golden.bound());
        } else {
            assertThat(TinyModel.meanDifference(last, expected.floats()))
                    .isLessThan((double) LogitTolerances.INT8_MEAN);
        }
    }

    /** Some processors round activations to bfloat16 where weights are bfloat16. */
    private static boolean multipliesPlainNumbersAsFloat32() {
        try (X86Products products = new X86Products()) {
            return products.instructionSet() != InstructionSet.AVX512_BF16;
        }
    }
}
