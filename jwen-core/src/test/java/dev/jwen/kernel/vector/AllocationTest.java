package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.Span;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Compiled kernels keep their vectors in registers. Where the compiler refuses to inline one method, every vector becomes
 * an object: megabytes for each step, and a tenth of the speed.
 */
class AllocationTest {
    static {
        assertThat(VectorModule.load()).isEmpty();
    }

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** Room for the task of each operation, views of memory and records; a boxed vector in a loop makes megabytes. */
    private static final long MAX_BYTES = 64 * 1024;

    /** Long enough for the compiler on a busy machine. */
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    @Test
    void aDecodeStepAllocatesNoVectors() {
        try (Kernels kernels = new VectorKernels(1)) {
            assertSettles("decode", step(kernels, 1));
        }
    }

    @Test
    void aPromptAllocatesNoVectors() {
        try (Kernels kernels = new VectorKernels(1)) {
            assertSettles("prompt", step(kernels, 20));
        }
    }

    /** Runs the step until it allocates little, which it must once it is compiled. */
    private static void assertSettles(String what, Runnable step) {
        long thread = Thread.currentThread().threadId();
        long end = System.nanoTime() + PATIENCE_NANOS;
        long bytes;
        do {
            for (int i = 0; i < 200; i++) {
                step.run();
            }
            long before = THREADS.getThreadAllocatedBytes(thread);
            step.run();
            bytes = THREADS.getThreadAllocatedBytes(thread) - before;
        } while (bytes > MAX_BYTES && System.nanoTime() < end);
        assertThat(bytes).as("bytes allocated by a compiled %s step", what).isLessThan(MAX_BYTES);
    }

    private static Runnable step(Kernels kernels, int tokens) {
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        List<Tensor> weights = new ArrayList<>();
        List<Tensor> outs = new ArrayList<>();
        for (DataType type : new DataType[] {
            DataType.F32,
            DataType.BF16,
            DataType.F16,
            DataType.F8_E4M3,
            DataType.Q8_0,
            DataType.Q4_0,
            DataType.Q4_K,
            DataType.Q5_K,
            DataType.Q6_K
        }) {
            weights.add(RandomWeights.of(type, 32, 512, random));
            outs.add(Tensor.f32(tokens, 32));
        }
        Tensor x = RandomWeights.of(DataType.F32, tokens, 512, random);
        Tensor norm = RandomWeights.of(DataType.F32, 1, 512, random);
        Tensor taps = RandomWeights.of(DataType.F32, 4, 512, random);
        Tensor tail = Tensor.f32(3, 512);
        List<Span> spans = List.of(new Span(0, tokens, 70));
        KvCache cache = new KvCache(new MemoryPool(), DataType.BF16, 2, 128);
        cache.reserve(70 + tokens);
        Tensor keys = RandomWeights.of(DataType.F32, tokens, 256, random);
        DeltaHeads heads = new DeltaHeads(1, 2, 128, 128, false);
        Tensor a = Tensor.f32(tokens, 2);
        Tensor rate = Tensor.f32(2);
        Tensor state = Tensor.f32(2, 128, 128);
        return () -> {
            try (Scratch scratch = kernels.scratch()) {
                Tensor y = scratch.f32(tokens, 512);
                Tensor o = scratch.f32(tokens, 256);
                kernels.rmsNorm(x, norm, 1e-6f, y);
                kernels.matmul(y, weights, outs);
                kernels.swiGlu(y, x, y);
                kernels.sigmoidGate(y, x);
                kernels.attention(x, keys, keys, spans, List.of(cache), y);
                kernels.convolution(x, taps, spans, List.of(tail), y);
                kernels.gatedDelta(heads, y, a, a, rate, rate, spans, List.of(state), o);
            }
        };
    }
}
