package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import dev.jwen.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;

/** What a conversation came to, read strictly: the last answer, and the calls before it. */
final class Verdict {
    private Verdict() {}

    /** The text of the answer that ends the conversation, trimmed and without a final full stop; empty if there is none. */
    static String answer(Conversation conversation) {
        Message last = conversation.messages().getLast();
        if (last.role() != Role.ASSISTANT || !last.toolCalls().isEmpty()) {
            return "";
        }
        String text = last.text().strip();
        return text.endsWith(".") ? text.substring(0, text.length() - 1).strip() : text;
    }

    /** Whether the answer is one of these, which have no final full stop. */
    static boolean answers(Conversation conversation, String... accepted) {
        return List.of(accepted).contains(answer(conversation));
    }

    /** All calls since the last user message, in order. */
    static List<ToolCall> calls(Conversation conversation) {
        List<ToolCall> calls = new ArrayList<>();
        for (Message message : conversation.messages()) {
            if (message.role() == Role.USER) {
                calls.clear();
            }
            calls.addAll(message.toolCalls());
        }
        return calls;
    }
}
