package dev.jwen.template;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A Python dict: insertion order, and 1, 1.0 and True are one key. Keys are passed as {@link Values#hashKey} gives them. */
final class Dict {
    /** A key as first written, with its value. */
    record Entry(Object key, Object value) {}

    private final Map<Object, Entry> entries = new LinkedHashMap<>();

    void put(Object hashKey, Object key, Object value) {
        Entry old = entries.get(hashKey);
        entries.put(hashKey, new Entry(old == null ? key : old.key(), value));
    }

    void put(String key, Object value) {
        put(key, key, value);
    }

    @Nullable
    Object get(Object hashKey) {
        Entry entry = entries.get(hashKey);
        return entry == null ? null : entry.value();
    }

    int size() {
        return entries.size();
    }

    Collection<Entry> entries() {
        return entries.values();
    }

    Map<Object, Entry> byHashKey() {
        return entries;
    }
}
