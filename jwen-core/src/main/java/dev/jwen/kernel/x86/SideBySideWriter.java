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
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPADDW;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPMADDUBSW;
import static dev.jwen.kernel.x86.Instruction.VPMADDWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.SideBySide;

/**
 * Writes the products of rows that lie side by side with a few tokens: lanes are rows, as in {@link Products}, but what is
 * read needs no turning, so that the codes of a panel go from memory to registers and into the dot products of all tokens. One to
 * four tokens take as long as reading. With 256 bits a group is passed twice, for one half of its rows after the other.
 *
 * <p>A code sits in its byte as {@link Packing} says.
 *
 * <p>Arguments: groups of rows, records, panels of a row, output, number of groups, stride of the records, stride of the
 * output.
 */
final class SideBySideWriter {
    private static final int PANELS = RDI;
    private static final int X_STRIDE = R9;
    private static final int X_STRIDE_3 = R10;

    /** The records of every fourth token. */
    private static final int[] X = {RAX, RBX};

    /** The first panel of a group, where that is passed twice: there are no more than four tokens then. */
    private static final int FIRST_PANEL = RBX;

    private static final int COUNT = R11;

    /** Between groups. */
    private static final int TOKEN_OUT = R11;

    private static final int OUT_STRIDE = RAX;
    private static final Memory OUT_STRIDE_ARGUMENT = Memory.at(RSP, 16);

    /** How far ahead memory is asked for. */
    private static final int AHEAD = 8192;

    private static final int CACHE_LINE = 64;

    /** Vectors of codes of a panel, with four columns of each row. */
    private static final int VECTORS = 8;

    // Vector registers; behind these come those of each token, then constants.
    private static final int CODES = 0;
    private static final int BITS = 1;
    private static final int LOWEST = 2;
    private static final int OPERAND = 3;
    private static final int DOTS = 4;

    /** So many dot products of four columns fit in 16 bits before they are added up in 32. */
    private static final int VECTORS_OF_PAIRS = 4;

    private final Assembler asm;
    private final InstructionSet set;
    private final int tokens;

    /** Lowest bit of a code in its byte. */
    private final int shift;

    private final int rowBytes;
    private final KeptConstants constants;

    private SideBySideWriter(Packing packing, InstructionSet set, int tokens) {
        this.asm = set.assembler();
        this.set = set;
        this.tokens = tokens;
        this.shift = packing.codeShift(set);
        this.rowBytes = Float.BYTES * set.rows();
        this.constants = new KeptConstants(asm, set, sum(tokens));
    }

    /** The packing of Q5_0_R16. */
    static Packing packing() {
        return Packing.integers(5, 1, false);
    }

    /** The most tokens of one call, limited by registers. */
    static int maxTokens(InstructionSet set) {
        return set.isWide() ? 8 : 4;
    }

    static byte[] write(Packing packing, InstructionSet set, int tokens) {
        return new SideBySideWriter(packing, set, tokens).write();
    }

    private byte[] write() {
        Label start = new Label();
        Label group = new Label();
        asm.jump(start);
        asm.bind(group);
        int passes = SideBySide.ROWS / set.rows();
        if (passes > 1) {
            asm.mov(FIRST_PANEL, PANELS);
        }
        for (int pass = 0; pass < passes; pass++) {
            if (pass > 0) {
                asm.mov(PANELS, FIRST_PANEL);
            }
            pass(pass);
        }
        asm.addConstant(RCX, SideBySide.ROWS * Float.BYTES);
        asm.subConstant(R8, 1);
        asm.jumpIfNotZero(group);
        asm.vzeroupper();
        asm.pop(RBX);
        asm.ret();
        asm.bind(start);
        asm.push(RBX);
        asm.lea(X_STRIDE_3, Memory.at(X_STRIDE, X_STRIDE, 2, 0));
        constants.load();
        asm.jump(group);
        return asm.finish();
    }

    /** Multiplies as many rows of a group as there are lanes, from row {@code pass} times that number on. */
    private void pass(int pass) {
        Label panel = new Label();
        asm.mov(X[0], RSI);
        if (tokens > 4) {
            asm.lea(X[1], Memory.at(RSI, X_STRIDE, 4, 0));
        }
        asm.mov(COUNT, RDX);
        for (int t = 0; t < tokens; t++) {
            asm.op(VPXOR, sum(t), sum(t), sum(t));
        }
        asm.bind(panel);
        if (pass == 0) {
            for (int at = 0; at < SideBySide.PANEL_BYTES; at += CACHE_LINE) {
                asm.prefetch(Memory.at(PANELS, AHEAD + at));
            }
        }
        multiply(pass);
        scale(pass);
        asm.addConstant(PANELS, SideBySide.PANEL_BYTES);
        asm.addConstant(X[0], Activations.INT8.recordBytes());
        if (tokens > 4) {
            asm.addConstant(X[1], Activations.INT8.recordBytes());
        }
        asm.subConstant(COUNT, 1);
        asm.jumpIfNotZero(panel);
        asm.mov(OUT_STRIDE, OUT_STRIDE_ARGUMENT);
        asm.mov(TOKEN_OUT, RCX);
        for (int t = 0; t < tokens; t++) {
            asm.op(VMOVUPS_STORE, sum(t), Memory.at(TOKEN_OUT, rowBytes * pass));
            asm.add(TOKEN_OUT, OUT_STRIDE);
        }
    }

