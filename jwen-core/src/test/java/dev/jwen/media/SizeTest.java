package dev.jwen.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.jwen.Golden;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class SizeTest {
    private static final JsonNode TABLE = Golden.json(Golden.shipped("vision-processor/resize-table.json"));

    @Test
    void picturesGetTheSizesOfTheReference() {
        for (JsonNode entry : TABLE.get("image")) {
            check(
                    entry,
                    () -> Size.ofPicture(entry.get("w").asInt(), entry.get("h").asInt(), config(entry)));
        }
        assertThat(TABLE.get("image").size()).isGreaterThan(100);
    }

    @Test
    void clipsGetTheSizesOfTheReference() {
        for (JsonNode entry : TABLE.get("video")) {
            check(
                    entry,
                    () -> Size.ofFrames(
                            entry.get("frames").asInt(),
                            entry.get("w").asInt(),
                            entry.get("h").asInt(),
                            config(entry)));
        }
        assertThat(TABLE.get("video").size()).isGreaterThan(200);
    }

    private static ImageConfig config(JsonNode entry) {
        assertThat(entry.get("factor").asInt()).isEqualTo(ImageConfig.DEFAULT.factor());
        return ImageConfig.DEFAULT.withPixels(
                entry.get("min_pixels").asLong(), entry.get("max_pixels").asLong());
    }

    private static void check(JsonNode entry, java.util.function.Supplier<Size> size) {
        JsonNode expected = entry.get("result");
        if (expected.isString()) {
            assertThatExceptionOfType(MediaException.class)
                    .isThrownBy(size::get)
                    .withMessageContaining("too narrow");
        } else {
            assertThat(size.get())
                    .as(entry.toString())
                    .isEqualTo(new Size(expected.get(1).asInt(), expected.get(0).asInt()));
        }
    }
}
