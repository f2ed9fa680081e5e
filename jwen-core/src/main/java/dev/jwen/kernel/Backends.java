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
        return open(name, threads, false);
    }

    /**
     * Like {@link #open(String, int)}; where neither the caller nor the system property names a back end, {@code exact}
     * asks for one that computes in float32.
     */
    public static Kernels open(@Nullable String name, int threads, boolean exact) {
        String wanted = name != null ? name : System.getProperty(PROPERTY);
        KernelsProvider chosen = wanted == null ? best(exact) : named(wanted);
        String reason = reason(name, wanted, exact);
        LOG.debug("kernels: {} with {} threads ({}); {}", chosen.description(), threads, reason, summary());
        return chosen.open(threads);
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

    private static String reason(@Nullable String name, @Nullable String wanted, boolean exact) {
        if (wanted == null) {
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
