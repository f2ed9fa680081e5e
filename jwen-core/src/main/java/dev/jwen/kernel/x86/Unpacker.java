package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMT2B;
import static dev.jwen.kernel.x86.Instruction.VPMULLD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFB;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHBW;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLBW;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import org.jspecify.annotations.Nullable;

/**
 * Turns one block of a group of rows into panels, for every weight format: {@link Packing} says what a panel is. The
 * formats with code books are in {@link CodedUnpacker}.
 *
 * <p>Each row is one 32-bit lane, so a format reads here as it does for a single row: byte offsets, bit fields, a scale.
 * Uses vector registers 0 to 15.
 */
final class Unpacker {
    private static final byte[] IQ4_VALUES = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    private static final byte[] TWICE_E2M1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    private final Assembler asm;
    private final InstructionSet set;
    private final Packing packing;
    private final Tile tile;
    private final Panels panels;
    private final Rows rows;
    private final int shift;

    /** What becomes of the vectors of panels; each is in its {@code register} only now. */
    interface Panels {
        void put(int panel, int vector, int register);
    }

    Unpacker(Assembler asm, InstructionSet set, Packing packing, Tile tile, Panels panels) {
        this.asm = asm;
        this.set = set;
        this.packing = packing;
        this.tile = tile;
        this.panels = panels;
        this.rows = new Rows(asm, tile);
        this.shift = packing.codeShift(set);
    }

    /** How a format is packed, or null if there is no kernel for it. */
    static @Nullable Packing packing(DataType type, InstructionSet set) {
        return switch (type) {
            case F32, F16 -> Packing.FLOATS;
            case F8_E4M3 -> set == InstructionSet.AVX512_BF16 ? Packing.SCALED_BF16_PAIRS : Packing.FLOATS;
            case BF16 -> set == InstructionSet.AVX512_BF16 ? Packing.BF16_PAIRS : Packing.FLOATS;
            case Q8_0, IQ4_NL, IQ4_XS -> Packing.integers(8, 1, false);
            case Q4_0 -> Packing.integers(4, 1, false);
            case Q5_0, MXFP4, IQ1_S -> Packing.integers(5, 1, false);
            case NVFP4, IQ1_M -> Packing.integers(5, 2, false);
            case Q4_1, Q4_K -> Packing.integers(4, 1, true);
            case Q5_1, Q5_K -> Packing.integers(5, 1, true);
            case Q6_K -> Packing.integers(6, 2, false);
            case TQ1_0, TQ2_0 -> Packing.integers(3, 1, false);
            case Q3_K -> Packing.integers(3, 2, false);
            case Q2_K -> Packing.integers(2, 2, true);
            case IQ2_XXS, IQ3_XXS, IQ3_S -> Packing.integers(7, 1, false);
            case IQ2_XS, IQ2_S -> Packing.integers(7, 2, false);
            default -> null;
        };
    }

    /**
     * How many vectors with one scale {@link #unpack} puts without others between them, and then needs registers 13 to 15 no
     * more; 0 if it mixes scales.
     */
    static int run(DataType type) {
        return switch (type) {
            case Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, IQ4_NL, IQ4_XS, MXFP4 -> 8;
            case Q6_K, Q3_K, Q2_K, NVFP4, TQ2_0 -> 4;
            default -> 0;
        };
    }

    /** Columns that {@link #unpack} handles at once. */
    static int blockColumns(DataType type) {
        return Math.max(type.blockValues(), Activations.VALUES);
    }

    /** Whether the panels need the factors beside a weight: those of other formats can be applied to the product. */
    static boolean hasFactors(DataType type) {
        return type == DataType.F8_E4M3;
    }

    /** Emits the code for one block. */
    void unpack(DataType type, Books books) {
        switch (type) {
            case F32 -> f32();
            case F16 -> f16();
            case BF16 -> bf16();
            case F8_E4M3 -> f8();
            case Q8_0 -> q8();
            case Q4_0 -> q4();
            case Q4_1 -> q4WithMinimum();
            case Q5_0 -> q5();
            case Q5_1 -> q5WithMinimum();
            case IQ4_NL -> iq4();
            case MXFP4 -> mxfp4();
            case NVFP4 -> nvfp4();
            case Q4_K -> q4k();
            case Q5_K -> q5k();
            case Q6_K -> q6k();
            case Q3_K -> q3k();
            case Q2_K -> q2k();
            case IQ4_XS -> iq4xs();
            case TQ1_0 -> tq1();
            case TQ2_0 -> tq2();
            default -> new CodedUnpacker(asm, packing, tile, rows, shift, books, type).unpack();
        }
    }

