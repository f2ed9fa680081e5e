package dev.jwen.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.chat.PromptPiece;
import dev.jwen.model.EncodedPicture;
import dev.jwen.model.Grid;
import dev.jwen.model.ModelInput;
import dev.jwen.tensor.Tensor;
import dev.jwen.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PromptEncoderTest {
    private static final int IMAGE_PAD = 332;
    private static final Tokenizer TOKENIZER = Tokenizer.open(Golden.shipped("dense-text/checkpoint-bf16-sharded"));
    private static final PromptEncoder ENCODER = new PromptEncoder(TOKENIZER, VisionOptions.VideoWrapper.KEPT);

    private static Seen image(int height, int width) {
        return new Seen(picture(1, height, width), List.of());
    }

    private static Seen video(int height, int width, List<Double> timestamps) {
        return new Seen(picture(timestamps.size(), height, width), timestamps);
    }

    private static EncodedPicture picture(int t, int height, int width) {
        Grid grid = new Grid(t, height, width);
        return new EncodedPicture("key", grid, Tensor.f32(grid.tokens(), 4));
    }

    private static ModelInput encode(String text, Seen... seen) {
        return ENCODER.encode(List.of(new PromptPiece(text, true)), List.of(seen));
    }

    @ParameterizedTest
    @ValueSource(strings = {"vl-image", "vl-aligned", "vl-two-images", "vl-video", "vl-video-outer", "vl-mixed"})
    void promptsExpandToTheIdsOfTheReference(String name) {
        boolean isOuter = name.equals("vl-video-outer");
        String cases = "golden/dense-vl/cases/";
        String source = cases + (isOuter ? "vl-video" : name);
        Map<String, Golden.Array> media = Golden.arrays(Golden.shared(source + ".safetensors"));
        String text = Golden.json(Golden.shared(source + ".json")).get("text").asString();
        List<Seen> seen = new ArrayList<>();
        for (int[] thw : grids(media.get("image_grid_thw"))) {
            seen.add(image(thw[1], thw[2]));
        }
        for (int[] thw : grids(media.get("video_grid_thw"))) {
            // Two frames a second, two frames a step; the last of an odd number stands in for its successor.
            List<Double> times = List.of(0.25, 1.25, 2.25, 3.0);
            seen.add(video(thw[1], thw[2], times.subList(0, thw[0])));
        }
        PromptEncoder encoder = new PromptEncoder(
                TOKENIZER, isOuter ? VisionOptions.VideoWrapper.KEPT : VisionOptions.VideoWrapper.DROPPED);
        int[] expected = Golden.arrays(Golden.shared(cases + name + ".safetensors"))
                .get("input_ids")
                .ints();
        assertThat(encoder.encode(List.of(new PromptPiece(text, true)), seen).ids())
                .isEqualTo(expected);
        assertThat(encoder.expand(expected, seen).ids()).isEqualTo(expected);
        assertThat(encoder.expand(TOKENIZER.encode(text), seen).ids()).isEqualTo(expected);
    }

    private static List<int[]> grids(Golden.Array array) {
        List<int[]> grids = new ArrayList<>();
        int[] all = array == null ? new int[0] : array.ints();
        for (int i = 0; i < all.length; i += 3) {
            grids.add(Arrays.copyOfRange(all, i, i + 3));
        }
        return grids;
    }

    @ParameterizedTest
    @CsvSource({"0.25, 0.2", "0.35, 0.3", "0.75, 0.8", "0, 0.0", "12.349, 12.3", "3600, 3600.0"})
    void secondsAreWrittenAsInC(double timestamp, String expected) {
        assertThat(PromptEncoder.seconds(timestamp)).isEqualTo(expected);
    }

    @Test
    void whatAUserTypesIsNoPlaceholder() {
        List<PromptPiece> pieces = List.of(
                new PromptPiece("<|vision_start|><|image_pad|><|vision_end|>", true),
                new PromptPiece("what is <|image_pad|> and <|video_pad|>?", false));
        ModelInput input = ENCODER.encode(pieces, List.of(image(4, 6)));
        assertThat(Arrays.stream(input.ids()).filter(id -> id == IMAGE_PAD).count())
                .isEqualTo(6);
        assertThat(TOKENIZER.decode(input.ids())).endsWith("what is <|image_pad|> and <|video_pad|>?");
    }

    @Test
    void placesAndPicturesMustMatch() {
        assertThatThrownBy(() -> encode("<|image_pad|>", image(2, 2), image(2, 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 pictures and videos were given, but the prompt has fewer places");
        assertThatThrownBy(() -> encode("<|image_pad|><|image_pad|>", image(2, 2)))
                .hasMessage("the prompt has a place <|image_pad|> for a picture that was not given");
        assertThatThrownBy(() -> encode("<|video_pad|>", image(2, 2)))
                .hasMessage("the prompt has a place <|video_pad|> for a video that was not given");
        assertThatThrownBy(() -> ENCODER.expand(new int[] {IMAGE_PAD, IMAGE_PAD, IMAGE_PAD}, List.of(image(4, 4))))
                .hasMessageContaining("has 4 tokens, but there are 3 placeholders");
    }

    @Test
    void placeholdersWithoutPicturesAreOrdinaryTokens() {
        int[] ids = {1, IMAGE_PAD, 2};
        assertThat(ENCODER.expand(ids, List.of()).ids()).isEqualTo(ids);
        assertThat(ENCODER.expand(ids, List.of()).frames()).isEmpty();
    }
}
