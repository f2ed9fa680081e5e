package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R10;
import static dev.jwen.kernel.x86.Assembler.R11;
import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RBP;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Assembler.RSP;
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VDIVPS;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSQRTPS;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * Writes the step of the gated delta rule: {@link dev.jwen.kernel.DeltaStep} with its arguments in order.
 *
 * <p>Two passes over the state, in the order of memory. The first reads Sᵀk and Sᵀq, from which the output follows without the
 * new state; the second writes the new state while it is still in the second-level cache. Where the registers hold the sums
 * of all columns, they take the rows one by one; else a few together, so that the sums are read from memory and written back
 * once for all of these. Passes over fewer columns would not need that, but read memory out of order: half as fast. Keys and
 * queries stay as they are: only the sums are scaled by what normalises them.
 */
final class DeltaWriter {
    /** Rows at a time where the registers do not hold all sums. */
    private static final int TOGETHER = 4;

    /** How far behind the last of the rows at hand are those that are asked for. */
    private static final int AHEAD = 4096;

    private static final int CACHE_LINE = 64;

    /** Registers that are needed beside the sums of all columns. */
    private static final int BESIDE_SUMS = 6;

    /** What is added to a sum of squares before its root. */
    private static final float EPSILON = 1e-6f;

    private static final Memory ALPHA = Memory.at(R9, 0);
    private static final Memory BETA = Memory.at(R9, Float.BYTES);

    private final Assembler asm;
    private final int keyDim;
    private final int vectorBytes;

    /** Bytes of a row of the state, and so of the values and of what is computed from them. */
    private final int rowBytes;

    /** Whether the registers hold the sums of all columns. */
    private final boolean holdsAll;

    /** Rows at a time. */
    private final int rows;

    /** The first register behind the sums. */
    private final int free;

    private DeltaWriter(int keyDim, int valueDim, InstructionSet set) {
        this.asm = set.assembler();
        this.keyDim = keyDim;
        this.vectorBytes = set.vectorBytes();
        this.rowBytes = Float.BYTES * valueDim;
        int sums = 2 * (rowBytes / vectorBytes);
        this.holdsAll = sums + BESIDE_SUMS <= set.registers();
        this.rows = holdsAll ? 1 : TOGETHER;
        this.free = holdsAll ? sums : 2;
    }

    static boolean supports(int keyDim, int valueDim, InstructionSet set) {
        return keyDim % set.rows() == 0 && valueDim % set.rows() == 0;
    }

    static byte[] write(int keyDim, int valueDim, InstructionSet set) {
        return new DeltaWriter(keyDim, valueDim, set).write();
    }

    // Registers: those of the sums, then those of a pass.

    /** Sᵀk, later β (v - α Sᵀk), times what normalises k. */
    private int keyed(int offset) {
        return holdsAll ? offset / vectorBytes : 0;
    }

    /** Sᵀq, later the output. */
    private int queried(int offset) {
        return free / 2 + keyed(offset);
    }

    private int key(int row) {
        return free + row;
    }

    private int query(int row) {
        return free + rows + row;
    }

    private int alpha() {
        return free + rows;
    }

    private int state() {
        return free + 2 * rows;
    }

    /** Where {@link #keyed} is if registers do not hold it. */
    private static Memory storedKeyed(int offset) {
        return Memory.at(RSP, offset);
    }

    /** Where {@link #queried} is then and, as the output, in the end. */
    private static Memory storedQueried(int offset) {
        return Memory.at(R8, offset);
    }

    // The factors, behind these sums.

    /** What normalises the key. */
    private Memory keyScale() {
        return storedKeyed(rowBytes);
    }

    /** α times what normalises the key. */
    private Memory alphaKey() {
        return storedKeyed(rowBytes + Float.BYTES);
    }

    /** α times what normalises the query. */
    private Memory alphaQuery() {
        return storedKeyed(rowBytes + 2 * Float.BYTES);
    }

    /** k · q, of both normalised. */
    private Memory keyQuery() {
        return storedKeyed(rowBytes + 3 * Float.BYTES);
    }

