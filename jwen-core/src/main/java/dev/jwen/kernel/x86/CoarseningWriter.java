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
import static dev.jwen.kernel.x86.Instruction.VPACKSSDW;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPMAXSD;
import static dev.jwen.kernel.x86.Instruction.VPMINSD;
import static dev.jwen.kernel.x86.Instruction.VPMOVDB;
import static dev.jwen.kernel.x86.Instruction.VPMOVSXBD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFB;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSLLVD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
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
import dev.jwen.tensor.SideBySide;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Writes {@link Coarsening}: (w, copy, norms, rows, blocks of a row). A block is 32 values, which stay in registers. Rows
 * of Q8_0 follow one another; of Q5_0_R16 there are at most those of one group, from its first on.
 *
 * <p>Codes and factors have the bits of the definition: only products that are exact are taken apart or put together.
 * A row is not finite if the squared norm of what it lost is not, since codes and factors always are.
 */
final class CoarseningWriter {
    private static final int VALUES = 32;

    /** Columns whose codes lie beside those of the other half in the bytes of rows side by side. */
    private static final int HALF = VALUES / 2;

    private static final Set<DataType> SOURCES = Set.of(DataType.F32, DataType.F16, DataType.BF16, DataType.Q8_0);

    private static final float LARGEST_HALF = 65504;
    private static final int MAGNITUDE = 0x7fff_ffff;
    private static final int INFINITY = 0x7f80_0000;

    private static final int Q8_0_CODES = 2;

    // Bytes of 128 bits that VPSHUFB takes.
    private static final byte[] EVEN_BYTES = {0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14};
    private static final byte[] EVERY_FOURTH_BYTE = {0, 4, 8, 12};

    /** Halves are rounded to nearest, ties to even. */
    private static final int NEAREST = 0;

    // Where the factor, and of rows side by side the int with the lowest bits, of the current row and block go, and
    // those of its first block.
    private static final int AT = RSI;
    private static final int INTS = RAX;
    private static final int ROW_AT = R10;
    private static final int ROW_INTS = R11;

    // Vector registers.
    private static final int LARGEST = 0;
    private static final int FACTOR = 2;
    private static final int INVERSE = 3;
    /** The values of a block, up to four registers, later its codes. */
    private static final int WEIGHTS = 4;

    // Squares of what is lost and of the copy, two registers each of float64.
    private static final int LOST = 8;
    private static final int COPY = 10;
    // Whatever is needed at the moment: 12 to 15.
    private static final int SCRATCH = 12;
    private static final int OTHER = 13;

    private final Assembler asm;
    private final DataType from;
    private final DataType to;
    private final int largestCode;
    private final int lanes;
    private final boolean isWide;

    /** The first register of the second half of the values, and the one behind it. */
    private final int secondHalf;

    private final int endOfWeights;

    private CoarseningWriter(DataType from, DataType to, InstructionSet set) {
        asm = set.assembler();
        this.from = from;
        this.to = to;
        largestCode = Coarsening.largestCode(to);
        lanes = set.rows();
        isWide = set.isWide();
        secondHalf = WEIGHTS + HALF / lanes;
        endOfWeights = WEIGHTS + VALUES / lanes;
    }

    static boolean supports(DataType from, DataType to) {
        return SOURCES.contains(from) && (to == DataType.Q8_0 || to == DataType.Q5_0_R16);
    }

    static byte[] write(DataType from, DataType to, InstructionSet set) {
        return new CoarseningWriter(from, to, set).write();
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
        store();
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
        for (int w = WEIGHTS; w < endOfWeights; w++) {
            load(w, lanes * (w - WEIGHTS));
        }
    }

    /** Values of a block from {@code first} on. */
    private void load(int w, int first) {
        switch (from) {
            case F32 -> asm.op(VMOVUPS, w, Memory.at(RDI, Float.BYTES * first));
            case F16 -> asm.op(VCVTPH2PS, w, Memory.at(RDI, Short.BYTES * first));
            case BF16 -> {
                asm.op(VPMOVZXWD, w, Memory.at(RDI, Short.BYTES * first));
                asm.shift(VPSLLD, w, w, 16);
            }
            default -> {
                asm.op(VPMOVSXBD, w, Memory.at(RDI, Q8_0_CODES + first));
                asm.op(VCVTDQ2PS, w, w);
                asm.op(VMULPS, w, w, FACTOR);
            }
        }
    }