    private static int dots(int token) {
        return DOTS + token;
    }

    /** Without an instruction for dot products: pairs of them in 16 bits. */
    private int pairs(int token) {
        return dots(tokens) + token;
    }

    /** Behind that of the last token, registers are free. */
    private int sum(int token) {
        return (set.hasDotProduct() ? dots(tokens) : pairs(tokens)) + token;
    }

    /** The dot products of the rows of a pass with each token. */
    private void multiply(int pass) {
        for (int t = 0; t < tokens; t++) {
            asm.op(VPBROADCASTD, dots(t), x(t, Activations.CORRECTION));
            if (!set.hasDotProduct()) {
                asm.shift(VPSRAD, dots(t), dots(t), 3); // it is that of codes in the upper five bits
            }
        }
        asm.op(VMOVUPS, LOWEST, panel(SideBySide.LOWEST_BITS, pass));
        int nibble = 0x0f << (shift + 1);
        for (int i = 0; i < VECTORS / 2; i++) {
            asm.op(VMOVUPS, BITS, panel(SideBySide.UPPER_BITS + CACHE_LINE * i, pass));
            asm.shift(VPSLLD, CODES, BITS, shift + 1);
            constants.op(VPAND, CODES, CODES, asm.constant((byte) nibble));
            add(i, CODES);
            if (shift != 3) {
                asm.shift(VPSRLD, BITS, BITS, 3 - shift);
            }
            constants.op(VPAND, BITS, BITS, asm.constant((byte) nibble));
            add(VECTORS / 2 + i, BITS);
            if (!set.hasDotProduct() && 2 * (i + 1) % VECTORS_OF_PAIRS == 0) {
                addPairs();
            }
        }
    }

    /** Completes a vector of codes by their lowest bits, and adds its products. */
    private void add(int vector, int codes) {
        int bit = LOWEST;
        if (vector != shift) {
            bit = OPERAND;
            asm.shift(vector < shift ? VPSLLD : VPSRLD, bit, LOWEST, Math.abs(shift - vector));
        }
        constants.op(VPAND, OPERAND, bit, asm.constant((byte) (1 << shift)));
        asm.op(VPOR, codes, codes, OPERAND);
        boolean isFirst = codes == CODES && vector % (VECTORS_OF_PAIRS / 2) == 0;
        for (int t = 0; t < tokens; t++) {
            Memory x = x(t, 4 * vector);
            if (set.isWide()) {
                asm.op(VPDPBUSD, dots(t), codes, x.broadcasting());
                continue;
            }
            asm.op(VPBROADCASTD, OPERAND, x);
            if (set.hasDotProduct()) {
                asm.op(VPDPBUSD, dots(t), codes, OPERAND);
            } else if (isFirst) {
                asm.op(VPMADDUBSW, pairs(t), codes, OPERAND);
            } else {
                asm.op(VPMADDUBSW, OPERAND, codes, OPERAND);
                asm.op(VPADDW, pairs(t), pairs(t), OPERAND);
            }
        }
    }

    private void addPairs() {
        for (int t = 0; t < tokens; t++) {
            constants.op(VPMADDWD, pairs(t), pairs(t), asm.lanes(0x1_0001));
            asm.op(VPADDD, dots(t), dots(t), pairs(t));
        }
    }

    /** Adds the dot products, times both scales, to the sums. */
    private void scale(int pass) {
        int scales = CODES;
        asm.op(VCVTPH2PS, scales, Memory.at(PANELS, SideBySide.FACTORS + rowBytes / 2 * pass));
        if (shift != 0) {
            constants.op(VMULPS, scales, scales, asm.floats(1f / (1 << shift)));
        }
        for (int t = 0; t < tokens; t++) {
            asm.op(VCVTDQ2PS, dots(t), dots(t));
            asm.op(VMULPS, dots(t), dots(t), scales);
            asm.op(VBROADCASTSS, OPERAND, x(t, Activations.SCALE));
            asm.op(VFMADD231PS, sum(t), dots(t), OPERAND);
        }
    }

    private Memory panel(int offset, int pass) {
        return Memory.at(PANELS, offset + rowBytes * pass);
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
