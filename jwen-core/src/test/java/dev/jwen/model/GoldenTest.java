package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import dev.jwen.kernel.x86.X86Products;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** The network gives the numbers of two independent implementations, on every back end and in every container. */
class GoldenTest {
    private static final List<String> BACKENDS = List.of("plain", "vector");

    /**
     * Logits of one pass.
     *
     * @param model a checkpoint directory or file
     * @param file arrays {@code input_ids} and {@code logits}, the latter for all or the last positions
     */
    record Case(String model, String file, String logits, float bound) {
        @Override
        public String toString() {
            return model + " " + file.substring(file.lastIndexOf('/') + 1) + " " + logits;
        }
    }

    private static Case exact(String model, String name, float bound) {
        String directory = model.substring(0, model.indexOf('/'));
        return new Case(model, directory + "/cases/" + name, "logits", bound);
    }

    private static Case gguf(String directory, String file, String type) {
        return new Case(
                directory + "/gguf/" + file,
                directory + "/gguf/logits-065",
                "logits_dequantised." + type,
                LogitTolerances.FLOAT);
    }

    static Stream<Case> shared() {
        List<Case> cases = new ArrayList<>();
        for (String length : List.of("001", "005", "063", "064", "065", "130", "200")) {
            cases.add(exact("dense-text/checkpoint", "prefill-" + length, LogitTolerances.FLOAT_DEEP));
            cases.add(exact("moe-text/checkpoint", "prefill-" + length, LogitTolerances.FLOAT));
        }
        for (String model : List.of("dense-text", "moe-text", "dense-256")) {
            for (String length : List.of("005", "065")) {
                String file = model + "/cases/prefill-" + length;
                cases.add(new Case(model + "/checkpoint", file, "logits_f64", LogitTolerances.FLOAT_TO_DOUBLE));
            }
        }
        for (String length : List.of("005", "065", "130")) {
            cases.add(exact("dense-256/checkpoint", "prefill-" + length, LogitTolerances.FLOAT));
        }
        for (String length : List.of("065", "130")) {
            cases.add(exact("dense-vl/checkpoint", "prefill-" + length, LogitTolerances.FLOAT));
            cases.add(exact("dense-vl/gguf/dense-vl-F32.gguf", "prefill-" + length, LogitTolerances.FLOAT));
            cases.add(exact("moe-vl/checkpoint", "prefill-" + length, LogitTolerances.FLOAT));
        }
        cases.add(exact("dense-256/checkpoint-fp8", "fp8-weights-065", LogitTolerances.FLOAT));
        cases.add(exact("moe-text/checkpoint-bf16-split-experts", "bf16-split-experts-020", LogitTolerances.FLOAT));
        cases.add(new Case(
                "dense-text/checkpoint-bf16-sharded",
                "dense-text/cases/bf16-weights-065",
                "logits_fp32_compute",
                LogitTolerances.FLOAT_DEEP));
        for (String type : List.of("Q8_0", "Q4_0", "Q2_K", "Q3_K_M", "Q4_K_M", "IQ4_XS")) {
            cases.add(gguf("dense-256", "dense-256-" + type + ".gguf", type));
        }
        for (String type : List.of("Q4_K_M", "MXFP4_MOE")) {
            cases.add(gguf("moe-256", "moe-256-" + type + ".gguf", type));
        }
        cases.add(gguf("moe-text", "moe-text-F16.gguf", "F16"));
        cases.add(gguf("moe-vl", "moe-vl-BF16.gguf", "BF16"));
        return cases.stream();
    }

