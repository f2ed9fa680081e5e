package dev.jwen.chat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes any legal history of a chat or an agent acceptable to every Qwen template.
 *
 * <p>The templates refuse a system message after the first place, the role developer, and a history without a user
 * query; they print a broken turn for a tool result that comes first. Real clients send all of these. The rules, in
 * order; a history that needs none of them comes back equal:
 *
 * <ol>
 *   <li>The system and developer messages that lead become one system message: their texts, blank ones left out,
 *       joined by an empty line. One alone keeps its text as it is.
 *   <li>A later one becomes a user message at the same place, its text between {@code <system-reminder>} tags; a blank
 *       one is dropped. It is not moved to the front: that would change the first tokens of the prompt, and with them
 *       everything a prefix cache holds, each time an agent framework adds a reminder. The tags let the model tell it
 *       from the user's own words.
 *   <li>If no user message is a query (the templates do not count one that is wholly a {@code <tool_response>}), or the
 *       first turn is a tool result, a user turn "Continue." is put before the first turn. There, and not at the end,
 *       it leaves the reasoning of the running tool loop in the prompt and stays where it is while the loop goes on;
 *       so reminders made by the rule before do not count either.
 *   <li>The results that directly follow a turn with several calls are put in the order of the calls. Templates print
 *       no ids, so the order is all that tells the model which result is whose.
 * </ol>
 *
 * <p>Everything else is left alone because it renders: consecutive user turns, empty assistant turns, results without a
 * call and calls without a result, literal think tags in an answer. Part arrays and argument texts take their one form
 * in {@link Message} and {@link ToolCall}.
 *
 * <p>Appending turns to a history only appends to the normalised one, so that what a cache holds stays true. The
 * exceptions: further instructions before the first turn, the first query of a history that had none, and results that
 * come in another order than their calls.
 */
public final class History {
    private static final String CONTINUE = "Continue.";
    private static final String RESPONSE_OPEN = "<tool_response>";
    private static final String RESPONSE_CLOSE = "</tool_response>";
    private static final String MEDIUM = "<media>"; // stands for what the template prints: anything but white space

    private History() {}

    /**
     * The history with the rules above applied.
     *
     * @throws ChatException if there are no messages
     */
    public static List<Message> normalise(List<Message> messages) {
        if (messages.isEmpty()) {
            throw new ChatException("The conversation has no messages; expected at least one");
        }
        int turns = 0;
        while (turns < messages.size() && messages.get(turns).role().instructs()) {
            turns++;
        }
        List<Message> normal = new ArrayList<>();
        if (turns > 0) {
            normal.add(leading(messages.subList(0, turns)));
        }
        List<Message> rest = new ArrayList<>();
        for (Message message : messages.subList(turns, messages.size())) {
            if (!message.role().instructs()) {
                rest.add(message);
            } else if (!strip(message.text()).isEmpty()) {
                rest.add(reminder(message));
            }
        }
        if (messages.stream().noneMatch(History::isQuery) || rest.getFirst().role() == Role.TOOL) {
            normal.add(Message.user(CONTINUE));
        }
        normal.addAll(resultsInOrderOfCalls(rest));
        return List.copyOf(normal);
    }

    private static Message leading(List<Message> instructions) {
        if (instructions.size() == 1) {
            Message only = instructions.getFirst();
            return only.role() == Role.SYSTEM ? only : Message.system(only.text());
        }
        List<String> texts = instructions.stream()
                .map(Message::text)
                .map(History::strip)
                .filter(text -> !text.isEmpty())
                .toList();
        return Message.system(String.join("\n\n", texts));
    }

    private static Message reminder(Message late) {
        return Message.user("<system-reminder>\n" + strip(late.text()) + "\n</system-reminder>");
    }

    /** As the templates decide it: a user message that is not wholly a tool response. */
    static boolean isQuery(Message message) {
        if (message.role() != Role.USER) {
            return false;
        }
        StringBuilder shown = new StringBuilder();
        for (ContentPart part : message.content()) {
            shown.append(part instanceof ContentPart.Text text ? text.text() : MEDIUM);
        }
        String text = strip(shown.toString());
        return !(text.startsWith(RESPONSE_OPEN) && text.endsWith(RESPONSE_CLOSE));
    }

    /** Without the white space that Python's {@code str.strip} takes off both ends, which is more than Java's. */
    static String strip(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && isPythonSpace(text.charAt(from))) {
            from++;
        }
        while (to > from && isPythonSpace(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean isPythonSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    private static List<Message> resultsInOrderOfCalls(List<Message> messages) {
        List<Message> ordered = new ArrayList<>(messages);
        for (int i = 0; i < messages.size(); i++) {
            Map<String, Integer> places = places(messages.get(i).toolCalls());
            int end = i + 1;
            while (end < messages.size() && isResultOf(places, messages.get(end))) {
                end++;
            }
            ordered.subList(i + 1, end).sort(Comparator.comparing(result -> places.get(result.toolCallId())));
        }
        return ordered;
    }

    /** The index of every call by its id; empty if the ids do not tell the calls apart. */
    private static Map<String, Integer> places(List<ToolCall> calls) {
        Map<String, Integer> places = new HashMap<>();
        for (ToolCall call : calls) {
            if (places.put(call.id(), places.size()) != null) {
                return Map.of();
            }
        }
        return places;
    }

    private static boolean isResultOf(Map<String, Integer> places, Message message) {
        return message.role() == Role.TOOL && message.toolCallId() != null && places.containsKey(message.toolCallId());
    }
}