    /** The half float nearest to what suits the block, its reciprocal or 0. What is no number is largest as an integer. */
    private void findFactor() {
        asm.op(VPAND, LARGEST, WEIGHTS, asm.dwords(MAGNITUDE));
        for (int w = WEIGHTS + 1; w < endOfWeights; w++) {
            asm.op(VPAND, SCRATCH, w, asm.dwords(MAGNITUDE));
            asm.op(VPMAXSD, LARGEST, LARGEST, SCRATCH);
        }
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
        for (int w = WEIGHTS; w < endOfWeights; w++) {
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
        asm.op(isWide ? VEXTRACTI64X4 : VEXTRACTF128, x, 0, high, 1);
        asm.op(VCVTPS2PD, x, x);
        asm.op(VCVTPS2PD, high, high);
        asm.op(VFMADD231PD, sums, x, x);
        asm.op(VFMADD231PD, sums + 1, high, high);
    }

    /** Stores the codes of a block. */
    private void store() {
        if (isSideBySide()) {
            storeSideBySide();
        } else {
            storeBytes();
        }
    }

    private void storeBytes() {
        narrow(WEIGHTS);
        asm.store128(Memory.at(AT, Q8_0_CODES), OTHER);
        narrow(secondHalf);
        asm.store128(Memory.at(AT, Q8_0_CODES + HALF), OTHER);
    }

    /** The lowest 16 bytes of OTHER = those of 16 dwords that are bytes, in registers from {@code x} on. Overwrites SCRATCH. */
    private void narrow(int x) {
        if (isWide) {
            asm.op(VPMOVDB, x, OTHER);
        } else {
            asm.op(VPACKSSDW, OTHER, x, x + 1);
            asm.op(VPSHUFB, OTHER, OTHER, asm.constant(EVEN_BYTES));
            asm.op(VEXTRACTF128, OTHER, 0, SCRATCH, 1);
            asm.op(VPUNPCKLDQ, OTHER, OTHER, SCRATCH);
        }
    }

    private void storeSideBySide() {
        // Of a code of column c the lowest bit goes to bit c / 4 of byte c % 4.
        clear(SCRATCH);
        for (int w = WEIGHTS; w < endOfWeights; w++) {
            int first = lanes * (w - WEIGHTS);
            asm.op(VPADDD, w, w, asm.dwords(SideBySide.OFFSET));
            asm.op(VPAND, OTHER, w, asm.dwords(1));
            int[] bits = IntStream.range(first, first + lanes).map(c -> c / 4).toArray();
            asm.op(VPSLLVD, OTHER, OTHER, asm.lanes(bits));
            asm.op(VPOR, SCRATCH, SCRATCH, OTHER);
        }
        RowLoopsWriter.acrossHalves(asm, VPOR, SCRATCH, OTHER);
        asm.op(VPSHUFB, SCRATCH, SCRATCH, asm.constant(EVERY_FOURTH_BYTE));
        asm.extractDword(Memory.at(INTS, 0), SCRATCH, 0);
        // The upper four bits of the columns of one half beside those of the other.
        for (int w = WEIGHTS; w < secondHalf; w++) {
            int other = w - WEIGHTS + secondHalf;
            asm.shift(VPSRLD, w, w, 1);
            asm.shift(VPSRLD, other, other, 1);
            asm.shift(VPSLLD, other, other, 4);
            asm.op(VPOR, w, w, other);
        }
        narrow(WEIGHTS);
        for (int i = 0; i < 4; i++) {
            asm.extractDword(upper(i), OTHER, i);
        }
    }

    private static Memory upper(int i) {
        return Memory.at(INTS, SideBySide.UPPER_BITS - SideBySide.LOWEST_BITS + Integer.BYTES * SideBySide.ROWS * i);
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
        RowLoopsWriter.acrossHalves(asm, VADDPD, SCRATCH, OTHER);
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
        startRow();
        asm.bind(block);
        clear(SCRATCH);
        asm.extractWord(Memory.at(AT, 0), SCRATCH, 0);
        for (int w = WEIGHTS; w < endOfWeights; w++) {
            clear(w);
        }
        store();
        nextBlock();
        asm.jumpIfNotZero(block);
    }
}
