package dev.jwen.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class HistoryTest {
    static final List<String> QWEN = Templates.QWEN;

    private static final Message HI = Message.user("Hi");
    private static final Message CONTINUE = Message.user("Continue.");

    private static Message developer(String text) {
        return new Message(Role.DEVELOPER, Message.user(text).content(), null, List.of(), null, null);
    }

    private static Message calling(String... ids) {
        List<ToolCall> calls =
                List.of(ids).stream().map(id -> new ToolCall(id, "f", Map.of())).toList();
        return Message.assistant("", null, calls);
    }

    private static List<Message> random(long seed, boolean media) {
        return Conversation.fromJson(Json.write(new Histories(seed, media, true).any()))
                .messages();
    }

    @Test
    void leadingInstructionsBecomeOneSystemMessage() {
        assertThat(History.normalise(List.of(developer(" a\n"), Message.system("\n "), Message.system("b"), HI)))
                .isEqualTo(List.of(Message.system("a\n\nb"), HI));
        assertThat(History.normalise(List.of(developer(" a\n"), HI))).isEqualTo(List.of(Message.system(" a\n"), HI));
        assertThat(History.normalise(List.of(Message.system(""), HI))).isEqualTo(List.of(Message.system(""), HI));
    }

    @Test
    void laterInstructionsStayInTheirPlaceAsUserText() {
        assertThat(History.normalise(List.of(
                        HI, Message.system(" be brief\n"), calling("a"), developer(" "), Message.tool("a", "r"))))
                .isEqualTo(List.of(
                        HI,
                        Message.user("<system-reminder>\nbe brief\n</system-reminder>"),
                        calling("a"),
                        Message.tool("a", "r")));
    }

    @Test
    void aHistoryWithoutAQueryGetsOneBeforeItsFirstTurn() {
        Message wrapped = Message.user("\u00a0<tool_response>\nr\n</tool_response>\n");
        assertThat(History.normalise(List.of(Message.system("s"), calling("a"), wrapped)))
                .isEqualTo(List.of(Message.system("s"), CONTINUE, calling("a"), wrapped));
        assertThat(History.normalise(List.of(Message.system("s")))).isEqualTo(List.of(Message.system("s"), CONTINUE));
        List<ContentPart> picture =
                List.of(new ContentPart.Image("p"), new ContentPart.Text("<tool_response></tool_response>"));
        assertThat(History.normalise(List.of(Message.user(picture)))).isEqualTo(List.of(Message.user(picture)));
    }

    @Test
    void aToolResultIsNeverTheFirstTurn() {
        Message result = Message.tool("a", "r");
        assertThat(History.normalise(List.of(result, HI))).isEqualTo(List.of(CONTINUE, result, HI));
        assertThat(History.normalise(List.of(Message.system("s"), result, HI)))
                .isEqualTo(List.of(Message.system("s"), CONTINUE, result, HI));
    }

    @Test
    void resultsFollowTheOrderOfTheirCalls() {
        Message a = Message.tool("a", "1");
        Message b = Message.tool("b", "2");
        Message stray = Message.tool("z", "3");
        assertThat(History.normalise(List.of(HI, calling("a", "b"), b, a, stray)))
                .isEqualTo(List.of(HI, calling("a", "b"), a, b, stray));
        assertThat(History.normalise(List.of(HI, calling("a", "a"), b, a)))
                .isEqualTo(List.of(HI, calling("a", "a"), b, a));
    }

    @Test
    void noMessagesAreRefused() {
        assertThatThrownBy(() -> History.normalise(List.of())).isInstanceOf(ChatException.class);
    }

    @Test
    void aFineHistoryIsLeftAlone() {
        for (long seed = 0; seed < 2000; seed++) {
            List<Message> fine = Conversation.fromJson(Json.write(new Histories(seed, true, true).fine()))
                    .messages();
            assertThat(History.normalise(fine)).as("seed %d", seed).isEqualTo(fine);
        }
    }

    @Test
    void normalisingTwiceChangesNothingMore() {
        for (long seed = 0; seed < 2000; seed++) {
            List<Message> once = History.normalise(random(seed, true));
            assertThat(History.normalise(once)).as("seed %d", seed).isEqualTo(once);
        }
    }

    @Test
    void nothingIsLost() {
        for (long seed = 0; seed < 2000; seed++) {
            List<Message> messages = random(seed, true);
            List<Message> normal = History.normalise(messages);
            for (Message message : messages) {
                if (message.role().instructs()) {
                    assertThat(normal)
                            .as("seed %d", seed)
                            .anyMatch(m -> m.text().contains(History.strip(message.text())));
                } else {
                    assertThat(normal).as("seed %d", seed).contains(message);
                }
            }
        }
    }

    @Test
    void appendingTurnsOnlyAppends() {
        int compared = 0;
        for (long seed = 0; seed < 2000; seed++) {
            List<Message> all = random(seed, true);
            List<Message> normal = History.normalise(all);
            for (int cut = 1; cut < all.size(); cut++) {
                List<Message> head = all.subList(0, cut);
                boolean hasTurn = !head.stream().allMatch(m -> m.role().instructs());
                boolean firstQueryComes =
                        all.stream().anyMatch(History::isQuery) && head.stream().noneMatch(History::isQuery);
                if (hasTurn && !firstQueryComes && all.get(cut).role() != Role.TOOL) {
                    assertThat(normal)
                            .as("seed %d, cut %d", seed, cut)
                            .startsWith(History.normalise(head).toArray(Message[]::new));
                    compared++;
                }
            }
        }
        assertThat(compared).isGreaterThan(1000);
    }

    @Test
    void anyLegalHistoryRendersOnceNormalised() {
        assertAllRender(Templates.own());
    }

    @ParameterizedTest
    @FieldSource("QWEN")
    void anyLegalHistoryRendersWithTheQwenTemplates(String template) {
        assertAllRender(Templates.published(template));
    }

    private static void assertAllRender(ChatTemplate template) {
        for (long seed = 0; seed < 1000; seed++) {
            Conversation chat = new Conversation(random(seed, template.supportsMedia()), List.of()).normalised();
            String text;
            try {
                text = template.render(chat, RenderOptions.ANSWER).text();
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
            for (Message message : chat.messages()) {
                if (message.role() == Role.USER || message.role() == Role.TOOL) {
                    assertThat(text)
                            .as("seed %d", seed)
                            .contains(message.hasMedia() ? "<|vision_start|>" : History.strip(message.text()));
                }
            }
        }
    }

    @Test
    void bothContentFormsOfALateSystemMessageGiveOneText() {
        String template = "[{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"system\", \"content\": %s}]";
        Conversation blocks = Conversation.fromJson(template.formatted(
                "[{\"type\": \"text\", \"text\": \"Be \"}, {\"type\": \"text\", \"text\": \"brief.\"}]"));
        Conversation plain = Conversation.fromJson(template.formatted("\"Be brief.\""));
        assertThat(Templates.own().render(blocks.normalised(), RenderOptions.ANSWER))
                .isEqualTo(Templates.own().render(plain.normalised(), RenderOptions.ANSWER));
    }
}
