package dev.jwen.media;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class ImageProcessorTest {

    @ParameterizedTest
    @ValueSource(strings = {"alpha", "gray", "landscape", "odd-portrait", "palette", "aligned", "big-down", "realcfg"})
    void patchesAreThoseOfTheReferenceToTheBit(String name) {
        Path directory = Golden.shipped("vision-processor");
        if (!Files.exists(directory.resolve("image-" + name + ".json"))) {
            directory = Golden.shared("golden/vision-processor");
        }
        JsonNode about = Golden.json(directory.resolve("image-" + name + ".json"));
        Map<String, Golden.Array> golden = Golden.arrays(directory.resolve("image-" + name + ".safetensors"));
        ImageConfig config = ImageConfig.of(Map.of(
                "size",
                Map.of(
                        "shortest_edge",
                                about.get("processor_size").get("shortest_edge").asInt(),
                        "longest_edge",
                                about.get("processor_size").get("longest_edge").asInt())));

        Patches patches = new ImageProcessor(config).patches(directory.resolve(name + ".png"));

        assertThat(List.of(patches.t(), patches.gridHeight(), patches.gridWidth()))
                .isEqualTo(Arrays.stream(array(golden, "image_grid_thw").ints())
                        .boxed()
                        .toList());
        float[] values = patches.values().toFloats();
        byte[] pixels = array(golden, "pixels_u8").bytes();
        assertThat(values).hasSameSizeAs(pixels);
        for (int i = 0; i < values.length; i++) {
            assertThat(values[i]).as("value %d", i).isEqualTo(((pixels[i] & 0xff) - 127.5f) / 127.5f);
        }
        float[] head = array(golden, "pixel_values_head").floats();
        assertThat(Arrays.copyOf(values, head.length)).isEqualTo(head);
        assertThat(patches.timestamps()).isEmpty();
        assertThat(patches.isVideo()).isFalse();
    }

    @Test
    void equalPicturesHaveEqualKeysAndOthersHaveNot() {
        ImageProcessor processor = new ImageProcessor(ImageConfig.DEFAULT);
        Path png = Golden.shipped("vision-processor/landscape.png");
        String key = processor.patches(png).contentKey();

        assertThat(processor.patches(png).contentKey()).isEqualTo(key).hasSize(64);
        assertThat(processor.patches(ImageDecoder.decode(Limits.read(png), "x")).contentKey())
                .isEqualTo(key);
        assertThat(processor
                        .patches(Golden.shipped("vision-processor/alpha.png"))
                        .contentKey())
                .isNotEqualTo(key);
        assertThat(new ImageProcessor(ImageConfig.of(Map.of("image_mean", List.of(0.4, 0.5, 0.5))))
                        .patches(png)
                        .contentKey())
                .isNotEqualTo(key);
    }

    private static Golden.Array array(Map<String, Golden.Array> golden, String name) {
        return Objects.requireNonNull(golden.get(name), name);
    }
}
