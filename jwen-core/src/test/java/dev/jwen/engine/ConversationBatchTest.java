package dev.jwen.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.generate.SamplingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConversationBatchTest {
    private Engine engine;

    @BeforeAll
    void open(@TempDir Path directory) throws IOException {
        try (Stream<Path> files = Files.list(Golden.shipped("dense-text/checkpoint-bf16-sharded"))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Files.copy(Path.of("src/test/resources/chat/qwen-format.jinja"), directory.resolve("chat_template.jinja"));
        engine = Engine.open(directory, new Engine.Options("plain", 1, true, null, 2_000));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    private static Conversation question(String text) {
        return new Conversation(List.of(Message.user(text)), List.of());
    }

    private static SamplingOptions options(int number) {
        return SamplingOptions.builder()
                .topK(20)
                .seed((long) number)
                .maxTokens(3 + 5 * (number % 4))
                .build();
    }

    private static ToolLoop loop(Conversation question) {
        return new ToolLoop(question, Toolbox.EMPTY, 2, event -> {});
    }

    @Test
    void aConversationGoesAsItWouldByItself() {
        List<Conversation> questions = IntStream.range(0, 9)
                .mapToObj(i -> question("hello ".repeat(1 + 40 * (i % 3)) + i))
                .toList();
        List<Conversation> alone = new ArrayList<>();
        for (int i = 0; i < questions.size(); i++) {
            try (ChatSession chat = new ChatSession(engine)) {
                alone.add(chat.converse(questions.get(i), Toolbox.EMPTY, 2, null, options(i), e -> {}, Listener.NONE)
                        .conversation());
            }
        }
        for (int width : new int[] {1, 4, 20}) {
            Conversation[] together = new Conversation[questions.size()];
            Iterator<ConversationBatch.Task> tasks = IntStream.range(0, together.length)
                    .mapToObj(i -> new ConversationBatch.Task(
                            loop(questions.get(i)), null, options(i), ended -> together[i] = ended.conversation()))
                    .iterator();
            ConversationBatch.lead(engine, width, tasks);
            assertThat(Arrays.asList(together)).as("%d at a time", width).isEqualTo(alone);
        }
    }

    @Test
    void noMoreAreBegunThanThereIsRoomFor() {
        int[] open = new int[2]; // now, at most
        Iterator<ConversationBatch.Task> tasks = IntStream.range(0, 10)
                .mapToObj(i -> {
                    open[0]++;
                    open[1] = Math.max(open[0], open[1]);
                    return new ConversationBatch.Task(loop(question("hello")), false, options(i), ended -> open[0]--);
                })
                .iterator();
        ConversationBatch.lead(engine, 3, tasks);
        assertThat(open).containsExactly(0, 3);
    }

    @Test
    void aPromptThatDoesNotFitEndsItWithTheReason() {
        ConversationBatch.Task fine = new ConversationBatch.Task(loop(question("a")), false, options(3), e -> {});
        ConversationBatch.Task tooLong =
                new ConversationBatch.Task(loop(question("hello ".repeat(2_000))), false, options(1), e -> {});
        assertThatThrownBy(() ->
                        ConversationBatch.lead(engine, 4, List.of(fine, tooLong).iterator()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("leaves no room for an answer");
    }
}
