package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** An opened golden model with the few operations that tests need. */
final class TinyModel implements AutoCloseable {
    final Checkpoint checkpoint;
    private final Kernels kernels;
    final Qwen35 network;

    TinyModel(Path path, String backend, int threads) {
        checkpoint = Checkpoint.open(path);
        kernels = Backends.open(backend, threads);
        network = Qwen35.of(checkpoint, kernels);
    }

    State newState() {
        return network.newState(DataType.F32);
    }

    /** Logits of every token of one sequence that is read in these pieces. */
    List<float[]> read(State state, int[] ids, int... pieces) {
        List<float[]> rows = new ArrayList<>();
        int at = 0;
        for (int piece : pieces) {
            Batch batch = new Batch();
            batch.add(state, Arrays.copyOfRange(ids, at, at + piece), Batch.Logits.ALL);
            rows.addAll(rows(network.forward(batch)));
            at += piece;
        }
        assertThat(at).isEqualTo(ids.length);
        return rows;
    }

    /** Logits of every token of an input that is read in pieces of {@code piece} tokens. */
    List<float[]> read(State state, ModelInput input, int piece) {
        List<float[]> rows = new ArrayList<>();
        for (int at = 0; at < input.length(); at += piece) {
            Batch batch = new Batch();
            batch.add(state, input, at, Math.min(input.length(), at + piece), Batch.Logits.ALL);
            rows.addAll(rows(network.forward(batch)));
        }
        return rows;
    }

    List<float[]> read(int[] ids) {
        return read(newState(), ids, ids.length);
    }

    static List<float[]> rows(Tensor logits) {
        int width = Math.toIntExact(logits.columns());
        List<float[]> rows = new ArrayList<>();
        for (int r = 0; r < logits.rows(); r++) {
            float[] row = new float[width];
            logits.decode(r, 0, width, row, 0);
            rows.add(row);
        }
        return rows;
    }

    static float maxDifference(List<float[]> rows, float[] expected) {
        float max = 0;
        int i = 0;
        for (float[] row : rows) {
            for (float value : row) {
                float difference = Math.abs(value - expected[i++]);
                max = difference > max || Float.isNaN(difference) ? difference : max;
            }
        }
        assertThat(i).isEqualTo(expected.length);
        return max;
    }

    static double meanDifference(List<float[]> rows, float[] expected) {
        double sum = 0;
        int i = 0;
        for (float[] row : rows) {
            for (float value : row) {
                sum += Math.abs(value - expected[i++]);
            }
        }
        assertThat(i).isEqualTo(expected.length);
        return sum / i;
    }

    static float maxDifference(List<float[]> rows, List<float[]> expected) {
        float[] flat = new float[expected.stream().mapToInt(r -> r.length).sum()];
        int at = 0;
        for (float[] row : expected) {
            System.arraycopy(row, 0, flat, at, row.length);
            at += row.length;
        }
        return maxDifference(rows, flat);
    }

    static int argMax(float[] row) {
        int best = 0;
        for (int i = 1; i < row.length; i++) {
            best = row[i] > row[best] ? i : best;
        }
        return best;
    }

    @Override
    public void close() {
        network.close();
        kernels.close();
        checkpoint.close();
    }
}
