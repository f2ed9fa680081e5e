package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R10;
import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Assembler.RSP;
import static dev.jwen.kernel.x86.Instruction.VADDPD;
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPD2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPS2DQ;
import static dev.jwen.kernel.x86.Instruction.VCVTPS2PD;
import static dev.jwen.kernel.x86.Instruction.VCVTPS2PH;
import static dev.jwen.kernel.x86.Instruction.VDIVPS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PD;
import static dev.jwen.kernel.x86.Instruction.VINSERTI64X4;
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMINPS;
import static dev.jwen.kernel.x86.Instruction.VMOVAPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPD;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMD;
import static dev.jwen.kernel.x86.Instruction.VPERMPS;
import static dev.jwen.kernel.x86.Instruction.VPERMQ;
import static dev.jwen.kernel.x86.Instruction.VPMAXSD;
import static dev.jwen.kernel.x86.Instruction.VPMINSD;
import static dev.jwen.kernel.x86.Instruction.VPMOVDB;
import static dev.jwen.kernel.x86.Instruction.VPMOVSXBD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSLLVD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLVD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSQRTPD;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.Coarsening;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import java.util.Set;

/**
 * Writes {@link Coarsening} in 512 bits: (w, copy, norms, rows, groups of a row). A group is a block of the copy: one
 * block of 32 values in Q8_0 and eight in Q5_K. All its values stay in registers.
 *
 * <p>Codes and factors have the bits of the definition: only products that are exact are taken apart or put together.
 * A row is not finite if the squared norm of what it lost is not, since codes and factors always are.
 */
final class CoarseningWriter {
    private static final int VECTOR = 64;
    private static final int LANES = 16;

    /** Values that share a factor: two vectors. */
    private static final int VALUES = 2 * LANES;

    private static final Set<DataType> SOURCES = Set.of(DataType.F32, DataType.F16, DataType.BF16, DataType.Q8_0);

    private static final float LARGEST_HALF = 65504;
    private static final int MAGNITUDE = 0x7fff_ffff;
    private static final int INFINITY = 0x7f80_0000;

    private static final int Q8_0_BYTES = 34;
    private static final int Q8_0_CODES = 2;

    private static final int UPPER_BITS = 16;
    private static final int LOWER_BITS = 48;
    private static final int LARGEST_SIXTH = 63;

    /** {@code dst | (a & b)}, bit by bit. */
    private static final int INCLUDE = 0xf8;

    /** {@code b ? dst : a}, bit by bit. */
    private static final int MERGE = 0xe4;

    /** Halves are rounded to nearest, ties to even. */
    private static final int NEAREST = 0;

    // Vector registers. Largest magnitudes: one for each block, then all in the lanes of the first.
    private static final int LARGEST = 0;
    /** One lane for each block; all lanes where there is one block. */
    private static final int FACTORS = 0;

    private static final int INVERSES = 1;
    /** Of one block, in all lanes. */
    private static final int FACTOR = 2;

    private static final int INVERSE = 3;
    /** While factors are found: what the factors of a group are multiples of, and these multiples. */
    private static final int UNIT = 2;

    private static final int SIXTHS = 3;
    /** The highest bits of codes of five bits, two registers. */
    private static final int UPPER = 4;
    // Squares of what is lost and of the terms, two registers each of float64.
    private static final int LOST = 8;
    private static final int TERMS = 10;
    // Whatever is needed at the moment: 12 to 15.
    private static final int SCRATCH = 12;
    private static final int OTHER = 13;
    /** Two registers for each block, later its codes. */
    private static final int WEIGHTS = 16;

    private final Assembler asm = new Assembler(VECTOR);
    private final DataType from;
    private final DataType to;
    private final int blocks;
    private final int largestCode;
    /** What is added to a code where it is stored. */
    private final int offset;

    private CoarseningWriter(DataType from, DataType to) {
        this.from = from;
        this.to = to;
        blocks = to.blockValues() / VALUES;
        largestCode = to == DataType.Q8_0 ? 127 : 15;
        offset = to == DataType.Q8_0 ? 0 : 16;
    }

