package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.Experts;
import dev.jwen.kernel.Operands;
import dev.jwen.kernel.Routing;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.ScratchStack;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Mixtures of experts: the tokens of a batch are grouped by expert, each expert multiplies its tokens together, and the
 * products of all experts are one set, so that the threads share them row by row.
 *
 * <p>Every token adds up its experts in the order of its choices, whatever else is in the batch.
 */
public final class VectorExperts {
    private final WorkerPool pool;
    private final VectorMatmul matmul;
    private final VectorRows rows;
    private final ScratchStack scratch;
    private final Routing routing = new Routing();
    private int[] place = new int[0];
    private int[] starts = new int[0];

    public VectorExperts(WorkerPool pool, VectorMatmul matmul, VectorRows rows, ScratchStack scratch) {
        this.pool = pool;
        this.matmul = matmul;
        this.rows = rows;
        this.scratch = scratch;
    }

    /** See {@link dev.jwen.kernel.Kernels#experts}. */
    public void mix(Tensor x, Tensor routerLogits, Experts experts, int k, Tensor out) {
        Operands.matrix("routerLogits", routerLogits, x.rows(), experts.count());
        Operands.matrix("out", out, x.rows(), x.columns());
        routing.choose(routerLogits, k);
        int tokens = Math.toIntExact(x.rows());
        place(tokens, k, experts.count());
        long hidden = experts.gate().getFirst().rows();
        try (Scratch frame = scratch.open()) {
            Tensor gathered = frame.f32((long) tokens * k, x.columns()); // rows by expert
            Tensor gate = frame.f32((long) tokens * k, hidden);
            Tensor up = frame.f32((long) tokens * k, hidden);
            Tensor y = frame.f32((long) tokens * k, x.columns());
            gatherRows(x, k, gathered);
            matmul.begin();
            for (int e = 0; e < experts.count(); e++) {
                int count = starts[e + 1] - starts[e];
                if (count > 0) {
                    Tensor rowsOfExpert = gathered.rows(starts[e], count);
                    matmul.add(rowsOfExpert, experts.gate().get(e), gate.rows(starts[e], count));
                    matmul.add(rowsOfExpert, experts.up().get(e), up.rows(starts[e], count));
                }
            }
            matmul.run();
            rows.swiGlu(gate, up, gate);
            matmul.begin();
            for (int e = 0; e < experts.count(); e++) {
                int count = starts[e + 1] - starts[e];
                if (count > 0) {
                    matmul.add(gate.rows(starts[e], count), experts.down().get(e), y.rows(starts[e], count));
                }
            }
            matmul.run();
            weightedSum(y, k, out);
        }
    }

    /** Gives every (token, choice) its row among those grouped by expert; tokens stay in order within an expert. */
    private void place(int tokens, int k, int experts) {
        if (place.length < tokens * k) {
            place = new int[tokens * k];
        }
        if (starts.length < experts + 1) {
            starts = new int[experts + 1];
        }
        Arrays.fill(starts, 0);
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < k; i++) {
                starts[routing.expert(t, i) + 1]++;
            }
        }
        for (int e = 0; e < experts; e++) {
            starts[e + 1] += starts[e];
        }
        // Each start moves to its end while its expert is filled; afterwards they are moved back.
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < k; i++) {
                place[t * k + i] = starts[routing.expert(t, i)]++;
            }
        }
        System.arraycopy(starts, 0, starts, 1, experts);
        starts[0] = 0;
    }

    private void gatherRows(Tensor x, int k, Tensor gathered) {
        pool.run(Math.toIntExact(x.rows()), 8, (worker, from, to) -> {
            for (int t = from; t < to; t++) {
                for (int i = 0; i < k; i++) {
                    long row = Lanes.address(gathered, place[t * k + i]);
                    MemorySegment.copy(RAM, Lanes.address(x, t), RAM, row, x.rowBytes());
                }
            }
        });
    }

    private void weightedSum(Tensor y, int k, Tensor out) {
        int width = Math.toIntExact(out.columns());
        pool.run(Math.toIntExact(out.rows()), 8, (worker, from, to) -> {
            for (int t = from; t < to; t++) {
                long sum = Lanes.address(out, t);
                Lanes.clear(sum, width);
                for (int i = 0; i < k; i++) {
                    long row = Lanes.address(y, place[t * k + i]);
                    VectorRows.addScaled(sum, row, routing.weight(t, i), width);
                }
            }
        });
    }
}
