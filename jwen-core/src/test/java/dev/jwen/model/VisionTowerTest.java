package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.Gguf;
import dev.jwen.checkpoint.GgufWriter;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class VisionTowerTest {
    private static final Path MMPROJ = Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf");
    private static final long SEED = 20260401;

    private final RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
    private Checkpoint checkpoint;
    private VisionFiles files;
    private Kernels plain;
    private Kernels vector;

    @BeforeAll
    void open() {
        checkpoint = Checkpoint.open(Golden.shipped("moe-vl/moe-vl-BF16.gguf"));
        files = Objects.requireNonNull(VisionFiles.of(checkpoint, MMPROJ));
        plain = Backends.open("plain", 2);
        vector = Backends.open("vector", 2);
    }

    @AfterAll
    void close() {
        plain.close();
        vector.close();
        files.close();
        checkpoint.close();
    }

    private VisionTower tower(Kernels kernels) {
        return VisionTower.of(files, Config.of(checkpoint), kernels);
    }

    private Tensor patches(int rows) {
        float[] values = new float[rows * 1536];
        for (int i = 0; i < values.length; i++) {
            values[i] = 2 * random.nextFloat() - 1;
        }
        return Tensor.f32(values, rows, 1536);
    }

    private static void assertClose(Tensor found, Tensor expected) {
        float[] a = found.toFloats();
        float[] b = expected.toFloats();
        assertThat(a).hasSameSizeAs(b);
        for (int i = 0; i < a.length; i++) {
            assertThat(Math.abs(a[i] - b[i])).as("value %d, seed %d", i, SEED).isLessThan(1e-4f);
        }
    }

    @Test
    void anyGridIsEncodedAsByThePlainKernels() {
        for (Grid grid : List.of(
                new Grid(1, 2, 2), new Grid(1, 2, 50), new Grid(1, 34, 6), new Grid(3, 4, 2), new Grid(2, 14, 10))) {
            Tensor patches = patches(grid.patches());
            assertClose(
                    tower(vector).encode(patches, List.of(grid), VisionTower.Progress.NONE),
                    tower(plain).encode(patches, List.of(grid), VisionTower.Progress.NONE));
        }
    }

    @Test
    void framesAreEncodedAloneAsTogetherHoweverManyGoThroughAtATime() {
        Grid video = new Grid(3, 48, 46);
        Grid frame = new Grid(1, 48, 46);
        VisionTower tower = tower(vector);
        Tensor patches = patches(video.patches() + 4);
        List<Integer> progress = new ArrayList<>();
        Tensor together = tower.encode(patches, List.of(video, new Grid(1, 2, 2)), (done, total) -> {
            assertThat(total).isEqualTo(patches.rows());
            return progress.add(done);
        });
        for (int t = 0; t < 3; t++) {
            Tensor own = patches.rows((long) t * frame.patches(), frame.patches());
            Tensor alone = tower.encode(own, List.of(frame), VisionTower.Progress.NONE);
            assertClose(together.rows((long) t * frame.tokens(), frame.tokens()), alone);
        }
        assertThat(progress).isSorted().endsWith(Math.toIntExact(patches.rows()));
        assertThat(progress).hasSizeGreaterThan(2);
    }

    @Test
    void encodingStopsWhenAsked() {
        Tensor none = tower(vector).encode(patches(8), List.of(new Grid(1, 2, 4)), (done, total) -> false);
        assertThat(none.rows()).isZero();
    }

    @Test
    void patchesMustFitTheirGrids() {
        assertThatThrownBy(() -> tower(plain).encode(patches(8), List.of(new Grid(1, 2, 2)), VisionTower.Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("call for [4, 1536] patches, found F32 [8, 1536]");
        assertThatThrownBy(() -> new Grid(1, 3, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a grid of 1 frames of 3 x 2 patches");
        assertThatThrownBy(() -> new Grid(0, 2, 2)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void towersOfOtherKindsAndModelsAreRefused(@TempDir Path directory) {
        Config text = Config.of(checkpoint);
        record Case(String key, Object value, String message) {}
        for (Case wrong : List.of(
                new Case("clip.vision.is_deepstack_layers", List.of(false, true), "deepstack_visual_indexes must be"),
                new Case("clip.vision.spatial_merge_size", 4, "spatial_merge_size must be 2, found 4"),
                new Case("clip.vision.attention.head_count", 5, "hidden_size must be a multiple of 4 for each"),
                new Case("clip.vision.block_count", 3, "has no tensor 'visual.blocks.2."),
                new Case("clip.vision.feed_forward_length", 100, "which does not fit the vision config"),
                new Case("clip.vision.projection_dim", 2560, "makes rows of 2560 values, but the text model reads"))) {
            Path changed = directory.resolve("mmproj.gguf");
            try (Gguf gguf = Gguf.open(MMPROJ)) {
                Map<String, Object> metadata = new LinkedHashMap<>(gguf.metadata());
                metadata.put(wrong.key, wrong.value);
                GgufWriter.write(changed, metadata, gguf.tensors());
            }
            try (VisionFiles opened = Objects.requireNonNull(VisionFiles.of(checkpoint, changed))) {
                assertThatThrownBy(() -> VisionTower.of(opened, text, plain))
                        .as(wrong.key)
                        .isInstanceOf(CheckpointException.class)
                        .hasMessageContaining(wrong.message);
            }
        }
    }
}
