package dev.jwen.kernel.vector;

import java.util.Optional;

/**
 * The incubating module of the Vector API.
 *
 * <p>Started with {@code --add-modules jdk.incubator.vector}, the JVM prints a warning in every command and cannot use
 * its archive of the module graph. So the module is also loaded on demand, by the method of the JDK that loads the module
 * of agents, where {@code --add-exports java.base/jdk.internal.module=ALL-UNNAMED} permits it; it runs as fast.
 */
final class VectorModule {
    private static final String NAME = "jdk.incubator.vector";

    private VectorModule() {}

    /** Makes sure that the module is there; otherwise says why it is not. */
    static Optional<String> load() {
        if (ModuleLayer.boot().findModule(NAME).isPresent()) {
            return Optional.empty();
        }
        try {
            // By reflection, because code compiled for a release of Java cannot name its internal classes.
            Class.forName("jdk.internal.module.Modules")
                    .getMethod("loadModule", String.class)
                    .invoke(null, NAME);
            return Optional.empty();
        } catch (ReflectiveOperationException e) {
            return Optional.of("the module %s is not there; start Java with --add-modules %s".formatted(NAME, NAME));
        }
    }
}
