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
 * Writes the step of the gated delta rule in 512 bits: {@link dev.jwen.kernel.DeltaStep} with its arguments in order.
 *
 * <p>128 columns at a time, or whole rows where these are shorter, so that the state streams from memory in order. The first pass
 * reads Sᵀk and Sᵀq, from which the output follows without the new state; the second writes the new state while it is
 * still in the second-level cache. Keys and queries stay as they are: only the sums are scaled by what normalises them.
 */
final class DeltaWriter {
    /** Columns of a pass at most. */
    private static final int COLUMNS = 128;

    private static final int LANES = 16;
    private static final int MOST_VECTORS = COLUMNS / LANES;
    private static final int AHEAD = 4096;

    // Vector registers: Sᵀk, later β (v - α Sᵀk), times what normalises k, then Sᵀq.
    private static final int KEYED = 0;
    private static final int QUERIED = KEYED + MOST_VECTORS;
    private static final int KEY = 16;
    private static final int QUERY = 17;
    private static final int STATE = 18;
    private static final int ALPHA = 26;
    private static final int BETA = 27;
    private static final int KEY_QUERY = 28;
    /** What normalises the key, then α times what normalises key and query. */
    private static final int KEY_SCALE = 29;

    private static final int ALPHA_KEY = 30;
    private static final int ALPHA_QUERY = 31;

    /** What is added to a sum of squares before its root. */
    private static final float EPSILON = 1e-6f;

    private final Assembler asm = new Assembler(64);

    /** Vectors of the columns of a pass. */
    private final int vectors;

    private DeltaWriter(int vectors) {
        this.vectors = vectors;
    }

    static boolean supports(int keyDim, int valueDim, InstructionSet set) {
        return set.vectorBytes() == 64
                && keyDim % LANES == 0
                && valueDim % Math.min(valueDim, COLUMNS) == 0
                && valueDim % LANES == 0;
    }

    static byte[] write(int keyDim, int valueDim) {
        DeltaWriter writer = new DeltaWriter(Math.min(valueDim, COLUMNS) / LANES);
        Assembler asm = writer.asm;
        asm.op(VBROADCASTSS, ALPHA, Memory.at(R9, 0));
        asm.op(VBROADCASTSS, BETA, Memory.at(R9, 4));
        writer.normalise(keyDim);
        for (int column = 0; column < valueDim; column += COLUMNS) {
            writer.read(keyDim, valueDim, 4 * column);
            writer.output(4 * column);
            writer.update(keyDim, valueDim, 4 * column);
        }
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** The factors that follow from Σk², Σq² and k · q. */
    private void normalise(int keyDim) {
        int keys = 0;
        int queries = 1;
        int both = 2;
        int other = 3;
        for (int i = keys; i <= both; i++) {
            asm.op(VPXOR, i, i, i);
        }
        for (int i = 0; i < keyDim; i += LANES) {
            asm.op(VMOVUPS, KEY, Memory.at(RSI, Float.BYTES * i));
            asm.op(VMOVUPS, QUERY, Memory.at(RDX, Float.BYTES * i));
            asm.op(VFMADD231PS, keys, KEY, KEY);
            asm.op(VFMADD231PS, queries, QUERY, QUERY);
            asm.op(VFMADD231PS, both, KEY, QUERY);
        }
        for (int i = keys; i <= both; i++) {
            RowLoopsWriter.acrossLanes(asm, VADDPS, i, other);
        }
        asm.op(VMOVUPS, other, asm.floats(1));
        asm.op(VADDPS, keys, keys, asm.floats(EPSILON));
        asm.op(VSQRTPS, keys, keys);
        asm.op(VDIVPS, KEY_SCALE, other, keys);
        asm.op(VADDPS, queries, queries, asm.floats(EPSILON));
        asm.op(VMULPS, queries, queries, asm.floats(keyDim));
        asm.op(VSQRTPS, queries, queries);
        asm.op(VDIVPS, queries, other, queries);
        asm.op(VMULPS, both, both, KEY_SCALE);
        asm.op(VMULPS, KEY_QUERY, both, queries);
        asm.op(VMULPS, ALPHA_KEY, ALPHA, KEY_SCALE);
        asm.op(VMULPS, ALPHA_QUERY, ALPHA, queries);
    }

    /** {@link #KEYED} = Sᵀk, {@link #QUERIED} = Sᵀq, of the columns from byte {@code offset} of a row. */
    private void read(int keyDim, int valueDim, int offset) {
        for (int i = 0; i < vectors; i++) {
            asm.op(VPXOR, KEYED + i, KEYED + i, KEYED + i);
            asm.op(VPXOR, QUERIED + i, QUERIED + i, QUERIED + i);
        }
        asm.mov(R10, RDX);
        forRows(keyDim, valueDim, offset, () -> {
            asm.op(VBROADCASTSS, QUERY, Memory.at(R10, 0));
            asm.addConstant(R10, Float.BYTES);
            for (int i = 0; i < vectors; i++) {
                asm.prefetch(Memory.at(RAX, AHEAD + 64 * i));
                asm.op(VMOVUPS, STATE + i, Memory.at(RAX, 64 * i));
                asm.op(VFMADD231PS, KEYED + i, STATE + i, KEY);
                asm.op(VFMADD231PS, QUERIED + i, STATE + i, QUERY);
            }
        });
    }

    /** u = β (v - α Sᵀk), out = α Sᵀq + (k · q) u. */
    private void output(int offset) {
        for (int i = 0; i < vectors; i++) {
            asm.op(VMOVUPS, STATE, Memory.at(RCX, offset + 64 * i));
            asm.op(VMULPS, KEYED + i, KEYED + i, ALPHA_KEY);
            asm.op(VSUBPS, KEYED + i, STATE, KEYED + i);
            asm.op(VMULPS, KEYED + i, KEYED + i, BETA);
            asm.op(VMULPS, QUERIED + i, QUERIED + i, ALPHA_QUERY);
            asm.op(VFMADD231PS, QUERIED + i, KEYED + i, KEY_QUERY);
            asm.op(VMOVUPS_STORE, QUERIED + i, Memory.at(R8, offset + 64 * i));
            asm.op(VMULPS, KEYED + i, KEYED + i, KEY_SCALE);
        }
    }

    /** S = α S + k ⊗ u. */
    private void update(int keyDim, int valueDim, int offset) {
        forRows(keyDim, valueDim, offset, () -> {
            for (int i = 0; i < vectors; i++) {
                asm.op(VMULPS, STATE + i, ALPHA, Memory.at(RAX, 64 * i));
                asm.op(VFMADD231PS, STATE + i, KEYED + i, KEY);
                asm.op(VMOVUPS_STORE, STATE + i, Memory.at(RAX, 64 * i));
            }
        });
    }

    /** Runs {@code body} for every row of the state, at which RAX points, with the key of the row in {@link #KEY}. */
    private void forRows(int keyDim, int valueDim, int offset, Runnable body) {
        Label loop = new Label();
        asm.lea(RAX, Memory.at(RDI, offset));
        asm.movConstant(R11, keyDim);
        asm.bind(loop);
        asm.op(VBROADCASTSS, KEY, Memory.at(RSI, 0));
        asm.addConstant(RSI, Float.BYTES);
        body.run();
        asm.addConstant(RAX, Float.BYTES * valueDim);
        asm.subConstant(R11, 1);
        asm.jumpIfNotZero(loop);
        asm.subConstant(RSI, Float.BYTES * keyDim);
    }
}