    // ---- plain numbers

    private void f32() {
        for (int k = 0; k < 32; k += 4) {
            rows.dwords(4 * k, 0);
            for (int i = 0; i < 4; i++) {
                put(0, k + i, i);
            }
        }
    }

    private void f16() {
        for (int k = 0; k < 16; k += 4) {
            rows.dwords(4 * k, 0);
            for (int i = 0; i < 4; i++) {
                rows.half(8, i, false);
                put(0, 2 * (k + i), 8);
                rows.half(8, i, true);
                put(0, 2 * (k + i) + 1, 8);
            }
        }
    }

    private void bf16() {
        for (int k = 0; k < 16; k += 4) {
            rows.dwords(4 * k, 0);
            for (int i = 0; i < 4; i++) {
                if (packing.activations() == Activations.BF16) {
                    put(0, k + i, i);
                } else {
                    asm.shift(VPSLLD, 8, i, 16);
                    put(0, 2 * (k + i), 8);
                    asm.op(VPAND, 8, i, asm.dwords(0xffff0000));
                    put(0, 2 * (k + i) + 1, 8);
                }
            }
        }
    }

    private void f8() {
        tile.nextFactors(11);
        rows.dwords(0, 0);
        rows.dwords(16, 4);
        if (packing.activations() == Activations.BF16) {
            put(0, packing.scale(0), 11);
            for (int i = 0; i < 8; i++) {
                f8ToBf16(i);
            }
        } else {
            f8ToFloats();
        }
    }

    /**
     * Four columns of E4M3 as BF16, which holds all of them: the two bytes of each are looked up by its magnitude. The rows
     * of the first two columns stand side by side in the lower half of 16 bytes, so that pairs of bytes become pairs of
     * columns.
     */
    private void f8ToBf16(int source) {
        asm.op(VPSHUFB, 8, source, pairsOfColumns());
        for (int high = 0; high < 2; high++) {
            asm.op(VMOVUPS, 9 + high, bf16Bytes(0, high));
            asm.op(VPERMT2B, 9 + high, 8, bf16Bytes(64, high));
        }
        asm.op(VPAND, 8, 8, asm.constant((byte) 0x80));
        asm.op(VPOR, 10, 10, 8);
        asm.op(VPUNPCKLBW, 8, 9, 10);
        put(0, 2 * source, 8);
        asm.op(VPUNPCKHBW, 8, 9, 10);
        put(0, 2 * source + 1, 8);
    }

    private Memory pairsOfColumns() {
        return asm.constant(new byte[] {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15});
    }

    /** The lower or higher bytes of the BF16 numbers with the magnitudes from {@code first} on. */
    private Memory bf16Bytes(int first, int high) {
        byte[] bytes = new byte[64];
        for (int i = 0; i < 64; i++) {
            // A half float with three bits of mantissa is 2^-8 times as large.
            float value = first + i == 127 ? Float.NaN : Float.float16ToFloat((short) ((first + i) << 7)) * 256;
            bytes[i] = (byte) (Float.floatToIntBits(value) >> (16 + 8 * high));
        }
        return asm.constant(bytes);
    }

    /**
     * E4M3 as float32, times the factor of the row.
     *
     * <p>Sign and magnitude, moved apart, are a float32 that is 2^120 too small, also below the normal numbers. All ones
     * are a NaN: it makes the factor of its row one.
     */
    private void f8ToFloats() {
        asm.op(VPXOR, 8, 8, 8);
        for (int i = 0; i < 8; i++) {
            asm.op(VPAND, 9, i, asm.constant((byte) 0x7f));
            asm.op(VPADDD, 9, 9, asm.constant((byte) 1));
            asm.op(VPOR, 8, 8, 9);
        }
        asm.op(VPAND, 8, 8, asm.constant((byte) 0x80));
        for (int bits = 8; bits <= 16; bits += 8) {
            asm.shift(VPSLLD, 9, 8, bits);
            asm.op(VPOR, 8, 8, 9);
        }
        asm.shift(VPSRAD, 8, 8, 31);
        asm.op(VPOR, 11, 11, 8);
        for (int i = 0; i < 8; i++) {
            for (int j = 0; j < 4; j++) {
                asm.shift(VPSLLD, 8, i, 24 - 8 * j);
                asm.shift(VPSRAD, 8, 8, 4);
                asm.op(VPAND, 8, 8, asm.dwords(0x87f00000));
                asm.op(VMULPS, 8, 8, asm.floats(0x1p120f));
                asm.op(VMULPS, 8, 8, 11);
                put(0, 4 * i + j, 8);
            }
        }
    }

