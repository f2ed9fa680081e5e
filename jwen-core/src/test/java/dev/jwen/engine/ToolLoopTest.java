package dev.jwen.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Event;
import dev.jwen.chat.Message;
import dev.jwen.chat.ResponseParser;
import dev.jwen.chat.Role;
import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Completion.FinishReason;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The loop is fed what a model might write; no model is needed. */
class ToolLoopTest {
    private static final Conversation QUESTION =
            new Conversation(List.of(Message.user("What is in the boxes?")), List.of());
    private static final String CALL = call("open", "7");

    private final List<Event> events = new ArrayList<>();
    private final List<String> opened = new ArrayList<>();

    /** Opens boxes. */
    private final Toolbox boxes = new Toolbox() {
        @Override
        public List<Tool> tools() {
            return List.of(Tool.of(Map.of("name", "open", "parameters", Map.of("type", "object"))));
        }

        @Override
        public String call(ToolCall call) {
            if (!call.name().equals("open")) {
                return Toolbox.EMPTY.call(call);
            }
            opened.add(String.valueOf(call.arguments().get("box")));
            return "a cat";
        }
    };

    private static String call(String tool, String box) {
        return "<tool_call>\n<function=%s>\n<parameter=box>\n%s\n</parameter>\n</function>\n</tool_call>"
                .formatted(tool, box);
    }

    private ToolLoop loop(int maxRounds) {
        return new ToolLoop(QUESTION, boxes, maxRounds, events::add);
    }

    private static ChatSession.Reply reply(String text, FinishReason reason) {
        ResponseParser parser = new ResponseParser(false, List.of(), new SplittableRandom(text.hashCode()));
        parser.feed(text);
        parser.finish();
        return new ChatSession.Reply(parser.response(), new Completion(text, reason, 1, 0, 1, 0, 0));
    }

    private static ChatSession.Reply reply(String text) {
        return reply(text, FinishReason.STOP);
    }

    @Test
    void itRunsCallsInOrderAndEndsWithAnAnswerThatMakesNone() {
        ToolLoop loop = loop(3);
        assertThat(loop.conversation().tools()).isEqualTo(boxes.tools());
        loop.take(reply("I look.\n" + CALL + "\n" + call("open", "8")));
        assertThat(loop.ending()).isNull();
        assertThat(opened).containsExactly("7", "8");
        loop.take(reply("Cats."));
        assertThat(loop.ending()).isEqualTo(ToolLoop.Ending.ANSWERED);
        assertThat(loop.rounds()).isEqualTo(1);
        assertThat(loop.completions())
                .extracting(Completion::text)
                .containsExactly("I look.\n" + CALL + "\n" + call("open", "8"), "Cats.");
        List<Message> messages = loop.conversation().messages();
        assertThat(messages)
                .extracting(Message::role)
                .containsExactly(Role.USER, Role.ASSISTANT, Role.TOOL, Role.TOOL, Role.ASSISTANT);
        List<ToolCall> calls = messages.get(1).toolCalls();
        assertThat(messages.get(2)).isEqualTo(Message.tool(calls.get(0).id(), "a cat"));
        assertThat(messages.get(3).toolCallId()).isEqualTo(calls.get(1).id());
        assertThat(messages.getLast().text()).isEqualTo("Cats.");
        assertThat(events)
                .containsExactly(
                        new Event.ToolResult(calls.get(0), "a cat"), new Event.ToolResult(calls.get(1), "a cat"));
    }

    @Test
    void theLimitOfRoundsLeavesTheLastCallsAlone() {
        ToolLoop loop = loop(2);
        loop.take(reply(CALL));
        loop.take(reply(CALL));
        assertThat(loop.ending()).isNull();
        loop.take(reply(CALL));
        assertThat(loop.ending()).isEqualTo(ToolLoop.Ending.TOO_MANY_ROUNDS);
        assertThat(opened).hasSize(2);
        ToolLoop none = loop(0);
        none.take(reply(CALL));
        assertThat(none.ending()).isEqualTo(ToolLoop.Ending.TOO_MANY_ROUNDS);
        assertThat(opened).hasSize(2);
        assertThatThrownBy(() -> loop(-1)).hasMessageContaining("-1");
    }

    @Test
    void anUnknownToolIsToldToTheModelWhichGoesOn() {
        ToolLoop loop = loop(2);
        loop.take(reply(call("shut", "7")));
        assertThat(loop.ending()).isNull();
        assertThat(loop.conversation().messages().getLast().text()).contains("no tool named shut");
    }

    @Test
    void severalBoxesAreOneAndEachToolIsCalledInItsOwn() {
        Toolbox shelf = new Toolbox() {
            @Override
            public List<Tool> tools() {
                return List.of(Tool.of(Map.of("name", "shut")), Tool.of(Map.of("name", "tidy")));
            }

            @Override
            public String call(ToolCall call) {
                return "done: " + call.name();
            }
        };
        Toolbox both = Toolbox.of(List.of(boxes, Toolbox.EMPTY, shelf));
        assertThat(both.tools()).extracting(Tool::name).containsExactly("open", "shut", "tidy");
        assertThat(both.call(new ToolCall("1", "tidy", Map.of()))).isEqualTo("done: tidy");
        assertThat(both.call(new ToolCall("2", "open", Map.of("box", "7")))).isEqualTo("a cat");
        assertThat(both.call(new ToolCall("3", "burn", Map.of()))).contains("no tool named burn");
        assertThatThrownBy(() -> Toolbox.of(List.of(boxes, boxes)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("open");
    }

    @Test
    void callsOfAnAnswerThatWasCutOrCancelledAreNotRun() {
        ToolLoop cut = loop(2);
        cut.take(reply(CALL, FinishReason.LENGTH));
        assertThat(cut.ending()).isEqualTo(ToolLoop.Ending.CUT);
        ToolLoop full = loop(2);
        full.take(reply("Hm", FinishReason.CONTEXT_FULL));
        assertThat(full.ending()).isEqualTo(ToolLoop.Ending.CUT);
        ToolLoop unfinished = loop(2);
        unfinished.take(reply(CALL.substring(0, CALL.indexOf("</parameter>"))));
        assertThat(unfinished.ending()).isEqualTo(ToolLoop.Ending.CUT);
        ToolLoop cancelled = loop(2);
        cancelled.take(reply(CALL, FinishReason.CANCELLED));
        assertThat(cancelled.ending()).isEqualTo(ToolLoop.Ending.CANCELLED);
        assertThat(opened).isEmpty();
        assertThat(cancelled.conversation().messages()).hasSize(2);
    }

    @Test
    void anEndedLoopTakesNoFurtherAnswer() {
        ToolLoop loop = loop(1);
        loop.take(reply("No."));
        assertThatThrownBy(() -> loop.take(reply("Yes.")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("ANSWERED");
    }
}
