package dev.jwen.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.media.MediaException;
import dev.jwen.model.Batch;
import dev.jwen.model.ModelInput;
import dev.jwen.model.State;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Pictures in conversations: a tiny text model with the tower of another. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class VisionTest {
    private static final int IMAGE_PAD = 332;
    private static final Path PORTRAIT = Golden.shipped("vision-processor/odd-portrait.png");
    private static final Path LANDSCAPE = Golden.shipped("vision-processor/landscape.png");
    private static final SamplingOptions GREEDY =
            SamplingOptions.GREEDY.toBuilder().maxTokens(6).build();

    private Path model;
    private Engine engine;

    @BeforeAll
    void prepare(@TempDir Path directory) throws IOException {
        try (Stream<Path> files = Files.list(Golden.shipped("dense-text/checkpoint-bf16-sharded"))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Files.copy(Path.of("src/test/resources/chat/qwen-format.jinja"), directory.resolve("chat_template.jinja"));
        model = directory;
        engine = open(Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf"));
    }

    private Engine open(@Nullable Path mmproj) {
        VisionOptions vision =
                new VisionOptions(mmproj, 4096L, 65_536L, 262_144L, null, null, VisionOptions.VideoWrapper.KEPT);
        return Engine.open(model, new Engine.Options("vector", 2, true, null, 0, false, vision));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    /** Counts what goes through the tower. */
    private static final class Watch implements Listener {
        int encoded;
        boolean cancel;

        @Override
        public void encodingPictures(int done, int total) {
            assertThat(done).isBetween(1, total);
            encoded += done == total ? total : 0;
        }

        @Override
        public boolean isCancelled() {
            return cancel;
        }
    }

    private static Message question(String text, String... pictures) {
        List<ContentPart> parts = new ArrayList<>();
        for (String picture : pictures) {
            parts.add(new ContentPart.Image(picture));
        }
        parts.add(new ContentPart.Text(text));
        return Message.user(parts);
    }

    private static Conversation conversation(Message... messages) {
        return new Conversation(List.of(messages), List.of());
    }

    private static ChatSession.Reply reply(ChatSession chat, Conversation conversation, Listener listener) {
        return chat.reply(conversation, false, GREEDY, event -> {}, listener);
    }

    @Test
    void aPictureIsEncodedOnceForAllTurnsAndNotReadAgain() {
        try (Engine own = open(Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf"));
                ChatSession chat = new ChatSession(own, MediaSource.FILES);
                ChatSession fresh = new ChatSession(own, MediaSource.FILES)) {
            Watch watch = new Watch();
            Message first = question("What is this?", PORTRAIT.toString());
            ChatSession.Reply one = reply(chat, conversation(first), watch);
            assertThat(watch.encoded).isEqualTo(24);
            Conversation second =
                    conversation(first, one.response().message(), Message.user("And what colour has it?"));
            ChatSession.Reply two = reply(chat, second, watch);
            assertThat(watch.encoded).isEqualTo(24);
            int[] ids = chat.tokens(conversation(first), false);
            int picture =
                    (int) Arrays.stream(ids).takeWhile(id -> id != IMAGE_PAD).count();
            // The last message of the first prompt is where the second may branch off.
            assertThat(two.completion().cachedTokens()).isGreaterThanOrEqualTo(picture + 6);
            assertThat(two.completion().text())
                    .isEqualTo(reply(fresh, second, Listener.NONE).completion().text());
        }
    }

    @Test
    void differentPicturesBehindEqualTokensAreDifferentPrompts() {
        try (ChatSession chat = new ChatSession(engine, MediaSource.FILES);
                ChatSession fresh = new ChatSession(engine, MediaSource.FILES)) {
            Conversation portrait = conversation(question("What is this?", PORTRAIT.toString(), LANDSCAPE.toString()));
            Conversation other = conversation(question("What is this?", PORTRAIT.toString(), mirrored()));
            assertThat(chat.tokens(portrait, false)).isEqualTo(chat.tokens(other, false));
            assertThat(reply(chat, portrait, Listener.NONE).completion().cachedTokens())
                    .isZero();
            ChatSession.Reply two = reply(chat, other, Listener.NONE);
            assertThat(two.completion().cachedTokens()).isZero();
            assertThat(two.completion().text())
                    .isEqualTo(reply(fresh, other, Listener.NONE).completion().text());
            // Asked once more, the same picture is known.
            assertThat(reply(chat, other, Listener.NONE).completion().cachedTokens())
                    .isPositive();
        }
    }

    /** A picture of the size of {@link #LANDSCAPE} that shows something else. */
    private String mirrored() {
        try {
            BufferedImage image = ImageIO.read(LANDSCAPE.toFile());
            BufferedImage out = new BufferedImage(image.getWidth(), image.getHeight(), BufferedImage.TYPE_INT_RGB);
            for (int y = 0; y < image.getHeight(); y++) {
                for (int x = 0; x < image.getWidth(); x++) {
                    out.setRGB(x, y, image.getRGB(image.getWidth() - 1 - x, y));
                }
            }
            Path file = model.resolve("mirrored.png");
            ImageIO.write(out, "png", file.toFile());
            return file.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void theSamePictureIsKnownHoweverItComes() throws IOException {
        try (Engine own = open(Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf"))) {
            String url = "data:image/png;base64," + Base64.getEncoder().encodeToString(Files.readAllBytes(PORTRAIT));
            Watch watch = new Watch();
            List<ContentPart> asFile = List.of(new ContentPart.Image(PORTRAIT.toString()));
            List<ContentPart> asUrl = List.of(
                    new ContentPart.Image(url),
                    new ContentPart.Image(PORTRAIT.toUri().toString()));
            List<Seen> file = own.vision().see(asFile, MediaSource.FILES, watch);
            List<Seen> data = own.vision().see(asUrl, MediaSource.FILES, watch);
            assertThat(watch.encoded).isEqualTo(24);
            assertThat(data).containsExactly(file.getFirst(), file.getFirst());
            assertThat(own.vision().sizeBytes()).isEqualTo(6 * 64 * 4);
        }
    }

    @Test
    void picturesThatGoThroughTheTowerTogetherAreThoseThatGoAlone() {
        List<ContentPart> both =
                List.of(new ContentPart.Image(PORTRAIT.toString()), new ContentPart.Image(LANDSCAPE.toString()));
        try (Engine together = open(Golden.shipped("dense-vl/mmproj-dense-vl-F32.gguf"))) {
            List<Seen> seen = together.vision().see(both, MediaSource.FILES, Listener.NONE);
            for (int i = 0; i < 2; i++) {
                Seen alone = engine.vision()
                        .see(both.subList(i, i + 1), MediaSource.FILES, Listener.NONE)
                        .getFirst();
                float[] expected = alone.picture().features().toFloats();
                float[] found = seen.get(i).picture().features().toFloats();
                assertThat(found).hasSameSizeAs(expected);
                for (int j = 0; j < found.length; j++) {
                    assertThat(found[j]).isCloseTo(expected[j], Offset.offset(1e-5f));
                }
            }
        }
    }

    @Test
    void textLeavesTheTowerUntouchedEvenWhereItCannotBeOpened() {
        try (Engine blind = open(model.resolve("no such file.gguf"));
                ChatSession chat = new ChatSession(blind, MediaSource.FILES)) {
            assertThat(reply(chat, conversation(Message.user("hello")), Listener.NONE)
                            .completion()
                            .tokens())
                    .isPositive();
            assertThatThrownBy(() -> reply(chat, conversation(question("?", PORTRAIT.toString())), Listener.NONE))
                    .hasMessageContaining("no such file.gguf");
        }
    }

    @Test
    void aModelWithoutATowerSaysSo() {
        try (Engine blind = open(null);
                ChatSession chat = new ChatSession(blind, MediaSource.FILES)) {
            assertThatThrownBy(() -> reply(chat, conversation(question("?", PORTRAIT.toString())), Listener.NONE))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("has no vision tower, so it cannot see pictures or videos");
        }
    }

    @Test
    void strangersCannotNameFiles() {
        try (ChatSession chat = new ChatSession(engine)) {
            for (String source :
                    List.of(PORTRAIT.toString(), PORTRAIT.toUri().toString(), "https://example.org/a.png")) {
                assertThatThrownBy(() -> reply(chat, conversation(question("?", source)), Listener.NONE))
                        .isInstanceOf(MediaException.class)
                        .hasMessageContaining("is not a data URL");
            }
        }
    }

    @Test
    void cancellingBeforeThePictureIsEncodedEndsTheReply() {
        try (ChatSession chat = new ChatSession(engine, MediaSource.FILES)) {
            Watch watch = new Watch();
            watch.cancel = true;
            Conversation asked = conversation(
                    question("?", Golden.shipped("vision-processor/gray.png").toString()));
            assertThat(reply(chat, asked, watch).completion().finishReason())
                    .isEqualTo(Completion.FinishReason.CANCELLED);
            assertThat(watch.encoded).isZero();
        }
    }

    @Test
    void aFramesDirectoryIsAVideoOfFramesWithTimes(@TempDir Path frames) throws IOException {
        for (int i = 0; i < 4; i++) {
            Files.copy(LANDSCAPE, frames.resolve("frame-%d.png".formatted(i)));
        }
        try (ChatSession chat = new ChatSession(engine, MediaSource.FILES)) {
            Message message = Message.user(
                    List.of(new ContentPart.Video(frames.toString()), new ContentPart.Text("What happens?")));
            int[] ids = chat.tokens(conversation(message), false);
            assertThat(engine.tokenizer().decode(ids))
                    .contains("<|vision_start|><0.2 seconds><|vision_start|><|video_pad|>")
                    .contains("<|vision_end|><1.2 seconds><|vision_start|><|video_pad|>");
            assertThat(reply(chat, conversation(message), Listener.NONE)
                            .completion()
                            .tokens())
                    .isPositive();
        }
    }

    /** The whole way: PNG, processor, tower, template, tokenizer, positions, decode. */
    @Test
    void aQuestionAboutAPictureIsAnsweredWithTheTokensOfTheReference() {
        Map<String, Golden.Array> arrays = Golden.arrays(Golden.shared("golden/dense-vl/cases/vl-image.safetensors"));
        int[] expected = arrays.get("output_ids").ints();
        try (Engine golden = Engine.open(
                        Golden.shared("golden/dense-vl/checkpoint"), new Engine.Options(null, 2, true, null, 0));
                ChatSession chat = new ChatSession(golden, MediaSource.FILES)) {
            String picture =
                    Golden.shared("golden/vision-processor/odd-portrait.png").toString();
            Conversation asked = conversation(question("What is this?", picture));
            assertThat(chat.tokens(asked, true))
                    .isEqualTo(arrays.get("input_ids").ints());
            List<Seen> seen =
                    golden.vision().see(List.of(new ContentPart.Image(picture)), MediaSource.FILES, Listener.NONE);
            ModelInput input = golden.encode(chat.tokens(asked, true), seen);
            try (State state = golden.network().newState(golden.kvType())) {
                Batch batch = new Batch();
                batch.add(state, input, 0, input.length(), Batch.Logits.LAST);
                float[] row = golden.network().forward(batch).toFloats();
                int[] found = new int[expected.length];
                for (int i = 0; i < found.length; i++) {
                    found[i] = argMax(row);
                    Batch step = new Batch();
                    step.add(state, new int[] {found[i]}, Batch.Logits.LAST);
                    row = golden.network().forward(step).toFloats();
                }
                assertThat(found).isEqualTo(expected);
            }
        }
    }

    private static int argMax(float[] row) {
        int best = 0;
        for (int i = 1; i < row.length; i++) {
            best = row[i] > row[best] ? i : best;
        }
        return best;
    }
}
