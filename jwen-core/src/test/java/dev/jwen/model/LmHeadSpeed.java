package dev.jwen.model;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.Blocks;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Prints what a coarse copy of an output matrix costs and gains: {@code LmHeadSpeed [columns] [back end]}. The matrix has
 * 248,320 rows of normally distributed bfloat16 weights.
 */
final class LmHeadSpeed {
    private static final int ROWS = 248_320;
    private static final int CALLS = 60;

    private LmHeadSpeed() {}

    static void main(String[] args) {
        int columns = args.length > 0 ? Integer.parseInt(args[0]) : 1024;
        try (Kernels kernels = Backends.open(args.length > 1 ? args[1] : null, 2);
                MemoryPool pool = new MemoryPool()) {
            SplittableRandom random = new SplittableRandom(1);
            Tensor weight = pool.take(DataType.BF16, ROWS, columns);
            float[] row = new float[columns];
            for (int r = 0; r < ROWS; r++) {
                for (int i = 0; i < columns; i++) {
                    row[i] = 0.02f * (float) random.nextGaussian();
                }
                Blocks.encode(DataType.BF16, row, 0, columns, weight.segment(), r * weight.rowBytes());
            }
            LmHead head = new LmHead(weight, kernels, pool);
            long start = System.nanoTime();
            head.complete();
            System.out.printf("%s, %d columns: copy made in %.0f ms%n", kernels.name(), columns, millis(start));
            List<Tensor> tokens = new ArrayList<>();
            for (int i = 0; i < CALLS; i++) {
                for (int j = 0; j < columns; j++) {
                    row[j] = (float) random.nextGaussian();
                }
                tokens.add(Tensor.f32(row, 1, columns));
            }
            for (int round = 0; round < 2; round++) {
                System.out.println(time("all logits", head, tokens, null));
                for (int count : new int[] {1, 20, 100}) {
                    System.out.println(time("largest " + count, head, tokens, Shortlist.largest(count, ROWS - 100)));
                }
            }
        }
    }

    private static String time(String name, LmHead head, List<Tensor> tokens, @Nullable Shortlist shortlist) {
        double[] millis = new double[tokens.size()];
        long rows = 0;
        List<@Nullable Shortlist> wanted = new ArrayList<>();
        wanted.add(shortlist);
        for (int i = 0; i < millis.length; i++) {
            long start = System.nanoTime();
            head.multiply(tokens.get(i), wanted);
            millis[i] = millis(start);
            rows += head.rowsRead();
        }
        Arrays.sort(millis);
        return "%-12s median %.2f ms, best %.2f ms, %d rows as stored"
                .formatted(name, millis[millis.length / 2], millis[0], rows / millis.length);
    }

    private static double millis(long start) {
        return (System.nanoTime() - start) / 1e6;
    }
}
