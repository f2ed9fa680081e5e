package dev.jwen.model;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.DataType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Prints where the time of a forward pass over an empty state goes: {@code OperationTimes MODEL [back end] [threads] [tokens] [passes]}.
 *
 * <p>For each operation the calls and microseconds of the median pass, and of the fastest.
 */
final class OperationTimes {
    private static final Map<String, long[]> NANOS = new TreeMap<>();
    private static final Map<String, Integer> CALLS = new TreeMap<>();

    private static int pass;

    private OperationTimes() {}

    static void main(String[] args) {
        String backend = args.length > 1 ? args[1] : null;
        int threads = args.length > 2 ? Integer.parseInt(args[2]) : 2;
        int tokens = args.length > 3 ? Integer.parseInt(args[3]) : 1;
        int passes = args.length > 4 ? Integer.parseInt(args[4]) : 100;
        try (Checkpoint checkpoint = Checkpoint.open(Path.of(args[0]));
                Kernels kernels = Backends.open(backend, threads);
                Qwen35 network = Qwen35.of(checkpoint, timed(kernels, passes))) {
            long[] total = NANOS.computeIfAbsent("all", key -> new long[passes]);
            for (pass = 0; pass < passes; pass++) {
                CALLS.clear();
                int[] ids = new int[tokens];
                Arrays.setAll(ids, i -> (pass * 7919 + i * 31) % 1000);
                Batch batch = new Batch();
                try (State state = network.newState(DataType.BF16)) {
                    batch.add(state, ids, Batch.Logits.LAST);
                    long start = System.nanoTime();
                    network.forward(batch);
                    total[pass] = System.nanoTime() - start;
                }
            }
        }
        NANOS.forEach((name, nanos) -> {
            long[] sorted = Arrays.copyOfRange(nanos, passes / 2, passes);
            Arrays.sort(sorted);
            System.out.printf(
                    "%-34s %5d calls %10.1f us, best %10.1f us%n",
                    name, CALLS.getOrDefault(name, 1), sorted[sorted.length / 2] * 1e-3, sorted[0] * 1e-3);
        });
    }

    private static Kernels timed(Kernels kernels, int passes) {
        return (Kernels) Proxy.newProxyInstance(
                OperationTimes.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    long start = System.nanoTime();
                    try {
                        return method.invoke(kernels, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    } finally {
                        String name = method.getName();
                        if (name.equals("matmul")) {
                            name += " " + arguments[1];
                        }
                        NANOS.computeIfAbsent(name, key -> new long[passes])[pass] += System.nanoTime() - start;
                        CALLS.merge(name, 1, Integer::sum);
                    }
                });
    }
}
