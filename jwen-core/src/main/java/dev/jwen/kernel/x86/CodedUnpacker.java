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
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHBW;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHWD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLBW;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLWD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.tensor.DataType;

/**
 * The part of {@link Unpacker} for the formats with code books. A dword of an entry is four columns of a row, just what a
 * lane of a panel holds: so a lane's index is gathered from the book, and only the signs remain to be put on. Small books
 * are faster read by permutations of bytes where the processor has them (AVX-512 VBMI).
 *
 * <p>Blocks have 256 columns, eight panels. Registers 0 to 5 hold what was read, 6 the indices, 7 to 9 are free at any time,
 * 10 holds entries of eight columns, 11 the factor d of each row.
 */
final class CodedUnpacker {
    private static final int D = 11;

    /** The first of four registers of entries, which are those that {@link Rows} uses while it reads. */
    private static final int FIRST = 12;

    private static final int NONE = -1;

    /** Bit by bit, the third operand chooses the first (0) or the second (1). */
    private static final int THIRD_CHOOSES = 0xd8;

    private final Assembler asm;
    private final Packing packing;
    private final Tile tile;
    private final Rows rows;
    private final int shift;
    private final DataType type;
    private final Books books;
    private final byte[] codes;

    /** @param shift lowest bit of a code in its byte */
    CodedUnpacker(Assembler asm, Packing packing, Tile tile, Rows rows, int shift, Books books, DataType type) {
        this.asm = asm;
        this.packing = packing;
        this.tile = tile;
        this.rows = rows;
        this.shift = shift;
        this.type = type;
        this.books = books;
        this.codes = books.codes(type);
    }

    /** Emits the code for one block. */
    void unpack() {
        tile.turnToTable(books.address(type));
        switch (type) {
            case IQ2_XXS -> iq2xxs();
            case IQ2_XS -> iq2xs();
            case IQ2_S -> iq2s();
            case IQ3_XXS -> iq3xxs();
            case IQ3_S -> iq3s();
            case IQ1_S -> iq1s();
            case IQ1_M -> iq1m();
            default -> throw new IllegalArgumentException("no kernel for " + type);
        }
    }

    private void iq2xxs() {
        rows.dword(0, 0, 0);
        factor(0, 0.125f);
        for (int pair = 0; pair < 4; pair++) {
            rows.dwords(2 + 16 * pair, 0);
            for (int i = 0; i < 2; i++) {
                int panel = 2 * pair + i;
                int indices = 2 * i;
                int signs = 2 * i + 1;
                scale(panel, 0, signs, 28, 4);
                evenSigns(4, signs, 7);
                entries(indices, 0, NONE);
                for (int l = 0; l < 4; l++) {
                    signedHalf(panel, 2 * l, FIRST + l, signs, 7 * l);
                    signedHalf(panel, 2 * l + 1, FIRST + l, 4, 7 * l + 4);
                }
            }
        }
    }

    private void iq2xs() {
        rows.dword(0, 0, 0);
        factor(0, 0.125f);
        for (int half = 0; half < 2; half++) {
            rows.dword(58, 2 + half, 0);
            scalesOfHalves(4 * half, 0);
        }
        for (int pair = 0; pair < 4; pair++) {
            rows.dwords(2 + 16 * pair, 0);
            for (int i = 0; i < 4; i++) {
                asm.shift(VPSRLD, 5, i, 9);
                evenSigns(4, 5, 16);
                for (int l = 0; l < 2; l++) {
                    int panel = 2 * pair + i / 2;
                    int vector = 4 * (i % 2) + 2 * l;
                    field(6, i, 16 * l, 9);
                    entry();
                    signedHalf(panel, vector, 10, 5, 16 * l);
                    signedHalf(panel, vector + 1, 10, 4, 16 * l + 4);
                }
            }
        }
    }

