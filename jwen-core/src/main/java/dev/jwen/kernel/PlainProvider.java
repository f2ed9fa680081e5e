package dev.jwen.kernel;

import java.util.Optional;

/** Offers {@link PlainKernels}, which run everywhere. */
public final class PlainProvider implements KernelsProvider {
    @Override
    public String name() {
        return "plain";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.empty();
    }

    @Override
    public Kernels open(int threads) {
        return new PlainKernels(threads);
    }

    @Override
    public Optional<Backends.Training> openForTraining(int threads) {
        return Optional.of(new Backends.Training(new PlainKernels(threads), new PlainGradients()));
    }
}
