package dev.jwen.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Variables, looked up outwards. */
final class Scope {
    /** Held by a name that is local here but has no value yet. */
    private static final Object UNSET = new Object();

    private final @Nullable Scope parent;
    private final Map<String, Object> variables = new HashMap<>();

    Scope(@Nullable Scope parent) {
        this.parent = parent;
    }

    /** A scope for a body whose names have been looked at. */
    static Scope of(Names names, Scope parent) {
        Scope scope = new Scope(parent);
        names.unset().forEach(scope::unset);
        return scope;
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }

    void unset(String name) {
        variables.put(name, UNSET);
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.parent) {
            Object value = scope.variables.get(name);
            if (value != null) {
                return value == UNSET ? Undefined.name(name) : value;
            }
        }
        return Undefined.name(name);
    }
}
