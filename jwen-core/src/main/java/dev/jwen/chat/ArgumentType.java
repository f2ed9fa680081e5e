package dev.jwen.chat;

import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * What a tool's JSON schema says about one parameter, as far as it decides how the model's text becomes a value.
 *
 * @param kind of the first type that is not null
 * @param nullable whether null is allowed too
 */
record ArgumentType(Kind kind, boolean nullable) {
    /** How text becomes a value. */
    enum Kind {
        TEXT,
        INTEGER,
        NUMBER,
        BOOLEAN,
        JSON
    }

    /** Of parameters that nothing is known about. */
    static final ArgumentType TEXT = new ArgumentType(Kind.TEXT, false);

    private static final int MAX_REFERENCES = 16;
    private static final int MAX_DIGITS = 400; // more cannot be a double, and parsing takes quadratic time
    private static final long EXACT_IN_DOUBLE = 1L << 53;
    private static final Pattern INTEGER = Pattern.compile("[+-]?[0-9]{1,400}");
    private static final Pattern NUMBER =
            Pattern.compile("[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?");

    /** The type of parameter {@code key} in the schema of all arguments; TEXT where the schema does not say. */
    static ArgumentType of(Map<?, ?> parameters, String key) {
        return properties(parameters).get(key) instanceof Map<?, ?> schema ? of(schema, parameters, 0) : TEXT;
    }

    static boolean isDeclared(Map<?, ?> parameters, String key) {
        return properties(parameters).containsKey(key);
    }

    boolean isText() {
        return kind == Kind.TEXT;
    }

    /**
     * The value that the text stands for; the text itself where it is not of this type. {@code null} and {@code None}
     * in any case are null, except for texts that are not nullable. Objects and arrays may be JSON or Python literals.
     */
    @Nullable
    Object convert(String raw) {
        String text = isText() ? raw : raw.strip();
        if ((!isText() || nullable) && (text.equalsIgnoreCase("null") || text.equalsIgnoreCase("none"))) {
            return null;
        }
        Object value = switch (kind) {
            case TEXT -> raw;
            case INTEGER, NUMBER -> number(text);
            case BOOLEAN -> text.equalsIgnoreCase("true");
            case JSON -> structure(text);
        };
        return value == null ? raw : value;
    }

    private static Map<?, ?> properties(Map<?, ?> schema) {
        return schema.get("properties") instanceof Map<?, ?> properties ? properties : Map.of();
    }

    private static ArgumentType of(Map<?, ?> schema, Map<?, ?> root, int references) {
        if (references > MAX_REFERENCES) {
            return TEXT;
        }
        if (schema.get("$ref") instanceof String reference && resolve(reference, root) instanceof Map<?, ?> target) {
            return of(target, root, references + 1);
        }
        boolean nullable = Boolean.TRUE.equals(schema.get("nullable"))
                || (schema.get("enum") instanceof List<?> values && values.contains(null));
        if (schema.get("type") instanceof String type) {
            return new ArgumentType(kind(type), nullable);
        }
        if (schema.get("type") instanceof List<?> types) {
            List<String> names = types.stream().map(String::valueOf).toList();
            String first = names.stream()
                    .filter(name -> !name.equals("null"))
                    .findFirst()
                    .orElse("string");
            return new ArgumentType(kind(first), nullable || names.contains("null"));
        }
        for (String union : List.of("anyOf", "oneOf", "allOf")) {
            if (schema.get(union) instanceof List<?> members) {
                return ofMembers(members, root, nullable, references + 1);
            }
        }
        boolean structured = schema.containsKey("properties") || schema.containsKey("items");
        return new ArgumentType(structured ? Kind.JSON : Kind.TEXT, nullable);
    }

    private static ArgumentType ofMembers(List<?> members, Map<?, ?> root, boolean nullable, int references) {
        ArgumentType first = null;
        boolean orNull = nullable;
        for (Object member : members) {
            if (!(member instanceof Map<?, ?> schema)) {
                continue;
            }
            if ("null".equals(schema.get("type"))) {
                orNull = true;
            } else if (first == null) {
                first = of(schema, root, references);
            }
        }
        return first == null
                ? new ArgumentType(Kind.TEXT, orNull)
                : new ArgumentType(first.kind, orNull || first.nullable);
    }

    /** The part of the schema that a reference such as {@code #/$defs/Point} names. */
    private static @Nullable Object resolve(String reference, Map<?, ?> root) {
        Object at = reference.startsWith("#/") ? root : null;
        for (String step : reference.replaceFirst("^#/", "").split("/", -1)) {
            at = at instanceof Map<?, ?> map ? map.get(step) : null;
        }
        return at;
    }

    /** Models were trained with more names of types than JSON Schema has. */
    private static Kind kind(String type) {
        String name = type.strip().toLowerCase(Locale.ROOT);
        return switch (name) {
            case "boolean", "bool", "binary" -> Kind.BOOLEAN;
            case "object", "array", "arr", "list", "dict", "map" -> Kind.JSON;
            default -> {
                if (startsWithAny(name, "int", "uint", "long", "short", "unsigned")) {
                    yield Kind.INTEGER;
                }
                if (startsWithAny(name, "num", "float", "double")) {
                    yield Kind.NUMBER;
                }
                yield startsWithAny(name, "dict", "list") ? Kind.JSON : Kind.TEXT;
            }
        };
    }

    private static boolean startsWithAny(String name, String... prefixes) {
        for (String prefix : prefixes) {
            if (name.startsWith(prefix)) {
                return true;
            }
        }
        return false;
    }

    /** A Long, BigInteger or Double, whole numbers as integers where that is exact; null if it is no number. */
    static @Nullable Number number(String text) {
        if (text.length() > MAX_DIGITS) {
            return null;
        }
        if (INTEGER.matcher(text).matches()) {
            return Json.number(new BigInteger(text));
        }
        if (!NUMBER.matcher(text).matches()) {
            return null;
        }
        double value = Double.parseDouble(text);
        if (!Double.isFinite(value)) {
            return null;
        }
        boolean whole = value == Math.rint(value) && Math.abs(value) <= EXACT_IN_DOUBLE;
        return whole ? (Number) (long) value : value;
    }

    private static @Nullable Object structure(String text) {
        try {
            return Json.parse(text);
        } catch (JacksonException e) {
            return PythonLiteral.parse(text);
        }
    }
}
