package dev.jwen.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonReadFeature;

/** Reads JSON into maps, lists, strings, Long, Double and Boolean; an entry that is null counts as absent. */
final class Json {
    private static final int MAX_DEPTH = 64;
    /** An index of a hundred thousand tensors has about ten megabytes. */
    private static final long MAX_BYTES = 256L << 20;

    // Tensor names hardly repeat, so a symbol table of them is only a cost. Python writes Infinity and NaN.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private final String where;
    private final JsonParser parser;

    private Json(String where, JsonParser parser) {
        this.where = where;
        this.parser = parser;
    }

    /** The object in a file. */
    static Map<String, Object> object(Path file) {
        return object(MappedFile.readSmall(file, MAX_BYTES), file.toString());
    }

    /** The object in these bytes; {@code where} opens every message. */
    static Map<String, Object> object(byte[] bytes, String where) {
        try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), bytes)) {
            Json json = new Json(where, parser);
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw json.bad("expected a JSON object");
            }
            Map<String, Object> object = json.readObject();
            if (parser.nextToken() != null) {
                throw json.bad("expected nothing after the JSON object");
            }
            return object;
        } catch (JacksonException e) {
            throw CheckpointException.damaged(where, "is not valid JSON: '%s'", e.getOriginalMessage(), e);
        }
    }

    // The depth of this recursion is bounded by MAX_DEPTH.
    private Map<String, Object> readObject() {
        Map<String, Object> object = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            Object value = readValue();
            if (value != null && object.put(name, value) != null) {
                throw bad("the name '%s' occurs twice".formatted(CheckpointException.clean(name)));
            }
        }
        return object;
    }

    private List<@Nullable Object> readArray() {
        List<@Nullable Object> array = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            array.add(readValue());
        }
        return array;
    }

    private @Nullable Object readValue() {
        return switch (parser.currentToken()) {
            case START_OBJECT -> readObject();
            case START_ARRAY -> readArray();
            case VALUE_STRING -> parser.getString();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            // A number beyond 64 bits is no size or id; as a double it can still be shown.
            case VALUE_NUMBER_INT ->
                parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                        ? (Object) parser.getDoubleValue()
                        : (Object) parser.getLongValue();
            default -> null;
        };
    }

    private CheckpointException bad(String what) {
        return CheckpointException.damaged(
                where, "%s, at line %d", what, parser.currentLocation().getLineNr());
    }
}
