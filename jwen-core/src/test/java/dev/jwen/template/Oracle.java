package dev.jwen.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Golden JSON as the Java values a caller passes. */
final class Oracle {
    private Oracle() {}

    static @Nullable Object value(JsonNode node) {
        if (node.isObject()) {
            return variables(node);
        }
        if (node.isArray()) {
            List<@Nullable Object> list = new ArrayList<>();
            node.forEach(item -> list.add(value(item)));
            return list;
        }
        if (node.isIntegralNumber()) {
            BigInteger number = node.bigIntegerValue();
            return number.bitLength() < 32
                    ? (Object) number.intValue()
                    : number.bitLength() < 64 ? number.longValue() : number;
        }
        return node.isNull()
                ? null
                : node.isBoolean()
                        ? (Object) node.asBoolean()
                        : node.isNumber() ? (Object) node.asDouble() : node.asString();
    }

    static Map<String, Object> variables(JsonNode node) {
        Map<String, Object> map = new LinkedHashMap<>();
        node.properties().forEach(entry -> map.put(entry.getKey(), value(entry.getValue())));
        return map;
    }
}