    private void iq2s() {
        rows.dword(0, 0, 0);
        factor(0, 0.125f);
        for (int half = 0; half < 2; half++) {
            rows.dwords(66, 0);
            scalesOfHalves(4 * half, 2 + half);
        }
        for (int half = 0; half < 2; half++) {
            rows.dword(66, half, 5);
            rows.dwords(2 + 16 * half, 0);
            for (int i = 0; i < 4; i++) {
                rows.dword(34 + 16 * half, i, 4);
                for (int l = 0; l < 4; l++) {
                    field(6, i, 8 * l, 8);
                    highBits(5, 8 * i + 2 * l, 2);
                    entry();
                    signedHalf(4 * half + i, 2 * l, 10, 4, 8 * l);
                    signedHalf(4 * half + i, 2 * l + 1, 10, 4, 8 * l + 4);
                }
            }
        }
    }

    private void iq3xxs() {
        rows.dword(0, 0, 0);
        factor(0, 0.25f);
        for (int pair = 0; pair < 4; pair++) {
            rows.dwords(2 + 16 * pair, 0);
            for (int i = 0; i < 2; i++) {
                int panel = 2 * pair + i;
                rows.dword(66 + 16 * (panel / 4), panel % 4, 5);
                scale(panel, 0, 5, 28, 4);
                evenSigns(4, 5, 7);
                for (int j = 0; j < 8; j++) {
                    if (j % 4 == 0) {
                        entries(2 * i + j / 4, 0, NONE);
                    }
                    signed(panel, j, FIRST + j % 4, 5 - j % 2, 7 * (j / 2) + 4 * (j % 2));
                }
            }
        }
    }

    private void iq3s() {
        rows.dword(0, 0, 0);
        factor(0, 1);
        rows.dword(94, 3, 0);
        for (int panel = 0; panel < 8; panel++) {
            scale(panel, 0, 0, 4 * panel, 4);
        }
        for (int pair = 0; pair < 4; pair++) {
            rows.dword(66, pair / 2, 5);
            rows.dwords(2 + 16 * pair, 0);
            for (int i = 0; i < 2; i++) {
                int panel = 2 * pair + i;
                rows.dword(74 + 16 * (panel / 4), panel % 4, 4);
                for (int j = 0; j < 8; j++) {
                    if (j % 4 == 0) {
                        entries(2 * i + j / 4, 5, 8 * (panel % 4) + j);
                    }
                    signed(panel, j, FIRST + j % 4, 4, 4 * j);
                }
            }
        }
    }

    private void iq1s() {
        rows.dword(0, 0, 0);
        factor(0, 0.125f);
        rows.dwords(34, 0);
        for (int panel = 0; panel < 8; panel++) {
            int high = panel / 2;
            int bit = 16 * (panel % 2);
            scale(panel, 0, high, bit + 12, 3);
            rows.dword(2 + 16 * (panel / 4), panel % 4, 4);
            step(high, bit + 15);
            for (int l = 0; l < 4; l++) {
                field(6, 4, 8 * l, 8);
                highBits(high, bit + 3 * l, 3);
                moved(panel, 2 * l);
            }
        }
    }

    private void iq1m() {
        rows.dword(40, 2, 0);
        rows.dword(40, 3, 1);
        field(6, 0, 12, 4);
        for (int i = 1; i < 4; i++) {
            field(7, i / 2, 12 + 16 * (i % 2), 4);
            asm.shift(VPSLLD, 7, 7, 4 * i);
            asm.op(VPOR, 6, 6, 7);
        }
        factor(6, 0.125f);
        for (int panel = 0; panel < 8; panel++) {
            for (int part = 0; part < 2; part++) {
                int j = 2 * panel + part;
                scale(panel, part, j / 8, 16 * (j / 4 % 2) + 3 * (j % 4), 3);
            }
        }
        for (int half = 0; half < 2; half++) {
            rows.dwords(16 * half, 0);
            for (int i = 0; i < 4; i++) {
                int panel = 4 * half + i;
                rows.dword(32, panel / 2, 4);
                for (int l = 0; l < 4; l++) {
                    int bit = 16 * (panel % 2) + 4 * l;
                    step(4, bit + 3);
                    field(6, i, 8 * l, 8);
                    highBits(4, bit, 3);
                    moved(panel, 2 * l);
                }
            }
        }
    }

    // ---- scales

