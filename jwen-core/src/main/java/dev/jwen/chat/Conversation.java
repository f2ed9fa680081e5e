package dev.jwen.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * Messages in order, and the tools the model may call.
 *
 * {@snippet :
 *   Conversation chat = Conversation.fromJson("[{\"role\": \"user\", \"content\": \"Hi\"}]");
 *   Files.writeString(path, chat.toJson()); // and Conversation.fromJson reads it back
 * }
 */
public record Conversation(List<Message> messages, List<Tool> tools) {
    public Conversation {
        messages = List.copyOf(messages);
        tools = List.copyOf(tools);
    }

    /**
     * Reads what OpenAI clients send: an array of messages, or an object with {@code messages} and perhaps
     * {@code tools}. Tolerated:
     *
     * <ul>
     *   <li>content as text, null, absent, or an array of parts: text ({@code text}, {@code input_text},
     *       {@code output_text}, {@code refusal}, or a bare string), pictures and videos in every spelling the Qwen
     *       template knows, in tool results too;
     *   <li>reasoning as {@code reasoning_content} or {@code reasoning};
     *   <li>calls with or without the {@code function} wrapper, arguments as JSON text or as an object
     *       ({@link ToolCall#ofJson});
     *   <li>unknown fields, which are ignored, and tools of other types than {@code function}, which are skipped.
     * </ul>
     *
     * @throws ChatException naming the place, for anything else
     */
    public static Conversation fromJson(String json) {
        JsonNode root;
        try {
            root = Json.tree(json);
        } catch (JacksonException e) {
            throw new ChatException("The conversation is not valid JSON: " + e.getOriginalMessage(), e);
        }
        return root.isObject() ? read(root.path("messages"), root.path("tools")) : read(root, root.path("tools"));
    }

    /** As {@link #fromJson}, from parsed JSON; {@code tools} may be a null or missing node. */
    public static Conversation read(JsonNode messages, JsonNode tools) {
        return new Conversation(ConversationReader.messages(messages), ConversationReader.tools(tools));
    }

    /** The conversation with only the legal history that a Qwen template accepts, see {@link History}. */
    public Conversation normalised() {
        return new Conversation(History.normalise(messages), tools);
    }

    /** Writes the conversation so that {@link #fromJson} gives an equal one. */
    public String toJson() {
        Map<String, @Nullable Object> root = new LinkedHashMap<>();
        List<Object> written = new ArrayList<>();
        messages.forEach(message -> written.add(written(message)));
        root.put("messages", written);
        if (!tools.isEmpty()) {
            root.put("tools", tools.stream().map(Tool::definition).toList());
        }
        return Json.write(root);
    }

    private static Map<String, Object> written(Message message) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("role", message.role().wireName());
        json.put("content", message.hasMedia() ? parts(message.content()) : message.text());
        if (message.reasoning() != null) {
            json.put("reasoning_content", message.reasoning());
        }
        if (!message.toolCalls().isEmpty()) {
            json.put(
                    "tool_calls",
                    message.toolCalls().stream().map(Conversation::call).toList());
        }
        if (message.toolCallId() != null) {
            json.put("tool_call_id", message.toolCallId());
        }
        if (message.name() != null) {
            json.put("name", message.name());
        }
        return json;
    }

    private static List<Object> parts(List<ContentPart> parts) {
        List<Object> json = new ArrayList<>();
        for (ContentPart part : parts) {
            json.add(
                    switch (part) {
                        case ContentPart.Text t -> ordered("type", "text", "text", t.text());
                        case ContentPart.Image i ->
                            ordered("type", "image_url", "image_url", Map.of("url", i.source()));
                        case ContentPart.Video v ->
                            ordered("type", "video_url", "video_url", Map.of("url", v.source()));
                    });
        }
        return json;
    }

    private static Map<String, Object> call(ToolCall call) {
        Map<String, Object> function = ordered("name", call.name(), "arguments", call.argumentsJson());
        Map<String, Object> json = ordered("id", call.id(), "type", "function");
        json.put("function", function);
        return json;
    }

    private static Map<String, Object> ordered(String key1, Object value1, String key2, Object value2) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put(key1, value1);
        map.put(key2, value2);
        return map;
    }
}
