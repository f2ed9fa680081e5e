package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelInputTest {
    private static final int IMAGE = 332;
    private static final int VIDEO = 333;
    private static final ModelInput.Placeholders PLACEHOLDERS = new ModelInput.Placeholders(IMAGE, VIDEO);

    private static EncodedPicture picture(int t, int height, int width) {
        return new EncodedPicture("key", new Grid(t, height, width), Tensor.f32(t * height * width / 4, 4));
    }

    private static List<EncodedPicture> pictures(Golden.Array grids) {
        List<EncodedPicture> pictures = new ArrayList<>();
        int[] thw = grids == null ? new int[0] : grids.ints();
        for (int i = 0; i < thw.length; i += 3) {
            pictures.add(picture(thw[i], thw[i + 1], thw[i + 2]));
        }
        return pictures;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
    void positionsAreThoseOfTheReference(int layout) {
        Path file = Golden.shipped("vision-processor/mrope-positions.safetensors");
        Map<String, Golden.Array> arrays = Golden.arrays(file);
        int[] ids = arrays.get(layout + ".input_ids").ints();
        ModelInput input = ModelInput.of(
                ids,
                PLACEHOLDERS,
                pictures(arrays.get(layout + ".image_grid_thw")),
                pictures(arrays.get(layout + ".video_grid_thw")));
        int[] expected = arrays.get(layout + ".position_ids").ints();
        for (int axis = 0; axis < 3; axis++) {
            assertThat(input.positions()[axis])
                    .as("axis " + axis)
                    .isEqualTo(Arrays.copyOfRange(expected, axis * ids.length, (axis + 1) * ids.length));
        }
        int delta = arrays.get(layout + ".rope_delta").ints()[0];
        assertThat(input.positionAfter(ids.length)).isEqualTo(ids.length + delta);
    }

    @Test
    void aPictureTakesAsManyPositionsAsItsLongerSide() {
        int[] ids = {1, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, 2};
        ModelInput input = ModelInput.of(ids, PLACEHOLDERS, List.of(picture(1, 4, 6)), List.of());
        assertThat(input.positions()[0]).containsExactly(0, 1, 1, 1, 1, 1, 1, 4);
        assertThat(input.positions()[1]).containsExactly(0, 1, 1, 1, 2, 2, 2, 4);
        assertThat(input.positions()[2]).containsExactly(0, 1, 2, 3, 1, 2, 3, 4);
        assertThat(input.positionAfter(8)).isEqualTo(5);
    }

    @Test
    void placeholdersAndFeaturesMustMatchOneToOne() {
        int[] ids = {1, IMAGE, IMAGE, 2, VIDEO};
        assertThatThrownBy(() -> ModelInput.of(ids, PLACEHOLDERS, List.of(picture(1, 4, 4)), List.of(picture(1, 2, 2))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("picture 1 has 4 tokens, but there are 2 placeholders for it from token 1 on");
        assertThatThrownBy(() -> ModelInput.of(ids, PLACEHOLDERS, List.of(picture(1, 2, 2)), List.of(picture(1, 2, 2))))
                .hasMessage("there is a placeholder for a picture at token 2, but only 1 were given");
        assertThatThrownBy(() -> ModelInput.of(ids, PLACEHOLDERS, List.of(picture(1, 2, 4)), List.of()))
                .hasMessage("there is a placeholder for a video frame at token 4, but only 0 were given");
        assertThatThrownBy(() -> ModelInput.of(ids, PLACEHOLDERS, List.of(picture(1, 2, 4)), List.of(picture(2, 2, 2))))
                .hasMessage("the tokens have places for 1 pictures and 1 video frames, but 1 and 2 were given");
        assertThatThrownBy(() -> ModelInput.of(new int[] {1}, PLACEHOLDERS, List.of(picture(1, 2, 2)), List.of()))
                .hasMessageContaining("places for 0 pictures");
    }

    @Test
    void aModelWithoutPlaceholdersReadsTextOnly() {
        ModelInput input = ModelInput.text(new int[] {IMAGE, VIDEO, 3});
        assertThat(input.frames()).isEmpty();
        assertThat(input.positions()[2]).containsExactly(0, 1, 2);
    }

    @Test
    void aSequenceGoesOnOnlyWhereItStopped() {
        try (TinyModel tiny = new TinyModel(Golden.shipped("moe-vl/moe-vl-BF16.gguf"), "plain", 1)) {
            State state = tiny.newState();
            ModelInput input = ModelInput.text(new int[] {1, 2, 3});
            Batch batch = new Batch();
            assertThatThrownBy(() -> batch.add(state, input, 1, 3, Batch.Logits.NONE))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("has read 0 tokens");
        }
    }

    @Test
    void scatteredRowsReplaceWhatWasThere() {
        try (PlainKernels kernels = new PlainKernels(1)) {
            Tensor x = Tensor.f32(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
            kernels.scatter(Tensor.f32(new float[] {7, 8, 9, 10}, 2, 2), new int[] {2, 0}, x);
            assertThat(x.toFloats()).containsExactly(9, 10, 3, 4, 7, 8);
            assertThat(x.type()).isEqualTo(DataType.F32);
        }
    }
}
