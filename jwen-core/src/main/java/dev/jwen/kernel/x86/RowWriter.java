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
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VDPBF16PS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VFNMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVAPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPABSB;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPADDW;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPMADDUBSW;
import static dev.jwen.kernel.x86.Instruction.VPMADDWD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSIGNB;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;

/**
 * Writes the kernels for one to {@value #MAX_TOKENS} tokens: row after row, each from its first byte to its last, so that
 * memory is read in one run, which is what the speed of so few tokens depends on.
 *
 * <p>Lanes are columns. A step is 256 columns of a row, the largest block of any format, or twice that: {@link RowCodes} makes
 * its codes bytes, so arranged that the dot products of a lane belong to one block; their sum is scaled. The lanes are added once
 * at the end of a row. Codes without minima sit where {@link Packing} says; the corrections stand beside the activations, see
 * {@link Activations#INT8_PAIRS}.
 *
 * <p>Sums are added up in the same order for every number of tokens.
 *
 * <p>Arguments: rows, activations, steps of a row, output, number of rows, stride of the activations, stride of the output.
 */
final class RowWriter {
    /** The most tokens that there are kernels for. */
    static final int MAX_TOKENS = 6;

    private static final int WEIGHTS = RDI;
    private static final int STEPS = R9;
    private static final int OUT = RCX;
    private static final int ROWS = R8;
    private static final int X_STRIDE = R10;
    private static final int X_STRIDE_3 = R11;

    /** The activations of every fourth token. */
    private static final int[] X = {RAX, RBX};

    // Between rows only.
    private static final int OUT_STRIDE = RAX;
    private static final int TOKEN_OUT = R9;

    /** Behind the register that is saved. */
    private static final Memory OUT_STRIDE_ARGUMENT = Memory.at(RSP, 16);

    // How far ahead memory is asked for. On Zen 4, codes are written 2 to 7 % faster than with half of it, plain
    // numbers not.
    private static final int CODES_AHEAD = 8192;
    private static final int NUMBERS_AHEAD = 4096;

    private static final int CACHE_LINE = 64;

    /** So much stays in the first-level cache while weights stream through it. */
    private static final long ACTIVATION_BYTES = 26 << 10;

    /** The register of plain numbers, before the sums of each token. */
    private static final int NUMBER = 0;

    private final Assembler asm;
    private final InstructionSet set;
    private final boolean wide;
    private final DataType type;
    private final Packing packing;
    private final Activations activations;
    private final int tokens;

    /** Columns of a step. */
    private final int columns;

    /** The register of the first sum. */
    private final int firstSum;

    /** Sums of one token: of plain numbers several, as an addition waits four cycles for the one before it. */
    private final int sums;

    private final KeptConstants constants;
    private final RowCodes codes;

    // Of integers.
    private final int dots;
    private final int operand;
    private final int pairs;

    private RowWriter(DataType type, Packing packing, InstructionSet set, boolean permutesRows, int tokens) {
        this.asm = set.assembler();
        this.type = type;
        this.packing = packing;
        this.set = set;
        this.wide = set.isWide();
        this.activations = activations(type, packing, set);
        this.tokens = tokens;
        this.columns = columns(type, set);
        this.sums = packing.isInteger() ? 1 : wide ? 2 : 4;
        boolean byBlocks = BlockCodes.supports(type, set);
        this.firstSum = !packing.isInteger() ? NUMBER + 1 : byBlocks ? BlockCodes.FREE : HalfBlockCodes.FREE;
        this.constants = new KeptConstants(asm, set, sum(tokens, 0));
        this.codes = byBlocks
                ? new BlockCodes(asm, type, constants, WEIGHTS)
                : new HalfBlockCodes(asm, type, packing, set, permutesRows, constants, WEIGHTS);
        this.dots = codes.scratch();
        this.operand = dots + 1;
        this.pairs = dots + 2;
    }

    /**
     * How many tokens at most are multiplied with rows of this format and length one by one: 0 where there is no kernel, and
     * otherwise as many as are multiplied faster so than in groups of rows, which read 16 runs of memory side by side but
     * scale for 16 rows at once, and with 512 bits often unpack while they multiply ({@link ImmediateProducts}).
     */
    static int mostTokens(DataType type, Packing packing, long columns, InstructionSet set) {
        if (columns == 0 || columns % columns(type, set) != 0) {
            return 0;
        }
        int most = switch (type) {
            case F32, F16, BF16 -> set.isWide() ? 4 : 3;
            case Q6_K -> set.isWide() ? 5 : 6;
            case Q8_0 -> set.isWide() ? 4 : 6;
            case Q4_0 -> set.isWide() ? 3 : 6;
            case Q4_K, Q5_K -> set.isWide() ? 2 : 6;
            default -> 0;
        };
        return Math.min(most, (int)
                Math.max(1, ACTIVATION_BYTES / activations(type, packing, set).bytes(columns)));
    }

