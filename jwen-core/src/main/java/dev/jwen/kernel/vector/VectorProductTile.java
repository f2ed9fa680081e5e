package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.ProductTile;
import jdk.incubator.vector.FloatVector;

/** Six rows of two vectors: twelve sums, which with their factors fit the 16 registers that every processor has. */
final class VectorProductTile implements ProductTile {
    private static final int ROWS = 6;

    @Override
    public int rows() {
        return ROWS;
    }

    @Override
    public int columns() {
        return 2 * L;
    }

    @Override
    public void add(long a, boolean byColumns, long b, int depth, long c, long rowBytes) {
        if (byColumns) {
            add(a, Float.BYTES, (long) ROWS * Float.BYTES, b, depth, c, rowBytes);
        } else {
            add(a, ROW_BYTES, Float.BYTES, b, depth, c, rowBytes);
        }
    }

    private static FloatVector all(long address) {
        return FloatVector.broadcast(F, RAM.get(FLOAT, address));
    }

    private static void add(long a, long row, long step, long b, int depth, long c, long rowBytes) {
        FloatVector s00 = FloatVector.zero(F);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        FloatVector s40 = s00;
        FloatVector s41 = s00;
        FloatVector s50 = s00;
        FloatVector s51 = s00;
        for (int k = 0; k < depth; k++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, RAM, b, LE);
            FloatVector b1 = FloatVector.fromMemorySegment(F, RAM, b + BYTES, LE);
            FloatVector factor = all(a);
            s00 = factor.fma(b0, s00);
            s01 = factor.fma(b1, s01);
            factor = all(a + row);
            s10 = factor.fma(b0, s10);
            s11 = factor.fma(b1, s11);
            factor = all(a + 2 * row);
            s20 = factor.fma(b0, s20);
            s21 = factor.fma(b1, s21);
            factor = all(a + 3 * row);
            s30 = factor.fma(b0, s30);
            s31 = factor.fma(b1, s31);
            factor = all(a + 4 * row);
            s40 = factor.fma(b0, s40);
            s41 = factor.fma(b1, s41);
            factor = all(a + 5 * row);
            s50 = factor.fma(b0, s50);
            s51 = factor.fma(b1, s51);
            a += step;
            b += 2 * BYTES;
        }
        addRow(c, s00, s01);
        addRow(c + rowBytes, s10, s11);
        addRow(c + 2 * rowBytes, s20, s21);
        addRow(c + 3 * rowBytes, s30, s31);
        addRow(c + 4 * rowBytes, s40, s41);
        addRow(c + 5 * rowBytes, s50, s51);
    }

    private static void addRow(long c, FloatVector s0, FloatVector s1) {
        FloatVector.fromMemorySegment(F, RAM, c, LE).add(s0).intoMemorySegment(RAM, c, LE);
        long next = c + BYTES;
        FloatVector.fromMemorySegment(F, RAM, next, LE).add(s1).intoMemorySegment(RAM, next, LE);
    }
}
