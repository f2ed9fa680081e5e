package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.ChatTemplate;
import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.RenderOptions;
import dev.jwen.engine.Engine;
import dev.jwen.engine.Listener;
import dev.jwen.engine.MediaSource;
import dev.jwen.engine.Seen;
import dev.jwen.kernel.Backends;
import dev.jwen.media.ImageProcessor;
import dev.jwen.model.Batch;
import dev.jwen.model.ModelInput;
import dev.jwen.model.State;
import dev.jwen.tokenizer.Tokenizer;
import java.awt.Color;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Trainer and sampler are two implementations of one network. */
class TrainedModelTest {
    @TempDir
    Path directory;

    private static Conversation shown() {
        return new Conversation(
                List.of(
                        Message.user(List.of(
                                new ContentPart.Text("What is "),
                                new ContentPart.Image(TinyCheckpoint.picture(Color.GREEN)),
                                new ContentPart.Text(" like in Paris?"))),
                        Message.assistant("It is sunny and warm.", "I see a square.", List.of())),
                List.of());
    }

    private static Conversation told() {
        return new Conversation(
                List.of(
                        Message.user("What is the weather like?"),
                        Message.assistant("It is sunny and warm.", "The user asks.", List.of())),
                List.of());
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = "plain")
    void theEngineGivesEveryTokenTheProbabilityThatTheTrainerGivesIt(@Nullable String sampling) {
        TinyCheckpoint.writeFiles(directory);
        Parameters parameters = Tiny.parameters(TinyCheckpoint.config(), true, 3);
        TrainOptions options = new TrainOptions(3, 1e-2, 0, 0, 1, Schedule.constant(), 4096);
        AdamW optimizer = new AdamW(new AdamW.Options(1e-2, 0.9, 0.95, 1e-8, 0), parameter -> false, parameter -> 1);
        Tokenizer tokenizer = Tokenizer.open(directory);
        try (Backends.Training backend = Backends.openForTraining(null, 2)) {
            Network network = new Network(
                    TinyCheckpoint.config(),
                    Tiny.tower(),
                    parameters,
                    backend.kernels(),
                    backend.gradients(),
                    tokenizer.vocabularySize(),
                    0);
            ModelInput.Placeholders placeholders = new ModelInput.Placeholders(
                    tokenizer.id("<|image_pad|>").orElseThrow(),
                    tokenizer.id("<|video_pad|>").orElseThrow());
            try (Trainer trainer = new Trainer(parameters, network, optimizer, options, placeholders)) {
                Lessons documents = documents();
                for (int i = 0; i < 3; i++) {
                    trainer.step(List.of(documents.shown, documents.told));
                }
                TinyCheckpoint.writeWeights(directory, trainer.weights());
                compare(network, placeholders, documents, sampling);
            }
        }
    }

    /** Of a conversation with a picture and of one without. */
    private record Lessons(Document shown, Document told) {}

    private Lessons documents() {
        ConversationEncoder encoder = new ConversationEncoder(
                ChatTemplate.of(TinyCheckpoint.template(), List.of(), Map.of()),
                Tokenizer.open(directory),
                new ImageProcessor(TinyCheckpoint.PICTURES));
        return new Lessons(encoder.encode(shown(), null), encoder.encode(told(), null));
    }

    private void compare(
            Network network, ModelInput.Placeholders placeholders, Lessons documents, @Nullable String sampling) {
        try (Engine engine = Engine.open(directory, new Engine.Options(sampling, 2, true, null, 0))) {
            List<ContentPart> media = List.of(Objects.requireNonNull(engine.template())
                    .render(shown(), RenderOptions.ANSWER)
                    .media()
                    .getFirst());
            List<Seen> seen = engine.vision().see(media, MediaSource.DATA_URLS, Listener.NONE);
            check(network, placeholders, engine, documents.shown, engine.encode(documents.shown.ids(), seen));
            check(network, placeholders, engine, documents.told, ModelInput.text(documents.told.ids()));
        }
    }

    private static void check(
            Network network, ModelInput.Placeholders placeholders, Engine engine, Document document, ModelInput input) {
        assertThat(input.ids()).isEqualTo(document.ids());
        Packed batch = new Packed(List.of(document), placeholders);
        float[] trained = network.evaluate(batch);
        double worst = 0;
        int target = 0;
        try (State state = engine.network().newState(engine.kvType())) {
            for (int t = 0; t + 1 < document.length(); t++) {
                Batch one = new Batch();
                one.add(state, input, t, t + 1, Batch.Logits.LAST);
                float[] logits = engine.network().forward(one).toFloats();
                if (document.weights()[t + 1] != 0) {
                    double sampled = logProbability(logits, engine.tokenizer().vocabularySize(), document.ids()[t + 1]);
                    worst = Math.max(worst, Math.abs(sampled - trained[target++]));
                }
            }
        }
        assertThat(target).isEqualTo(trained.length).isGreaterThan(10);
        assertThat(worst).isLessThan(1e-5); // measured 1.3e-6
    }

    private static double logProbability(float[] logits, int vocabulary, int target) {
        double sum = 0;
        for (int j = 0; j < vocabulary; j++) {
            sum += Math.exp(logits[j]);
        }
        return logits[target] - Math.log(sum);
    }
}
