package dev.jwen.tools;

import dev.jwen.chat.Tool;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Definitions of tools whose arguments are texts that must all be there. */
final class Definition {
    private Definition() {}

    static Tool of(String name, String description, String... parameters) {
        Map<String, @Nullable Object> properties = new LinkedHashMap<>();
        for (String parameter : parameters) {
            properties.put(parameter, Map.of("type", "string"));
        }
        Map<String, @Nullable Object> function = new LinkedHashMap<>();
        function.put("name", name);
        function.put("description", description);
        function.put("parameters", ordered("type", "object", properties, List.of(parameters)));
        Map<String, @Nullable Object> definition = new LinkedHashMap<>();
        definition.put("type", "function");
        definition.put("function", function);
        return Tool.of(definition);
    }

    // The order is that in which models were shown schemas: type, properties, required.
    private static Map<String, @Nullable Object> ordered(
            String key, String type, Map<String, @Nullable Object> properties, List<String> required) {
        Map<String, @Nullable Object> schema = new LinkedHashMap<>();
        schema.put(key, type);
        schema.put("properties", properties);
        schema.put("required", required);
        return schema;
    }
}
