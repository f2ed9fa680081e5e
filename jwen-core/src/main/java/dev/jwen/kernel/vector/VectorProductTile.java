package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.L;

import dev.jwen.kernel.ProductTile;

/** The inner loop that all products have. */
final class VectorProductTile implements ProductTile {
    private static final int VECTORS = 3;

    @Override
    public int rows() {
        return Tiles.ROWS;
    }

    @Override
    public int columns() {
        return VECTORS * L;
    }

    @Override
    public void add(long a, long aRow, long aStep, long b, long bRow, int depth, long c, long cRow, boolean isFresh) {
        if (isFresh) {
            for (int r = 0; r < Tiles.ROWS; r++) {
                Lanes.clear(c + r * cRow, columns());
            }
        }
        Tiles.outer4x3(a, aRow, aStep, b, bRow, depth, c, cRow);
    }
}
