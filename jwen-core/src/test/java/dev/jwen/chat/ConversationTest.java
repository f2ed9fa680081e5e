package dev.jwen.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.chat.ContentPart.Image;
import dev.jwen.chat.ContentPart.Text;
import dev.jwen.chat.ContentPart.Video;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConversationTest {
    private static Message read(String message) {
        return Conversation.fromJson("[" + message + "]").messages().getFirst();
    }

    private static ToolCall call(String arguments) {
        return read("{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"c\", \"function\": {\"name\": \"f\", \"arguments\": "
                        + arguments + "}}]}")
                .toolCalls()
                .getFirst();
    }

    @Test
    void contentMayBeTextNullAbsentOrParts() {
        assertThat(read("{\"role\": \"user\", \"content\": \"a\"}")).isEqualTo(Message.user("a"));
        assertThat(read("{\"role\": \"user\", \"content\": null}")).isEqualTo(Message.user(""));
        assertThat(read("{\"role\": \"user\"}")).isEqualTo(Message.user(""));
        assertThat(read("{\"role\": \"user\", \"content\": []}")).isEqualTo(Message.user(""));
        assertThat(read("{\"role\": \"user\", \"content\": [\"a\", {\"type\": \"input_text\", \"text\": \"b\"},"
                        + " {\"type\": \"text\", \"text\": \"c\", \"cache_control\": {}}]}"))
                .isEqualTo(Message.user("abc"));
        assertThat(
                        read(
                                "{\"role\": \"tool\", \"tool_call_id\": \"c\", \"content\": [{\"type\": \"text\", \"text\": \"r\"}]}"))
                .isEqualTo(Message.tool("c", "r"));
        assertThat(read("{\"role\": \"assistant\", \"content\": [{\"type\": \"refusal\", \"refusal\": \"no\"}]}"))
                .isEqualTo(Message.assistant("no", null, List.of()));
    }

    @Test
    void picturesAndVideosComeInEverySpelling() {
        assertThat(read("""
                {"role": "user", "content": [{"type": "image", "image": "a"}, {"type": "image_url", "image_url": {"url": "b"}},
                 {"type": "input_image", "image_url": "c"}, {"type": "image"}, {"image": "d"}, {"type": "text", "text": "t"},
                 {"type": "video", "video": "e"}, {"type": "video_url", "video_url": {"url": "f"}}, {"type": "video"}]}
                """).content())
                .isEqualTo(List.of(
                        new Image("a"),
                        new Image("b"),
                        new Image("c"),
                        new Image(""),
                        new Image("d"),
                        new Text("t"),
                        new Video("e"),
                        new Video("f"),
                        new Video("")));
    }

    @Test
    void reasoningIsReadUnderBothNames() {
        assertThat(read("{\"role\": \"assistant\", \"reasoning\": \"r\"}").reasoning())
                .isEqualTo("r");
        assertThat(read("{\"role\": \"assistant\", \"reasoning\": \"x\", \"reasoning_content\": \"r\"}")
                        .reasoning())
                .isEqualTo("r");
        assertThat(read("{\"role\": \"assistant\", \"reasoning_content\": \"\"}")
                        .reasoning())
                .isEmpty();
        assertThat(read("{\"role\": \"assistant\", \"reasoning_content\": null}")
                        .reasoning())
                .isNull();
        assertThat(read("{\"role\": \"user\", \"reasoning_content\": \"r\", \"tool_calls\": 5}")
                        .reasoning())
                .isNull();
    }

    @Test
    void argumentsMayBeTextOrAnObjectAndLoseNothing() {
        assertThat(call("{\"a\": [1, 2.5, null]}").arguments()).isEqualTo(Map.of("a", Arrays.asList(1L, 2.5, null)));
        assertThat(call("\"{\\\"b\\\": 1, \\\"a\\\": true}\"").arguments().toString())
                .isEqualTo("{b=1, a=true}");
        assertThat(call("\" \"").arguments()).isEmpty();
        assertThat(call("null").arguments()).isEmpty();
        assertThat(call("\"null\"").arguments()).isEmpty();
        assertThat(call("\"{broken\"").arguments()).isEqualTo(Map.of("arguments", "{broken"));
        assertThat(call("\"[1]\"").arguments()).isEqualTo(Map.of("arguments", List.of(1L)));
        assertThat(call("[1]").arguments()).isEqualTo(Map.of("arguments", List.of(1L)));
        assertThat(call("7").arguments()).isEqualTo(Map.of("arguments", 7L));
        String deep = "[".repeat(5000);
        assertThat(call("\"" + deep + "\"").arguments()).isEqualTo(Map.of("arguments", deep));
    }

    @Test
    void toolsKeepTheirJsonInItsOrder() {
        Conversation chat = Conversation.fromJson("""
                {"messages": [], "tools": [{"type": "function", "function": {"name": "f", "z": 1, "a": null,
                 "parameters": {"properties": {}}}}, {"type": "web_search"}, {"name": "g", "input_schema": {"x": 1}}], "stream": true}
                """);
        assertThat(chat.tools()).extracting(Tool::name).containsExactly("f", "g");
        assertThat(chat.tools().getFirst().definition().toString())
                .isEqualTo("{type=function, function={name=f, z=1, a=null, parameters={properties={}}}}");
        assertThat(chat.tools().getLast().parameters()).isEqualTo(Map.of("x", 1L));
    }

    @Test
    void whatIsWrittenReadsBackEqual() {
        for (long seed = 0; seed < 500; seed++) {
            Histories histories = new Histories(seed, true, true);
            Conversation chat = new Conversation(
                    Conversation.fromJson(Json.write(histories.any())).messages(), List.of(histories.tool()));
            assertThat(Conversation.fromJson(chat.toJson())).as("seed %d", seed).isEqualTo(chat);
            assertThat(Conversation.fromJson(chat.toJson()).toJson())
                    .as("seed %d", seed)
                    .isEqualTo(chat.toJson());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    ''                                                         | messages: expected an array of messages, found nothing
                    {                                                          | not valid JSON
                    [] x                                                       | not valid JSON
                    5                                                          | messages: expected an array of messages, found 5
                    {"messages": {}}                                           | messages: expected an array of messages, found {}
                    [5]                                                        | messages[0]: expected an object, found 5
                    [{}]                                                       | messages[0].role: expected system, developer, user, assistant or tool, found nothing
                    [{"role": "robot"}]                                        | messages[0].role: expected system, developer, user, assistant or tool, found "robot"
                    [{"role": "user", "content": 5}]                           | messages[0].content: expected text, null or an array of parts, found 5
                    [{"role": "user", "content": [{"type": "audio"}]}]         | messages[0].content[0]: expected a part of type text
                    [{"role": "user", "content": [null]}]                      | messages[0].content[0]: expected a part of type text
                    [{"role": "user", "content": [{"text": 5}]}]               | messages[0].content[0].text: expected text, found 5
                    [{"role": "system", "content": [{"type": "image"}]}]       | messages[0]: A system message holds text only
                    [{"role": "tool", "tool_call_id": 5}]                      | messages[0].tool_call_id: expected text, found 5
                    [{"role": "assistant", "tool_calls": {}}]                  | messages[0].tool_calls: expected an array of calls, found {}
                    [{"role": "assistant", "tool_calls": [{}]}]                | messages[0].tool_calls[0].function.name: expected a name, found nothing
                    [{"role": "assistant", "reasoning": {}}]                   | messages[0].reasoning: expected text, found {}
                    {"messages": [], "tools": 5}                               | tools: expected an array of tools, found 5
                    {"messages": [], "tools": [5]}                             | tools[0]: expected an object, found 5
                    {"messages": [], "tools": [{"function": {"name": ""}}]}    | tools[0].function.name: expected a name, found ""
                    """)
    void hostileJsonIsAnsweredByOneClearException(String json, String message) {
        assertThatThrownBy(() -> Conversation.fromJson(json))
                .isInstanceOf(ChatException.class)
                .hasMessageContaining(message);
    }

    @Test
    void endlessNestingAndHugeTextsInErrorsAreRefusedShortly() {
        assertThatThrownBy(() -> Conversation.fromJson("[".repeat(100_000))).isInstanceOf(ChatException.class);
        assertThatThrownBy(() -> Conversation.fromJson("[\"" + "x".repeat(1_000_000) + "\"]"))
                .isInstanceOf(ChatException.class)
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(200));
    }

    @Test
    void messagesRefuseWhatTheirRoleCannotHold() {
        List<ContentPart> none = List.of();
        ToolCall call = new ToolCall("c", "f", Map.of());
        assertThatThrownBy(() -> new Message(Role.USER, none, "r", List.of(), null, null))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Message(Role.TOOL, none, null, List.of(call), null, null))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Message(Role.USER, none, null, List.of(), "c", null))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new ToolCall("c", "", Map.of())).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Tool.of(Map.of())).isInstanceOf(IllegalArgumentException.class);
    }
}
