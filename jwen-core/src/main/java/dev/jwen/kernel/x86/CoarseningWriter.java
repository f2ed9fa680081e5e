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
import static dev.jwen.kernel.x86.Assembler.RSP;
import static dev.jwen.kernel.x86.Instruction.VADDPD;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
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
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMINPS;
import static dev.jwen.kernel.x86.Instruction.VMOVAPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPD;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
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
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSQRTPD;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.Coarsening;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.SideBySide;
import java.util.Set;

/**
 * Writes {@link Coarsening} in 512 bits: (w, copy, norms, rows, blocks of a row). A block is 32 values, which stay in
 * registers. Rows of Q8_0 follow one another; of Q5_0_R16 there are at most those of one group, from its first on.
 *
 * <p>Codes and factors have the bits of the definition: only products that are exact are taken apart or put together.
 * A row is not finite if the squared norm of what it lost is not, since codes and factors always are.
 */
final class CoarseningWriter {
    private static final int VECTOR = 64;
    private static final int LANES = 16;
    private static final int VALUES = 2 * LANES;

    private static final Set<DataType> SOURCES = Set.of(DataType.F32, DataType.F16, DataType.BF16, DataType.Q8_0);

    private static final float LARGEST_HALF = 65504;
    private static final int MAGNITUDE = 0x7fff_ffff;
    private static final int INFINITY = 0x7f80_0000;

    private static final int Q8_0_CODES = 2;

    /** {@code b ? dst : a}, bit by bit. */
    private static final int MERGE = 0xe4;

    /** Halves are rounded to nearest, ties to even. */
    private static final int NEAREST = 0;

    // Where the factor, and of rows side by side the int with the lowest bits, of the current row and block go, and
    // those
    // of its first block.
    private static final int AT = RSI;
    private static final int INTS = RAX;
    private static final int ROW_AT = R10;
    private static final int ROW_INTS = R11;

    // Vector registers.
    private static final int LARGEST = 0;
    private static final int FACTOR = 2;
    private static final int INVERSE = 3;
    // Squares of what is lost and of the copy, two registers each of float64.
    private static final int LOST = 8;
    private static final int COPY = 10;
    // Whatever is needed at the moment: 12 to 15.
    private static final int SCRATCH = 12;
    private static final int OTHER = 13;
    /** The values of a block, two registers, later its codes. */
    private static final int WEIGHTS = 16;

    private final Assembler asm = new Assembler(VECTOR);
    private final DataType from;
    private final DataType to;
    private final int largestCode;

    private CoarseningWriter(DataType from, DataType to) {
        this.from = from;
        this.to = to;
        largestCode = Coarsening.largestCode(to);
    }

    static boolean supports(DataType from, DataType to, InstructionSet set) {
        return set.vectorBytes() == VECTOR
                && SOURCES.contains(from)
                && (to == DataType.Q8_0 || to == DataType.Q5_0_R16);
    }

    static byte[] write(DataType from, DataType to) {
        return new CoarseningWriter(from, to).write();
    }

