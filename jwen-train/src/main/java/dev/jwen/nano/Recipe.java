package dev.jwen.nano;

import dev.jwen.media.ImageConfig;
import dev.jwen.media.VideoConfig;
import dev.jwen.model.Config;
import dev.jwen.model.Config.LayerType;
import dev.jwen.model.RopeParameters;
import dev.jwen.model.VisionConfig;
import dev.jwen.train.Schedule;
import dev.jwen.train.TrainOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * Everything that decides what jwen-nano becomes: its shape, its vocabulary, what it learns and how.
 *
 * @param name of the recipe
 * @param shape of the text model
 * @param vocabulary tokens
 * @param corpus conversations that the vocabulary is made from
 * @param documents in a step
 * @param options of the trainer
 * @param curriculum what is learned when
 */
public record Recipe(
        String name,
        Shape shape,
        int vocabulary,
        int corpus,
        int documents,
        TrainOptions options,
        Curriculum curriculum) {
    /** Every random number of a recipe follows from this one. */
    static final long SEED = 2026;

    private static final int HEAD = 32;
    private static final int CONTEXT = 4096;

    /** Every picture is brought to this many pixels: 12 by 12 patches, 36 tokens. */
    private static final int PIXELS = 192 * 192;

    /**
     * How large the text model is.
     *
     * @param layers every fourth has attention, the others a recurrent state
     */
    record Shape(int hidden, int layers, int intermediate) {
        static final Shape NANO = new Shape(160, 8, 384);
    }

    /** The model that ships with Jwen. */
    public static Recipe nano() {
        return new Recipe(
                "nano",
                Shape.NANO,
                1_536,
                12_000,
                32,
                // Slow at first: forms are seen sooner at low rates, and pictures come first.
                new TrainOptions(15_000, 1.5e-3, 0.01, 0.05, 1.0, Schedule.trapezoid(0.06, 0.6), 4_096),
                Curriculum.all());
    }

    /** One skill in minutes: whether training works at all on a machine. */
    public static Recipe smoke() {
        return new Recipe(
                "smoke",
                Shape.NANO,
                512,
                12_000,
                32,
                new TrainOptions(600, 3e-3, 0.02, 0.05, 1.0, Schedule.trapezoid(0.02, 0.4), 4_096),
                Curriculum.of(List.of(new UpperCase())));
    }

    /** The text model: three layers with a recurrent state, one with attention, and so on. */
    Config config() {
        List<LayerType> types = new ArrayList<>();
        for (int i = 0; i < shape.layers; i++) {
            types.add(i % 4 == 3 ? LayerType.FULL_ATTENTION : LayerType.LINEAR_ATTENTION);
        }
        return new Config(
                shape.hidden,
                shape.layers,
                vocabulary,
                true,
                1e-6f,
                CONTEXT,
                types,
                4,
                2,
                HEAD,
                // Few frequencies, so none is spent on distances that no conversation here has.
                new RopeParameters(10_000, HEAD / 2, List.of(4, 2, 2), RopeParameters.Yarn.NONE),
                4,
                4,
                HEAD,
                HEAD,
                4,
                false,
                shape.intermediate,
                0,
                0,
                0,
                0,
                0);
    }

    /** The vision tower. */
    VisionConfig vision() {
        return new VisionConfig(3, 64, 2, 256, 3, 16, 2, 144, shape.hidden, 1e-6f);
    }

    static ImageConfig pictures() {
        return ImageConfig.DEFAULT.withPixels(PIXELS, PIXELS);
    }

    static VideoConfig videos() {
        return new VideoConfig(
                ImageConfig.DEFAULT.withPixels(PIXELS, 8 * PIXELS),
                VideoConfig.DEFAULT.fps(),
                VideoConfig.DEFAULT.minFrames(),
                16);
    }

    /** The chat template that it learns with and ships with. */
    static String chatTemplate() {
        try (InputStream in = Objects.requireNonNull(Recipe.class.getResourceAsStream("chat_template.jinja"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
