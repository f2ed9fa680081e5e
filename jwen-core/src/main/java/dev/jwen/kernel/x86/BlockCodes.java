package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VBROADCASTI64X4;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMPS;
import static dev.jwen.kernel.x86.Instruction.VPERMQ;
import static dev.jwen.kernel.x86.Instruction.VPRORVD;
import static dev.jwen.kernel.x86.Instruction.VPSHUFB;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLVD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VSHUFPS;

import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;

/**
 * Codes of Q4_K and Q5_K with 512 bits, of which a lane has a whole block of 32 columns in eight vectors
 * ({@link Activations#INT8_BLOCKS}), and so a step two blocks of 256, A and B: one scaling for twice the columns that
 * {@link HalfBlockCodes} scale, and as half of what is read goes where it has to be, fewer instructions to take it apart.
 *
 * <p>32 bytes hold a block in their low nibbles and the next one in the high ones. The quarters of a vector of bytes thus have
 * two such pairs, the first 16 bytes of each and the last. Four vectors, transposed within their quarters, are codes of all
 * 16 blocks where the low nibbles are taken in the even quarters and the high ones in the odd; and with the quarters exchanged
 * in pairs, the other codes of all. Lane 4q + i has block q + 4i, from 8 on those of B.
 */
final class BlockCodes implements RowCodes {
    /** Columns of a step. */
    static final int COLUMNS = Activations.INT8_BLOCKS.recordValues();

    private static final int VECTORS = 8;
    private static final int FACTORS = VECTORS;
    /** In the place of codes, which are read later. */
    private static final int MINIMA = VECTORS - 1;

    private static final int SCRATCH = 9;
    /** From here on, registers are free throughout. */
    static final int FREE = 12;

    /** Exchanges the quarters of a vector in pairs. */
    private static final int EXCHANGE = 0b01_00_11_10;

    private final Assembler asm;
    private final KeptConstants constants;
    private final int weights;
    private final int blockBytes;
    private final boolean hasFifthBits;

    /** @param weights the general register with the address of the step */
    BlockCodes(Assembler asm, DataType type, KeptConstants constants, int weights) {
        this.asm = asm;
        this.constants = constants;
        this.weights = weights;
        this.blockBytes = type.blockBytes();
        this.hasFifthBits = type == DataType.Q5_K;
    }

    static boolean supports(DataType type, InstructionSet set) {
        return set.isWide() && (type == DataType.Q4_K || type == DataType.Q5_K);
    }

    @Override
    public int vectors() {
        return VECTORS;
    }

    @Override
    public int factors() {
        return FACTORS;
    }

    @Override
    public int minima() {
        return MINIMA;
    }

    @Override
    public int scratch() {
        return SCRATCH;
    }

    private Memory weights(int block, int offset) {
        return Memory.at(weights, blockBytes * block + offset);
    }

    /** The same four lanes in each quarter. */
    private Memory inQuarters(int a, int b, int c, int d) {
        return asm.lanes(a, b, c, d);
    }

