package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VBROADCASTI64X4;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VINSERTI64X4;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERM2I128;
import static dev.jwen.kernel.x86.Instruction.VPERMPS;
import static dev.jwen.kernel.x86.Instruction.VPERMT2B;
import static dev.jwen.kernel.x86.Instruction.VPMOVSXBD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXBD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFB;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSLLVD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLVD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSHUFI64X2;

import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import java.util.function.IntUnaryOperator;

/**
 * Codes of which a lane has 16 columns in four vectors, and so a step 256: of a whole block with a scale of its own in Q6_K
 * ({@link Activations#INT8_SIXTEENS}), of half a block elsewhere ({@link Activations#INT8_PAIRS}). With 256 bits they are taken
 * apart for the lower eight lanes, then for the upper ones.
 */
final class HalfBlockCodes implements RowCodes {
    /** Columns of a step. */
    static final int COLUMNS = Activations.INT8_PAIRS.recordValues();

    private static final int VECTORS = 4;

    // Overwritten, as are CODES by readScales().
    private static final int FIRST = 4;
    private static final int SECOND = 5;
    private static final int THIRD = 6;

    /** With 256 bits there are two. */
    private static final int SCALES = 7;

    private static final int MINIMA = FIRST;

    /** From here on, registers are free throughout. */
    static final int FREE = 9;