    static boolean supports(DataType from, DataType to, InstructionSet set) {
        return set.vectorBytes() == VECTOR && SOURCES.contains(from) && (to == DataType.Q8_0 || to == DataType.Q5_K);
    }

    static byte[] write(DataType from, DataType to) {
        return new CoarseningWriter(from, to).write();
    }

    private byte[] write() {
        Label row = new Label();
        Label group = new Label();
        Label notFinite = new Label();
        Label end = new Label();
        asm.bind(row);
        for (int i = LOST; i < TERMS + 2; i++) {
            clear(i);
        }
        asm.mov(R10, RSI);
        asm.mov(R9, R8);
        asm.bind(group);
        load();
        findLargest();
        if (to == DataType.Q8_0) {
            storeFactor();
        } else {
            storeFactors();
        }
        invert();
        for (int block = 0; block < blocks; block++) {
            encode(block);
        }
        if (to == DataType.Q8_0) {
            storeBytes();
        } else {
            storeFiveBits();
        }
        asm.addConstant(RDI, (int) from.bytes(to.blockValues()));
        asm.addConstant(RSI, groupBytes());
        asm.subConstant(R9, 1);
        asm.jumpIfNotZero(group);
        storeNorms(notFinite);
        asm.bind(end);
        asm.addConstant(RDX, 2 * Float.BYTES);
        asm.subConstant(RCX, 1);
        asm.jumpIfNotZero(row);
        asm.vzeroupper();
        asm.ret();
        asm.bind(notFinite);
        giveUp();
        asm.jump(end);
        return asm.finish();
    }

    private int groupBytes() {
        return (int) to.bytes(to.blockValues());
    }

    private void clear(int register) {
        asm.op(VPXOR, register, register, register);
    }

    /** {@code dst} = lane {@code lane} of {@code source} in all lanes. Overwrites {@link #SCRATCH}. */
    private void spread(int dst, int source, int lane) {
        asm.op(VMOVUPS, SCRATCH, asm.dwords(lane));
        asm.op(VPERMPS, dst, SCRATCH, source);
    }

    /** {@code dst} = all bits where {@code x}, which is not negative, is not zero. */
    private void whereNotZero(int dst, int x) {
        clear(dst);
        asm.op(VPSUBD, dst, dst, x);
        asm.shift(VPSRAD, dst, dst, 31);
    }

    /** The values of the group as float32. */
    private void load() {
        if (from == DataType.Q8_0) {
            clear(FACTORS);
            for (int block = 0; block < blocks; block++) {
                asm.insertWord(FACTORS, Memory.at(RDI, Q8_0_BYTES * block), block);
            }
            asm.op(VCVTPH2PS, FACTORS, FACTORS);
        }
        for (int block = 0; block < blocks; block++) {
            Memory values = Memory.at(RDI, (int) from.bytes(VALUES) * block);
            if (from == DataType.Q8_0) {
                spread(FACTOR, FACTORS, block);
            }
            for (int half = 0; half < 2; half++) {
                load(WEIGHTS + 2 * block + half, values, half);
            }
        }
    }

    /** The first or second half of the values of a block. */
    private void load(int w, Memory values, int half) {
        switch (from) {
            case F32 -> asm.op(VMOVUPS, w, values.plus(VECTOR * half));
            case F16 -> asm.op(VCVTPH2PS, w, values.plus(VECTOR / 2 * half));
            case BF16 -> {
                asm.op(VPMOVZXWD, w, values.plus(VECTOR / 2 * half));
                asm.shift(VPSLLD, w, w, 16);
            }
            default -> {
                asm.op(VPMOVSXBD, w, values.plus(Q8_0_CODES + LANES * half));
                asm.op(VCVTDQ2PS, w, w);
                asm.op(VMULPS, w, w, FACTOR);
            }
        }
    }

