package dev.jwen.kernel;

import java.util.Comparator;
import java.util.List;
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
        String wanted = name != null ? name : System.getProperty(PROPERTY);
        KernelsProvider chosen = wanted == null ? best() : named(wanted);
        LOG.debug("kernels: {} with {} threads ({}); {}", chosen.name(), threads, reason(name, wanted), summary());
        return chosen.open(threads);
    }

    private static KernelsProvider best() {
        return all().stream()
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

    private static String reason(@Nullable String name, @Nullable String wanted) {
        if (wanted == null) {
            return "the best that runs here";
        }
        return name != null ? "asked for" : "set by " + PROPERTY;
    }

    /** For example {@code vector, plain}; one that cannot run is followed by the reason. */
    private static String summary() {
        return all().stream()
                .map(provider -> provider.name()
                        + provider.unavailable()
                                .map(why -> " (not here: " + why + ")")
                                .orElse(""))
                .collect(Collectors.joining(", "));
    }
}
