package dev.jwen.chat;

import java.util.List;

/**
 * A whole answer, parsed.
 *
 * @param reasoning what was thought; "" if nothing
 * @param content the answer around the calls; "" if there is none
 * @param calls in the order they were made
 * @param cut where the answer broke off; {@link Cut#CALL} means that the last call was unfinished: it is missing from
 *     {@code calls} if its name was, else it is there with what had arrived
 */
public record Response(String reasoning, String content, List<ToolCall> calls, Cut cut) {
    /** Inside what an answer ended. */
    public enum Cut {
        NOTHING,
        THINKING,
        CALL
    }

    public Response {
        calls = List.copyOf(calls);
    }

    /** The answer as a message to append to the conversation. */
    public Message message() {
        return Message.assistant(content, reasoning, calls);
    }
}
