package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.engine.Engine;
import dev.jwen.media.ImageConfig;
import dev.jwen.media.VideoConfig;
import dev.jwen.model.Config;
import dev.jwen.model.RopeParameters;
import dev.jwen.model.VisionConfig;
import dev.jwen.tensor.DataType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class CheckpointFilesTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final Path SHIPPED =
            Path.of("../jwen-core/src/test/resources/golden/dense-text/checkpoint-bf16-sharded");
    private static final String TEMPLATE = "{{ messages[0].content }}";

    @TempDir
    Path directory;

    /** Such that added tokens have the ids of the golden models. */
    private static TrainedVocabulary vocabulary() {
        VocabularyTrainer trainer = new VocabularyTrainer();
        String text = "the quick brown fox jumps over the lazy dog, while forty clumsy wizards bake excellent pancakes";
        trainer.add(text);
        trainer.add(text);
        TrainedVocabulary vocabulary = trainer.train(353, done -> {});
        assertThat(vocabulary.id("<|endoftext|>")).isEqualTo(320);
        return vocabulary;
    }

    private record Model(Config config, @Nullable VisionConfig tower) {}

    private static Model read(Path directory) {
        try (Checkpoint checkpoint = Checkpoint.open(directory);
                VisionFiles vision = VisionFiles.of(checkpoint, null)) {
            return new Model(Config.of(checkpoint), vision == null ? null : VisionConfig.of(vision));
        }
    }

    private void copyTensors(Path from) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file :
                    files.filter(f -> f.toString().contains("safetensors")).toList()) {
                Files.copy(file, directory.resolve(file.getFileName().toString()));
            }
        }
    }

    @Test
    void theEngineOpensWhatWasWritten() throws IOException {
        Config config = read(SHIPPED).config;
        new CheckpointFiles(config, DataType.BF16, vocabulary(), TEMPLATE, null).write(directory);
        copyTensors(SHIPPED);
        try (Engine engine = Engine.open(directory, Engine.Options.DEFAULT)) {
            assertThat(engine.config()).isEqualTo(config);
            assertThat(engine.checkpoint().problems()).isEmpty();
            assertThat(engine.stopIds()).isEqualTo(Set.of(320, 322));
            assertThat(engine.checkpoint().chatTemplate()).isEqualTo(TEMPLATE);
            assertThat(engine.tokenizer().vocabularySize()).isEqualTo(353);
            assertThat(engine.samplingDefaults(false).isGreedy()).isTrue();
            assertThat(engine.samplingDefaults(false).presencePenalty()).isZero();
            assertThat(engine.samplingDefaults(true).isGreedy()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"dense-text", "dense-vl", "moe-text", "moe-vl", "dense-256"})
    void theConfigurationComesBackInTheWordsOfThePublishedFiles(String name) throws IOException {
        Path golden = Golden.shared("golden/" + name + "/checkpoint");
        Model model = read(golden);
        ImageConfig pictures = ImageConfig.read(golden).withPixels(4_096, 50_000);
        VideoConfig videos = VideoConfig.read(golden).withPixels(4_096, 100_000).withFps(1);
        new CheckpointFiles(
                        model.config,
                        name.equals("dense-256") ? DataType.BF16 : DataType.F32,
                        vocabulary(),
                        TEMPLATE,
                        model.tower == null ? null : new CheckpointFiles.Sight(model.tower, pictures, videos))
                .write(directory);
        copyTensors(golden);
        assertThat(read(directory)).isEqualTo(model);
        if (model.tower != null) {
            assertThat(ImageConfig.read(directory)).isEqualTo(pictures);
            assertThat(VideoConfig.read(directory)).isEqualTo(videos);
            checkWords("preprocessor_config.json", golden);
            checkWords("video_preprocessor_config.json", golden);
        }
        checkWords("config.json", golden);
    }

    /** What the golden file says too, it says alike; our own choices, such as the pixels, differ. */
    private void checkWords(String file, Path golden) {
        checkWords(file, json(directory.resolve(file)), json(golden.resolve(file)));
    }

    private static void checkWords(String where, JsonNode written, JsonNode golden) {
        written.properties().forEach(entry -> {
            String name = entry.getKey();
            JsonNode expected = golden.path(name);
            if (expected.isObject() && !name.equals("size")) {
                checkWords(where + "/" + name, entry.getValue(), expected);
            } else if (expected.isNumber()) {
                assertThat(entry.getValue().asDouble()).as(where + "/" + name).isEqualTo(expected.asDouble());
            } else if (!expected.isMissingNode() && !name.equals("size")) {
                assertThat(entry.getValue()).as(where + "/" + name).isEqualTo(expected);
            }
        });
    }

    private static JsonNode json(Path file) {
        return JSON.readTree(file.toFile());
    }

    @Test
    void longContextsStayStretched() throws IOException {
        Config c = read(SHIPPED).config;
        RopeParameters.Yarn yarn = new RopeParameters.Yarn(4, 2_048, 30, 2, 1.25);
        Config stretched = with(c, new RopeParameters(5e6, 8, List.of(2, 1, 1), yarn), c.vocabSize(), false);
        new CheckpointFiles(stretched, DataType.BF16, vocabulary(), TEMPLATE, null).write(directory);
        copyTensors(SHIPPED);
        assertThat(read(directory).config).isEqualTo(stretched);
    }

    private static Config with(Config c, RopeParameters rope, int vocabSize, boolean tiled) {
        return new Config(
                c.hiddenSize(),
                c.numHiddenLayers(),
                vocabSize,
                c.tieWordEmbeddings(),
                c.rmsNormEps(),
                c.maxPositionEmbeddings(),
                c.layerTypes(),
                c.numAttentionHeads(),
                c.numKeyValueHeads(),
                c.headDim(),
                rope,
                c.linearNumKeyHeads(),
                c.linearNumValueHeads(),
                c.linearKeyHeadDim(),
                c.linearValueHeadDim(),
                c.linearConvKernelDim(),
                tiled,
                c.intermediateSize(),
                c.numExperts(),
                c.numExpertsPerTok(),
                c.moeIntermediateSize(),
                c.sharedExpertIntermediateSize(),
                c.mtpNumHiddenLayers());
    }

    @Test
    void partsThatDoNotFitAreRefused() {
        Config c = read(SHIPPED).config;
        TrainedVocabulary vocabulary = vocabulary();
        assertThatThrownBy(() ->
                        new CheckpointFiles(with(c, c.rope(), 352, false), DataType.F32, vocabulary, TEMPLATE, null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("352 rows for a vocabulary of 353");
        assertThatThrownBy(() ->
                        new CheckpointFiles(with(c, c.rope(), 368, true), DataType.F32, vocabulary, TEMPLATE, null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tiled");
        assertThatThrownBy(() -> new CheckpointFiles(c, DataType.Q8_0, vocabulary, TEMPLATE, null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Q8_0");
        VisionConfig tower = new VisionConfig(1, 32, 2, 64, 3, 16, 2, 64, 48, 1e-6f);
        CheckpointFiles.Sight sight = new CheckpointFiles.Sight(tower, ImageConfig.DEFAULT, VideoConfig.DEFAULT);
        assertThatThrownBy(() -> new CheckpointFiles(c, DataType.F32, vocabulary, TEMPLATE, sight))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("hiddenSize 64");
        VisionConfig finer = new VisionConfig(1, 32, 2, 64, 3, 8, 2, 64, 64, 1e-6f);
        assertThatThrownBy(() -> new CheckpointFiles.Sight(finer, ImageConfig.DEFAULT, VideoConfig.DEFAULT))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("patches");
    }
}
