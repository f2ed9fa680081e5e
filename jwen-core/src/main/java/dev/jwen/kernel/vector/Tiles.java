package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.BYTES;
import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.ProductTile;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * The inner loops of every product: a few rows times a few vectors, all sums in registers. Operands are addresses.
 *
 * <p>Two shapes. <b>outer</b>: the lanes are columns of the result, one element of a row is broadcast to all of them; no
 * sum crosses lanes. <b>dot</b>: the lanes run along the rows, and what is added up is a vector of partial sums for
 * every element of the result, reduced once at the end. Every element has one chain of additions in the order of the
 * inner dimension, so it does not matter which of the methods of a shape computes it.
 *
 * <p>Four rows by three vectors need 12 accumulators, enough to hide the latency of an FMA on two units, and fit the 16
 * registers of AVX2.
 */
final class Tiles {
    private static final VectorSpecies<Float> F4 = FloatVector.SPECIES_128;

    /** Rows of a tile. */
    static final int ROWS = 4;

    /** Rows of a tile of another room: they divide a block of attention and a chunk of the delta rule. */
    static final int OTHER_ROWS = 8;

    private Tiles() {}

    /**
     * {@code c[r][j] += Σ_k a[r][k] · b[k][j]} for 4 rows r and 3·L columns j.
     *
     * @param aRow bytes between two rows of a
     * @param aStep bytes between two elements of a row of a
     * @param bStep bytes between two rows of b
     * @param cRow bytes between two rows of c
     */
    static void outer4x3(long a, long aRow, long aStep, long b, long bStep, int count, long c, long cRow) {
        long c1 = c + cRow;
        long c2 = c + 2 * cRow;
        long c3 = c + 3 * cRow;
        FloatVector s00 = FloatVector.fromMemorySegment(F, RAM, c, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(F, RAM, c + BYTES, LE);
        FloatVector s02 = FloatVector.fromMemorySegment(F, RAM, c + 2 * BYTES, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(F, RAM, c1, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(F, RAM, c1 + BYTES, LE);
        FloatVector s12 = FloatVector.fromMemorySegment(F, RAM, c1 + 2 * BYTES, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(F, RAM, c2, LE);
        FloatVector s21 = FloatVector.fromMemorySegment(F, RAM, c2 + BYTES, LE);
        FloatVector s22 = FloatVector.fromMemorySegment(F, RAM, c2 + 2 * BYTES, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(F, RAM, c3, LE);
        FloatVector s31 = FloatVector.fromMemorySegment(F, RAM, c3 + BYTES, LE);
        FloatVector s32 = FloatVector.fromMemorySegment(F, RAM, c3 + 2 * BYTES, LE);
        for (int k = 0; k < count; k++) {
            long ak = a + k * aStep;
            long bk = b + k * bStep;
            FloatVector b0 = FloatVector.fromMemorySegment(F, RAM, bk, LE);
            FloatVector b1 = FloatVector.fromMemorySegment(F, RAM, bk + BYTES, LE);
            FloatVector b2 = FloatVector.fromMemorySegment(F, RAM, bk + 2 * BYTES, LE);
            FloatVector a0 = FloatVector.broadcast(F, RAM.get(FLOAT, ak));
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            s02 = a0.fma(b2, s02);
            FloatVector a1 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + aRow));
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            s12 = a1.fma(b2, s12);
            FloatVector a2 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 2 * aRow));
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            s22 = a2.fma(b2, s22);
            FloatVector a3 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 3 * aRow));
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            s32 = a3.fma(b2, s32);
        }
        s00.intoMemorySegment(RAM, c, LE);
        s01.intoMemorySegment(RAM, c + BYTES, LE);
        s02.intoMemorySegment(RAM, c + 2 * BYTES, LE);
        s10.intoMemorySegment(RAM, c1, LE);
        s11.intoMemorySegment(RAM, c1 + BYTES, LE);
        s12.intoMemorySegment(RAM, c1 + 2 * BYTES, LE);
        s20.intoMemorySegment(RAM, c2, LE);
        s21.intoMemorySegment(RAM, c2 + BYTES, LE);
        s22.intoMemorySegment(RAM, c2 + 2 * BYTES, LE);
        s30.intoMemorySegment(RAM, c3, LE);
        s31.intoMemorySegment(RAM, c3 + BYTES, LE);
        s32.intoMemorySegment(RAM, c3 + 2 * BYTES, LE);
    }

    /** Like {@link #outer4x3} for 2 L columns. */
    static void outer4x2(long a, long aRow, long aStep, long b, long bStep, int count, long c, long cRow) {
        long c1 = c + cRow;
        long c2 = c + 2 * cRow;
        long c3 = c + 3 * cRow;
        FloatVector s00 = FloatVector.fromMemorySegment(F, RAM, c, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(F, RAM, c + BYTES, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(F, RAM, c1, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(F, RAM, c1 + BYTES, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(F, RAM, c2, LE);
        FloatVector s21 = FloatVector.fromMemorySegment(F, RAM, c2 + BYTES, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(F, RAM, c3, LE);
        FloatVector s31 = FloatVector.fromMemorySegment(F, RAM, c3 + BYTES, LE);
        for (int k = 0; k < count; k++) {
            long ak = a + k * aStep;
            long bk = b + k * bStep;
            FloatVector b0 = FloatVector.fromMemorySegment(F, RAM, bk, LE);
            FloatVector b1 = FloatVector.fromMemorySegment(F, RAM, bk + BYTES, LE);
            FloatVector a0 = FloatVector.broadcast(F, RAM.get(FLOAT, ak));
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + aRow));
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 2 * aRow));
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 3 * aRow));
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
        }
        s00.intoMemorySegment(RAM, c, LE);
        s01.intoMemorySegment(RAM, c + BYTES, LE);
        s10.intoMemorySegment(RAM, c1, LE);
        s11.intoMemorySegment(RAM, c1 + BYTES, LE);
        s20.intoMemorySegment(RAM, c2, LE);
        s21.intoMemorySegment(RAM, c2 + BYTES, LE);
        s30.intoMemorySegment(RAM, c3, LE);
        s31.intoMemorySegment(RAM, c3 + BYTES, LE);
    }

    /** Like {@link #outer4x3} for L columns. */
    static void outer4x1(long a, long aRow, long aStep, long b, long bStep, int count, long c, long cRow) {
        long c1 = c + cRow;
        long c2 = c + 2 * cRow;
        long c3 = c + 3 * cRow;
        FloatVector s00 = FloatVector.fromMemorySegment(F, RAM, c, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(F, RAM, c1, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(F, RAM, c2, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(F, RAM, c3, LE);
        for (int k = 0; k < count; k++) {
            long ak = a + k * aStep;
            long bk = b + k * bStep;
            FloatVector b0 = FloatVector.fromMemorySegment(F, RAM, bk, LE);
            FloatVector a0 = FloatVector.broadcast(F, RAM.get(FLOAT, ak));
            s00 = a0.fma(b0, s00);
            FloatVector a1 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + aRow));
            s10 = a1.fma(b0, s10);
            FloatVector a2 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 2 * aRow));
            s20 = a2.fma(b0, s20);
            FloatVector a3 = FloatVector.broadcast(F, RAM.get(FLOAT, ak + 3 * aRow));
            s30 = a3.fma(b0, s30);
        }
        s00.intoMemorySegment(RAM, c, LE);
        s10.intoMemorySegment(RAM, c1, LE);
        s20.intoMemorySegment(RAM, c2, LE);
        s30.intoMemorySegment(RAM, c3, LE);
    }

    /** {@link #outer4x3} or its narrower forms, for 1 to 3 vectors of columns. */
    static void outer4(long a, long aRow, long aStep, long b, long bStep, int count, long c, long cRow, int vectors) {
        switch (vectors) {
            case 3 -> outer4x3(a, aRow, aStep, b, bStep, count, c, cRow);
            case 2 -> outer4x2(a, aRow, aStep, b, bStep, count, c, cRow);
            default -> outer4x1(a, aRow, aStep, b, bStep, count, c, cRow);
        }
    }

    /** {@link #outer4} over {@code rows} rows, a multiple of 4, and any number of vectors of columns. */
    static void outer(
            long a, long aRow, long aStep, long b, long bStep, int count, long c, long cRow, int rows, int vectors) {
        for (int r = 0; r < rows; r += ROWS) {
            for (int j = 0; j < vectors; j += 3) {
                long at = j * BYTES;
                int width = Math.min(3, vectors - j);
                outer4(a + r * aRow, aRow, aStep, b + at, bStep, count, c + r * cRow + at, cRow, width);
            }
        }
    }

    /** So many rows of an operand, rounded up to whole tiles of another room, and so to whole ones of this. */
    static int wholeRows(int rows) {
        return Math.ceilDiv(rows, OTHER_ROWS) * OTHER_ROWS;
    }

    /** So many columns, rounded up to whole vectors, and to whole tiles of another room if there is one. */
    static int wholeColumns(@Nullable ProductTile tile, int columns) {
        int unit = tile == null ? L : Math.max(L, tile.columns());
        return Math.ceilDiv(columns, unit) * unit;
    }

    /**
     * {@link #outer} by the loop of another room, if there is one and these are whole tiles of it; with {@code isFresh}
     * {@code c = a · b}.
     */
    static void outer(
            @Nullable ProductTile tile,
            long a,
            long aRow,
            long aStep,
            long b,
            long bStep,
            int count,
            long c,
            long cRow,
            int rows,
            int vectors,
            boolean isFresh) {
        int columns = vectors * L;
        if (tile == null || count == 0 || rows % tile.rows() != 0 || columns % tile.columns() != 0) {
            for (int r = 0; isFresh && r < rows; r++) {
                Lanes.clear(c + r * cRow, columns);
            }
            outer(a, aRow, aStep, b, bStep, count, c, cRow, rows, vectors);
            return;
        }
        // Column by column of tiles: what is read of b stays in the first-level cache.
        for (int j = 0; j < columns; j += tile.columns()) {
            for (int r = 0; r < rows; r += tile.rows()) {
                long to = c + r * cRow + 4L * j;
                tile.add(a + r * aRow, aRow, aStep, b + 4L * j, bStep, count, to, cRow, isFresh);
            }
        }
    }

    /**
     * Adds the products of 4 rows of {@code w} with 4 rows of {@code x} to the partial sums of L floats that lie at
     * {@code sums[row of x][row of w]}.
     *
     * @param wRow bytes between two rows of w
     * @param xRow bytes between two rows of x
     * @param count multiple of L
     * @param sRow bytes between the sums of two rows of x
     */
    static void dot4x4(long w, long wRow, long x, long xRow, int count, long sums, long sRow) {
        long sums1 = sums + sRow;
        long sums2 = sums + 2 * sRow;
        long sums3 = sums + 3 * sRow;
        FloatVector s00 = FloatVector.fromMemorySegment(F, RAM, sums, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(F, RAM, sums + BYTES, LE);
        FloatVector s02 = FloatVector.fromMemorySegment(F, RAM, sums + 2 * BYTES, LE);
        FloatVector s03 = FloatVector.fromMemorySegment(F, RAM, sums + 3 * BYTES, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(F, RAM, sums1, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(F, RAM, sums1 + BYTES, LE);
        FloatVector s12 = FloatVector.fromMemorySegment(F, RAM, sums1 + 2 * BYTES, LE);
        FloatVector s13 = FloatVector.fromMemorySegment(F, RAM, sums1 + 3 * BYTES, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(F, RAM, sums2, LE);
        FloatVector s21 = FloatVector.fromMemorySegment(F, RAM, sums2 + BYTES, LE);
        FloatVector s22 = FloatVector.fromMemorySegment(F, RAM, sums2 + 2 * BYTES, LE);
        FloatVector s23 = FloatVector.fromMemorySegment(F, RAM, sums2 + 3 * BYTES, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(F, RAM, sums3, LE);
        FloatVector s31 = FloatVector.fromMemorySegment(F, RAM, sums3 + BYTES, LE);
        FloatVector s32 = FloatVector.fromMemorySegment(F, RAM, sums3 + 2 * BYTES, LE);
        FloatVector s33 = FloatVector.fromMemorySegment(F, RAM, sums3 + 3 * BYTES, LE);
        for (long k = 0; k < 4L * count; k += BYTES) {
            long wk = w + k;
            long xk = x + k;
            FloatVector w0 = FloatVector.fromMemorySegment(F, RAM, wk, LE);
            FloatVector w1 = FloatVector.fromMemorySegment(F, RAM, wk + wRow, LE);
            FloatVector w2 = FloatVector.fromMemorySegment(F, RAM, wk + 2 * wRow, LE);
            FloatVector w3 = FloatVector.fromMemorySegment(F, RAM, wk + 3 * wRow, LE);
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, xk, LE);
            s00 = w0.fma(x0, s00);
            s01 = w1.fma(x0, s01);
            s02 = w2.fma(x0, s02);
            s03 = w3.fma(x0, s03);
            FloatVector x1 = FloatVector.fromMemorySegment(F, RAM, xk + xRow, LE);
            s10 = w0.fma(x1, s10);
            s11 = w1.fma(x1, s11);
            s12 = w2.fma(x1, s12);
            s13 = w3.fma(x1, s13);
            FloatVector x2 = FloatVector.fromMemorySegment(F, RAM, xk + 2 * xRow, LE);
            s20 = w0.fma(x2, s20);
            s21 = w1.fma(x2, s21);
            s22 = w2.fma(x2, s22);
            s23 = w3.fma(x2, s23);
            FloatVector x3 = FloatVector.fromMemorySegment(F, RAM, xk + 3 * xRow, LE);
            s30 = w0.fma(x3, s30);
            s31 = w1.fma(x3, s31);
            s32 = w2.fma(x3, s32);
            s33 = w3.fma(x3, s33);
        }
        s00.intoMemorySegment(RAM, sums, LE);
        s01.intoMemorySegment(RAM, sums + BYTES, LE);
        s02.intoMemorySegment(RAM, sums + 2 * BYTES, LE);
        s03.intoMemorySegment(RAM, sums + 3 * BYTES, LE);
        s10.intoMemorySegment(RAM, sums1, LE);
        s11.intoMemorySegment(RAM, sums1 + BYTES, LE);
        s12.intoMemorySegment(RAM, sums1 + 2 * BYTES, LE);
        s13.intoMemorySegment(RAM, sums1 + 3 * BYTES, LE);
        s20.intoMemorySegment(RAM, sums2, LE);
        s21.intoMemorySegment(RAM, sums2 + BYTES, LE);
        s22.intoMemorySegment(RAM, sums2 + 2 * BYTES, LE);
        s23.intoMemorySegment(RAM, sums2 + 3 * BYTES, LE);
        s30.intoMemorySegment(RAM, sums3, LE);
        s31.intoMemorySegment(RAM, sums3 + BYTES, LE);
        s32.intoMemorySegment(RAM, sums3 + 2 * BYTES, LE);
        s33.intoMemorySegment(RAM, sums3 + 3 * BYTES, LE);
    }

    /** Like {@link #dot4x4} for 8 rows of {@code w} and one of {@code x}. */
    static void dot8x1(long w, long wRow, long x, int count, long sums) {
        FloatVector s0 = FloatVector.fromMemorySegment(F, RAM, sums, LE);
        FloatVector s1 = FloatVector.fromMemorySegment(F, RAM, sums + BYTES, LE);
        FloatVector s2 = FloatVector.fromMemorySegment(F, RAM, sums + 2 * BYTES, LE);
        FloatVector s3 = FloatVector.fromMemorySegment(F, RAM, sums + 3 * BYTES, LE);
        FloatVector s4 = FloatVector.fromMemorySegment(F, RAM, sums + 4 * BYTES, LE);
        FloatVector s5 = FloatVector.fromMemorySegment(F, RAM, sums + 5 * BYTES, LE);
        FloatVector s6 = FloatVector.fromMemorySegment(F, RAM, sums + 6 * BYTES, LE);
        FloatVector s7 = FloatVector.fromMemorySegment(F, RAM, sums + 7 * BYTES, LE);
        for (long k = 0; k < 4L * count; k += BYTES) {
            long wk = w + k;
            FloatVector x0 = FloatVector.fromMemorySegment(F, RAM, x + k, LE);
            s0 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk, LE), s0);
            s1 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + wRow, LE), s1);
            s2 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 2 * wRow, LE), s2);
            s3 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 3 * wRow, LE), s3);
            s4 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 4 * wRow, LE), s4);
            s5 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 5 * wRow, LE), s5);
            s6 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 6 * wRow, LE), s6);
            s7 = x0.fma(FloatVector.fromMemorySegment(F, RAM, wk + 7 * wRow, LE), s7);
        }
        s0.intoMemorySegment(RAM, sums, LE);
        s1.intoMemorySegment(RAM, sums + BYTES, LE);
        s2.intoMemorySegment(RAM, sums + 2 * BYTES, LE);
        s3.intoMemorySegment(RAM, sums + 3 * BYTES, LE);
        s4.intoMemorySegment(RAM, sums + 4 * BYTES, LE);
        s5.intoMemorySegment(RAM, sums + 5 * BYTES, LE);
        s6.intoMemorySegment(RAM, sums + 6 * BYTES, LE);
        s7.intoMemorySegment(RAM, sums + 7 * BYTES, LE);
    }

    /**
     * Adds up each of 4 vectors of L floats that follow one another, in the same order on every machine state: the
     * order of {@code reduceLanes} is left open. {@code to} takes 4 floats and may be the start of {@code values}.
     */
    static void sum4(long values, long to) {
        FloatVector s0 = FloatVector.fromMemorySegment(F4, RAM, values, LE);
        FloatVector s1 = FloatVector.fromMemorySegment(F4, RAM, values + BYTES, LE);
        FloatVector s2 = FloatVector.fromMemorySegment(F4, RAM, values + 2 * BYTES, LE);
        FloatVector s3 = FloatVector.fromMemorySegment(F4, RAM, values + 3 * BYTES, LE);
        for (int l = 16; l < BYTES; l += 16) {
            s0 = s0.add(FloatVector.fromMemorySegment(F4, RAM, values + l, LE));
            s1 = s1.add(FloatVector.fromMemorySegment(F4, RAM, values + BYTES + l, LE));
            s2 = s2.add(FloatVector.fromMemorySegment(F4, RAM, values + 2 * BYTES + l, LE));
            s3 = s3.add(FloatVector.fromMemorySegment(F4, RAM, values + 3 * BYTES + l, LE));
        }
        float sum0 = s0.lane(0) + s0.lane(1) + (s0.lane(2) + s0.lane(3));
        float sum1 = s1.lane(0) + s1.lane(1) + (s1.lane(2) + s1.lane(3));
        float sum2 = s2.lane(0) + s2.lane(1) + (s2.lane(2) + s2.lane(3));
        float sum3 = s3.lane(0) + s3.lane(1) + (s3.lane(2) + s3.lane(3));
        RAM.set(FLOAT, to, sum0);
        RAM.set(FLOAT, to + 4, sum1);
        RAM.set(FLOAT, to + 8, sum2);
        RAM.set(FLOAT, to + 12, sum3);
    }
}
