package dev.jwen.chat;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Messages and tools out of JSON in all the forms that {@link Conversation#fromJson} tolerates. */
final class ConversationReader {
    private ConversationReader() {}

    static List<Message> messages(JsonNode node) {
        if (!node.isArray()) {
            throw wrong("messages", "an array of messages", node);
        }
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < node.size(); i++) {
            messages.add(message(node.get(i), "messages[%d]".formatted(i)));
        }
        return messages;
    }

    static List<Tool> tools(JsonNode node) {
        List<Tool> tools = new ArrayList<>();
        if (absent(node)) {
            return tools;
        }
        if (!node.isArray()) {
            throw wrong("tools", "an array of tools", node);
        }
        for (int i = 0; i < node.size(); i++) {
            JsonNode tool = node.get(i);
            String at = "tools[%d]".formatted(i);
            if (!tool.isObject()) {
                throw wrong(at, "an object", tool);
            }
            if (tool.has("function") || tool.path("type").asString("function").equals("function")) {
                String inner = tool.path("function").isObject() ? ".function.name" : ".name";
                JsonNode name =
                        tool.path("function").isObject() ? tool.get("function").path("name") : tool.path("name");
                tools.add(new Tool(name(name, at + inner), Json.object(tool)));
            }
        }
        return tools;
    }

    private static Message message(JsonNode node, String at) {
        if (!node.isObject()) {
            throw wrong(at, "an object", node);
        }
        JsonNode roleNode = node.path("role");
        Role role = roleNode.isString() ? Role.of(roleNode.stringValue()) : null;
        if (role == null) {
            throw wrong(at + ".role", "system, developer, user, assistant or tool", roleNode);
        }
        List<ContentPart> content = content(node.path("content"), at + ".content");
        String name = text(node.path("name"), at + ".name");
        if (role != Role.ASSISTANT) {
            String callId = role == Role.TOOL ? text(node.path("tool_call_id"), at + ".tool_call_id") : null;
            return message(at, role, content, null, List.of(), callId, name);
        }
        String reasoning = text(node.path("reasoning_content"), at + ".reasoning_content");
        if (reasoning == null) {
            reasoning = text(node.path("reasoning"), at + ".reasoning");
        }
        return message(at, role, content, reasoning, calls(node.path("tool_calls"), at + ".tool_calls"), null, name);
    }

    private static Message message(
            String at,
            Role role,
            List<ContentPart> content,
            @Nullable String reasoning,
            List<ToolCall> calls,
            @Nullable String callId,
            @Nullable String name) {
        try {
            return new Message(role, content, reasoning, calls, callId, name);
        } catch (IllegalArgumentException e) {
            throw new ChatException(at + ": " + e.getMessage(), e);
        }
    }

    private static List<ContentPart> content(JsonNode node, String at) {
        if (absent(node)) {
            return List.of();
        }
        if (node.isString()) {
            return List.of(new ContentPart.Text(node.stringValue()));
        }
        if (!node.isArray()) {
            throw wrong(at, "text, null or an array of parts", node);
        }
        List<ContentPart> parts = new ArrayList<>();
        for (int i = 0; i < node.size(); i++) {
            parts.add(part(node.get(i), "%s[%d]".formatted(at, i)));
        }
        return parts;
    }

    /** The Qwen template goes by the key that is there before it looks at the type; so does this. */
    private static ContentPart part(JsonNode node, String at) {
        if (node.isString()) {
            return new ContentPart.Text(node.stringValue());
        }
        String type = node.path("type").asString("");
        for (String key : List.of("image_url", "image")) {
            if (node.has(key) || type.equals(key) || type.equals("input_image")) {
                return new ContentPart.Image(source(node.path(key), at + "." + key));
            }
        }
        for (String key : List.of("video_url", "video")) {
            if (node.has(key) || type.equals(key)) {
                return new ContentPart.Video(source(node.path(key), at + "." + key));
            }
        }
        for (String key : List.of("text", "refusal")) {
            if (node.has(key)) {
                String text = text(node.path(key), at + "." + key);
                return new ContentPart.Text(text == null ? "" : text);
            }
        }
        throw wrong(at, "a part of type text, image_url, image, video_url or video", node);
    }

    private static String source(JsonNode node, String at) {
        String source = text(node.isObject() ? node.path("url") : node, at);
        return source == null ? "" : source;
    }

    private static List<ToolCall> calls(JsonNode node, String at) {
        List<ToolCall> calls = new ArrayList<>();
        if (absent(node)) {
            return calls;
        }
        if (!node.isArray()) {
            throw wrong(at, "an array of calls", node);
        }
        for (int i = 0; i < node.size(); i++) {
            calls.add(call(node.get(i), "%s[%d]".formatted(at, i)));
        }
        return calls;
    }

    private static ToolCall call(JsonNode node, String at) {
        JsonNode function = node.path("function").isObject() ? node.get("function") : node;
        String id = text(node.path("id"), at + ".id");
        String name = name(function.path("name"), at + ".function.name");
        JsonNode arguments = function.path("arguments");
        return arguments.isString()
                ? ToolCall.ofJson(id == null ? "" : id, name, arguments.stringValue())
                : new ToolCall(id == null ? "" : id, name, ToolCall.named(Json.value(arguments)));
    }

    private static String name(JsonNode node, String at) {
        if (!node.isString() || node.stringValue().isEmpty()) {
            throw wrong(at, "a name", node);
        }
        return node.stringValue();
    }

    private static @Nullable String text(JsonNode node, String at) {
        if (absent(node)) {
            return null;
        }
        if (!node.isString()) {
            throw wrong(at, "text", node);
        }
        return node.stringValue();
    }

    private static boolean absent(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    private static ChatException wrong(String at, String expected, JsonNode found) {
        String shown = found.isMissingNode() ? "nothing" : found.toString();
        return new ChatException("%s: expected %s, found %s"
                .formatted(at, expected, shown.length() <= 80 ? shown : shown.substring(0, 80) + "…"));
    }
}