    /** Sets the first register of {@link #LARGEST}. Magnitudes are compared as integers: what is no number is largest. */
    private void findLargest() {
        for (int block = 0; block < blocks; block++) {
            int w = WEIGHTS + 2 * block;
            asm.op(VPAND, LARGEST + block, w, asm.dwords(MAGNITUDE));
            asm.op(VPAND, SCRATCH, w + 1, asm.dwords(MAGNITUDE));
            asm.op(VPMAXSD, LARGEST + block, LARGEST + block, SCRATCH);
        }
        if (blocks == 1) {
            RowLoopsWriter.acrossLanes(asm, VPMAXSD, LARGEST, SCRATCH);
            return;
        }
        for (int block = 0; block < blocks; block += 2) {
            largerOf(VPUNPCKLDQ, VPUNPCKHDQ, LARGEST + block, LARGEST + block + 1);
        }
        for (int block = 0; block < blocks; block += 4) {
            // Four lanes for four blocks, four times.
            largerOf(VPUNPCKLQDQ, VPUNPCKHQDQ, LARGEST + block, LARGEST + block + 2);
            asm.op(VEXTRACTI64X4, LARGEST + block, 0, SCRATCH, 1);
            asm.op(VPMAXSD, LARGEST + block, LARGEST + block, SCRATCH);
        }
        asm.op(VINSERTI64X4, LARGEST, LARGEST, LARGEST + 4, 1);
        asm.op(VPERMQ, SCRATCH, 0, LARGEST, 0b01_00_11_10);
        asm.op(VPMAXSD, LARGEST, LARGEST, SCRATCH);
        asm.op(VMOVUPS, SCRATCH, asm.lanes(0, 1, 2, 3, 8, 9, 10, 11));
        asm.op(VPERMD, LARGEST, SCRATCH, LARGEST);
    }

    /** {@code a} = the larger ones of lanes of {@code a} and of {@code b}, in turn: half of the lanes of each are left. */
    private void largerOf(Instruction low, Instruction high, int a, int b) {
        asm.op(high, SCRATCH, a, b);
        asm.op(low, a, a, b);
        asm.op(VPMAXSD, a, a, SCRATCH);
    }

    /** Q8_0: the half float nearest to the factor. */
    private void storeFactor() {
        asm.op(VDIVPS, FACTORS, LARGEST, asm.floats(largestCode));
        asm.op(VMINPS, FACTORS, FACTORS, asm.floats(LARGEST_HALF));
        asm.op(VCVTPS2PH, FACTORS, 0, SCRATCH, NEAREST);
        asm.op(VCVTPH2PS, FACTORS, SCRATCH);
        // Two bytes more: the first codes come there later.
        asm.storeFloat(Memory.at(RSI, 0), SCRATCH);
    }

    /** Q5_K: a half float, and for each block the least multiple of it that is no smaller than the factor. */
    private void storeFactors() {
        asm.op(VDIVPS, FACTORS, LARGEST, asm.floats(largestCode));
        asm.op(VMOVAPS, UNIT, FACTORS);
        RowLoopsWriter.acrossLanes(asm, VMAXPS, UNIT, SCRATCH);
        asm.op(VDIVPS, UNIT, UNIT, asm.floats(LARGEST_SIXTH));
        asm.op(VMINPS, UNIT, UNIT, asm.floats(LARGEST_HALF / offset));
        asm.op(VCVTPS2PH, UNIT, 0, SCRATCH, NEAREST);
        asm.op(VCVTPH2PS, UNIT, SCRATCH);
        // The integer nearest to the rounded quotient is the one below the quotient or the one above. It is the one
        // below where its product with the unit, which is exact, is smaller than the factor.
        asm.op(VDIVPS, SIXTHS, FACTORS, UNIT);
        asm.op(VMINPS, SIXTHS, SIXTHS, asm.floats(LARGEST_SIXTH));
        asm.op(VCVTPS2DQ, SIXTHS, SIXTHS);
        asm.op(VCVTDQ2PS, SCRATCH, SIXTHS);
        asm.op(VMULPS, SCRATCH, SCRATCH, UNIT);
        asm.op(VPSUBD, SCRATCH, SCRATCH, FACTORS);
        asm.shift(VPSRAD, SCRATCH, SCRATCH, 31);
        asm.op(VPSUBD, SIXTHS, SIXTHS, SCRATCH);
        asm.op(VPMINSD, SIXTHS, SIXTHS, asm.dwords(LARGEST_SIXTH));
        whereNotZero(SCRATCH, UNIT);
        asm.op(VPAND, SIXTHS, SIXTHS, SCRATCH);
        asm.op(VCVTDQ2PS, FACTORS, SIXTHS);
        asm.op(VMULPS, FACTORS, FACTORS, UNIT);
        storeSixths();
        // The unit of the factors and the one of the minima.
        asm.op(VMULPS, UNIT, UNIT, asm.lanes(Float.floatToRawIntBits(1), Float.floatToRawIntBits(offset)));
        asm.op(VCVTPS2PH, UNIT, 0, SCRATCH, NEAREST);
        asm.storeFloat(Memory.at(RSI, 0), SCRATCH);
    }

