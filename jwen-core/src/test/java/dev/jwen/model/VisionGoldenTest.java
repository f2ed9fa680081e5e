package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The vision tower gives the numbers of an independent implementation, block by block, from both containers. */
class VisionGoldenTest {
    private static final List<String> BACKENDS = List.of("plain", "vector", "x86");

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String backend : backends().toList()) {
            for (String model : List.of("dense-vl/checkpoint", "dense-vl/gguf/dense-vl-F32.gguf")) {
                for (String name : List.of("vl-image", "vl-aligned", "vl-two-images", "vl-video", "vl-mixed")) {
                    all.add(Arguments.of(model, name, backend));
                }
            }
            all.add(Arguments.of("moe-vl/checkpoint", "vl-image", backend));
            all.add(Arguments.of("moe-vl/checkpoint", "vl-aligned", backend));
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} {1} on {2}")
    @MethodSource("cases")
    void theTowerAgreesBlockByBlock(String model, String name, String backend) {
        Path directory = Golden.shared("golden/" + model.substring(0, model.indexOf('/')));
        check(Golden.shared("golden/" + model), null, directory.resolve("cases/" + name + ".safetensors"), backend);
    }

    static Stream<String> backends() {
        return BACKENDS.stream()
                .filter(name -> Backends.all().stream()
                        .anyMatch(provider -> provider.name().equals(name)
                                && provider.unavailable().isEmpty()));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theShippedTowerAgreesBlockByBlock(String backend) {
        check(
                Golden.shipped("moe-vl/moe-vl-BF16.gguf"),
                Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf"),
                Golden.shipped("dense-vl/vl-image.safetensors"),
                backend);
    }

    private static void check(Path model, @Nullable Path mmproj, Path file, String backend) {
        Map<String, Golden.Array> arrays = Golden.arrays(file);
        List<Grid> grids = new ArrayList<>();
        List<float[]> patches = new ArrayList<>();
        for (String kind : List.of("image", "video")) {
            Golden.Array grid = arrays.get(kind + "_grid_thw");
            if (grid != null) {
                grids.addAll(grids(grid));
                patches.add(arrays.get(kind.equals("image") ? "pixel_values" : "pixel_values_videos")
                        .floats());
            }
        }
        Map<String, float[]> seen = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.open(model);
                Kernels kernels = Backends.open(backend, 2);
                VisionFiles files = Objects.requireNonNull(VisionFiles.of(checkpoint, mmproj))) {
            VisionTower tower = VisionTower.of(files, Config.of(checkpoint), kernels);
            Tensor rows = tensor(patches, tower.config().patchValues());
            Tensor merged = tower.encode(rows, grids, VisionTower.Progress.NONE, (layer, point, value) -> {
                seen.put(goldenName(layer, point), value.toFloats());
            });
            assertThat(merged.toFloats()).isEqualTo(seen.get("vision.merged"));
        }
        float[] all = seen.get("vision.merged");
        int first = arrays.containsKey("vision.merged.0")
                ? arrays.get("vision.merged.0").floats().length
                : all.length;
        seen.put("vision.merged.0", Arrays.copyOf(all, first));
        seen.put("vision.merged.1", Arrays.copyOfRange(all, first, all.length));
        List<String> compared = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        arrays.forEach((key, expected) -> {
            float[] found = seen.get(key);
            if (found != null && key.startsWith("vision.")) {
                compared.add(key);
                float bound = key.startsWith("vision.merged") ? VISION : LogitTolerances.MODULE;
                float difference = relativeDifference(found, expected.floats());
                if (!(difference < bound)) {
                    wrong.add(key + " differs by " + difference);
                }
            }
        });
        assertThat(wrong).isEmpty();
        assertThat(compared).contains(arrays.containsKey("vision.merged") ? "vision.merged" : "vision.merged.1");
    }

    static Stream<Arguments> prompts() {
        List<Arguments> all = new ArrayList<>();
        for (String backend : backends().toList()) {
            for (String model : List.of("dense-vl/checkpoint", "dense-vl/gguf/dense-vl-F32.gguf")) {
                for (String name :
                        List.of("vl-image", "vl-aligned", "vl-two-images", "vl-video", "vl-video-outer", "vl-mixed")) {
                    all.add(Arguments.of(model, name, backend));
                }
            }
            all.add(Arguments.of("moe-vl/checkpoint", "vl-image", backend));
            all.add(Arguments.of("moe-vl/checkpoint", "vl-aligned", backend));
        }
        return all.stream();
    }

    /** In one pass and in pieces that cut pictures apart; then greedy, with the positions that pictures left behind. */
    @ParameterizedTest(name = "{0} {1} on {2}")
    @MethodSource("prompts")
    void logitsAfterPicturesAgree(String model, String name, String backend) {
        Path directory = Golden.shared("golden/" + model.substring(0, model.indexOf('/')));
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("cases/" + name + ".safetensors"));
        Map<String, Golden.Array> media =
                name.equals("vl-video-outer") ? Golden.arrays(directory.resolve("cases/vl-video.safetensors")) : arrays;
        try (TinyModel tiny = new TinyModel(Golden.shared("golden/" + model), backend, 2);
                VisionFiles files = Objects.requireNonNull(VisionFiles.of(tiny.checkpoint, null))) {
            VisionTower tower = VisionTower.of(files, tiny.network.config(), tiny.network.kernels());
            ModelInput input = ModelInput.of(
                    arrays.get("input_ids").ints(),
                    new ModelInput.Placeholders(332, 333),
                    encoded(tower, media, "image", "pixel_values"),
                    encoded(tower, media, "video", "pixel_values_videos"));
            int[] positions = arrays.get("position_ids").ints();
            assertThat(Stream.of(input.positions()).flatMapToInt(Arrays::stream).toArray())
                    .isEqualTo(positions);
            float[] expected = arrays.get("logits").floats();
            State state = tiny.newState();
            assertThat(TinyModel.maxDifference(tiny.read(state, input, input.length()), expected))
                    .isLessThan(LogitTolerances.FLOAT);
            State inPieces = tiny.newState();
            assertThat(TinyModel.maxDifference(tiny.read(inPieces, input, 7), expected))
                    .isLessThan(LogitTolerances.FLOAT);
            assertThat(state.nextPosition())
                    .isEqualTo(input.length() + arrays.get("rope_delta").ints()[0]);
            if (arrays.containsKey("output_ids")) {
                goesOnGreedily(tiny, inPieces.fork(), expected, arrays);
            }
        }
    }

    private static void goesOnGreedily(
            TinyModel tiny, State state, float[] promptLogits, Map<String, Golden.Array> arrays) {
        int[] expected = arrays.get("output_ids").ints();
        int vocabulary = promptLogits.length / arrays.get("input_ids").ints().length;
        float[] row = Arrays.copyOfRange(promptLogits, promptLogits.length - vocabulary, promptLogits.length);
        int[] produced = new int[expected.length];
        List<float[]> rows = new ArrayList<>();
        for (int i = 0; i < expected.length; i++) {
            rows.add(row);
            produced[i] = TinyModel.argMax(row);
            row = tiny.read(state, new int[] {produced[i]}, 1).getLast();
        }
        assertThat(produced).isEqualTo(expected);
        assertThat(TinyModel.maxDifference(rows, arrays.get("output_logits").floats()))
                .isLessThan(LogitTolerances.FLOAT);
    }

    private static List<EncodedPicture> encoded(
            VisionTower tower, Map<String, Golden.Array> arrays, String kind, String pixels) {
        List<EncodedPicture> pictures = new ArrayList<>();
        Golden.Array all = arrays.get(kind + "_grid_thw");
        if (all != null) {
            List<Grid> grids = grids(all);
            Tensor rows =
                    tensor(List.of(arrays.get(pixels).floats()), tower.config().patchValues());
            Tensor features = tower.encode(rows, grids, VisionTower.Progress.NONE);
            int row = 0;
            for (Grid grid : grids) {
                pictures.add(new EncodedPicture(kind + row, grid, features.rows(row, grid.tokens())));
                row += grid.tokens();
            }
        }
        return pictures;
    }

    private static final float VISION = 1e-4f;

    private static String goldenName(int layer, String point) {
        return layer < 0 ? "vision." + point : "vision.block." + layer + (point.equals("block") ? "" : "." + point);
    }

    private static List<Grid> grids(Golden.Array array) {
        int[] thw = array.ints();
        List<Grid> grids = new ArrayList<>();
        for (int i = 0; i < thw.length; i += 3) {
            grids.add(new Grid(thw[i], thw[i + 1], thw[i + 2]));
        }
        return grids;
    }

    private static Tensor tensor(List<float[]> parts, int columns) {
        int size = parts.stream().mapToInt(part -> part.length).sum();
        float[] all = new float[size];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return Tensor.f32(all, size / columns, columns);
    }

    private static float relativeDifference(float[] found, float[] expected) {
        if (found.length != expected.length) {
            return Float.NaN;
        }
        float largest = 1;
        float difference = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
            difference = Math.max(difference, Math.abs(found[i] - expected[i]));
        }
        return difference / largest;
    }
}
