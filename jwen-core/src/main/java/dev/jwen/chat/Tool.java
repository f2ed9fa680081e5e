package dev.jwen.chat;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A tool that the model may call.
 *
 * @param name the function's name, not empty
 * @param definition the JSON the client sent, in its order, because templates print it as given: either
 *     {@code {"type": "function", "function": {"name": …, "parameters": …}}} or the inner object alone
 */
public record Tool(String name, Map<String, @Nullable Object> definition) {
    public Tool {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("A tool needs a name");
        }
        definition = Json.copy(definition);
    }

    /**
     * The tool of a definition, named as the definition says.
     *
     * @throws IllegalArgumentException if it has no name
     */
    public static Tool of(Map<String, @Nullable Object> definition) {
        return new Tool(function(definition).get("name") instanceof String name ? name : "", definition);
    }

    /** The JSON schema of the arguments; empty if the definition has none. */
    public Map<?, ?> parameters() {
        Map<?, ?> function = function(definition);
        Object schema = function.containsKey("parameters") ? function.get("parameters") : function.get("input_schema");
        return schema instanceof Map<?, ?> map ? map : Map.of();
    }

    private static Map<?, ?> function(Map<String, @Nullable Object> definition) {
        return definition.get("function") instanceof Map<?, ?> function ? function : definition;
    }
}