    /** Register 11 = the FP16 number in the lower half of every dword of {@code source}, times {@code multiple}. */
    private void factor(int source, float multiple) {
        rows.half(D, source, false);
        asm.op(VMULPS, D, D, asm.floats(multiple / (1 << shift)));
    }

    /** All scales are odd: (2 s + 1) d, with s in {@code bits} bits from {@code bit} of {@code source}. */
    private void scale(int panel, int part, int source, int bit, int bits) {
        field(8, source, bit, bits);
        asm.op(VPADDD, 8, 8, 8);
        asm.op(VPADDD, 8, 8, asm.dwords(1));
        asm.op(VCVTDQ2PS, 8, 8);
        asm.op(VMULPS, 8, 8, D);
        put(panel, packing.scale(part));
    }

    /** The scales of the halves of four panels, in the nibbles of {@code source}. */
    private void scalesOfHalves(int firstPanel, int source) {
        for (int i = 0; i < 8; i++) {
            scale(firstPanel + i / 2, i % 2, source, 4 * i, 4);
        }
    }

    // ---- indices and signs

    /** {@code dst} = {@code bits} bits of every lane of {@code source}, from {@code bit} on. */
    private void field(int dst, int source, int bit, int bits) {
        int moved = source;
        if (bit > 0) {
            asm.shift(VPSRLD, dst, source, bit);
            moved = dst;
        }
        if (bit + bits < 32) {
            asm.op(VPAND, dst, moved, asm.dwords((1 << bits) - 1));
        }
    }

    /** Puts {@code bits} bits of {@code source} above the eight of an index in register 6. */
    private void highBits(int source, int bit, int bits) {
        field(7, source, bit, bits);
        asm.shift(VPSLLD, 7, 7, 8);
        asm.op(VPOR, 6, 6, 7);
    }

    /**
     * Groups of signs, {@code step} bits apart, have seven bits; an eighth makes the number of ones even. {@code dst} is
     * {@code source} with that bit above each group, where another group may begin.
     */
    private void evenSigns(int dst, int source, int step) {
        int places = 0;
        for (int bit = 7; bit < 32; bit += step) {
            places |= 1 << bit;
        }
        // The exclusive or of two, then of three and of four neighbours, then of seven.
        asm.shift(VPSRLD, 6, source, 1);
        asm.op(VPXOR, 6, 6, source);
        asm.shift(VPSRLD, 7, source, 2);
        asm.op(VPXOR, 7, 7, 6);
        asm.shift(VPSRLD, 8, 6, 2);
        asm.op(VPXOR, 6, 6, 8);
        asm.shift(VPSRLD, 7, 7, 4);
        asm.op(VPXOR, 6, 6, 7);
        asm.shift(VPSLLD, 6, 6, 7);
        asm.op(VPAND, 6, 6, asm.dwords(places));
        asm.op(VPAND, dst, source, asm.dwords(~places));
        asm.op(VPOR, dst, dst, 6);
    }

    /**
     * Registers 12 to 15 = the entries whose indices are the four bytes of every lane of {@code indices}.
     *
     * @param bit where the ninth bits of the four indices begin in {@code high}, or {@link #NONE}
     */
    private void entries(int indices, int high, int bit) {
        if (books.inPlanes(type)) {
            permutedEntries(indices, high, bit);
            return;
        }
        for (int i = 0; i < 4; i++) {
            field(6, indices, 8 * i, 8);
            if (bit != NONE) {
                highBits(high, bit + i, 1);
            }
            asm.gather(FIRST + i, tile.entry(6), 9);
        }
    }