    // ---- blocks of 32

    private void q8() {
        rows.dword(0, 0, 0);
        rows.half(0, 0, false);
        put(0, packing.scale(0), 0);
        for (int k = 0; k < 8; k += 4) {
            rows.dwords(2 + 4 * k, 0);
            for (int i = 0; i < 4; i++) {
                if (!packing.isSigned(set)) {
                    asm.op(VPXOR, i, i, asm.constant((byte) 0x80));
                }
                put(0, k + i, i);
            }
        }
    }

    private void q4() {
        rows.dword(0, 0, 0);
        halfScale(0, 0, false);
        put(0, packing.scale(0), 0);
        rows.dwords(2, 0);
        nibbles(0);
    }

    private void q4WithMinimum() {
        scaleAndMinimum();
        rows.dwords(4, 0);
        nibbles(0);
    }

    private void q5() {
        rows.dword(0, 0, 0);
        halfScale(0, 0, false);
        put(0, packing.scale(0), 0);
        rows.dword(2, 0, 4);
        rows.dwords(6, 0);
        nibblesWithFifthBits();
    }

    private void q5WithMinimum() {
        scaleAndMinimum();
        rows.dword(4, 0, 4);
        rows.dwords(8, 0);
        nibblesWithFifthBits();
    }

    private void scaleAndMinimum() {
        rows.dword(0, 0, 1);
        rows.half(0, 1, false);
        put(0, packing.scale(0), 0);
        rows.half(0, 1, true);
        put(0, packing.minimum(0), 0);
    }

    private void iq4() {
        rows.dword(0, 0, 0);
        rows.half(0, 0, false);
        put(0, packing.scale(0), 0);
        rows.dwords(2, 0);
        lookUp(0, IQ4_VALUES, 4);
    }

    private void mxfp4() {
        rows.dword(0, 0, 0);
        // 2^(e - 128): the exponent of a float has the bias 127, and one more halving is in the factor.
        asm.op(VPAND, 0, 0, asm.dwords(0xff));
        asm.shift(VPSLLD, 0, 0, 23);
        asm.op(VMULPS, 0, 0, asm.floats(0.5f / (1 << shift)));
        put(0, packing.scale(0), 0);
        rows.dwords(1, 0);
        lookUp(0, TWICE_E2M1, 4);
    }

    /** Four scales of E4M3 without sign, in which all ones count as zero; 16 columns each. */
    private void nvfp4() {
        rows.dword(0, 0, 4);
        for (int j = 0; j < 4; j++) {
            asm.shift(VPSRLD, 8, 4, 8 * j);
            asm.op(VPAND, 8, 8, asm.dwords(0xff));
            // All bits set unless the byte is 0x7f.
            asm.op(VPXOR, 9, 8, asm.dwords(0x7f));
            asm.op(VPSUBD, 9, 9, asm.dwords(1));
            asm.shift(VPSRAD, 9, 9, 31);
            asm.op(VPXOR, 9, 9, asm.dwords(-1));
            asm.op(VPAND, 8, 8, asm.dwords(0x7f));
            asm.op(VPAND, 8, 8, 9);
            asm.shift(VPSLLD, 8, 8, 20);
            asm.op(VMULPS, 8, 8, asm.floats(0x1p119f));
            asm.op(VMULPS, 8, 8, asm.floats(1f / (1 << shift)));
            put(j / 2, packing.scale(j % 2), 8);
        }
        for (int panel = 0; panel < 2; panel++) {
            rows.dwords(4 + 16 * panel, 0);
            lookUp(panel, TWICE_E2M1, 2);
        }
    }

