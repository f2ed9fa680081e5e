package dev.jwen.model;

import dev.jwen.kernel.Span;
import dev.jwen.tensor.Tensor;
import java.util.List;

/**
 * Where patches are: learned positions, and the angles by which queries and keys rotate.
 *
 * <p>The patches of a frame come in blocks of two by two, row by row of blocks and inside a block row by row, so that the
 * four of a token lie together.
 */
public final class PatchPositions {
    private static final double THETA = 10_000;

    private final int side;
    private final int width;
    /** The learned grid, (side, side, width). */
    private final float[] table;

    private final float[] frequency;

    /**
     * @param posEmbed (side², D)
     * @param headDim C; the angles are C/4 frequencies of the row, then as many of the column
     */
    public PatchPositions(Tensor posEmbed, int side, int headDim) {
        this.side = side;
        this.width = Math.toIntExact(posEmbed.columns());
        this.table = posEmbed.toFloats();
        this.frequency = new float[headDim / 4];
        for (int j = 0; j < frequency.length; j++) {
            frequency[j] = (float) Math.pow(THETA, -4.0 * j / headDim);
        }
    }

    /** One of the two rows of the learned grid between which a patch lies. */
    private record Tap(int index, float weight) {}

    /**
     * Patch {@code i} of a row of {@code count}: the learned grid is stretched over the frame with its corners on the
     * corners.
     */
    private Tap[] taps(int i, int count) {
        float at = (float) i * (side - 1) / Math.max(count - 1, 1);
        int below = (int) at;
        return new Tap[] {new Tap(below, 1 - (at - below)), new Tap(Math.min(below + 1, side - 1), at - below)};
    }

    /**
     * Fills positions and angles of every patch of the frames.
     *
     * @param frames rows of the tensors, by frame
     * @param grids the grid of each frame
     * @param learned (T, D)
     * @param cos (T, C/2)
     * @param sin (T, C/2)
     */
    public void fill(List<Span> frames, List<Grid> grids, Tensor learned, Tensor cos, Tensor sin) {
        forEachPatch(frames, grids, (to, row, column, grid) -> {
            interpolate(taps(row, grid.height()), taps(column, grid.width()), to, learned);
            rotate(row, column, to, cos, sin);
        });
    }

    /**
     * The way back from {@code learned} to the table: each patch gives its gradient to the rows it lies between.
     *
     * @param dLearned (T, D)
     * @param dTable (side², D), added to
     */
    public void spread(List<Span> frames, List<Grid> grids, Tensor dLearned, Tensor dTable) {
        forEachPatch(frames, grids, (from, row, column, grid) -> {
            for (Tap up : taps(row, grid.height())) {
                for (Tap across : taps(column, grid.width())) {
                    float weight = up.weight * across.weight;
                    int to = up.index * side + across.index;
                    for (int c = 0; c < width && weight != 0; c++) {
                        dTable.set(to, c, dTable.get(to, c) + weight * dLearned.get(from, c));
                    }
                }
            }
        });
    }

    private interface Visitor {
        void visit(int patch, int row, int column, Grid grid);
    }

    private static void forEachPatch(List<Span> frames, List<Grid> grids, Visitor visitor) {
        for (int f = 0; f < frames.size(); f++) {
            Grid grid = grids.get(f);
            for (int i = 0; i < frames.get(f).count(); i++) {
                int block = i / (Grid.MERGE * Grid.MERGE);
                int inBlock = i % (Grid.MERGE * Grid.MERGE);
                int row = block / (grid.width() / Grid.MERGE) * Grid.MERGE + inBlock / Grid.MERGE;
                int column = block % (grid.width() / Grid.MERGE) * Grid.MERGE + inBlock % Grid.MERGE;
                visitor.visit(frames.get(f).row() + i, row, column, grid);
            }
        }
    }

    private void interpolate(Tap[] rows, Tap[] columns, int to, Tensor learned) {
        float[] sum = new float[width];
        for (Tap row : rows) {
            for (Tap column : columns) {
                float weight = row.weight * column.weight;
                int from = (row.index * side + column.index) * width;
                for (int c = 0; c < width; c++) {
                    sum[c] += weight * table[from + c];
                }
            }
        }
        for (int c = 0; c < width; c++) {
            learned.set(to, c, sum[c]);
        }
    }

    private void rotate(int row, int column, int to, Tensor cos, Tensor sin) {
        int half = frequency.length;
        for (int j = 0; j < 2 * half; j++) {
            float angle = (j < half ? row : column) * frequency[j % half];
            cos.set(to, j, (float) Math.cos(angle));
            sin.set(to, j, (float) Math.sin(angle));
        }
    }
}
