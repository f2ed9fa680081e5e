package dev.jwen.chat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * The model's request to run a tool.
 *
 * <p>Arguments are kept in order as plain values: String, Boolean, Long, BigInteger, Double, null, and unmodifiable
 * Lists and Maps of these. Other integer and floating types are widened, so that equal JSON gives equal calls.
 *
 * @param id what the tool's result refers to; empty if the history does not say
 * @param name the tool's name, not empty
 * @param arguments by parameter name
 */
public record ToolCall(String id, String name, Map<String, @Nullable Object> arguments) {
    /** The name under which arguments that are not a JSON object are kept. */
    static final String UNNAMED = "arguments";

    public ToolCall {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("A tool call needs a name; id is '%s'".formatted(id));
        }
        arguments = Json.copy(arguments);
    }

    /**
     * A call whose arguments arrive as JSON text, as OpenAI clients send them.
     *
     * <p>Blank text means no arguments. Text that is not a JSON object cannot be shown as named parameters; it becomes
     * the single parameter {@code arguments} (parsed if it is JSON, else as it stands), so that nothing is lost.
     */
    public static ToolCall ofJson(String id, String name, String arguments) {
        return new ToolCall(id, name, arguments.isBlank() ? Map.of() : named(parsed(arguments)));
    }

    /** The arguments as a JSON object. */
    public String argumentsJson() {
        return Json.write(arguments);
    }

    static Map<String, @Nullable Object> named(@Nullable Object arguments) {
        Map<String, @Nullable Object> named = new LinkedHashMap<>();
        if (arguments instanceof Map<?, ?> map) {
            map.forEach((key, value) -> named.put(String.valueOf(key), value));
        } else if (arguments != null) {
            named.put(UNNAMED, arguments);
        }
        return named;
    }

    private static @Nullable Object parsed(String json) {
        try {
            return Json.parse(json);
        } catch (JacksonException e) {
            return json;
        }
    }
}