    /** The form in which the activations of so few tokens are multiplied. */
    static Activations activations(DataType type, Packing packing, InstructionSet set) {
        if (!packing.isInteger()) {
            return packing.activations();
        }
        return BlockCodes.supports(type, set) ? Activations.INT8_BLOCKS : HalfBlockCodes.activations(type);
    }

    /** Columns of a step, of which a row has a whole number. */
    static int columns(DataType type, InstructionSet set) {
        return BlockCodes.supports(type, set) ? BlockCodes.COLUMNS : HalfBlockCodes.COLUMNS;
    }

    /** @param permutesRows whether the bytes of Q4_0 are permuted, which needs AVX-512 VBMI and is faster on Zen 4 only */
    static byte[] write(DataType type, Packing packing, InstructionSet set, boolean permutesRows, int tokens) {
        return new RowWriter(type, packing, set, permutesRows, tokens).write();
    }

    private byte[] write() {
        Label start = new Label();
        Label row = new Label();
        Label step = new Label();
        asm.jump(start);
        asm.bind(row);
        asm.mov(X[0], RSI);
        if (tokens > 4) {
            asm.lea(X[1], Memory.at(RSI, X_STRIDE, 4, 0));
        }
        asm.mov(STEPS, RDX);
        for (int i = sum(0, 0); i < sum(tokens, 0); i++) {
            asm.op(VPXOR, i, i, i);
        }
        asm.bind(step);
        int bytes = (int) type.bytes(columns);
        int ahead = packing.isInteger() ? CODES_AHEAD : NUMBERS_AHEAD;
        for (int at = 0; at < bytes; at += CACHE_LINE) {
            asm.prefetch(Memory.at(WEIGHTS, ahead + at));
        }
        if (packing.isInteger()) {
            integers();
        } else {
            numbers();
        }
        asm.addConstant(WEIGHTS, bytes);
        for (int i = 0; i < Math.ceilDiv(tokens, 4); i++) {
            asm.addConstant(X[i], columns / activations.recordValues() * activations.recordBytes());
        }
        asm.subConstant(STEPS, 1);
        asm.jumpIfNotZero(step);
        finishRow();
        asm.subConstant(ROWS, 1);
        asm.jumpIfNotZero(row);
        asm.vzeroupper();
        asm.pop(RBX);
        asm.ret();
        asm.bind(start);
        asm.push(RBX);
        asm.mov(X_STRIDE, R9);
        asm.lea(X_STRIDE_3, Memory.at(X_STRIDE, X_STRIDE, 2, 0));
        constants.load();
        asm.jump(row);
        return asm.finish();
    }

    private int sum(int token, int i) {
        return firstSum + sums * token + i % sums;
    }

    private static Memory weights(int offset) {
        return Memory.at(WEIGHTS, offset);
    }

    private static Memory x(int token, int offset) {
        int x = X[token / 4];
        return switch (token % 4) {
            case 0 -> Memory.at(x, offset);
            case 3 -> Memory.at(x, X_STRIDE_3, 1, offset);
            default -> Memory.at(x, X_STRIDE, token % 4, offset);
        };
    }

    /** Adds the lanes and writes the sums. */
    private void finishRow() {
        int part = 0;
        asm.mov(OUT_STRIDE, OUT_STRIDE_ARGUMENT);
        asm.mov(TOKEN_OUT, OUT);
        for (int t = 0; t < tokens; t++) {
            int sum = 1 + t % 4;
            asm.op(VMOVAPS, sum, sum(t, 0));
            for (int i = 1; i < sums; i++) {
                asm.op(VADDPS, sum, sum, sum(t, i));
            }
            if (wide) {
                asm.op(VEXTRACTI64X4, sum, 0, part, 1);
                asm.op(VADDPS, sum, sum, part);
            }
            asm.op(VEXTRACTF128, sum, 0, part, 1);
            asm.op128(VADDPS, sum, sum, part);
            asm.op128(VPSHUFD, part, 0, sum, 0b01_00_11_10);
            asm.op128(VADDPS, sum, sum, part);
            asm.op128(VPSHUFD, part, 0, sum, 0b10_11_00_01);
            asm.op128(VADDPS, sum, sum, part);
            asm.storeFloat(Memory.at(TOKEN_OUT, 0), sum);
            asm.add(TOKEN_OUT, OUT_STRIDE);
        }
        asm.addConstant(OUT, Float.BYTES);
    }

