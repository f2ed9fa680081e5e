package dev.jwen.kernel.vector;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.ProductsHost;
import dev.jwen.kernel.WorkerPool;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Offers {@link VectorKernels} where the JVM has the module of the Vector API. */
public final class VectorProvider implements ProductsHost {
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
        return VectorModule.load();
    }

    @Override
    public Optional<PeakLoops> peakLoops() {
        return unavailable().isPresent() ? Optional.empty() : Optional.of(new VectorLoops());
    }

    @Override
    public Kernels open(int threads) {
        return new VectorKernels(threads);
    }

    @Override
    public Kernels open(WorkerPool pool, MatrixProducts products) {
        return new VectorKernels(pool, products);
    }

    @Override
    public Optional<Backends.Training> openForTraining(int threads) {
        return Optional.of(openForTraining(new WorkerPool(threads), null));
    }

    @Override
    public Backends.Training openForTraining(WorkerPool pool, @Nullable MatrixProducts products) {
        return new Backends.Training(VectorKernels.forTraining(pool, products), new VectorGradients(pool, products));
    }
}
