package dev.jwen.kernel.x86;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KernelsProvider;
import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.ProductsHost;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Offers the back end whose matrix products are machine code and everything else that of a {@link ProductsHost}. */
public final class X86Provider implements KernelsProvider {
    /** Also the name of the products. */
    static final String NAME = "x86";

    /** A head's size that all kernels have. */
    private static final int HEAD = 128;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        String asked = System.getProperty(X86Products.PROPERTY) == null ? "" : ", set by " + X86Products.PROPERTY;
        return "%s (%s%s)".formatted(NAME, X86Products.chosen(), asked);
    }

    /** Activations are rounded to 8 bits for quantised weights. */
    @Override
    public boolean isExact() {
        return false;
    }

    @Override
    public int priority() {
        return 20;
    }

    @Override
    public Optional<String> unavailable() {
        return Optional.ofNullable(X86Products.obstacle())
                .or(() -> hosts().findFirst().flatMap(KernelsProvider::unavailable));
    }

    @Override
    public Optional<PeakLoops> peakLoops() {
        return X86Products.obstacle() == null ? Optional.of(X86Products.peakLoops()) : Optional.empty();
    }

    @Override
    public Kernels open(int threads) {
        return open(null, threads);
    }

    /** Opens the back end in {@code set}, or in the fastest one if it is null. */
    static Kernels open(@Nullable InstructionSet set, int threads) {
        ProductsHost host = host();
        X86Products products = new X86Products(set);
        WorkerPool pool = new WorkerPool(threads);
        return host.open(pool, new X86Matmul(products, pool));
    }

    @Override
    public void rehearse() {
        if (X86Products.obstacle() != null) {
            return;
        }
        try (WorkerPool pool = new WorkerPool(1);
                X86Matmul products = new X86Matmul(new X86Products(), pool);
                Arena arena = Arena.ofConfined()) {
            products.rowLoops();
            products.productTile(1);
            products.attentionTile(DataType.BF16, HEAD);
            products.deltaStep(HEAD, HEAD);
            products.coarseRows(DataType.Q8_0, DataType.Q5_0_R16);
            for (DataType type : List.of(DataType.Q8_0, DataType.Q4_K, DataType.Q6_K, DataType.BF16, DataType.F32)) {
                Tensor w = Tensor.allocate(arena, type, 16, 2 * HEAD);
                for (int tokens : new int[] {1, 16}) {
                    products.begin();
                    products.add(Tensor.f32(tokens, 2 * HEAD), w, Tensor.f32(tokens, 16));
                    products.run();
                }
            }
        }
    }

    @Override
    public Optional<Backends.Training> openForTraining(int threads) {
        ProductsHost host = host();
        X86Products products = new X86Products();
        WorkerPool pool = new WorkerPool(threads);
        return Optional.of(host.openForTraining(pool, new X86Matmul(products, pool)));
    }

    private static ProductsHost host() {
        return hosts().findFirst().orElseThrow(() -> new IllegalStateException("no back end takes other products"));
    }

    /** Best first. */
    private static Stream<ProductsHost> hosts() {
        return Backends.all().stream().filter(ProductsHost.class::isInstance).map(ProductsHost.class::cast);
    }
}
