package dev.jwen.chat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** JSON as plain values: String, Boolean, Long, BigInteger, Double, null, unmodifiable List and insertion-ordered Map. */
final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private Json() {}

    /** Reads one document; throws Jackson's exception if it is anything else. */
    static @Nullable Object parse(String json) {
        return value(tree(json));
    }

    static JsonNode tree(String json) {
        return MAPPER.readTree(json);
    }

    static String write(@Nullable Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** The plain value of a node, unmodifiable. */
    static @Nullable Object value(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT -> object(node);
            case ARRAY -> {
                List<@Nullable Object> list = new ArrayList<>(node.size());
                node.forEach(element -> list.add(value(element)));
                yield Collections.unmodifiableList(list);
            }
            case STRING -> node.stringValue();
            case BOOLEAN -> node.booleanValue();
            case NUMBER -> number(node.numberValue());
            case NULL, MISSING -> null;
            case BINARY, POJO -> throw new IllegalArgumentException("Not JSON: " + node.getNodeType());
        };
    }

    static Map<String, @Nullable Object> object(JsonNode node) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        node.properties().forEach(entry -> map.put(entry.getKey(), value(entry.getValue())));
        return Collections.unmodifiableMap(map);
    }

    /** An unmodifiable deep copy in the types above. */
    static Map<String, @Nullable Object> copy(Map<?, ? extends @Nullable Object> map) {
        Map<String, @Nullable Object> copy = new LinkedHashMap<>();
        map.forEach((key, value) -> copy.put(String.valueOf(key), copy(value)));
        return Collections.unmodifiableMap(copy);
    }

    private static @Nullable Object copy(@Nullable Object value) {
        return switch (value) {
            case null -> null;
            case String string -> string;
            case Boolean bool -> bool;
            case Number number -> number(number);
            case Map<?, ?> map -> copy(map);
            case List<?> list -> {
                List<@Nullable Object> copy = new ArrayList<>(list.size());
                list.forEach(element -> copy.add(copy(element)));
                yield Collections.unmodifiableList(copy);
            }
            default -> throw new IllegalArgumentException("Not a JSON value: " + value.getClass());
        };
    }

    /** Long, else BigInteger, else Double. */
    static Number number(Number number) {
        if (number instanceof BigInteger big && big.bitLength() >= Long.SIZE) {
            return big;
        }
        boolean whole = number instanceof BigInteger
                || number instanceof Long
                || number instanceof Integer
                || number instanceof Short
                || number instanceof Byte;
        return whole ? (Number) number.longValue() : (Number) number.doubleValue();
    }
}
