package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R10;
import static dev.jwen.kernel.x86.Assembler.R11;
import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.AttentionTile;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;

/**
 * Writes the kernels of {@link AttentionTile}, for one type and head size.
 *
 * <p>Both work on 4 rows and as many positions side by side as the registers hold, 4 of 512 bits or 2 of 256, so that what
 * is read from the cache serves four query heads, and read memory in order: scores as dot products with the lanes along the
 * head, sums by adding the positions to a vector of columns at a time. Each asks for what is read next: it is too small for
 * the processor to find out by itself.
 *
 * <p>Arguments: cache, rows, positions (scores: groups of four), result, groups of four rows, what is read next.
 */
final class AttentionWriter {
    private static final int ROWS = AttentionTile.ROWS;
    private static final int SCORES_ROW = Float.BYTES * KvCache.BLOCK;
    private static final int CACHE_LINE = 64;
    private static final int SOON = 4096;

    private final Assembler asm;
    private final DataType type;

    /** Columns of a vector. */
    private final int lanes;

    /** Positions side by side. */
    private final int positions;

    /** The first of the registers for what belongs to a row and a position; those below are free for anything. */
    private final int accumulators;

    /** Bytes of a position in the cache, and of a row of queries or sums. */
    private final int positionBytes;

    private final int rowBytes;

    private AttentionWriter(DataType type, int headDim, InstructionSet set) {
        this.asm = set.assembler();
        this.type = type;
        this.lanes = set.rows();
        this.accumulators = set.registers() / 2;
        this.positions = (set.registers() - accumulators) / ROWS;
        this.positionBytes = (int) type.bytes(headDim);
        this.rowBytes = Float.BYTES * headDim;
    }

    static boolean supports(DataType type, int headDim, InstructionSet set) {
        return (type == DataType.BF16 || type == DataType.F32) && headDim % (4 * set.rows()) == 0;
    }

    static byte[] score(DataType type, int headDim, InstructionSet set) {
        return new AttentionWriter(type, headDim, set).score();
    }

    static byte[] add(DataType type, int headDim, InstructionSet set) {
        return new AttentionWriter(type, headDim, set).add();
    }