    /** Registers 0 to 3: low nibbles are columns 0 to 15 of a panel, high nibbles 16 to 31. */
    private void nibbles(int panel) {
        for (int i = 0; i < 4; i++) {
            rows.field(8, i, 0, 4, shift);
            put(panel, i, 8);
            rows.field(8, i, 4, 4, shift);
            put(panel, 4 + i, 8);
        }
    }

    /** As {@link #nibbles}; bit c of register 4 is bit 4 of column c. */
    private void nibblesWithFifthBits() {
        for (int i = 0; i < 4; i++) {
            for (int high = 0; high < 2; high++) {
                rows.field(8, i, 4 * high, 4, shift);
                rows.spread(9, 4, 4 * i + 16 * high, 4 + shift);
                asm.op(VPOR, 8, 8, 9);
                put(0, 4 * high + i, 8);
            }
        }
    }

    /**
     * Nibbles of registers 0 to 3, each replaced by the value it stands for.
     *
     * @param run registers whose high nibbles follow their low ones: 4 as {@link #nibbles}, or 2
     */
    private void lookUp(int panel, byte[] values, int run) {
        byte[] table = new byte[16];
        int offset = packing.isSigned(set) ? 0 : 1 << (packing.codeBits() - 1);
        for (int i = 0; i < 16; i++) {
            table[i] = (byte) ((values[i] + offset) << shift);
        }
        asm.op(VMOVUPS, 10, asm.constant(table));
        for (int i = 0; i < 4; i++) {
            for (int high = 0; high < 2; high++) {
                rows.field(8, i, 4 * high, 4, 0);
                asm.op(VPSHUFB, 8, 10, 8);
                put(panel, i / run * 2 * run + high * run + i % run, 8);
            }
        }
    }

    // ---- blocks of 256

    private void q4k() {
        scalesAndMinima();
        for (int pair = 0; pair < 4; pair++) {
            rows.dwords(16 + 32 * pair, 0);
            rows.dwords(32 + 32 * pair, 4);
            for (int high = 0; high < 2; high++) {
                for (int k = 0; k < 8; k++) {
                    rows.field(8, k, 4 * high, 4, 0);
                    put(2 * pair + high, k, 8);
                }
            }
        }
    }

    private void q5k() {
        scalesAndMinima();
        for (int k = 0; k < 8; k += 4) {
            rows.dwords(16 + 4 * k, 0);
            for (int i = 0; i < 4; i++) {
                asm.op(VMOVUPS_STORE, i, fifthBits(k + i));
            }
        }
        for (int pair = 0; pair < 4; pair++) {
            rows.dwords(48 + 32 * pair, 0);
            rows.dwords(64 + 32 * pair, 4);
            for (int high = 0; high < 2; high++) {
                for (int k = 0; k < 8; k++) {
                    rows.field(8, k, 4 * high, 4, 0);
                    asm.op(VMOVUPS, 9, fifthBits(k));
                    rows.field(9, 9, 2 * pair + high, 1, 4);
                    asm.op(VPOR, 8, 8, 9);
                    put(2 * pair + high, k, 8);
                }
            }
        }
    }

    /** Where those of all panels are kept: in the last panel, whose codes take their place one by one. */
    private Memory fifthBits(int k) {
        return tile.panel(7 * packing.panelVectors() + k);
    }

    /** The eight 6-bit scales and minima of Q4_K and Q5_K, from the 16 bytes {d, dmin, scales[12]}. */
    private void scalesAndMinima() {
        rows.dwords(0, 0);
        rows.half(4, 0, false);
        rows.half(5, 0, true);
        asm.op(VMULPS, 5, 5, asm.floats(-1));
        for (int high = 0; high < 2; high++) {
            if (high == 0) {
                rows.field(6, 1, 0, 6, 0);
                rows.field(7, 2, 0, 6, 0);
            } else {
                rows.field(6, 3, 0, 4, 0);
                rows.field(8, 1, 6, 2, 4);
                asm.op(VPOR, 6, 6, 8);
                rows.field(7, 3, 4, 4, 0);
                rows.field(8, 2, 6, 2, 4);
                asm.op(VPOR, 7, 7, 8);
            }
            for (int j = 0; j < 4; j++) {
                scaled(6, j, 0, 4);
                put(4 * high + j, packing.scale(0), 8);
                scaled(7, j, 0, 5);
                put(4 * high + j, packing.minimum(0), 8);
            }
        }
    }