    private void numbers() {
        boolean isPairs = activations == Activations.BF16;
        int bytes = set.vectorBytes();
        for (int i = 0; i < columns / (isPairs ? 2 * set.rows() : set.rows()); i++) {
            switch (type) {
                case F16 -> asm.op(VCVTPH2PS, NUMBER, weights(bytes / 2 * i));
                case BF16 -> {
                    if (isPairs) {
                        asm.op(VMOVUPS, NUMBER, weights(bytes * i));
                    } else {
                        asm.op(VPMOVZXWD, NUMBER, weights(bytes / 2 * i));
                        asm.shift(VPSLLD, NUMBER, NUMBER, 16);
                    }
                }
                default -> asm.op(VMOVUPS, NUMBER, weights(bytes * i));
            }
            for (int t = 0; t < tokens; t++) {
                asm.op(isPairs ? VDPBF16PS : VFMADD231PS, sum(t, i), NUMBER, x(t, bytes * i));
            }
        }
    }

    private void integers() {
        codes.readScales();
        if (packing.hasMinima()) {
            for (int t = 0; t < tokens; t++) {
                asm.op(VFNMADD231PS, sum(t, 0), codes.minima(), x(t, activations.laneSums()));
            }
        }
        int bytes = set.vectorBytes();
        for (int half = 0; half < Activations.LANES / set.rows(); half++) {
            codes.readCodes(half);
            for (int t = 0; t < tokens; t++) {
                dots(t, bytes * half);
                asm.op(VCVTDQ2PS, dots, dots);
                asm.op(VMULPS, operand, codes.factors() + half, x(t, activations.laneScales() + bytes * half));
                asm.op(VFMADD231PS, sum(t, 0), dots, operand);
            }
        }
    }

    /** {@link #dots} = the dot products of the lanes from byte {@code offset} on, without what was added to codes. */
    private void dots(int token, int offset) {
        if (set.hasDotProduct()) {
            wholeDots(token, offset);
        } else if (packing.isSigned(set)) {
            signedDots(token, offset);
        } else {
            smallDots(token, offset);
            if (!packing.hasMinima()) {
                asm.op(VMOVUPS, operand, x(token, activations.laneCorrections() + offset));
                // They are those of codes in the upper bits.
                asm.shift(VPSRAD, operand, operand, Byte.SIZE - packing.codeBits());
                asm.op(VPADDD, dots, dots, operand);
            }
        }
    }

    /** Of eight vectors in two sums, as an addition waits four cycles for the one before it. */
    private void wholeDots(int token, int offset) {
        int chains = codes.vectors() > 4 ? 2 : 1;
        if (packing.hasMinima()) {
            asm.op(VPXOR, dots, dots, dots);
        } else {
            asm.op(VMOVUPS, dots, x(token, activations.laneCorrections() + offset));
        }
        if (chains > 1) {
            asm.op(VPXOR, operand, operand, operand);
        }
        for (int i = 0; i < codes.vectors(); i++) {
            asm.op(VPDPBUSD, i % chains == 0 ? dots : operand, RowCodes.CODES + i, x(token, CACHE_LINE * i + offset));
        }
        if (chains > 1) {
            asm.op(VPADDD, dots, dots, operand);
        }
    }

    /** Of codes from 0 on: as many vectors are added in 16 bits as these surely hold. */
    private void smallDots(int token, int offset) {
        int largest = ((1 << packing.codeBits()) - 1) * 127 * 2;
        int together = Math.min(codes.vectors(), Short.MAX_VALUE / largest);
        for (int i = 0; i < codes.vectors(); i++) {
            int sum = i < together ? dots : pairs;
            boolean isFirst = i % together == 0;
            asm.op(VPMADDUBSW, isFirst ? sum : operand, RowCodes.CODES + i, x(token, CACHE_LINE * i + offset));
            if (!isFirst) {
                asm.op(VPADDW, sum, sum, operand);
            }
            if ((i + 1) % together == 0) {
                addPairs(sum);
            }
        }
    }

    /** Of codes of eight bits with a sign, which goes to the other factor. */
    private void signedDots(int token, int offset) {
        for (int i = 0; i < codes.vectors(); i++) {
            int sum = i == 0 ? dots : pairs;
            asm.op(VMOVUPS, sum, x(token, CACHE_LINE * i + offset));
            asm.op(VPSIGNB, sum, sum, RowCodes.CODES + i);
            asm.op(VPABSB, operand, RowCodes.CODES + i);
            asm.op(VPMADDUBSW, sum, operand, sum);
            addPairs(sum);
        }
    }

    /** Adds the 16-bit sums of a lane, and that to {@link #dots} unless they begin there. */
    private void addPairs(int sum) {
        constants.op(VPMADDWD, sum, sum, asm.lanes(0x1_0001));
        if (sum != dots) {
            asm.op(VPADDD, dots, dots, sum);
        }
    }
}
