package dev.jwen.kernel;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The choice of a back end: by name, or the fastest that runs here. */
public final class Backends {
    /** System property that names the back end where the caller does not. */
    public static final String PROPERTY = "jwen.kernels";

    private static final Logger LOG = LoggerFactory.getLogger(Backends.class);

    private Backends() {}

    /** Every back end, best first, those that cannot run here included. */
    public static List<KernelsProvider> all() {
        return ServiceLoader.load(KernelsProvider.class, Backends.class.getClassLoader()).stream()
                .map(ServiceLoader.Provider::get)
                .sorted(Comparator.comparingInt(KernelsProvider::priority).reversed())
                .toList();
    }

    /**
     * Opens a back end.
     *
     * {@snippet :
     *   try (Kernels kernels = Backends.open(null, WorkerPool.defaultThreads())) {
     *       kernels.matmul(x, w, out);
     *   }
     * }
     *
     * @param name its name, "scalar" being another word for "plain"; null for the one named by the system property
     *     {@value #PROPERTY}, and without that the best that runs here
     * @throws IllegalArgumentException if there is no such back end, or it cannot run here
     */
    public static Kernels open(@Nullable String name, int threads) {
        return open(name, threads, false);
    }

    /**
     * Like {@link #open(String, int)}; where neither the caller nor the system property names a back end, {@code exact}
     * asks for one that computes in float32.
     */
    public static Kernels open(@Nullable String name, int threads, boolean exact) {
        LOG.atDebug().log(() -> "kernels: %s, %d threads".formatted(choice(name, exact), threads));
        return chosen(name, exact).open(threads);
    }

    /**
     * What training calculates with: the forward pass and the way back, on the same threads.
     *
     * @param kernels owns the threads
     */
    public record Training(Kernels kernels, Gradients gradients) implements AutoCloseable {
        @Override
        public void close() {
            gradients.close();
            kernels.close();
        }
    }

    /**
     * Opens a back end for training, whose weights are float32: every operation on them computes in float32, that of the
     * fastest back end included.
     *
     * @param name as for {@link #open(String, int)}
     * @throws IllegalArgumentException if there is no such back end, or it cannot run here or not train
     */
    public static Training openForTraining(@Nullable String name, int threads) {
        KernelsProvider provider = chosen(name, false);
        return provider.openForTraining(threads)
                .orElseThrow(() ->
                        new IllegalArgumentException("the %s kernels have no way back to train with; there are: %s"
                                .formatted(provider.name(), summary())));
    }

    /** What {@link #open(String, int, boolean)} chooses and why, in a line for a log. */
    public static String choice(@Nullable String name, boolean exact) {
        return "%s (%s; there are %s)".formatted(chosen(name, exact).description(), reason(name, exact), summary());
    }

    /** Whether the back end that {@link #open(String, int, boolean)} chooses computes in float32 throughout. */
    public static boolean isExact(@Nullable String name, boolean exact) {
        return chosen(name, exact).isExact();
    }

    /** The loops at the limit of the processor that the best back end with such loops has; whoever asks closes them. */
    public static Optional<PeakLoops> peakLoops() {
        return all().stream().flatMap(provider -> provider.peakLoops().stream()).findFirst();
    }

    /** Does for every back end, for nothing, what a start does. */
    public static void rehearse() {
        all().forEach(KernelsProvider::rehearse);
    }

    private static KernelsProvider chosen(@Nullable String name, boolean exact) {
        String wanted = wanted(name);
        return wanted == null ? best(exact) : named(wanted);
    }

    private static @Nullable String wanted(@Nullable String name) {
        return name != null ? name : System.getProperty(PROPERTY);
    }

    private static KernelsProvider best(boolean exact) {
        return all().stream()
                .filter(provider -> provider.isExact() || !exact)
                .filter(provider -> provider.unavailable().isEmpty())
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no back end can run here: " + summary()));
    }

    private static KernelsProvider named(String wanted) {
        String name = wanted.equals("scalar") ? "plain" : wanted;
        KernelsProvider provider = all().stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "there are no kernels named \"%s\"; there are: %s".formatted(wanted, summary())));
        provider.unavailable().ifPresent(why -> {
            throw new IllegalArgumentException("the %s kernels cannot run here: %s".formatted(name, why));
        });
        return provider;
    }

    private static String reason(@Nullable String name, boolean exact) {
        if (wanted(name) == null) {
            return exact ? "the best in float32 that runs here" : "the best that runs here";
        }
        return name != null ? "asked for" : "set by " + PROPERTY;
    }

    /** For example {@code x86, vector, plain}; one that cannot run is followed by the reason. */
    private static String summary() {
        return all().stream()
                .map(provider -> provider.name()
                        + provider.unavailable()
                                .map(why -> " (not here: " + why + ")")
                                .orElse(""))
                .collect(Collectors.joining(", "));
    }
}
