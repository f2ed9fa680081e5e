package dev.jwen.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Typed access to the metadata of a GGUF file; a value of another kind than the key promises is the file's error. */
record GgufMetadata(Path path, Map<String, Object> values) {

    boolean has(String key) {
        return values.containsKey(key);
    }

    /** A required positive count that fits an int. */
    long count(String key) {
        return require(key, positive(values.get(key)));
    }

    long count(String key, long absent) {
        return has(key) ? count(key) : absent;
    }

    /** A count that newer files may give layer by layer; layers without it say 0, all others must agree. */
    long uniformCount(String key) {
        if (!(values.get(key) instanceof List<?> list)) {
            return count(key);
        }
        // Lists are as long as the file says; no model has more layers than this.
        List<?> distinct = list.stream()
                .limit(100_000)
                .filter(value -> !Long.valueOf(0).equals(value))
                .distinct()
                .toList();
        return require(key, distinct.size() == 1 ? positive(distinct.getFirst()) : null);
    }

    /** A token id, or null if the key is absent. */
    @Nullable
    Long id(String key) {
        return values.get(key) instanceof Long id && id >= 0 && id <= Integer.MAX_VALUE ? id : null;
    }

    double number(String key) {
        Object value = values.get(key);
        boolean finite = value instanceof Number number && Double.isFinite(number.doubleValue());
        return require(key, finite ? (Number) value : null).doubleValue();
    }

    @Nullable
    String string(String key) {
        return values.get(key) instanceof String text ? text : null;
    }

    @Nullable
    List<?> list(String key) {
        return values.get(key) instanceof List<?> list ? list : null;
    }

    private static @Nullable Long positive(@Nullable Object value) {
        return value instanceof Long count && count > 0 && count <= Integer.MAX_VALUE ? count : null;
    }

    private <T> T require(String key, @Nullable T value) {
        if (value == null) {
            Object found = values.get(key);
            String shown = found instanceof List<?> list ? "a list of " + list.size() : String.valueOf(found);
            throw CheckpointException.in(
                    path,
                    "metadata key %s is '%s', expected a positive number. Convert the model again with current tools.",
                    key,
                    found == null ? "missing" : shown);
        }
        return value;
    }
}
