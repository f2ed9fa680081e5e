package dev.jwen.template;

import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is known of the names in one scope while parsing.
 *
 * <p>Jinja decides at compile time where a name lives. A name whose first use in a scope is an assignment that always
 * runs, and that no enclosing scope mentions, is local from the start: before the assignment it is undefined, even for
 * macros and loop bodies that run earlier and even if the caller passed a variable of that name. Such names are
 * {@link #unset()} when the scope is entered.
 */
final class Names {
    private final @Nullable Names parent;
    private final Set<String> known = new HashSet<>();
    private final Set<String> unset = new LinkedHashSet<>();
    private final Set<String> loaded = new HashSet<>();
    private int branches;

    Names(@Nullable Names parent) {
        this.parent = parent;
    }

    /** Says whether what follows may not run, because it is inside an if. */
    void branch(boolean entered) {
        branches += entered ? 1 : -1;
    }

    boolean inBranch() {
        return branches > 0;
    }

    void load(String name) {
        known.add(name);
        for (Names scope = this; scope != null; scope = scope.parent) {
            scope.loaded.add(name);
        }
    }

    void store(String name) {
        if (known.add(name) && branches == 0) {
            unset.add(name);
        }
    }

    void parameter(String name) {
        known.add(name);
    }

    /** Whether this scope or one inside it reads the name. */
    boolean reads(String name) {
        return loaded.contains(name);
    }

    /** Drops the names that turned out to belong to an enclosing scope; called once all is parsed. */
    void settle() {
        for (Names scope = parent; scope != null; scope = scope.parent) {
            unset.removeAll(scope.known);
        }
    }

    Set<String> unset() {
        return unset;
    }
}
