package dev.jwen.kernel;

import java.util.Optional;

/** A back end that may or may not run here; found by {@link java.util.ServiceLoader}. Loading one must never fail. */
public interface KernelsProvider {

    /** The name users choose it by, also {@link Kernels#name}. */
    String name();

    /** The name, and what else is worth a line in the log. */
    default String description() {
        return name();
    }

    /** Whether all arithmetic is float32 or better; activations are not rounded to fewer bits. */
    default boolean isExact() {
        return true;
    }

    /** Of the back ends that can run, the one with the highest priority is the default. */
    int priority();

    /** Why this back end cannot run here, in a sentence that says what to do; empty if it can. */
    Optional<String> unavailable();

    /** Loops at the limit of the processor, where this back end can run and has some; whoever asks closes them. */
    default Optional<PeakLoops> peakLoops() {
        return Optional.empty();
    }

    /** Opens the back end with this many threads, the caller's included. */
    Kernels open(int threads);

    /** Opens the back end and its way back with this many threads, the caller's included; empty if it has none. */
    default Optional<Backends.Training> openForTraining(int threads) {
        return Optional.empty();
    }

    /**
     * Does once, for nothing, what a start does, so that the JVM can note the classes it needs; without any class of a
     * module that is loaded on demand, as the JVM could not keep those.
     */
    default void rehearse() {}
}
