package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTI64X4;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VDPBF16PS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VINSERTI64X4;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPERMD;
import static dev.jwen.kernel.x86.Instruction.VPERMPS;
import static dev.jwen.kernel.x86.Instruction.VPMOVSXBD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXBD;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSLLVD;
import static dev.jwen.kernel.x86.Instruction.VPSLLW;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLVD;
import static dev.jwen.kernel.x86.Instruction.VPSRLW;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes the kernels for one token in 512 bits: row after row, each from its first byte to its last, so that memory is
 * read in one run, which is what a single token's speed depends on.
 *
 * <p>Lanes are columns. A step is 256 columns of a row, the largest block of any format: first the scales of its blocks
 * are put into one vector and multiplied with those of the activations, then four times 64 codes become bytes, meet the
 * activations in one dot product and are scaled. The 16 lanes are added once at the end of a row. Codes without minima
 * sit in the upper bits of their bytes, see {@link Packing}; the corrections stand beside the activations, see
 * {@link Activations#INT8_ROW}.
 *
 * <p>Arguments: rows, activations, steps of a row, output, number of rows.
 */
final class RowWriter {
    /** Columns of a step. */
    static final int COLUMNS = 256;

    private static final int WEIGHTS = RDI;
    private static final int X = RAX;
    private static final int STEPS = R9;
    private static final int OUT = RCX;
    private static final int ROWS = R8;

    /** How far ahead memory is asked for: enough to cover its latency at full bandwidth. */
    private static final int AHEAD = 4096;

    private static final int CACHE_LINE = 64;

    // Vector registers; those from KEPT on hold constants.
    private static final int CODES = 0;
    private static final int DOTS = 1;
    private static final int SCALE = 2;
    private static final int SCALES = 4;
    private static final int FIFTH_BITS = 9;
    private static final int ACCUMULATORS = 10;
    private static final int MINIMA = 14;
    private static final int KEPT = 16;

    private final Assembler asm = new Assembler(64);
    private final InstructionSet set;
    private final DataType type;
    private final Packing packing;
    private final Map<Memory, Integer> kept = new LinkedHashMap<>();

    private RowWriter(DataType type, Packing packing, InstructionSet set) {
        this.type = type;
        this.packing = packing;
        this.set = set;
    }

    /** Whether there is a kernel for rows of this format and length. */
    static boolean supports(DataType type, long columns, InstructionSet set) {
        return set.vectorBytes() == 64
                && columns % COLUMNS == 0
                && switch (type) {
                    case F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K -> true;
                    default -> false;
                };
    }

    /** The form in which the activations of one token are multiplied. */
    static Activations activations(Packing packing) {
        return packing.isInteger() ? Activations.INT8_ROW : packing.activations();
    }

    static byte[] write(DataType type, Packing packing, InstructionSet set) {
        return new RowWriter(type, packing, set).write();
    }

    private byte[] write() {
        Label constants = new Label();
        Label row = new Label();
        Label step = new Label();
        asm.jump(constants);
        asm.bind(row);
        asm.mov(X, RSI);
        asm.mov(STEPS, RDX);
        for (int i = ACCUMULATORS; i <= MINIMA; i++) {
            asm.op(VPXOR, i, i, i);
        }
        asm.bind(step);
        int bytes = (int) type.bytes(COLUMNS);
        for (int at = 0; at < bytes; at += CACHE_LINE) {
            asm.prefetch(Memory.at(WEIGHTS, AHEAD + at));
        }
        if (packing.isInteger()) {
            scales();
            for (int quarter = 0; quarter < 4; quarter++) {
                products(quarter);
            }
        } else {
            numbers();
        }
        asm.addConstant(WEIGHTS, bytes);
        asm.addConstant(
                X,
                COLUMNS
                        / activations(packing).recordValues()
                        * activations(packing).recordBytes());
        asm.subConstant(STEPS, 1);
        asm.jumpIfNotZero(step);
        finishRow();
        asm.subConstant(ROWS, 1);
        asm.jumpIfNotZero(row);
        asm.vzeroupper();
        asm.ret();
        asm.bind(constants);
        kept.forEach((constant, register) -> asm.op(VMOVUPS, register, constant));
        asm.jump(row);
        return asm.finish();
    }

    /** The register that holds {@code constant} throughout. */
    private int keep(Memory constant) {
        return kept.computeIfAbsent(constant, key -> KEPT + kept.size());
    }

    private static Memory weights(int offset) {
        return Memory.at(WEIGHTS, offset);
    }

    private static Memory x(int offset) {
        return Memory.at(X, offset);
    }

    /** Adds the lanes and writes the sum. */
    private void finishRow() {
        int sum = ACCUMULATORS;
        int part = ACCUMULATORS + 1;
        asm.op(VADDPS, sum, sum, part);
        asm.op(VADDPS, sum + 2, sum + 2, sum + 3);
        asm.op(VADDPS, sum, sum, sum + 2);
        asm.op(VEXTRACTI64X4, sum, 0, part, 1);
        asm.op(VADDPS, sum, sum, part);
        if (packing.hasMinima()) {
            asm.op(VEXTRACTI64X4, MINIMA, 0, part, 1);
            asm.op(VSUBPS, sum, sum, part);
        }
        asm.op(VEXTRACTF128, sum, 0, part, 1);
        asm.op(VADDPS, sum, sum, part);
        asm.op(VPSHUFD, part, 0, sum, 0b01_00_11_10);
        asm.op(VADDPS, sum, sum, part);
        asm.op(VPSHUFD, part, 0, sum, 0b10_11_00_01);
        asm.op(VADDPS, sum, sum, part);
        asm.storeFloat(Memory.at(OUT, 0), sum);
        asm.addConstant(OUT, Float.BYTES);
    }

    // ---- plain numbers

    private void numbers() {
        for (int i = 0; i < COLUMNS / (activations(packing) == Activations.BF16 ? 32 : 16); i++) {
            int sum = ACCUMULATORS + i % 4;
            if (activations(packing) == Activations.BF16) {
                asm.op(VMOVUPS, CODES, x(64 * i));
                asm.op(VDPBF16PS, sum, CODES, weights(64 * i));
                continue;
            }
            switch (type) {
                case F32 -> asm.op(VMOVUPS, CODES, weights(64 * i));
                case F16 -> asm.op(VCVTPH2PS, CODES, weights(32 * i));
                default -> {
                    asm.op(VPMOVZXWD, CODES, weights(32 * i));
                    asm.shift(VPSLLD, CODES, CODES, 16);
                }
            }
            asm.op(VFMADD231PS, sum, CODES, x(64 * i));
        }
    }

    // ---- codes

    /** The products of 64 columns: {@code quarter} of a step. */
    private void products(int quarter) {
        codes(quarter);
        if (packing.hasMinima()) {
            asm.op(VPXOR, DOTS, DOTS, DOTS);
        } else {
            asm.op(VMOVUPS, DOTS, x(128 * quarter + 64));
        }
        asm.op(VPDPBUSD, DOTS, CODES, x(128 * quarter));
        asm.op(VCVTDQ2PS, DOTS, DOTS);
        asm.op(VPERMPS, SCALE, keep(places(quarter)), SCALES);
        asm.op(VFMADD231PS, ACCUMULATORS + quarter, DOTS, SCALE);
    }

    /** Which scale belongs to each lane of a quarter: 8 lanes share one, or 4 where a scale is for 16 columns. */
    private Memory places(int quarter) {
        int[] places = new int[16];
        for (int lane = 0; lane < 16; lane++) {
            places[lane] = packing.parts() == 1 ? 2 * quarter + lane / 8 : 4 * quarter + lane / 4;
        }
        return asm.lanes(places);
    }

    /** {@link #SCALES} = the scales of a step, times those of the activations; adds up the minima. */
    private void scales() {
        switch (type) {
            case Q8_0 -> blockScales(34);
            case Q4_0 -> blockScales(18);
            case Q4_K, Q5_K -> scalesAndMinima();
            default -> sixteenths();
        }
    }

    /** Register {@link #CODES} = 64 codes in the order of their columns. */
    private void codes(int quarter) {
        switch (type) {
            case Q8_0 -> {
                asm.op(VMOVUPS, CODES, weights(68 * quarter + 2));
                asm.op(VINSERTI64X4, CODES, CODES, weights(68 * quarter + 36), 1);
                asm.op(VPXOR, CODES, CODES, keep(asm.constant((byte) 0x80)));
            }
            case Q4_0 -> {
                int block = 36 * quarter + 2;
                asm.load128(CODES, weights(block));
                asm.op(VINSERTI128, CODES, CODES, weights(block), 1);
                asm.op(VINSERTI128, CODES, CODES, weights(block + 18), 2);
                asm.op(VINSERTI128, CODES, CODES, weights(block + 18), 3);
                asm.op(VPSLLVD, CODES, CODES, keep(asm.lanes(4, 4, 4, 4, 0, 0, 0, 0)));
                asm.op(VPAND, CODES, CODES, keep(asm.constant((byte) 0xf0)));
            }
            case Q4_K -> nibbles(16 + 32 * quarter);
            case Q5_K -> {
                nibbles(48 + 32 * quarter);
                fifthBits(quarter);
            }
            default -> sixBits(quarter);
        }
    }

    /** The low nibbles of 32 bytes, then the high ones. */
    private void nibbles(int offset) {
        asm.op(VBROADCASTI64X4, CODES, weights(offset));
        asm.op(VPSRLVD, CODES, CODES, keep(halves(0, 4)));
        asm.op(VPAND, CODES, CODES, keep(asm.constant((byte) 0x0f)));
    }

    /** Bit 2·quarter of the 32 bytes in {@link #FIFTH_BITS} belongs to the lower 32 columns, the next to the upper. */
    private void fifthBits(int quarter) {
        int bit = 2 * quarter;
        if (bit < 4) {
            asm.op(VPSLLVD, SCALE, FIFTH_BITS, keep(halves(4 - bit, 3 - bit)));
        } else {
            asm.op(VPSRLVD, SCALE, FIFTH_BITS, keep(halves(bit - 4, bit - 3)));
        }
        asm.op(VPAND, SCALE, SCALE, keep(asm.constant((byte) 0x10)));
        asm.op(VPOR, CODES, CODES, SCALE);
    }

    /** Q6_K: four bits here, two there; both go to the upper bits. */
    private void sixBits(int quarter) {
        int half = quarter / 2;
        boolean high = quarter % 2 == 1;
        asm.op(VMOVUPS, CODES, weights(64 * half));
        asm.shift(high ? VPSRLW : VPSLLW, CODES, CODES, 2);
        asm.op(VPAND, CODES, CODES, keep(asm.constant((byte) 0x3c)));
        asm.op(VBROADCASTI64X4, SCALE, weights(128 + 32 * half));
        asm.op(VPSLLVD, SCALE, SCALE, keep(high ? halves(2, 0) : halves(6, 4)));
        asm.op(VPAND, SCALE, SCALE, keep(asm.constant((byte) 0xc0)));
        asm.op(VPOR, CODES, CODES, SCALE);
    }

    private Memory halves(int low, int high) {
        return asm.lanes(low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high);
    }

    /** Blocks of 32 columns that begin with their scale. */
    private void blockScales(int blockBytes) {
        int halves = SCALES + 1;
        asm.op(VPXOR, halves, halves, halves);
        for (int block = 0; block < 8; block++) {
            asm.insertWord(halves, weights(blockBytes * block), block);
        }
        asm.op(VCVTPH2PS, SCALES, halves);
        unshift(SCALES);
        asm.op(VMULPS, SCALES, SCALES, x(Activations.ROW_SCALES));
    }

    /** Takes out the power of two by which the codes are shifted. */
    private void unshift(int scales) {
        int shift = packing.codeShift(set);
        if (shift != 0) {
            asm.op(VMULPS, scales, scales, keep(asm.floats(1f / (1 << shift))));
        }
    }

    /**
     * Q4_K and Q5_K: {d, dmin, 6-bit scales and minima in three dwords}. The lower lanes become d times the eight
     * scales, the upper ones dmin times the eight minima.
     */
    private void scalesAndMinima() {
        int bits = SCALES + 1;
        int upper = SCALES + 2;
        int factors = SCALES + 3;
        asm.load128(factors, weights(0));
        // Scales 0 to 3, scales 4 to 7, minima 0 to 3, minima 4 to 7: the lower six or four bits ...
        asm.op(VPERMD, bits, keep(asm.lanes(1, 3, 2, 3)), factors);
        asm.op(VPSRLVD, bits, bits, keep(asm.lanes(0, 0, 0, 4)));
        asm.op(VPAND, bits, bits, keep(asm.lanes(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f)));
        // ... and the upper two of those that come last.
        asm.op(VPERMD, upper, keep(asm.lanes(0, 1, 0, 2)), factors);
        asm.shift(VPSRLD, upper, upper, 2);
        asm.op(VPAND, upper, upper, keep(asm.lanes(0, 0x30303030, 0, 0x30303030)));
        asm.op(VPOR, bits, bits, upper);
        asm.op(VPMOVZXBD, bits, bits);
        asm.op(VCVTDQ2PS, bits, bits);
        asm.op(VCVTPH2PS, factors, factors);
        asm.op(VPERMPS, factors, keep(halves(0, 1)), factors);
        asm.op(VMULPS, SCALES, bits, factors);
        asm.op(VMULPS, SCALES, SCALES, x(Activations.ROW_SCALES));
        asm.op(VADDPS, MINIMA, MINIMA, SCALES);
        if (type == DataType.Q5_K) {
            asm.op(VBROADCASTI64X4, FIFTH_BITS, weights(16));
        }
    }

    /** Q6_K: a scale for 16 columns. */
    private void sixteenths() {
        int factor = SCALES + 1;
        int activations = SCALES + 2;
        asm.op(VPMOVSXBD, SCALES, weights(192));
        asm.op(VCVTDQ2PS, SCALES, SCALES);
        asm.op(VPXOR, factor, factor, factor);
        asm.insertWord(factor, weights(208), 0);
        asm.op(VCVTPH2PS, factor, factor);
        unshift(factor);
        asm.op(VBROADCASTSS, factor, factor);
        asm.op(VMULPS, SCALES, SCALES, factor);
        asm.op(VMOVUPS, activations, x(Activations.ROW_SCALES));
        asm.op(VPERMPS, activations, keep(asm.lanes(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)), activations);
        asm.op(VMULPS, SCALES, SCALES, activations);
    }
}
