package dev.jwen.kernel.vector;

import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KernelsProvider;
import java.util.Optional;

/** Offers {@link VectorKernels} where the JVM was started with the module of the Vector API. */
public final class VectorProvider implements KernelsProvider {
    private static final String MODULE = "jdk.incubator.vector";

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public int priority() {
        return 10;
    }

    @Override
    public Optional<String> unavailable() {
        return ModuleLayer.boot().findModule(MODULE).isPresent()
                ? Optional.empty()
                : Optional.of("the module " + MODULE + " is missing; start Java with --add-modules " + MODULE);
    }

    @Override
    public Kernels open(int threads) {
        return new VectorKernels(threads);
    }
}
