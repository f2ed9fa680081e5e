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
 * Writes the kernels for one to {@value #MAX_TOKENS} tokens in 512 bits: row after row, each from its first byte to its
 * last, so that memory is read in one run, which is what the speed of so few tokens depends on.
 *
 * <p>Lanes are columns. A step is 256 columns of a row, the largest block of any format: first the scales of its blocks
 * are put into one vector and multiplied with those of the activations, then its codes become bytes, meet the activations of
 * each token in dot products and are scaled: 64 codes at a time, or 128 where a lane can take columns of both halves of a
 * block. The lanes are added once at the end of a row. Codes without minima sit in the upper bits of their bytes, see
 * {@link Packing}; the corrections stand beside the activations, see {@link Activations#INT8_ROW}.
 *
 * <p>Sums are added up in the same order for every number of tokens.
 *
 * <p>Arguments: rows, activations, steps of a row, output, number of rows, stride of the activations, stride of the output.
 */
final class RowWriter {
    /** Columns of a step. */
    static final int COLUMNS = 256;

    /** The most tokens that there are kernels for. */
    static final int MAX_TOKENS = 4;

    private static final int WEIGHTS = RDI;
    private static final int X = RAX;
    private static final int STEPS = R9;
    private static final int OUT = RCX;
    private static final int ROWS = R8;
    private static final int X_STRIDE = R10;
    private static final int X_STRIDE_3 = R11;

    // Between rows only.
    private static final int OUT_STRIDE = RAX;
    private static final int OUT_STRIDE_3 = R9;
    private static final Memory OUT_STRIDE_ARGUMENT = Memory.at(RSP, 8);

    /** How far ahead memory is asked for: enough to cover its latency at full bandwidth. */
    private static final int AHEAD = 4096;

    private static final int CACHE_LINE = 64;

    /** So much stays in the first-level cache while weights stream through it. */
    private static final long ACTIVATION_BYTES = 20 << 10;

    // Vector registers. Behind these come, for each token: the scales of a step, its sums, its minima; then constants.
    private static final int CODES = 0;
    private static final int DOTS = 1;
    private static final int SCALE = 2;
    private static final int BITS = 3;
    private static final int SCALES = 4;
    private static final int FIFTH_BITS = 8;
    private static final int FIRST = 9;
    private static final int REGISTERS = 32;
    private static final int NONE = -1;

    /** Sums of one token: an addition waits four cycles for the one before it. */
    private static final int SUMS = 2;

    private final Assembler asm = new Assembler(64);
    private final InstructionSet set;
    private final DataType type;
    private final Packing packing;
    private final Activations activations;
    private final int tokens;
    private final int firstKept;
    private final Map<Memory, Integer> kept = new LinkedHashMap<>();

    private RowWriter(DataType type, Packing packing, InstructionSet set, int tokens) {
        this.type = type;
        this.packing = packing;
        this.set = set;
        this.activations = activations(type, packing);
        this.tokens = tokens;
        this.firstKept = FIRST + (1 + SUMS + (packing.hasMinima() ? 1 : 0)) * tokens;
    }

    /**
     * How many tokens at most are multiplied with rows of this format and length one by one: 0 where there is no kernel, and
     * otherwise as many as are multiplied faster so than in groups of rows, which unpack a code once for all tokens but read
     * 16 runs of memory side by side.
     */
    static int mostTokens(DataType type, Packing packing, long columns, InstructionSet set) {
        if (set.vectorBytes() != 64 || columns == 0 || columns % COLUMNS != 0) {
            return 0;
        }
        int most = switch (type) {
            case F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q6_K -> MAX_TOKENS;
            case Q5_K -> 2;
            default -> 0;
        };
        return Math.min(most, (int)
                Math.max(1, ACTIVATION_BYTES / activations(type, packing).bytes(columns)));
    }

    /** The form in which the activations of so few tokens are multiplied. */
    static Activations activations(DataType type, Packing packing) {
        if (type == DataType.Q4_0 || type == DataType.Q4_K) {
            return Activations.INT8_HALVES;
        }
        return packing.isInteger() ? Activations.INT8_ROW : packing.activations();
    }

    static byte[] write(DataType type, Packing packing, InstructionSet set, int tokens) {
        return new RowWriter(type, packing, set, tokens).write();
    }

    private byte[] write() {
        Label start = new Label();
        Label row = new Label();
        Label step = new Label();
        asm.jump(start);
        asm.bind(row);
        asm.mov(X, RSI);
        asm.mov(STEPS, RDX);
        for (int i = FIRST; i < firstKept; i++) {
            asm.op(VPXOR, i, i, i);
        }
        asm.bind(step);
        int bytes = (int) type.bytes(COLUMNS);
        for (int at = 0; at < bytes; at += CACHE_LINE) {
            asm.prefetch(Memory.at(WEIGHTS, AHEAD + at));
        }
        if (packing.isInteger()) {
            scales();
            for (int part = 0; part < parts(); part++) {
                products(part);
            }
        } else {
            numbers();
        }
        asm.addConstant(WEIGHTS, bytes);
        asm.addConstant(X, COLUMNS / activations.recordValues() * activations.recordBytes());
        asm.subConstant(STEPS, 1);
        asm.jumpIfNotZero(step);
        finishRow();
        asm.subConstant(ROWS, 1);
        asm.jumpIfNotZero(row);
        asm.vzeroupper();
        asm.ret();
        asm.bind(start);
        asm.mov(X_STRIDE, R9);
        asm.lea(X_STRIDE_3, Memory.at(X_STRIDE, X_STRIDE, 2, 0));
        kept.forEach((constant, register) -> asm.op(VMOVUPS, register, constant));
        asm.jump(row);
        return asm.finish();
    }

    private int scales(int token) {
        return FIRST + token;
    }

    private int sum(int token, int i) {
        return FIRST + tokens + SUMS * token + i % SUMS;
    }

    private int minima(int token) {
        return FIRST + (1 + SUMS) * tokens + token;
    }

    /** The register that holds {@code constant} throughout; {@link #NONE} if none was left when it was first used. */
    private int kept(Memory constant) {
        if (firstKept + kept.size() < REGISTERS) {
            kept.putIfAbsent(constant, firstKept + kept.size());
        }
        return kept.getOrDefault(constant, NONE);
    }

    /** A register that holds {@code constant}: {@code other}, from here on, unless there is one throughout. */
    private int constant(Memory constant, int other) {
        int register = kept(constant);
        if (register == NONE) {
            asm.op(VMOVUPS, other, constant);
            return other;
        }
        return register;
    }

    /** {@code dst = f(a, constant)}. */
    private void op(Instruction f, int dst, int a, Memory constant) {
        int register = kept(constant);
        if (register == NONE) {
            asm.op(f, dst, a, constant);
        } else {
            asm.op(f, dst, a, register);
        }
    }

    private static Memory weights(int offset) {
        return Memory.at(WEIGHTS, offset);
    }

    private static Memory x(int token, int offset) {
        return strided(X, X_STRIDE, X_STRIDE_3, token, offset);
    }

    private static Memory strided(int base, int stride, int stride3, int times, int offset) {
        return switch (times) {
            case 0 -> Memory.at(base, offset);
            case 3 -> Memory.at(base, stride3, 1, offset);
            default -> Memory.at(base, stride, times, offset);
        };
    }

    /** Adds the lanes and writes the sums. */
    private void finishRow() {
        asm.mov(OUT_STRIDE, OUT_STRIDE_ARGUMENT);
        asm.lea(OUT_STRIDE_3, Memory.at(OUT_STRIDE, OUT_STRIDE, 2, 0));
        for (int t = 0; t < tokens; t++) {
            int sum = 2 * t;
            int part = sum + 1;
            asm.op(VADDPS, sum, sum(t, 0), sum(t, 1));
            asm.op(VEXTRACTI64X4, sum, 0, part, 1);
            asm.op(VADDPS, sum, sum, part);
            if (packing.hasMinima()) {
                asm.op(VEXTRACTI64X4, minima(t), 0, part, 1);
                asm.op(VSUBPS, sum, sum, part);
            }
            asm.op(VEXTRACTF128, sum, 0, part, 1);
            asm.op(VADDPS, sum, sum, part);
            asm.op(VPSHUFD, part, 0, sum, 0b01_00_11_10);
            asm.op(VADDPS, sum, sum, part);
            asm.op(VPSHUFD, part, 0, sum, 0b10_11_00_01);
            asm.op(VADDPS, sum, sum, part);
            asm.storeFloat(strided(OUT, OUT_STRIDE, OUT_STRIDE_3, t, 0), sum);
        }
        asm.addConstant(OUT, Float.BYTES);
    }

    // ---- plain numbers

    private void numbers() {
        boolean isPairs = activations == Activations.BF16;
        for (int i = 0; i < COLUMNS / (isPairs ? 32 : 16); i++) {
            switch (type) {
                case F16 -> asm.op(VCVTPH2PS, CODES, weights(32 * i));
                case BF16 -> {
                    if (isPairs) {
                        asm.op(VMOVUPS, CODES, weights(64 * i));
                    } else {
                        asm.op(VPMOVZXWD, CODES, weights(32 * i));
                        asm.shift(VPSLLD, CODES, CODES, 16);
                    }
                }
                default -> asm.op(VMOVUPS, CODES, weights(64 * i));
            }
            for (int t = 0; t < tokens; t++) {
                asm.op(isPairs ? VDPBF16PS : VFMADD231PS, sum(t, i), CODES, x(t, 64 * i));
            }
        }
    }

    // ---- codes

    private boolean isByHalves() {
        return activations == Activations.INT8_HALVES;
    }

    /** Parts of a step, of which each converts its dot products once: quarters, or its even blocks and its odd ones. */
    private int parts() {
        return isByHalves() ? 2 : 4;
    }

    /** The products of a part of a step. */
    private void products(int part) {
        int block = isByHalves() ? part : 2 * part;
        codes(part);
        for (int t = 0; t < tokens; t++) {
            if (packing.hasMinima()) {
                asm.op(VPXOR, DOTS, DOTS, DOTS);
            } else {
                asm.op(VMOVUPS, DOTS, x(t, activations.corrections(block, 0)));
            }
            asm.op(VPDPBUSD, DOTS, CODES, x(t, activations.codes(block, 0)));
            if (isByHalves()) {
                asm.op(VPDPBUSD, DOTS, BITS, x(t, activations.codes(block, 1)));
            }
            asm.op(VCVTDQ2PS, DOTS, DOTS);
            asm.op(VPERMPS, SCALE, constant(places(part), SCALE), scales(t));
            asm.op(VFMADD231PS, sum(t, part), DOTS, SCALE);
        }
    }

    /** Which scale belongs to each lane of a part. */
    private Memory places(int part) {
        int[] places = new int[16];
        for (int lane = 0; lane < 16; lane++) {
            places[lane] = isByHalves()
                    ? 2 * (lane / 4) + part
                    : packing.parts() == 1 ? 2 * part + lane / 8 : 4 * part + lane / 4;
        }
        return asm.lanes(places);
    }

    /** The scales of a step, times those of the activations of each token; adds up the minima. */
    private void scales() {
        for (int part = 0; part < parts(); part++) {
            kept(places(part)); // before all other constants
        }
        switch (type) {
            case Q8_0 -> blockScales(34);
            case Q4_0 -> blockScales(18);
            case Q4_K, Q5_K -> scalesAndMinima();
            default -> sixteenths();
        }
        for (int t = 0; t < tokens; t++) {
            if (packing.parts() == 1) {
                asm.op(VMULPS, scales(t), SCALES, x(t, activations.scales()));
            } else {
                Memory twice = asm.lanes(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
                asm.op(VPERMPS, BITS, constant(twice, BITS), x(t, activations.scales()));
                asm.op(VMULPS, scales(t), SCALES, BITS);
            }
            if (packing.hasMinima()) {
                asm.op(VADDPS, minima(t), minima(t), scales(t));
            }
        }
    }

    /** Register {@link #CODES} = 64 codes in the order of their columns, or by halves, the others in {@link #BITS}. */
    private void codes(int part) {
        switch (type) {
            case Q8_0 -> {
                asm.op(VMOVUPS, CODES, weights(68 * part + 2));
                asm.op(VINSERTI64X4, CODES, CODES, weights(68 * part + 36), 1);
                op(VPXOR, CODES, CODES, asm.constant((byte) 0x80));
            }
            case Q4_0 -> {
                fourTimes16(BITS, 18 * part + 2, 36);
                asm.shift(VPSLLD, CODES, BITS, 4);
                op(VPAND, CODES, CODES, asm.constant((byte) 0xf0));
                op(VPAND, BITS, BITS, asm.constant((byte) 0xf0));
            }
            case Q4_K -> nibblesByHalves(part);
            case Q5_K -> {
                nibbles(48 + 32 * part);
                fifthBits(part);
            }
            default -> sixBits(part);
        }
    }

    /** {@code dst} = four times 16 bytes. */
    private void fourTimes16(int dst, int offset, int stride) {
        asm.load128(dst, weights(offset));
        for (int i = 1; i < 4; i++) {
            asm.op(VINSERTI128, dst, dst, weights(offset + stride * i), i);
        }
    }

    /** Q4_K: 32 bytes have the codes of an even block in their low nibbles, those of the next one in the high ones. */
    private void nibblesByHalves(int part) {
        int low = SCALES + 1;
        int high = SCALES + 2;
        if (part == 0) {
            fourTimes16(low, 16, 32);
            fourTimes16(high, 32, 32);
            op(VPAND, CODES, low, asm.constant((byte) 0x0f));
            op(VPAND, BITS, high, asm.constant((byte) 0x0f));
        } else {
            asm.shift(VPSRLD, CODES, low, 4);
            asm.shift(VPSRLD, BITS, high, 4);
            op(VPAND, CODES, CODES, asm.constant((byte) 0x0f));
            op(VPAND, BITS, BITS, asm.constant((byte) 0x0f));
        }
    }

    /** The low nibbles of 32 bytes, then the high ones. */
    private void nibbles(int offset) {
        asm.op(VBROADCASTI64X4, CODES, weights(offset));
        op(VPSRLVD, CODES, CODES, halves(0, 4));
        op(VPAND, CODES, CODES, asm.constant((byte) 0x0f));
    }

    /** Bit 2·quarter of the 32 bytes in {@link #FIFTH_BITS} belongs to the lower 32 columns, the next to the upper. */
    private void fifthBits(int quarter) {
        int bit = 2 * quarter;
        if (bit < 4) {
            op(VPSLLVD, SCALE, FIFTH_BITS, halves(4 - bit, 3 - bit));
        } else {
            op(VPSRLVD, SCALE, FIFTH_BITS, halves(bit - 4, bit - 3));
        }
        op(VPAND, SCALE, SCALE, asm.constant((byte) 0x10));
        asm.op(VPOR, CODES, CODES, SCALE);
    }

    /** Q6_K: four bits here, two there; both go to the upper bits. */
    private void sixBits(int quarter) {
        int half = quarter / 2;
        boolean high = quarter % 2 == 1;
        asm.op(VMOVUPS, CODES, weights(64 * half));
        asm.shift(high ? VPSRLW : VPSLLW, CODES, CODES, 2);
        op(VPAND, CODES, CODES, asm.constant((byte) 0x3c));
        asm.op(VBROADCASTI64X4, SCALE, weights(128 + 32 * half));
        op(VPSLLVD, SCALE, SCALE, high ? halves(2, 0) : halves(6, 4));
        op(VPAND, SCALE, SCALE, asm.constant((byte) 0xc0));
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
    }

    /** Takes out the power of two by which the codes are shifted. */
    private void unshift(int scales) {
        int shift = packing.codeShift(set);
        if (shift != 0) {
            op(VMULPS, scales, scales, asm.floats(1f / (1 << shift)));
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
        asm.op(VPERMD, bits, constant(asm.lanes(1, 3, 2, 3), bits), factors);
        op(VPSRLVD, bits, bits, asm.lanes(0, 0, 0, 4));
        op(VPAND, bits, bits, asm.lanes(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
        // ... and the upper two of those that come last.
        asm.op(VPERMD, upper, constant(asm.lanes(0, 1, 0, 2), upper), factors);
        asm.shift(VPSRLD, upper, upper, 2);
        op(VPAND, upper, upper, asm.lanes(0, 0x30303030, 0, 0x30303030));
        asm.op(VPOR, bits, bits, upper);
        asm.op(VPMOVZXBD, bits, bits);
        asm.op(VCVTDQ2PS, bits, bits);
        asm.op(VCVTPH2PS, factors, factors);
        asm.op(VPERMPS, factors, constant(halves(0, 1), BITS), factors);
        asm.op(VMULPS, SCALES, bits, factors);
        if (type == DataType.Q5_K) {
            asm.op(VBROADCASTI64X4, FIFTH_BITS, weights(16));
        }
    }

    /** Q6_K: a scale for 16 columns. */
    private void sixteenths() {
        int factor = SCALES + 1;
        asm.op(VPMOVSXBD, SCALES, weights(192));
        asm.op(VCVTDQ2PS, SCALES, SCALES);
        asm.op(VPXOR, factor, factor, factor);
        asm.insertWord(factor, weights(208), 0);
        asm.op(VCVTPH2PS, factor, factor);
        unshift(factor);
        asm.op(VBROADCASTSS, factor, factor);
        asm.op(VMULPS, SCALES, SCALES, factor);
    }
}