    private byte[] write() {
        Label row = new Label();
        Label block = new Label();
        Label notFinite = new Label();
        Label end = new Label();
        asm.mov(ROW_AT, RSI);
        asm.lea(ROW_INTS, Memory.at(RSI, SideBySide.LOWEST_BITS));
        asm.bind(row);
        for (int i = LOST; i < COPY + 2; i++) {
            clear(i);
        }
        startRow();
        asm.bind(block);
        load();
        findFactor();
        encode();
        if (isSideBySide()) {
            storeSideBySide();
        } else {
            storeBytes();
        }
        asm.addConstant(RDI, (int) from.bytes(VALUES));
        nextBlock();
        asm.jumpIfNotZero(block);
        storeNorms(notFinite);
        asm.bind(end);
        if (isSideBySide()) {
            asm.addConstant(ROW_AT, Short.BYTES);
            asm.addConstant(ROW_INTS, Integer.BYTES);
        } else {
            asm.mov(ROW_AT, AT);
        }
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

    private boolean isSideBySide() {
        return to.rowGroup() > 1;
    }

    private void startRow() {
        asm.mov(AT, ROW_AT);
        asm.mov(INTS, ROW_INTS);
        asm.mov(R9, R8);
    }

    /** Turns to the next block of the row, and counts them. */
    private void nextBlock() {
        int bytes = (int) to.bytes(VALUES) * to.rowGroup();
        asm.addConstant(AT, bytes);
        if (isSideBySide()) {
            asm.addConstant(INTS, bytes);
        }
        asm.subConstant(R9, 1);
    }

    private void clear(int register) {
        asm.op(VPXOR, register, register, register);
    }

    /** {@code dst} = all bits where {@code x}, which is not negative, is not zero. */
    private void whereNotZero(int dst, int x) {
        clear(dst);
        asm.op(VPSUBD, dst, dst, x);
        asm.shift(VPSRAD, dst, dst, 31);
    }

    /** The values of a block as float32. */
    private void load() {
        if (from == DataType.Q8_0) {
            clear(SCRATCH);
            asm.insertWord(SCRATCH, Memory.at(RDI, 0), 0);
            asm.op(VCVTPH2PS, SCRATCH, SCRATCH);
            asm.op(VBROADCASTSS, FACTOR, SCRATCH);
        }
        for (int half = 0; half < 2; half++) {
            load(WEIGHTS + half, Memory.at(RDI, 0), half);
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

    /** The half float nearest to what suits the block, its reciprocal or 0. What is no number is largest as an integer. */
    private void findFactor() {
        asm.op(VPAND, LARGEST, WEIGHTS, asm.dwords(MAGNITUDE));
        asm.op(VPAND, SCRATCH, WEIGHTS + 1, asm.dwords(MAGNITUDE));
        asm.op(VPMAXSD, LARGEST, LARGEST, SCRATCH);
        RowLoopsWriter.acrossLanes(asm, VPMAXSD, LARGEST, SCRATCH);
        asm.op(VDIVPS, FACTOR, LARGEST, asm.floats(largestCode));
        asm.op(VMINPS, FACTOR, FACTOR, asm.floats(LARGEST_HALF));
        asm.op(VCVTPS2PH, FACTOR, 0, SCRATCH, NEAREST);
        asm.op(VCVTPH2PS, FACTOR, SCRATCH);
        asm.extractWord(Memory.at(AT, 0), SCRATCH, 0);
        asm.op(VMOVUPS, INVERSE, asm.floats(1));
        asm.op(VDIVPS, INVERSE, INVERSE, FACTOR);
        whereNotZero(SCRATCH, FACTOR);
        asm.op(VPAND, INVERSE, INVERSE, SCRATCH);
    }

    /** Turns the values of a block into codes, and adds to both sums of squares. */
    private void encode() {
        int code = 13;
        int kept = 14;
        for (int w = WEIGHTS; w < WEIGHTS + 2; w++) {
            asm.op(VMULPS, code, w, INVERSE);
            asm.op(VMINPS, code, code, asm.floats(largestCode));
            asm.op(VMAXPS, code, code, asm.floats(-largestCode));
            asm.op(VCVTPS2DQ, code, code);
            asm.op(VCVTDQ2PS, kept, code);
            asm.op(VMULPS, kept, kept, FACTOR); // exact
            asm.op(VSUBPS, SCRATCH, w, kept);
            addSquares(LOST, SCRATCH);
            addSquares(COPY, kept);
            asm.op(VMOVAPS, w, code);
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
        asm.op(VPMOVDB, WEIGHTS, Memory.at(AT, Q8_0_CODES));
        asm.op(VPMOVDB, WEIGHTS + 1, Memory.at(AT, Q8_0_CODES + LANES));
    }

    private void storeSideBySide() {
        int low = WEIGHTS;
        int high = WEIGHTS + 1;
        asm.op(VPADDD, low, low, asm.dwords(SideBySide.OFFSET));
        asm.op(VPADDD, high, high, asm.dwords(SideBySide.OFFSET));
        // Of a code of column c the lowest bit goes to bit c / 4 of byte c % 4.
        asm.op(VPAND, SCRATCH, low, asm.dwords(1));
        asm.op(VPSLLVD, SCRATCH, SCRATCH, asm.lanes(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
        asm.op(VPAND, OTHER, high, asm.dwords(1));
        asm.op(VPSLLVD, OTHER, OTHER, asm.lanes(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7));
        asm.op(VPOR, SCRATCH, SCRATCH, OTHER);
        asm.op(VEXTRACTI64X4, SCRATCH, 0, OTHER, 1);
        asm.op(VPOR, SCRATCH, SCRATCH, OTHER);
        asm.op(VEXTRACTF128, SCRATCH, 0, OTHER, 1);
        asm.op(VPOR, SCRATCH, SCRATCH, OTHER);
        asm.op(VPMOVDB, SCRATCH, OTHER);
        asm.extractDword(Memory.at(INTS, 0), OTHER, 0);
        // The upper four bits of the first 16 columns beside those of the last.
        asm.shift(VPSRLD, low, low, 1);
        asm.shift(VPSLLD, high, high, 3);
        asm.op(VPTERNLOGD, low, high, asm.dwords(15), MERGE);
        asm.op(VPMOVDB, low, OTHER);
        for (int i = 0; i < 4; i++) {
            asm.extractDword(upper(i), OTHER, i);
        }
    }

    private static Memory upper(int i) {
        return Memory.at(INTS, SideBySide.UPPER_BITS - SideBySide.LOWEST_BITS + VECTOR * i);
    }

    /** Stores both norms of a row; jumps instead where it has a value that is no finite number. */
    private void storeNorms(Label notFinite) {
        Memory pair = Memory.at(RSP, -16);
        long up = Double.doubleToRawLongBits(Coarsening.UP);
        asm.op(VADDPD, LOST, LOST, LOST + 1);
        asm.op(VADDPD, COPY, COPY, COPY + 1);
        asm.op(VPUNPCKLQDQ, SCRATCH, LOST, COPY);
        asm.op(VPUNPCKHQDQ, OTHER, LOST, COPY);
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

    /** Infinite norms; a row with factors of 0 and codes of 0, with their offset. */
    private void giveUp() {
        Label block = new Label();
        asm.movLong(RAX, (long) INFINITY << 32 | INFINITY);
        asm.store(Memory.at(RDX, 0), RAX);
        clear(SCRATCH);
        startRow();
        asm.bind(block);
        asm.extractWord(Memory.at(AT, 0), SCRATCH, 0);
        clear(WEIGHTS);
        clear(WEIGHTS + 1);
        if (isSideBySide()) {
            storeSideBySide();
            clear(SCRATCH);
        } else {
            storeBytes();
        }
        nextBlock();
        asm.jumpIfNotZero(block);
    }
}