    private void q6k() {
        rows.dword(194, 3, 11);
        halfScale(11, 11, true);
        rows.dwords(192, 0);
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                asm.shift(VPSLLD, 8, i, 24 - 8 * j);
                asm.shift(VPSRAD, 8, 8, 24);
                asm.op(VCVTDQ2PS, 8, 8);
                asm.op(VMULPS, 8, 8, 11);
                put(2 * i + j / 2, packing.scale(j % 2), 8);
            }
        }
        for (int half = 0; half < 2; half++) {
            for (int k = 0; k < 8; k += 4) {
                rows.dwords(128 + 32 * half + 4 * k, 4);
                for (int second = 0; second < 2; second++) {
                    rows.dwords(64 * half + 32 * second + 4 * k, 0);
                    for (int high = 0; high < 2; high++) {
                        int quarter = 2 * high + second;
                        for (int i = 0; i < 4; i++) {
                            rows.field(8, i, 4 * high, 4, shift);
                            rows.field(9, 4 + i, 2 * quarter, 2, shift + 4);
                            asm.op(VPOR, 8, 8, 9);
                            put(4 * half + quarter, k + i, 8);
                        }
                    }
                }
            }
        }
    }

    private void q3k() {
        rows.dword(94, 3, 11);
        halfScale(11, 11, true);
        rows.dwords(92, 0);
        for (int group = 0; group < 4; group++) {
            rows.field(4, 1 + group % 2, 4 * (group / 2), 4, 0);
            rows.field(5, 3, 2 * group, 2, 4);
            asm.op(VPOR, 4, 4, 5);
            for (int j = 0; j < 4; j++) {
                scaled(4, j, 32, 11);
                put(2 * group + j / 2, packing.scale(j % 2), 8);
            }
        }
        for (int k = 0; k < 8; k += 4) {
            rows.dwords(4 * k, 4);
            for (int half = 0; half < 2; half++) {
                rows.dwords(32 + 32 * half + 4 * k, 0);
                for (int j = 0; j < 4; j++) {
                    for (int i = 0; i < 4; i++) {
                        rows.field(8, i, 2 * j, 2, shift);
                        rows.field(9, 4 + i, 4 * half + j, 1, shift + 2);
                        asm.op(VPOR, 8, 8, 9);
                        put(4 * half + j, k + i, 8);
                    }
                }
            }
        }
    }

    private void q2k() {
        rows.dword(68, 3, 11);
        rows.half(10, 11, false);
        rows.half(11, 11, true);
        asm.op(VMULPS, 11, 11, asm.floats(-1));
        rows.dwords(0, 0);
        for (int i = 0; i < 4; i++) {
            rows.field(4, i, 0, 4, 0);
            rows.field(5, i, 4, 4, 0);
            for (int j = 0; j < 4; j++) {
                scaled(4, j, 0, 10);
                put(2 * i + j / 2, packing.scale(j % 2), 8);
                scaled(5, j, 0, 11);
                put(2 * i + j / 2, packing.minimum(j % 2), 8);
            }
        }
        for (int half = 0; half < 2; half++) {
            for (int k = 0; k < 8; k += 4) {
                rows.dwords(16 + 32 * half + 4 * k, 0);
                for (int j = 0; j < 4; j++) {
                    for (int i = 0; i < 4; i++) {
                        rows.field(8, i, 2 * j, 2, 0);
                        put(4 * half + j, k + i, 8);
                    }
                }
            }
        }
    }

    private void iq4xs() {
        rows.dwords(0, 0);
        rows.half(11, 0, false);
        for (int b = 0; b < 8; b++) {
            asm.shift(VPSRLD, 8, 1, 4 * b);
            asm.op(VPAND, 8, 8, asm.dwords(15));
            asm.shift(VPSRLD, 9, 0, 16 + 2 * b);
            asm.op(VPAND, 9, 9, asm.dwords(3));
            asm.shift(VPSLLD, 9, 9, 4);
            asm.op(VPOR, 8, 8, 9);
            asm.op(VPSUBD, 8, 8, asm.dwords(32));
            asm.op(VCVTDQ2PS, 8, 8);
            asm.op(VMULPS, 8, 8, 11);
            put(b, packing.scale(0), 8);
        }
        for (int b = 0; b < 8; b++) {
            rows.dwords(8 + 16 * b, 0);
            lookUp(b, IQ4_VALUES, 4);
        }
    }

    private void tq2() {
        rows.dword(50, 3, 11);
        scaleOfAll(11);
        for (int half = 0; half < 2; half++) {
            for (int k = 0; k < 8; k += 4) {
                rows.dwords(32 * half + 4 * k, 0);
                for (int j = 0; j < 4; j++) {
                    for (int i = 0; i < 4; i++) {
                        rows.field(8, i, 2 * j, 2, shift);
                        putTernary(4 * half + j, k + i);
                    }
                }
            }
        }
    }

    private void tq1() {
        rows.dword(38, 3, 11);
        scaleOfAll(11);
        for (int k = 0; k < 8; k += 4) {
            rows.dwords(4 * k, 0);
            for (int i = 0; i < 4; i++) {
                for (int n = 0; n < 5; n++) {
                    ternaryDigit(i, n);
                    putTernary(n, k + i);
                }
            }
        }
        rows.dwords(32, 0);
        for (int i = 0; i < 4; i++) {
            for (int n = 0; n < 5; n++) {
                ternaryDigit(i, n);
                putTernary(5 + n / 2, n % 2 * 4 + i);
            }
        }
        rows.dword(36, 3, 0);
        for (int n = 0; n < 4; n++) {
            ternaryDigit(0, n);
            putTernary(7, 4 + n);
        }
    }

    /** Register 8 = digit {@code n} of every byte, which is a fraction of 256 in base 3: 3^n brings it to the front. */
    private void ternaryDigit(int source, int n) {
        int power = (int) Math.pow(3, n);
        for (int odd = 1; odd >= 0; odd--) {
            int dst = 8 + odd;
            int bytes = source;
            if (odd == 1) {
                asm.shift(VPSRLD, dst, source, 8);
                bytes = dst;
            }
            asm.op(VPAND, dst, bytes, asm.dwords(0x00ff00ff));
            if (n > 0) {
                asm.op(VPMULLD, dst, dst, asm.dwords(power));
                asm.op(VPAND, dst, dst, asm.dwords(0x00ff00ff));
            }
            asm.op(VPMULLD, dst, dst, asm.dwords(3));
        }
        asm.shift(VPSRLD, 8, 8, 8);
        asm.op(VPAND, 8, 8, asm.dwords(0x00030003));
        asm.op(VPAND, 9, 9, asm.dwords(0x03000300));
        asm.op(VPOR, 8, 8, 9);
        if (shift != 0) {
            asm.shift(VPSLLD, 8, 8, shift);
        }
    }

    /** Puts register 8, whose digits stand for -1 to 1, as codes around 4. */
    private void putTernary(int panel, int vector) {
        asm.op(VPADDD, 8, 8, asm.constant((byte) (3 << shift)));
        put(panel, vector, 8);
    }

    /** One FP16 scale in the upper half of every dword of {@code register}, for all panels. */
    private void scaleOfAll(int register) {
        halfScale(register, register, true);
        for (int b = 0; b < 8; b++) {
            put(b, packing.scale(0), register);
        }
    }

    // ---- common

    /** Register 8 = (byte {@code j} of {@code source} - {@code offset}) · {@code factor}. */
    private void scaled(int source, int j, int offset, int factor) {
        asm.shift(VPSRLD, 8, source, 8 * j);
        asm.op(VPAND, 8, 8, asm.dwords(0xff));
        if (offset != 0) {
            asm.op(VPSUBD, 8, 8, asm.dwords(offset));
        }
        asm.op(VCVTDQ2PS, 8, 8);
        asm.op(VMULPS, 8, 8, factor);
    }

    /** An FP16 scale, without the power of two by which the codes are shifted. */
    private void halfScale(int dst, int source, boolean upper) {
        rows.half(dst, source, upper);
        if (shift != 0) {
            asm.op(VMULPS, dst, dst, asm.floats(1f / (1 << shift)));
        }
    }

    private void put(int panel, int vector, int source) {
        panels.put(panel, vector, source);
    }
}