    private byte[] write() {
        // Room on the stack, from the start of a cache line on.
        asm.push(RBP);
        asm.mov(RBP, RSP);
        asm.lea(RAX, storedKeyed(-rowBytes - CACHE_LINE));
        asm.shiftRight(RAX, 6);
        asm.shiftLeft(RAX, 6);
        asm.mov(RSP, RAX);
        normalise();
        read();
        output();
        update();
        asm.mov(RSP, RBP);
        asm.pop(RBP);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** The factors that follow from α, Σk², Σq² and k · q. */
    private void normalise() {
        int keys = 0;
        int queries = 1;
        int both = 2;
        int other = 3;
        int key = 4;
        int query = 5;
        for (int i = keys; i <= both; i++) {
            asm.op(VPXOR, i, i, i);
        }
        for (int at = 0; at < Float.BYTES * keyDim; at += vectorBytes) {
            asm.op(VMOVUPS, key, Memory.at(RSI, at));
            asm.op(VMOVUPS, query, Memory.at(RDX, at));
            asm.op(VFMADD231PS, keys, key, key);
            asm.op(VFMADD231PS, queries, query, query);
            asm.op(VFMADD231PS, both, key, query);
        }
        for (int i = keys; i <= both; i++) {
            RowLoopsWriter.acrossLanes(asm, VADDPS, i, other);
        }
        int alpha = key;
        asm.op(VBROADCASTSS, alpha, ALPHA);
        asm.op(VMOVUPS, other, asm.floats(1));
        asm.op(VADDPS, keys, keys, asm.floats(EPSILON));
        asm.op(VSQRTPS, keys, keys);
        asm.op(VDIVPS, keys, other, keys);
        asm.op(VADDPS, queries, queries, asm.floats(EPSILON));
        asm.op(VMULPS, queries, queries, asm.floats(keyDim));
        asm.op(VSQRTPS, queries, queries);
        asm.op(VDIVPS, queries, other, queries);
        asm.op(VMULPS, both, both, keys);
        asm.op(VMULPS, both, both, queries);
        asm.op(VMULPS, queries, queries, alpha);
        asm.op(VMULPS, alpha, alpha, keys);
        asm.storeFloat(keyScale(), keys);
        asm.storeFloat(alphaKey(), alpha);
        asm.storeFloat(alphaQuery(), queries);
        asm.storeFloat(keyQuery(), both);
    }

    /** {@link #keyed} = Sᵀk, {@link #queried} = Sᵀq. */
    private void read() {
        for (int at = 0; at < rowBytes; at += vectorBytes) {
            asm.op(VPXOR, keyed(at), keyed(at), keyed(at));
            asm.op(VPXOR, queried(at), queried(at), queried(at));
            moveSums(VMOVUPS_STORE, at);
        }
        asm.mov(R10, RDX);
        forRows(() -> {
            for (int r = 0; r < rows; r++) {
                asm.op(VBROADCASTSS, query(r), Memory.at(R10, Float.BYTES * r));
            }
            asm.addConstant(R10, Float.BYTES * rows);
            for (int at = 0; at < rowBytes; at += vectorBytes) {
                prefetch(rows * at, rows * (at + vectorBytes));
                moveSums(VMOVUPS, at);
                for (int r = 0; r < rows; r++) {
                    asm.op(VMOVUPS, state(), Memory.at(RAX, r * rowBytes + at));
                    asm.op(VFMADD231PS, keyed(at), state(), key(r));
                    asm.op(VFMADD231PS, queried(at), state(), query(r));
                }
                moveSums(VMOVUPS_STORE, at);
            }
        });
    }

    /** Loads or stores the sums of a vector of columns unless the registers hold all. */
    private void moveSums(Instruction move, int offset) {
        if (!holdsAll) {
            asm.op(move, keyed(offset), storedKeyed(offset));
            asm.op(move, queried(offset), storedQueried(offset));
        }
    }

    /** Asks for a part of the rows to come. */
    private void prefetch(int from, int to) {
        for (int at = from; at < to; at++) {
            if (at % CACHE_LINE == 0) {
                asm.prefetch(Memory.at(RAX, AHEAD + (rows - 1) * rowBytes + at));
            }
        }
    }

    /** u = β (v - α Sᵀk), out = α Sᵀq + (k · q) u. */
    private void output() {
        int value = free;
        int beta = free + 1;
        int keyScale = free + 2;
        int alphaKey = free + 3;
        int alphaQuery = free + 4;
        int keyQuery = free + 5;
        asm.op(VBROADCASTSS, beta, BETA);
        asm.op(VBROADCASTSS, keyScale, keyScale());
        asm.op(VBROADCASTSS, alphaKey, alphaKey());
        asm.op(VBROADCASTSS, alphaQuery, alphaQuery());
        asm.op(VBROADCASTSS, keyQuery, keyQuery());
        for (int at = 0; at < rowBytes; at += vectorBytes) {
            moveSums(VMOVUPS, at);
            asm.op(VMOVUPS, value, Memory.at(RCX, at));
            asm.op(VMULPS, keyed(at), keyed(at), alphaKey);
            asm.op(VSUBPS, keyed(at), value, keyed(at));
            asm.op(VMULPS, keyed(at), keyed(at), beta);
            asm.op(VMULPS, queried(at), queried(at), alphaQuery);
            asm.op(VFMADD231PS, queried(at), keyed(at), keyQuery);
            asm.op(VMULPS, keyed(at), keyed(at), keyScale);
            asm.op(VMOVUPS_STORE, queried(at), storedQueried(at));
            if (!holdsAll) {
                asm.op(VMOVUPS_STORE, keyed(at), storedKeyed(at));
            }
        }
    }

    /** S = α S + k ⊗ u. */
    private void update() {
        asm.op(VBROADCASTSS, alpha(), ALPHA);
        forRows(() -> {
            for (int at = 0; at < rowBytes; at += vectorBytes) {
                if (!holdsAll) {
                    asm.op(VMOVUPS, keyed(at), storedKeyed(at));
                }
                for (int r = 0; r < rows; r++) {
                    Memory columns = Memory.at(RAX, r * rowBytes + at);
                    asm.op(VMULPS, state(), alpha(), columns);
                    asm.op(VFMADD231PS, state(), keyed(at), key(r));
                    asm.op(VMOVUPS_STORE, state(), columns);
                }
            }
        });
    }

    /** Runs {@code body} for some rows of the state at a time, at which RAX points, with their keys in registers. */
    private void forRows(Runnable body) {
        Label loop = new Label();
        asm.mov(RAX, RDI);
        asm.movConstant(R11, keyDim / rows);
        asm.bind(loop);
        for (int r = 0; r < rows; r++) {
            asm.op(VBROADCASTSS, key(r), Memory.at(RSI, Float.BYTES * r));
        }
        asm.addConstant(RSI, Float.BYTES * rows);
        body.run();
        asm.addConstant(RAX, rows * rowBytes);
        asm.subConstant(R11, 1);
        asm.jumpIfNotZero(loop);
        asm.subConstant(RSI, Float.BYTES * keyDim);
    }
}
