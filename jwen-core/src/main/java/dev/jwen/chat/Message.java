package dev.jwen.chat;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation.
 *
 * <p>Content is kept in one form: neighbouring texts are joined and empty ones dropped. So a text sent as one string
 * and the same text sent in blocks are equal messages and give equal prompts, as prefix caches need.
 *
 * @param role who says it
 * @param content text and media in order; empty for no content. Instructions hold text only
 * @param reasoning what the assistant thought before it answered, null if not known; "" says that it did not think
 * @param toolCalls calls the assistant makes after its content
 * @param toolCallId the call that a tool message answers
 * @param name an optional name of the speaker or tool; Qwen templates ignore it
 */
public record Message(
        Role role,
        List<ContentPart> content,
        @Nullable String reasoning,
        List<ToolCall> toolCalls,
        @Nullable String toolCallId,
        @Nullable String name) {

    public Message {
        content = joined(content);
        toolCalls = List.copyOf(toolCalls);
        if (role.instructs() && hasMedia(content)) {
            throw new IllegalArgumentException(
                    "A %s message holds text only, found %s. Send pictures in a user message."
                            .formatted(role.wireName(), content));
        }
        if (role != Role.ASSISTANT && (reasoning != null || !toolCalls.isEmpty())) {
            throw new IllegalArgumentException(
                    "Only an assistant message has reasoning or tool calls, this one is from " + role.wireName());
        }
        if (role != Role.TOOL && toolCallId != null) {
            throw new IllegalArgumentException("Only a tool message answers a call (%s), this one is from %s"
                    .formatted(toolCallId, role.wireName()));
        }
    }

    public static Message system(String text) {
        return plain(Role.SYSTEM, text);
    }

    public static Message user(String text) {
        return plain(Role.USER, text);
    }

    public static Message user(List<ContentPart> content) {
        return new Message(Role.USER, content, null, List.of(), null, null);
    }

    /** An answer as {@link ResponseParser} gives it. */
    public static Message assistant(String text, @Nullable String reasoning, List<ToolCall> calls) {
        return new Message(Role.ASSISTANT, List.of(new ContentPart.Text(text)), reasoning, calls, null, null);
    }

    /** The result of a call. */
    public static Message tool(String toolCallId, String text) {
        return new Message(Role.TOOL, List.of(new ContentPart.Text(text)), null, List.of(), toolCallId, null);
    }

    private static Message plain(Role role, String text) {
        return new Message(role, List.of(new ContentPart.Text(text)), null, List.of(), null, null);
    }

    /** The texts of the content, joined; media leave no trace. */
    public String text() {
        StringBuilder text = new StringBuilder();
        for (ContentPart part : content) {
            if (part instanceof ContentPart.Text t) {
                text.append(t.text());
            }
        }
        return text.toString();
    }

    /** Whether there is anything but text. */
    public boolean hasMedia() {
        return hasMedia(content);
    }

    private static boolean hasMedia(List<ContentPart> content) {
        return !content.stream().allMatch(ContentPart.Text.class::isInstance);
    }

    private static List<ContentPart> joined(List<ContentPart> content) {
        List<ContentPart> joined = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (ContentPart part : content) {
            if (part instanceof ContentPart.Text t) {
                text.append(t.text());
            } else {
                flush(text, joined);
                joined.add(part);
            }
        }
        flush(text, joined);
        return List.copyOf(joined);
    }

    private static void flush(StringBuilder text, List<ContentPart> to) {
        if (!text.isEmpty()) {
            to.add(new ContentPart.Text(text.toString()));
            text.setLength(0);
        }
    }
}