    static Stream<Arguments> sharedOnEveryBackend() {
        return shared().flatMap(c -> BACKENDS.stream().map(b -> Arguments.of(c, b)));
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("sharedOnEveryBackend")
    void logitsOfOnePassAgree(Case golden, String backend) {
        Path model = Golden.shared("golden/" + golden.model);
        check(golden, backend, model, Golden.shared("golden/" + golden.file + ".safetensors"));
    }

    static Stream<Arguments> shippedOnEveryBackend() {
        return Stream.of(
                        new Case(
                                "dense-text/checkpoint-bf16-sharded",
                                "dense-text/bf16-weights-065",
                                "logits_fp32_compute",
                                LogitTolerances.FLOAT_DEEP),
                        new Case(
                                "moe-vl/moe-vl-BF16.gguf",
                                "moe-vl/logits-065",
                                "logits_dequantised.BF16",
                                LogitTolerances.FLOAT),
                        new Case(
                                "dense-256/dense-256-Q4_K_M.gguf",
                                "dense-256/logits-065",
                                "logits_dequantised.Q4_K_M",
                                LogitTolerances.FLOAT))
                .flatMap(c -> BACKENDS.stream().map(b -> Arguments.of(c, b)));
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("shippedOnEveryBackend")
    void logitsOfTheShippedModelsAgree(Case golden, String backend) {
        check(golden, backend, Golden.shipped(golden.model), Golden.shipped(golden.file + ".safetensors"));
    }

    private static void check(Case golden, String backend, Path model, Path file) {
        Map<String, Golden.Array> arrays = Golden.arrays(file);
        Golden.Array expected = arrays.get(golden.logits);
        try (TinyModel tiny = new TinyModel(model, backend, 2)) {
            List<float[]> rows = tiny.read(arrays.get("input_ids").ints());
            int known = Math.toIntExact(expected.shape()[0]);
            List<float[]> last = rows.subList(rows.size() - known, rows.size());
            assertThat(TinyModel.maxDifference(last, expected.floats())).isLessThan(golden.bound);
        }
    }

    /** Those that multiply as float32 where the weights are float32. */
    private static Stream<String> floatBackends() {
        return X86Products.obstacle() == null ? Stream.concat(BACKENDS.stream(), Stream.of("x86")) : BACKENDS.stream();
    }

    static Stream<Arguments> decodeModels() {
        Stream<Arguments> float32 =
                Stream.of("dense-text", "moe-text").flatMap(m -> floatBackends().map(b -> Arguments.of(m, b)));
        Stream<Arguments> bfloat16 = BACKENDS.stream().map(b -> Arguments.of("dense-256", b));
        return Stream.concat(float32, bfloat16);
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("decodeModels")
    void feedingTheTokensInPiecesGivesTheLogitsOfOnePass(String model, String backend) {
        Path directory = Golden.shared("golden/" + model);
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("cases/decode-140.safetensors"));
        JsonNode ways = Golden.json(directory.resolve("cases/decode-140.json")).get("ways");
        try (TinyModel tiny = new TinyModel(directory.resolve("checkpoint"), backend, 2)) {
            for (Map.Entry<String, JsonNode> way : ways.properties()) {
                int[] pieces = way.getValue()
                        .get("pieces")
                        .valueStream()
                        .mapToInt(JsonNode::asInt)
                        .toArray();
                List<float[]> rows =
                        tiny.read(tiny.newState(), arrays.get("input_ids").ints(), pieces);
                assertThat(TinyModel.maxDifference(rows, arrays.get("logits").floats()))
                        .as(way.getKey())
                        .isLessThan(LogitTolerances.FLOAT_DEEP);
            }
        }
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("decodeModels")
    void greedyTokensAreEqual(String model, String backend) {
        Path directory = Golden.shared("golden/" + model);
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("cases/greedy-40.safetensors"));
        int[] expected = arrays.get("output_ids").ints();
        int[] produced = new int[expected.length];
        List<float[]> rows = new ArrayList<>();
        try (TinyModel tiny = new TinyModel(directory.resolve("checkpoint"), backend, 2)) {
            State state = tiny.newState();
            int[] next = arrays.get("input_ids").ints();
            for (int i = 0; i < expected.length; i++) {
                float[] row = tiny.read(state, next, next.length).getLast();
                rows.add(row);
                produced[i] = TinyModel.argMax(row);
                next = new int[] {produced[i]};
            }
        }
        assertThat(produced).isEqualTo(expected);
        assertThat(TinyModel.maxDifference(rows, arrays.get("logits").floats())).isLessThan(LogitTolerances.FLOAT_DEEP);
    }

    static Stream<Arguments> hiddenStateModels() {
        return Stream.of("dense-text", "moe-text", "dense-vl", "moe-vl")
                .flatMap(m -> floatBackends().map(b -> Arguments.of(m, b)));
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("hiddenStateModels")
    void everyModuleOfEveryLayerAgrees(String model, String backend) {
        Path directory = Golden.shared("golden/" + model);
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("cases/hidden-states.safetensors"));
        List<String> wrong = new ArrayList<>();
        List<String> seen = new ArrayList<>();
        try (TinyModel tiny = new TinyModel(directory.resolve("checkpoint"), backend, 2)) {
            State state = tiny.newState();
            Batch batch = new Batch();
            batch.add(state, arrays.get("input_ids").ints(), Batch.Logits.ALL);
            tiny.network.forward(batch, (layer, point, value) -> {
                String name = goldenName(tiny.network.config(), layer, point);
                Golden.Array expected = arrays.get(name);
                if (expected != null) {
                    seen.add(name);
                    compare(name, value.toFloats(), expected.floats(), wrong);
                }
            });
            compareStates(tiny.network.config(), state, arrays, wrong, seen);
        }
        assertThat(wrong).isEmpty();
        int layers = Golden.json(directory.resolve("checkpoint/config.json"))
                .findValue("num_hidden_layers")
                .asInt();
        assertThat(seen).hasSizeGreaterThanOrEqualTo(2 + 7 * layers);
    }

    private static String goldenName(Config config, int layer, String point) {
        if (layer < 0) {
            return point + ".out";
        }
        boolean full = config.layerTypes().get(layer) == Config.LayerType.FULL_ATTENTION;
        return "layers." + layer
                + switch (point) {
                    case "layer" -> ".out";
                    case "mixer" -> full ? ".self_attn.out" : ".linear_attn.out";
                    default -> "." + point + ".out";
                };
    }

    private static void compareStates(
            Config config, State state, Map<String, Golden.Array> arrays, List<String> wrong, List<String> seen) {
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String cache = "cache." + i;
            if (config.layerTypes().get(i) == Config.LayerType.FULL_ATTENTION) {
                compareCache(cache + ".keys", state.kv(i).keys(0).values().toFloats(), arrays, wrong, seen);
                compareCache(cache + ".values", state.kv(i).values(0).values().toFloats(), arrays, wrong, seen);
            } else {
                Golden.Array recurrent = arrays.get(cache + ".recurrent_state");
                compare(cache + ".recurrent_state", state.recurrent(i).toFloats(), recurrent.floats(), wrong);
                seen.add(cache + ".recurrent_state");
                float[] rows = state.convolution(i).toFloats();
                Golden.Array columns = arrays.get(cache + ".conv_state");
                float[] transposed = new float[rows.length];
                int width = Math.toIntExact(columns.shape()[0]);
                for (int row = 0; row < 3; row++) {
                    for (int c = 0; c < width; c++) {
                        transposed[row * width + c] = columns.floats()[c * 4 + row + 1];
                    }
                }
                compare(cache + ".conv_state", rows, transposed, wrong);
                seen.add(cache + ".conv_state");
            }
        }
    }

    /** The cache holds blocks of 64 positions, the golden only the positions that were read. */
    private static void compareCache(
            String name, float[] block, Map<String, Golden.Array> arrays, List<String> wrong, List<String> seen) {
        Golden.Array expected = arrays.get(name);
        int read = Math.toIntExact(expected.shape()[1] * expected.shape()[2]);
        int stride = block.length / Math.toIntExact(expected.shape()[0]);
        float[] used = new float[expected.floats().length];
        for (int head = 0; head < expected.shape()[0]; head++) {
            System.arraycopy(block, head * stride, used, head * read, read);
        }
        compare(name, used, expected.floats(), wrong);
        seen.add(name);
    }

    private static void compare(String name, float[] found, float[] expected, List<String> wrong) {
        float largest = 1;
        float difference = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
            difference = Math.max(difference, Math.abs(found[i] - expected[i]));
        }
        if (found.length != expected.length || !(difference / largest < LogitTolerances.MODULE)) {
            wrong.add("%s differs by %s of %s: %s… expected %s…"
                    .formatted(
                            name,
                            difference,
                            largest,
                            Arrays.toString(Arrays.copyOf(found, 4)),
                            Arrays.toString(Arrays.copyOf(expected, 4))));
        }
    }
}
