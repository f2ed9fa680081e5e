package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.L;

import dev.jwen.kernel.ProductTile;

/** The inner loop that all products have, for packed operands. */
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
    public void add(long a, boolean byColumns, long b, int depth, long c, long rowBytes) {
        long row = byColumns ? Float.BYTES : ROW_BYTES;
        long step = byColumns ? (long) Tiles.ROWS * Float.BYTES : Float.BYTES;
        Tiles.outer4x3(a, row, step, b, VECTORS * Lanes.BYTES, depth, c, rowBytes);
    }
}