    private byte[] score() {
        Label some = new Label();
        Label rows = new Label();
        Label next = new Label();
        // From groups of four to groups of so many.
        asm.shiftLeft(RDX, Integer.numberOfTrailingZeros(ROWS / positions));
        asm.bind(some);
        asm.mov(RAX, RSI);
        asm.mov(R10, RCX);
        asm.mov(R11, R8);
        scoreRows(true);
        asm.jumpIfZero(next);
        asm.bind(rows);
        scoreRows(false);
        asm.jumpIfNotZero(rows);
        asm.bind(next);
        asm.addConstant(RDI, positions * positionBytes);
        asm.addConstant(RCX, positions * Float.BYTES);
        asm.subConstant(RDX, 1);
        asm.jumpIfNotZero(some);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Four rows times the positions side by side, and counts the rows. */
    private void scoreRows(boolean prefetching) {
        clear();
        for (int column = 0; column < rowBytes / Float.BYTES; column += lanes) {
            if (prefetching) {
                prefetch(positions, column);
            }
            for (int p = 0; p < positions; p++) {
                if (prefetching) {
                    prefetchAgain(p, column);
                }
                load(p, Memory.at(RDI, p * positionBytes + (int) type.bytes(column)));
            }
            for (int r = 0; r < ROWS; r++) {
                asm.op(VMOVUPS, ROWS + r, Memory.at(RAX, r * rowBytes + Float.BYTES * column));
                for (int p = 0; p < positions; p++) {
                    asm.op(VFMADD231PS, accumulator(r, p), p, ROWS + r);
                }
            }
        }
        for (int r = 0; r < ROWS; r += ROWS / positions) {
            addLanes(accumulator(r, 0));
            Memory scores = Memory.at(R10, r * SCORES_ROW);
            if (positions == ROWS) {
                asm.store128(scores, 0);
            } else {
                asm.extractQword(scores, 0, 0);
                asm.extractQword(scores.plus(SCORES_ROW), 0, 1);
            }
        }
        if (prefetching) {
            asm.addConstant(R9, positions * positionBytes);
        }
        asm.addConstant(RAX, ROWS * rowBytes);
        asm.addConstant(R10, ROWS * SCORES_ROW);
        asm.subConstant(R11, 1);
    }

    private byte[] add() {
        Label some = new Label();
        Label rest = new Label();
        Label one = new Label();
        Label end = new Label();
        asm.bind(some);
        asm.subConstant(RDX, positions);
        asm.jumpIfNegative(rest);
        addPositions(positions);
        asm.jump(some);
        asm.bind(rest);
        asm.addConstant(RDX, positions);
        asm.jumpIfZero(end);
        asm.bind(one);
        addPositions(1);
        asm.subConstant(RDX, 1);
        asm.jumpIfNotZero(one);
        asm.bind(end);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Adds so many positions, which lie one behind the other in memory, to all rows. */
    private void addPositions(int count) {
        Label rows = new Label();
        Label end = new Label();
        asm.mov(RAX, RSI);
        asm.mov(R10, RCX);
        asm.mov(R11, R8);
        addToRows(count, true);
        asm.jumpIfZero(end);
        asm.bind(rows);
        addToRows(count, false);
        asm.jumpIfNotZero(rows);
        asm.bind(end);
        asm.addConstant(RDI, count * positionBytes);
        asm.addConstant(RSI, count * Float.BYTES);
    }

    /** Adds so many positions to four rows, and counts these. */
    private void addToRows(int count, boolean prefetching) {
        for (int r = 0; r < ROWS; r++) {
            for (int p = 0; p < count; p++) {
                asm.op(VBROADCASTSS, weight(r, p), Memory.at(RAX, r * SCORES_ROW + p * Float.BYTES));
            }
        }
        for (int column = 0; column < rowBytes / Float.BYTES; column += lanes) {
            if (prefetching) {
                prefetch(count, column);
            }
            for (int p = 0; p < count; p++) {
                if (prefetching) {
                    prefetchAgain(p, column);
                }
                load(p, Memory.at(RDI, p * positionBytes + (int) type.bytes(column)));
            }
            for (int r = 0; r < ROWS; r++) {
                Memory sum = Memory.at(R10, r * rowBytes + Float.BYTES * column);
                asm.op(VMOVUPS, ROWS + r, sum);
                for (int p = 0; p < count; p++) {
                    asm.op(VFMADD231PS, ROWS + r, p, weight(r, p));
                }
                asm.op(VMOVUPS_STORE, ROWS + r, sum);
            }
        }
        if (prefetching) {
            asm.addConstant(R9, count * positionBytes);
        }
        asm.addConstant(RAX, ROWS * SCORES_ROW);
        asm.addConstant(R10, ROWS * rowBytes);
        asm.subConstant(R11, 1);
    }

    private int accumulator(int row, int position) {
        return accumulators + positions * row + position;
    }

    private int weight(int row, int position) {
        return accumulator(row, position);
    }

    private void clear() {
        for (int i = 0; i < ROWS * positions; i++) {
            int register = accumulators + i;
            asm.op(VPXOR, register, register, register);
        }
    }

    /** Asks once more for what is read soon: a processor that is busy forgets some of what it was asked for. */
    private void prefetchAgain(int position, int column) {
        int at = position * positionBytes + (int) type.bytes(column);
        if (at % CACHE_LINE == 0) {
            asm.prefetch(Memory.at(RDI, SOON + at));
        }
    }

    /**
     * Asks for the part of what is read next that falls to a vector of so many positions: a few lines at a time, as more
     * would wait for one another.
     */
    private void prefetch(int count, int column) {
        int end = (int) type.bytes((long) count * (column + lanes));
        for (int at = (int) type.bytes((long) count * column); at < end; at++) {
            if (at % CACHE_LINE == 0) {
                asm.prefetch(Memory.at(R9, at));
            }
        }
    }

    /** Register {@code dst} = a vector of values as float32. */
    private void load(int dst, Memory source) {
        if (type == DataType.F32) {
            asm.op(VMOVUPS, dst, source);
        } else {
            asm.op(VPMOVZXWD, dst, source);
            asm.shift(VPSLLD, dst, dst, 16);
        }
    }

    /** The lowest four floats of register 0 = the sums of the lanes of four registers. */
    private void addLanes(int from) {
        pairs(0, from, from + 1);
        pairs(1, from + 2, from + 3);
        asm.op(VPUNPCKLQDQ, 2, 0, 1);
        asm.op(VPUNPCKHQDQ, 3, 0, 1);
        asm.op(VADDPS, 0, 2, 3);
        if (asm.vectorBytes() == 64) {
            asm.op(VEXTRACTI64X4, 0, 0, 1, 1);
            asm.op(VADDPS, 0, 0, 1);
        }
        asm.op(VEXTRACTF128, 0, 0, 1, 1);
        asm.op(VADDPS, 0, 0, 1);
    }

    /** In each 128 bits of {@code dst}: two partial sums of {@code a} and {@code b} in turn. */
    private void pairs(int dst, int a, int b) {
        asm.op(VPUNPCKLDQ, 2, a, b);
        asm.op(VPUNPCKHDQ, 3, a, b);
        asm.op(VADDPS, dst, 2, 3);
    }
}
