package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VCVTPH2PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VPACKUSDW;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMQ;
import static dev.jwen.kernel.x86.Instruction.VPMOVDW;
import static dev.jwen.kernel.x86.Instruction.VPMULLD;
import static dev.jwen.kernel.x86.Instruction.VPSLLW;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLW;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;

/** Reads a group of rows so that each row gets its own 32-bit lane, and takes bytes apart inside the lanes. */
final class Rows {
    /** {@link #dwords} and {@link #dword} use the four registers from here on, besides those they are given. */
    private static final int TEMPORARIES = 12;

    private final Assembler asm;
    private final Tile tile;
    private final int lanes128;

    Rows(Assembler asm, Tile tile) {
        this.asm = asm;
        this.tile = tile;
        this.lanes128 = asm.vectorBytes() / 16;
    }

    /** {@code dst + i} = the dword at byte {@code offset + 4i} of every row, for i = 0 to 3: a transposition. */
    void dwords(int offset, int dst) {
        int t = TEMPORARIES;
        for (int i = 0; i < 4; i++) {
            collect(i, offset, dst + i);
        }
        asm.op(VPUNPCKLDQ, t, dst, dst + 1);
        asm.op(VPUNPCKHDQ, t + 1, dst, dst + 1);
        asm.op(VPUNPCKLDQ, t + 2, dst + 2, dst + 3);
        asm.op(VPUNPCKHDQ, t + 3, dst + 2, dst + 3);
        asm.op(VPUNPCKLQDQ, dst, t, t + 2);
        asm.op(VPUNPCKHQDQ, dst + 1, t, t + 2);
        asm.op(VPUNPCKLQDQ, dst + 2, t + 1, t + 3);
        asm.op(VPUNPCKHQDQ, dst + 3, t + 1, t + 3);
    }

    /** {@code dst} = the dword at byte {@code offset + 4 · index} of every row; reads 16 bytes from {@code offset}. */
    void dword(int offset, int index, int dst) {
        int t = TEMPORARIES;
        for (int i = 0; i < 4; i++) {
            collect(i, offset, t + i);
        }
        Instruction pairs = index < 2 ? VPUNPCKLDQ : VPUNPCKHDQ;
        asm.op(pairs, t, t, t + 1);
        asm.op(pairs, t + 2, t + 2, t + 3);
        asm.op(index % 2 == 0 ? VPUNPCKLQDQ : VPUNPCKHQDQ, dst, t, t + 2);
    }

    /** {@code dst} = 16 bytes of the rows i, 4 + i, 8 + i and 12 + i. */
    private void collect(int i, int offset, int dst) {
        tile.prefetch();
        asm.load128(dst, tile.row(i, offset));
        for (int lane = 1; lane < lanes128; lane++) {
            asm.op(VINSERTI128, dst, dst, tile.row(4 * lane + i, offset), lane);
        }
    }

    /** {@code dst} = the FP16 number in the upper or lower half of every dword of {@code source}, as float. */
    void half(int dst, int source, boolean upper) {
        int narrow = upper ? dst : source;
        if (upper) {
            asm.shift(VPSRLD, dst, source, 16);
        }
        if (lanes128 == 4) {
            asm.op(VPMOVDW, narrow, dst);
        } else {
            if (!upper) {
                asm.op(VPAND, dst, source, asm.dwords(0xffff));
            }
            asm.op(VPACKUSDW, dst, dst, dst);
            asm.op(VPERMQ, dst, 0, dst, 0b1000);
        }
        asm.op(VCVTPH2PS, dst, dst);
    }

    /** Spreads four bits from {@code bit} on over the bit {@code place} of four bytes: bit i times 2^(7i) is bit 8i. */
    void spread(int dst, int source, int bit, int place) {
        int moved = source;
        if (bit > 0) {
            asm.shift(VPSRLD, dst, source, bit);
            moved = dst;
        }
        asm.op(VPAND, dst, moved, asm.dwords(15));
        asm.op(VPMULLD, dst, dst, asm.dwords(0x204081 << place));
        asm.op(VPAND, dst, dst, asm.constant((byte) (1 << place)));
    }

    /** Moves {@code bits} bits of every byte of {@code source} from bit {@code from} to bit {@code to}, clears the others. */
    void field(int dst, int source, int from, int bits, int to) {
        int moved = source;
        if (to != from) {
            asm.shift(to > from ? VPSLLW : VPSRLW, dst, source, Math.abs(to - from));
            moved = dst;
        }
        asm.op(VPAND, dst, moved, asm.constant((byte) (((1 << bits) - 1) << to)));
    }
}