    /** Which 16 columns the lanes of {@link Activations#INT8_SIXTEENS} have. */
    private static final byte[] SIXTEEN_OF_LANE = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};

    private static final int A = CODES;
    private static final int B = CODES + 1;
    private static final int C = CODES + 2;
    private static final int D = CODES + 3;

    private final Assembler asm;
    private final DataType type;
    private final Packing packing;
    private final InstructionSet set;
    private final KeptConstants constants;
    private final int weights;
    private final boolean wide;
    private final boolean permutes;

    /**
     * @param permutesRows whether the bytes of Q4_0 are permuted, which needs AVX-512 VBMI and is faster on Zen 4 only
     * @param weights the general register with the address of the step
     */
    HalfBlockCodes(
            Assembler asm,
            DataType type,
            Packing packing,
            InstructionSet set,
            boolean permutesRows,
            KeptConstants constants,
            int weights) {
        this.asm = asm;
        this.type = type;
        this.packing = packing;
        this.set = set;
        this.constants = constants;
        this.weights = weights;
        this.wide = set.isWide();
        this.permutes = permutesRows && wide && type == DataType.Q4_0;
    }

    /** The lanes for which these are the codes of a format. */
    static Activations activations(DataType type) {
        return type == DataType.Q6_K ? Activations.INT8_SIXTEENS : Activations.INT8_PAIRS;
    }

    @Override
    public int vectors() {
        return VECTORS;
    }

    @Override
    public int factors() {
        return SCALES;
    }

    @Override
    public int minima() {
        return MINIMA;
    }

    @Override
    public int scratch() {
        return FIRST;
    }

    private Memory weights(int offset) {
        return Memory.at(weights, offset);
    }

    private Memory bytes(int value) {
        return asm.constant((byte) value);
    }

    /** {@code dst} = the bits of {@code mask} of {@code source}, after it was shifted left, or right if negative. */
    private void field(int dst, int source, int left, int mask) {
        int moved = source;
        if (left != 0) {
            asm.shift(left > 0 ? VPSLLD : VPSRLD, dst, source, Math.abs(left));
            moved = dst;
        }
        constants.op(VPAND, dst, moved, bytes(mask));
    }

    // ---- scales

    @Override
    public void readScales() {
        switch (type) {
            case Q8_0 -> blockScales(34);
            case Q4_0 -> blockScales(18);
            case Q4_K, Q5_K -> scalesAndMinima();
            default -> sixteenths();
        }
    }

    /** Blocks of 32 columns that begin with their scale. */
    private void blockScales(int blockBytes) {
        if (permutes) {
            permute(SCALES, 0, i -> blockBytes * (i / 4) + i % 2);
            asm.op(VCVTPH2PS, SCALES, SCALES);
            unshift(SCALES);
            return;
        }
        asm.op(VPXOR, FIRST, FIRST, FIRST);
        for (int block = 0; block < 8; block++) {
            asm.insertWord(FIRST, weights(blockBytes * block), block);
        }
        asm.op(VCVTPH2PS, FIRST, FIRST);
        unshift(FIRST);
        twice(FIRST);
    }

    /** Byte i of {@code dst} = byte {@code order(i)} of the 128 from {@code offset} on. */
    private void permute(int dst, int offset, IntUnaryOperator order) {
        byte[] indices = new byte[set.vectorBytes()];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = (byte) order.applyAsInt(i);
        }
        int register = constants.register(asm.constant(indices), THIRD);
        asm.op(VMOVUPS, dst, weights(offset));
        asm.op(VPERMT2B, dst, register, weights(offset + indices.length));
    }

    /** {@link #SCALES} = those of blocks, each for both of its lanes. */
    private void twice(int scales) {
        for (int half = 0; half < (wide ? 1 : 2); half++) {
            int first = 4 * half;
            Memory order = wide
                    ? asm.lanes(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
                    : asm.lanes(first, first, first + 1, first + 1, first + 2, first + 2, first + 3, first + 3);
            asm.op(VPERMPS, SCALES + half, constants.register(order, SCALES + half), scales);
        }
    }

    /** Takes out the power of two by which the codes are shifted. */
    private void unshift(int scales) {
        int shift = packing.codeShift(set);
        if (shift != 0) {
            constants.op(VMULPS, scales, scales, asm.floats(1f / (1 << shift)));
        }
    }

    /**
     * Q4_K and Q5_K with 256 bits: {d, dmin, 6-bit scales and minima in three dwords}; d times eight scales, dmin times eight
     * minima.
     */
    private void scalesAndMinima() {
        int factors = FIRST;
        int bits = SECOND;
        int upper = THIRD;
        asm.load128(factors, weights(0));
        // Scales 0 to 3, scales 4 to 7, minima 0 to 3, minima 4 to 7: the lower six or four bits ...
        asm.op128(VPSHUFD, bits, 0, factors, 0b11_10_11_01);
        asm.op128(VPSRLVD, bits, bits, asm.lanes(0, 0, 0, 4));
        asm.op128(VPAND, bits, bits, asm.lanes(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
        // ... and the upper two of those that come last.
        asm.op128(VPSHUFD, upper, 0, factors, 0b10_00_01_00);
        asm.shift128(VPSRLD, upper, upper, 2);
        asm.op128(VPAND, upper, upper, asm.lanes(0, 0x30303030, 0, 0x30303030));
        asm.op128(VPOR, bits, bits, upper);
        asm.op128(VCVTPH2PS, factors, 0, factors);
        asm.op128(VPSHUFD, upper, 0, bits, 0b01_00_11_10);
        asm.op(VBROADCASTSS, A, factors);
        times(A, bits, A);
        asm.op128(VPSHUFD, factors, 0, factors, 0b01_01_01_01);
        asm.op(VBROADCASTSS, factors, factors);
        times(MINIMA, upper, factors);
        twice(A);
    }

    /** {@code dst} = the lowest bytes of {@code bytes}, one in each lane, times {@code factor}. Overwrites {@code bytes}. */
    private void times(int dst, int bytes, int factor) {
        asm.op(VPMOVZXBD, bytes, bytes);
        asm.op(VCVTDQ2PS, bytes, bytes);
        asm.op(VMULPS, dst, bytes, factor);
    }

    /** Q6_K: a scale for 16 columns. */
    private void sixteenths() {
        int factor = FIRST;
        int bytes = SECOND;
        asm.op(VPXOR, factor, factor, factor);
        asm.insertWord(factor, weights(208), 0);
        asm.op128(VCVTPH2PS, factor, 0, factor);
        unshift(factor);
        asm.op(VBROADCASTSS, factor, factor);
        asm.load128(bytes, weights(192));
        asm.op128(VPSHUFB, bytes, bytes, asm.constant(SIXTEEN_OF_LANE));
        for (int half = 0; half < (wide ? 1 : 2); half++) {
            if (half > 0) {
                asm.op128(VPSHUFD, bytes, 0, bytes, 0b01_00_11_10);
            }
            asm.op(VPMOVSXBD, SCALES + half, bytes);
            asm.op(VCVTDQ2PS, SCALES + half, SCALES + half);
            asm.op(VMULPS, SCALES + half, SCALES + half, factor);
        }
    }

    // ---- codes

    @Override
    public void readCodes(int half) {
        switch (type) {
            case Q8_0 -> eightBits(half);
            case Q4_0 -> fourBits(half);
            case Q4_K, Q5_K -> nibbles(half);
            default -> sixBits(half);
        }
    }

    private void eightBits(int half) {
        for (int i = 0; i < VECTORS; i++) {
            // With 512 bits each has two blocks.
            int block = wide ? i + i / 2 * 2 : 4 * half + i;
            asm.op(VMOVUPS, CODES + i, weights(34 * block + 2));
            if (wide) {
                asm.op(VINSERTI64X4, CODES + i, CODES + i, weights(34 * (block + 2) + 2), 1);
            }
            if (!packing.isSigned(set)) {
                constants.op(VPXOR, CODES + i, CODES + i, bytes(0x80));
            }
        }
        turnPairs();
    }

    /** Q4_0: a block has 16 bytes, in low nibbles the first half of its columns and in high ones the second. */
    private void fourBits(int half) {
        int upper = packing.codeShift(set);
        if (permutes) {
            permute(FIRST, 0, i -> 36 * (i / 16) + 2 + i % 16);
            permute(SECOND, 16, i -> 36 * (i / 16) + 4 + i % 16);
        } else {
            sixteens(FIRST, 18 * 4 * half + 2, 36);
            sixteens(SECOND, 18 * (4 * half + 1) + 2, 36);
        }
        asm.op(VPUNPCKLQDQ, A, FIRST, SECOND);
        asm.op(VPUNPCKHQDQ, B, FIRST, SECOND);
        field(C, A, upper - 4, 0x0f << upper);
        field(D, B, upper - 4, 0x0f << upper);
        field(A, A, upper, 0x0f << upper);
        field(B, B, upper, 0x0f << upper);
    }

    /** {@code dst} = 16 bytes in each 128 bits. */
    private void sixteens(int dst, int offset, int stride) {
        asm.load128(dst, weights(offset));
        for (int i = 1; i < set.vectorBytes() / 16; i++) {
            asm.op(VINSERTI128, dst, dst, weights(offset + stride * i), i);
        }
    }

    /** Q4_K and Q5_K: 32 bytes have the codes of an even block in their low nibbles, those of the next in the high ones. */
    private void nibbles(int half) {
        int bytes = set.vectorBytes();
        int first = (type == DataType.Q5_K ? 48 : 16) + 2 * bytes * half;
        for (int i = 0; i < VECTORS; i += 2) {
            asm.op(VMOVUPS, CODES + i, weights(first + bytes * (i / 2)));
            field(CODES + i + 1, CODES + i, -4, 0x0f);
            field(CODES + i, CODES + i, 0, 0x0f);
        }
        if (type == DataType.Q5_K) {
            fifthBits(half);
        }
        turnPairs();
    }

    /** Bit b of 32 bytes belongs to the columns of block b. */
    private void fifthBits(int half) {
        asm.op(VMOVUPS, FIRST, weights(16));
        for (int i = 0; i < VECTORS; i++) {
            field(SECOND, FIRST, 4 - (4 * half + i), 0x10);
            asm.op(VPOR, CODES + i, CODES + i, SECOND);
        }
    }

    private Memory halves(int low, int high) {
        return asm.lanes(low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high);
    }

    /**
     * Turns blocks, whose columns follow one another (with 512 bits 0 and 2, 1 and 3, 4 and 6, 5 and 7; with 256 bits one
     * in each vector), into vectors of which each has eight columns of every block.
     */
    private void turnPairs() {
        asm.op(VPUNPCKLQDQ, FIRST, A, B);
        asm.op(VPUNPCKHQDQ, SECOND, A, B);
        asm.op(VPUNPCKLQDQ, A, C, D);
        asm.op(VPUNPCKHQDQ, B, C, D);
        Instruction f = wide ? VSHUFI64X2 : VPERM2I128;
        int even = wide ? 0b10_00_10_00 : 0x20;
        int odd = wide ? 0b11_01_11_01 : 0x31;
        asm.op(f, C, FIRST, A, odd);
        asm.op(f, D, SECOND, B, odd);
        asm.op(f, A, FIRST, A, even);
        asm.op(f, B, SECOND, B, even);
    }

    /** Q6_K: of 128 columns 64 bytes have four bits, in low nibbles and then in high ones, and 32 bytes have two. */
    private void sixBits(int half) {
        int up = packing.codeShift(set);
        for (int i = 0; i < VECTORS; i += 2) {
            asm.op(VMOVUPS, CODES + i, weights(32 * i + 32 * half));
            field(CODES + i + 1, CODES + i, up - 4, 0x0f << up);
            field(CODES + i, CODES + i, up, 0x0f << up);
            int twoBits = 128 + 16 * i;
            asm.op(wide ? VBROADCASTI64X4 : VMOVUPS, FIRST, weights(twoBits));
            for (int high = 0; high < 2; high++) {
                if (wide) {
                    constants.op(VPSLLVD, SECOND, FIRST, high == 0 ? halves(6, 4) : halves(2, 0));
                    constants.orAnd(CODES + i + high, SECOND, bytes(0xc0));
                } else {
                    field(SECOND, FIRST, up + 4 - 4 * high - 2 * half, 0x30 << up);
                    asm.op(VPOR, CODES + i + high, CODES + i + high, SECOND);
                }
            }
        }
        turnSixteens();
    }

    /** Turns vectors whose 128 bits have 16 columns in order into vectors of which each has four columns of each 16. */
    private void turnSixteens() {
        asm.op(VPUNPCKLDQ, FIRST, A, B);
        asm.op(VPUNPCKHDQ, SECOND, A, B);
        asm.op(VPUNPCKLDQ, A, C, D);
        asm.op(VPUNPCKHDQ, THIRD, C, D);
        asm.op(VPUNPCKHQDQ, B, FIRST, A);
        asm.op(VPUNPCKLQDQ, A, FIRST, A);
        asm.op(VPUNPCKLQDQ, C, SECOND, THIRD);
        asm.op(VPUNPCKHQDQ, D, SECOND, THIRD);
    }
}
