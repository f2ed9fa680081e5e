package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R10;
import static dev.jwen.kernel.x86.Assembler.R11;
import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RBX;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Assembler.RSP;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.SideBySide;

/**
 * Writes the products of rows that lie side by side with up to {@value #MAX_TOKENS} tokens, in 512 bits: lanes are rows, as
 * in {@link Products}, but what is read needs no turning, so that the codes of a panel go from memory to registers and
 * into the dot products of all tokens. One to four tokens take as long as reading.
 *
 * <p>A code is brought to the upper five bits of its byte; then the offset is 128, as everywhere.
 *
 * <p>Arguments: groups of rows, records, panels of a row, output, number of groups, stride of the records, stride of the
 * output.
 */
final class SideBySideWriter {
    static final int MAX_TOKENS = 8;

    private static final int PANELS = RDI;
    private static final int X_STRIDE = R9;
    private static final int X_STRIDE_3 = R10;

    /** The records of every fourth token. */
    private static final int[] X = {RAX, RBX};

    private static final int COUNT = R11;

    /** Between groups. */
    private static final int TOKEN_OUT = R11;

    private static final int OUT_STRIDE = RAX;
    private static final Memory OUT_STRIDE_ARGUMENT = Memory.at(RSP, 16);

    /** How far ahead memory is asked for. */
    private static final int AHEAD = 8192;

    private static final int CACHE_LINE = 64;

    // Vector registers; the codes of four columns of each row are in 0 to 7.
    private static final int VECTORS = 8;
    private static final int SCALES = 8;
    private static final int LOWEST = 9;
    private static final int BITS = 10;
    private static final int DOTS = 12;
    private static final int SIDE_BY_SIDE = 4;
    private static final int SUMS = 16;
    private static final int UPPER_FOUR = 24;
    private static final int LOWEST_ONE = 25;
    private static final int UNSHIFT = 26;

    /** A code of five bits is moved up by so many. */
    private static final int SHIFT = 3;

    /** {@code dst | (a & b)}, bit by bit. */
    private static final int INCLUDE = 0xf8;

    private final Assembler asm = new Assembler(64);
    private final int tokens;

    private SideBySideWriter(int tokens) {
        this.tokens = tokens;
    }

    static boolean supports(DataType type, InstructionSet set) {
        return type == DataType.Q5_0_R16 && set.vectorBytes() == 64;
    }

    static byte[] write(int tokens) {
        return new SideBySideWriter(tokens).write();
    }

    private byte[] write() {
        Label group = new Label();
        Label panel = new Label();
        asm.push(RBX);
        asm.lea(X_STRIDE_3, Memory.at(X_STRIDE, X_STRIDE, 2, 0));
        asm.op(VMOVUPS, UPPER_FOUR, asm.constant((byte) 0xf0));
        asm.op(VMOVUPS, LOWEST_ONE, asm.constant((byte) (1 << SHIFT)));
        asm.op(VMOVUPS, UNSHIFT, asm.floats(1f / (1 << SHIFT)));
        asm.bind(group);
        asm.mov(X[0], RSI);
        asm.lea(X[1], Memory.at(RSI, X_STRIDE, 4, 0));
        asm.mov(COUNT, RDX);
        for (int t = 0; t < tokens; t++) {
            asm.op(VPXOR, SUMS + t, SUMS + t, SUMS + t);
        }
        asm.bind(panel);
        for (int at = 0; at < SideBySide.PANEL_BYTES; at += CACHE_LINE) {
            asm.prefetch(Memory.at(PANELS, AHEAD + at));
        }
        codes();
        for (int first = 0; first < tokens; first += SIDE_BY_SIDE) {
            multiply(first, Math.min(tokens, first + SIDE_BY_SIDE));
        }
        asm.addConstant(PANELS, SideBySide.PANEL_BYTES);
        for (int x : X) {
            asm.addConstant(x, Activations.INT8.recordBytes());
        }
        asm.subConstant(COUNT, 1);
        asm.jumpIfNotZero(panel);
        asm.mov(OUT_STRIDE, OUT_STRIDE_ARGUMENT);
        asm.mov(TOKEN_OUT, RCX);
        for (int t = 0; t < tokens; t++) {
            asm.op(VMOVUPS_STORE, SUMS + t, Memory.at(TOKEN_OUT, 0));
            asm.add(TOKEN_OUT, OUT_STRIDE);
        }
        asm.addConstant(RCX, SideBySide.ROWS * Float.BYTES);
        asm.subConstant(R8, 1);
        asm.jumpIfNotZero(group);
        asm.vzeroupper();
        asm.pop(RBX);
        asm.ret();
        return asm.finish();
    }

    /** The codes of a panel, and {@link #SCALES}, the factors of its rows. */
    private void codes() {
        asm.op(VMOVUPS, LOWEST, Memory.at(PANELS, SideBySide.LOWEST_BITS));
        for (int i = 0; i < VECTORS / 2; i++) {
            int low = i;
            int high = VECTORS / 2 + i;
            asm.op(VMOVUPS, BITS, Memory.at(PANELS, SideBySide.UPPER_BITS + 64 * i));
            asm.shift(VPSLLD, low, BITS, 4);
            asm.op(VPAND, low, low, UPPER_FOUR);
            asm.op(VPAND, high, BITS, UPPER_FOUR);
            includeLowest(low);
            includeLowest(high);
        }
        asm.op(VCVTPH2PS, SCALES, Memory.at(PANELS, SideBySide.FACTORS));
        asm.op(VMULPS, SCALES, SCALES, UNSHIFT);
    }

    /** Bit {@code vector} of each byte of {@link #LOWEST} belongs to the codes of that vector. */
    private void includeLowest(int vector) {
        int bits = LOWEST;
        if (vector != SHIFT) {
            bits = BITS + 1;
            asm.shift(vector < SHIFT ? VPSLLD : VPSRLD, bits, LOWEST, Math.abs(SHIFT - vector));
        }
        asm.op(VPTERNLOGD, vector, bits, LOWEST_ONE, INCLUDE);
    }

    /** Adds the products of a few tokens, whose dot products advance side by side. */
    private void multiply(int from, int to) {
        for (int t = from; t < to; t++) {
            asm.op(VPBROADCASTD, DOTS + t - from, x(t, Activations.CORRECTION));
        }
        for (int vector = 0; vector < VECTORS; vector++) {
            for (int t = from; t < to; t++) {
                asm.op(VPDPBUSD, DOTS + t - from, vector, x(t, 4 * vector).broadcasting());
            }
        }
        for (int t = from; t < to; t++) {
            int dots = DOTS + t - from;
            asm.op(VCVTDQ2PS, dots, dots);
            asm.op(VMULPS, dots, dots, SCALES);
            asm.op(VFMADD231PS, SUMS + t, dots, x(t, Activations.SCALE).broadcasting());
        }
    }

    private static Memory x(int token, int offset) {
        int x = X[token / 4];
        return switch (token % 4) {
            case 0 -> Memory.at(x, offset);
            case 3 -> Memory.at(x, X_STRIDE_3, 1, offset);
            default -> Memory.at(x, X_STRIDE, token % 4, offset);
        };
    }
}