    /** The same in all lanes of a quarter. */
    private Memory ofQuarters(int a, int b, int c, int d) {
        return asm.lanes(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
    }

    /** {d, dmin, 6-bit scales and minima in three dwords}, of A in the first quarter and of B in the second. */
    @Override
    public void readScales() {
        int header = SCRATCH;
        int bits = SCRATCH + 1;
        int upper = SCRATCH + 2;
        asm.load128(header, weights(0, 0));
        asm.op(VINSERTI128, header, header, weights(1, 0), 1);
        // Scales 0 to 3, scales 4 to 7, minima 0 to 3, minima 4 to 7: the lower six or four bits ...
        asm.op(VPSHUFD, bits, 0, header, 0b11_10_11_01);
        constants.op(VPSRLVD, bits, bits, inQuarters(0, 0, 0, 4));
        constants.op(VPAND, bits, bits, inQuarters(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
        // ... and the upper two of those that come last.
        asm.op(VPSHUFD, upper, 0, header, 0b10_00_01_00);
        asm.shift(VPSRLD, upper, upper, 2);
        constants.orAnd(bits, upper, inQuarters(0, 0x30303030, 0, 0x30303030));
        asm.op(VCVTPH2PS, header, header);
        spread(FACTORS, inQuarters(0, 1, 4, 5), bits, inQuarters(0, 0, 8, 8), header);
        spread(MINIMA, inQuarters(2, 3, 6, 7), bits, inQuarters(1, 1, 9, 9), header);
        if (!hasFifthBits) {
            // High nibbles stay where they are, and so count 16 times.
            int one = Float.floatToRawIntBits(1);
            int sixteenth = Float.floatToRawIntBits(1f / 16);
            constants.op(VMULPS, FACTORS, FACTORS, ofQuarters(one, sixteenth, one, sixteenth));
        }
    }

    /** {@code dst} = byte q of the dwords {@code dwords} in quarter q, times the lanes {@code floats} of {@code factors}. */
    private void spread(int dst, Memory dwords, int bytes, Memory floats, int factors) {
        int none = 0x80808000;
        int factor = CODES;
        asm.op(VPERMPS, dst, constants.register(dwords, dst), bytes);
        constants.op(
                VPSHUFB,
                dst,
                dst,
                asm.lanes(
                        none, none + 4, none + 8, none + 12, none + 1, none + 5, none + 9, none + 13, none + 2,
                        none + 6, none + 10, none + 14, none + 3, none + 7, none + 11, none + 15));
        asm.op(VCVTDQ2PS, dst, dst);
        asm.op(VPERMPS, factor, constants.register(floats, factor), factors);
        asm.op(VMULPS, dst, dst, factor);
    }

    @Override
    public void readCodes(int half) {
        int pairs = blockBytes - 128;
        int quarters = VECTORS / 2;
        for (int i = 0; i < quarters; i++) {
            asm.op(VMOVUPS, CODES + i, weights(i / 2, pairs + 64 * (i % 2)));
        }
        transpose();
        Memory nibbles =
                hasFifthBits ? asm.constant((byte) 0x0f) : ofQuarters(0x0f0f0f0f, 0xf0f0f0f0, 0x0f0f0f0f, 0xf0f0f0f0);
        for (int i = 0; i < quarters; i++) {
            int others = CODES + quarters + i;
            asm.op(VPERMQ, others, 0, CODES + i, EXCHANGE);
            for (int codes : new int[] {CODES + i, others}) {
                if (hasFifthBits) {
                    constants.op(VPSRLVD, codes, codes, ofQuarters(0, 4, 0, 4));
                }
                constants.op(VPAND, codes, codes, nibbles);
            }
        }
        if (hasFifthBits) {
            fifthBits();
        }
    }

    /** Within each quarter, lane i of vector j becomes lane j of vector i. */
    private void transpose() {
        int t = CODES + VECTORS / 2;
        for (int i = 0; i < 4; i += 2) {
            asm.op(VPUNPCKLDQ, t + i, CODES + i, CODES + i + 1);
            asm.op(VPUNPCKHDQ, t + i + 1, CODES + i, CODES + i + 1);
        }
        for (int i = 0; i < 2; i++) {
            asm.op(VPUNPCKLQDQ, CODES + 2 * i, t + i, t + 2 + i);
            asm.op(VPUNPCKHQDQ, CODES + 2 * i + 1, t + i, t + 2 + i);
        }
    }

    /** Bit b of 32 bytes belongs to the columns of block b. */
    private void fifthBits() {
        int a = SCRATCH;
        int b = SCRATCH + 1;
        int bits = SCRATCH + 2;
        asm.op(VBROADCASTI64X4, a, weights(0, 16));
        asm.op(VBROADCASTI64X4, b, weights(1, 16));
        int[] toBit4 = new int[Activations.LANES];
        for (int lane = 0; lane < toBit4.length; lane++) {
            int block = (lane / 4 + 4 * lane) % 8;
            toBit4[lane] = block - 4 & 31;
        }
        for (int i = 0; i < VECTORS; i++) {
            if (i == VECTORS / 2) {
                asm.op(VPERMQ, a, 0, a, EXCHANGE);
                asm.op(VPERMQ, b, 0, b, EXCHANGE);
            }
            asm.op(VSHUFPS, bits, a, b, 0b01_01_01_01 * (i % 4));
            constants.op(VPRORVD, bits, bits, asm.lanes(toBit4));
            constants.orAnd(CODES + i, bits, asm.constant((byte) 0x10));
        }
    }
}