    /**
     * Bytes 4 to 7, and the same again: six bits of one of the first four blocks, and the upper two of one of the last
     * four. Then four bytes with the lower four bits of the last ones, twice. Each byte is made in a lane.
     */
    private void storeSixths() {
        int upper = UPPER;
        int lower = OTHER;
        asm.op(VMOVUPS, SCRATCH, asm.lanes(0, 0, 0, 0, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
        asm.op(VPERMD, upper, SCRATCH, SIXTHS);
        asm.op(VPSRLVD, upper, upper, asm.lanes(0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 0, 0));
        asm.op(VPSLLVD, upper, upper, asm.lanes(0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 4, 4, 4, 4));
        asm.op(VMOVUPS, SCRATCH, asm.lanes(0, 0, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7));
        asm.op(VPERMD, lower, SCRATCH, SIXTHS);
        asm.op(VPAND, lower, lower, asm.lanes(0, 0, 0, 0, 63, 63, 63, 63, 63, 63, 63, 63, 15, 15, 15, 15));
        asm.op(VPOR, upper, upper, lower);
        asm.op(VPMOVDB, upper, Memory.at(RSI, 0));
    }

    /** {@link #INVERSES} = 1 / factor, or 0 where that is 0. */
    private void invert() {
        asm.op(VMOVUPS, INVERSES, asm.floats(1));
        asm.op(VDIVPS, INVERSES, INVERSES, FACTORS);
        whereNotZero(SCRATCH, FACTORS);
        asm.op(VPAND, INVERSES, INVERSES, SCRATCH);
    }

    /** Turns the values of a block into codes with their offset, and adds to both sums of squares. */
    private void encode(int block) {
        int code = 13;
        int term = 14;
        spread(FACTOR, FACTORS, block);
        spread(INVERSE, INVERSES, block);
        for (int w = WEIGHTS + 2 * block; w < WEIGHTS + 2 * block + 2; w++) {
            asm.op(VMULPS, code, w, INVERSE);
            asm.op(VMINPS, code, code, asm.floats(largestCode));
            asm.op(VMAXPS, code, code, asm.floats(-largestCode));
            asm.op(VCVTPS2DQ, code, code);
            asm.op(VCVTDQ2PS, term, code);
            asm.op(VMULPS, SCRATCH, term, FACTOR); // exact
            asm.op(VSUBPS, SCRATCH, w, SCRATCH);
            addSquares(LOST, SCRATCH);
            asm.op(VADDPS, term, term, asm.floats(2 * offset));
            asm.op(VMULPS, term, term, FACTOR); // exact
            addSquares(TERMS, term);
            asm.op(VPADDD, w, code, asm.dwords(offset));
        }
    }

    /** In float64, because the squares of tiny values are no float32. Overwrites {@code x}. */
    private void addSquares(int sums, int x) {
        int high = 15;
        asm.op(VEXTRACTI64X4, x, 0, high, 1);
        asm.op(VCVTPS2PD, x, x);
        asm.op(VCVTPS2PD, high, high);
        asm.op(VFMADD231PD, sums, x, x);
        asm.op(VFMADD231PD, sums + 1, high, high);
    }

    private void storeBytes() {
        asm.op(VPMOVDB, WEIGHTS, Memory.at(RSI, Q8_0_CODES));
        asm.op(VPMOVDB, WEIGHTS + 1, Memory.at(RSI, Q8_0_CODES + LANES));
    }

    /** Bytes with four bits of two blocks, and one with the fifth bits of all eight. */
    private void storeFiveBits() {
        for (int half = 0; half < 2; half++) {
            clear(UPPER + half);
            for (int block = 0; block < blocks; block += 2) {
                int first = WEIGHTS + 2 * block + half;
                int second = first + 2;
                includeUpper(UPPER + half, first, block);
                includeUpper(UPPER + half, second, block + 1);
                asm.shift(VPSLLD, SCRATCH, second, 4);
                asm.op(VPTERNLOGD, first, SCRATCH, asm.dwords(15), MERGE);
                asm.op(VPMOVDB, first, Memory.at(RSI, LOWER_BITS + LANES * (block + half)));
            }
            asm.shift(VPSRLD, UPPER + half, UPPER + half, 4);
            asm.op(VPMOVDB, UPPER + half, Memory.at(RSI, UPPER_BITS + LANES * half));
        }
    }

    /** Bit 4 of a code to bit 4 + {@code block}. */
    private void includeUpper(int upper, int code, int block) {
        asm.shift(VPSLLD, SCRATCH, code, block);
        asm.op(VPTERNLOGD, upper, SCRATCH, asm.dwords(16 << block), INCLUDE);
    }

    /** Stores both norms of a row; jumps instead where it has a value that is no finite number. */
    private void storeNorms(Label notFinite) {
        Memory pair = Memory.at(RSP, -16);
        long up = Double.doubleToRawLongBits(Coarsening.UP);
        asm.op(VADDPD, LOST, LOST, LOST + 1);
        asm.op(VADDPD, TERMS, TERMS, TERMS + 1);
        asm.op(VPUNPCKLQDQ, SCRATCH, LOST, TERMS);
        asm.op(VPUNPCKHQDQ, OTHER, LOST, TERMS);
        asm.op(VADDPD, SCRATCH, SCRATCH, OTHER);
        asm.op(VEXTRACTI64X4, SCRATCH, 0, OTHER, 1);
        asm.op(VADDPD, SCRATCH, SCRATCH, OTHER);
        asm.op(VEXTRACTF128, SCRATCH, 0, OTHER, 1);
        asm.op(VADDPD, SCRATCH, SCRATCH, OTHER);
        asm.store128(pair, SCRATCH);
        asm.mov(RAX, pair);
        asm.shiftLeft(RAX, 1);
        asm.shiftRight(RAX, 53);
        asm.subConstant(RAX, 2047); // the exponent of infinity and of what is no number
        asm.jumpIfZero(notFinite);
        asm.op(VSQRTPD, SCRATCH, SCRATCH);
        asm.op(VMULPD, SCRATCH, SCRATCH, asm.lanes((int) up, (int) (up >>> 32)));
        asm.op(VCVTPD2PS, SCRATCH, SCRATCH);
        // The next float, but none after infinity.
        asm.op(VPADDD, SCRATCH, SCRATCH, asm.dwords(1));
        asm.op(VPMINSD, SCRATCH, SCRATCH, asm.dwords(INFINITY));
        asm.store128(pair, SCRATCH);
        asm.mov(RAX, pair);
        asm.store(Memory.at(RDX, 0), RAX);
    }

    /** Infinite norms, and nothing but zeros in the row of the copy, which starts at R10. */
    private void giveUp() {
        Label group = new Label();
        asm.movLong(RAX, (long) INFINITY << 32 | INFINITY);
        asm.store(Memory.at(RDX, 0), RAX);
        clear(SCRATCH);
        asm.mov(R9, R8);
        asm.bind(group);
        for (int at = 0; at < groupBytes(); at += 16) {
            asm.store128(Memory.at(R10, Math.min(at, groupBytes() - 16)), SCRATCH);
        }
        asm.addConstant(R10, groupBytes());
        asm.subConstant(R9, 1);
        asm.jumpIfNotZero(group);
    }
}
