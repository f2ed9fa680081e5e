package dev.jwen.chat;

/** What happens while an answer arrives, in order. Texts and fragments of an answer are never empty and are to
 * be concatenated. */
public sealed interface Event {

    /** More of the reasoning. */
    record Thinking(String text) implements Event {}

    /** More of the answer. */
    record Text(String text) implements Event {}

    /** A tool call begins; its arguments follow. */
    record ToolCallStart(int index, String id, String name) implements Event {}

    /** More of a call's arguments; all of them together are one JSON object. */
    record ToolCallArguments(int index, String json) implements Event {}

    /** A tool call is complete. */
    record ToolCallEnd(int index, ToolCall call) implements Event {}

    /** A call was run and gave {@code text}, which may be empty; whoever runs tools says so, never a parser. */
    record ToolResult(ToolCall call, String text) implements Event {}
}
