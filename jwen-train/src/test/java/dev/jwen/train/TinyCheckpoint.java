package dev.jwen.train;

import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.media.ImageConfig;
import dev.jwen.media.VideoConfig;
import dev.jwen.model.Config;
import dev.jwen.nano.Skill;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.imageio.ImageIO;

/** A model directory with a tiny network, a vocabulary that knows the template, and the template of jwen-nano. */
final class TinyCheckpoint {
    static final int VOCABULARY = 420;
    static final ImageConfig PICTURES = ImageConfig.DEFAULT.withPixels(64 * 64, 64 * 64);

    private TinyCheckpoint() {}

    static Config config() {
        return Tiny.config(true, VOCABULARY, 32, 48, 0);
    }

    static String template() {
        try (InputStream in = Objects.requireNonNull(Skill.class.getResourceAsStream("chat_template.jinja"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Everything but the weights. */
    static void writeFiles(Path directory) {
        VocabularyTrainer trainer = new VocabularyTrainer();
        for (int i = 0; i < 2; i++) {
            trainer.add(template());
        }
        List<String> words = List.of("What is the weather like in Paris? ", "It is sunny and warm.\n\n", "end of turn");
        words.forEach(trainer::add);
        for (int i = 0; i < 50; i++) {
            trainer.add("\n\n"); // two line breaks are one token, as in every real vocabulary
        }
        new CheckpointFiles(
                        config(),
                        DataType.F32,
                        trainer.train(VOCABULARY, joined -> {}),
                        template(),
                        new CheckpointFiles.Sight(
                                Tiny.tower(), PICTURES, VideoConfig.DEFAULT.withPixels(64 * 64, 8 * 64 * 64)))
                .write(directory);
    }

    /** Weights by the names of {@link Trainer#weights}, in float32. */
    static void writeWeights(Path directory, Map<String, Tensor> weights) {
        Map<String, Tensor> published = new LinkedHashMap<>();
        weights.forEach((name, tensor) ->
                published.put(name.startsWith("visual.") ? "model." + name : "model.language_model." + name, tensor));
        SafetensorsWriter.write(directory.resolve("model.safetensors"), published, Map.of("format", "pt"));
    }

    /** A picture of one square as a data URL. */
    static String picture(Color colour) {
        BufferedImage picture = new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = picture.createGraphics();
        graphics.setColor(colour);
        graphics.fillRect(10, 20, 30, 30);
        graphics.dispose();
        try (ByteArrayOutputStream bytes = new ByteArrayOutputStream()) {
            ImageIO.write(picture, "png", bytes);
            return "data:image/png;base64," + Base64.getEncoder().encodeToString(bytes.toByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