    /**
     * A byte of all entries is read at once, by permutations of the 128 bytes of two vectors; then the four bytes of each
     * entry are put together. Pairs of bytes from two vectors, and pairs of those, become the dwords of four rows if the
     * indices of these rows stand side by side.
     */
    private void permutedEntries(int indices, int high, int bit) {
        byte[] rowsOfEntries = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
        asm.op(VMOVUPS, 10, asm.constant(rowsOfEntries));
        asm.op(VPSHUFB, 6, indices, 10);
        asm.shift(VPSRLD, 7, 6, 7);
        asm.op(VPAND, 7, 7, asm.constant((byte) 1));
        allBits(7);
        if (bit != NONE) {
            rows.spread(8, high, bit, 0);
            asm.op(VPSHUFB, 8, 8, 10);
            allBits(8);
        }
        int vectors = Books.entries(type) / asm.vectorBytes();
        for (int plane = 0; plane < 4; plane++) {
            int dst = FIRST + plane;
            permuted(dst, plane * vectors, 9);
            if (bit != NONE) {
                permuted(9, plane * vectors + 4, 10);
                asm.op(VPTERNLOGD, dst, 9, 8, THIRD_CHOOSES);
            }
        }
        asm.op(VPUNPCKLBW, 9, FIRST, FIRST + 1);
        asm.op(VPUNPCKHBW, 10, FIRST, FIRST + 1);
        asm.op(VPUNPCKLBW, FIRST, FIRST + 2, FIRST + 3);
        asm.op(VPUNPCKHBW, FIRST + 1, FIRST + 2, FIRST + 3);
        asm.op(VPUNPCKLWD, FIRST + 2, 10, FIRST + 1);
        asm.op(VPUNPCKHWD, FIRST + 3, 10, FIRST + 1);
        asm.op(VPUNPCKHWD, FIRST + 1, 9, FIRST);
        asm.op(VPUNPCKLWD, FIRST, 9, FIRST);
    }

    /** {@code dst} = bytes of the four vectors of the table from {@code vector} on; register 7 chooses the last two. */
    private void permuted(int dst, int vector, int temporary) {
        asm.op(VMOVUPS, dst, tile.table(vector));
        asm.op(VPERMT2B, dst, 6, tile.table(vector + 1));
        asm.op(VMOVUPS, temporary, tile.table(vector + 2));
        asm.op(VPERMT2B, temporary, 6, tile.table(vector + 3));
        asm.op(VPTERNLOGD, dst, temporary, 7, THIRD_CHOOSES);
    }

    /** Sets all bits of the bytes whose lowest bit is set; the others are zero. */
    private void allBits(int register) {
        asm.shift(VPSLLD, 9, register, 8);
        asm.op(VPSUBD, register, 9, register);
    }

    /** Register 10 = the entries whose indices are in register 6. */
    private void entry() {
        asm.gather(10, tile.entry(6), 9);
    }

    /** Register 8 = the codes of columns 0 to 3 or 4 to 7 of entries. */
    private void half(int entries, boolean upper) {
        asm.op(VMOVUPS, 9, asm.constant(codes));
        rows.field(8, entries, upper ? 4 : 0, 4, 0);
        asm.op(VPSHUFB, 8, 9, 8);
    }

    /** The four columns of the vector, of entries of eight, with the four signs from {@code bit} on. */
    private void signedHalf(int panel, int vector, int entries, int signs, int bit) {
        half(entries, vector % 2 == 1);
        signed(panel, vector, 8, signs, bit);
    }

    /** Codes with the four signs from {@code bit} on: with a minus, a code c is -c around half the range of codes. */
    private void signed(int panel, int vector, int codesOfRows, int signs, int bit) {
        rows.spread(9, signs, bit, shift);
        asm.shift(VPSLLD, 7, 9, 7);
        asm.op(VPSUBD, 7, 7, 9);
        asm.op(VPXOR, 8, codesOfRows, 7);
        asm.op(VPADDD, 8, 8, 9);
        put(panel, vector);
    }

    /** Register 5 = what moves four codes of the ternary book up by an eighth, unless {@code bit} is set: two eighths. */
    private void step(int source, int bit) {
        field(5, source, bit, 1);
        asm.op(VPXOR, 5, 5, asm.dwords(1));
        asm.op(VPMULLD, 5, 5, asm.dwords(0x02020202 << shift));
    }

    /** Eight columns of an entry of the ternary book, moved by register 5. */
    private void moved(int panel, int vector) {
        entry();
        for (int part = 0; part < 2; part++) {
            half(10, part == 1);
            asm.op(VPADDD, 8, 8, 5);
            put(panel, vector + part);
        }
    }

    private void put(int panel, int vector) {
        asm.op(VMOVUPS_STORE, 8, tile.panel(panel * packing.panelVectors() + vector));
    }
}
