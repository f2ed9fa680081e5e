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
import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VDIVPS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VINSERTI64X4;
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPACKUSDW;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMQ;
import static dev.jwen.kernel.x86.Instruction.VPMOVDW;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSQRTPS;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * Writes the loops of {@link RowLoops} that have no exponentials. Counts are vectors; each method says its arguments in
 * order.
 */
final class RowLoopsWriter extends LoopWriter {
    /** Vectors that are squared side by side. */
    static final int SQUARES = 4;

    private static final int SIGN = 0x8000_0000;
    private static final int INFINITY = 0x7f80_0000;

    RowLoopsWriter(InstructionSet set) {
        super(set);
    }

    /** (x, y, bits of the factor, count) */
    byte[] addScaled() {
        broadcast(1, RDX);
        repeat(RCX, () -> {
            asm.op(VMOVUPS, 0, Memory.at(RDI, 0));
            asm.op(VFMADD231PS, 0, 1, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, 0));
            next(RDI, RSI);
        });
        return finish();
    }

    /** (x, bits of the factor, count, out) */
    byte[] scale() {
        broadcast(1, RSI);
        repeat(RDX, () -> {
            asm.op(VMULPS, 0, 1, Memory.at(RDI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RCX, 0));
            next(RDI, RCX);
        });
        return finish();
    }

    /** (x, count, blocks, out) */
    byte[] maxima() {
        repeat(RDX, () -> {
            asm.op(VMOVUPS, 0, Memory.at(RDI, 0));
            asm.mov(RAX, RSI);
            repeat(RAX, () -> {
                asm.op(VMAXPS, 0, 0, Memory.at(RDI, 0));
                next(RDI);
            });
            acrossLanes(asm, VMAXPS, 0, 1);
            asm.storeFloat(Memory.at(RCX, 0), 0);
            asm.addConstant(RCX, Float.BYTES);
        });
        return finish();
    }

    /** (x, bytes of a row, factors, rows, count) */
    byte[] scaleRows() {
        repeat(RCX, () -> {
            asm.op(VBROADCASTSS, 1, Memory.at(RDX, 0));
            asm.mov(RAX, RDI);
            asm.mov(R10, R8);
            repeat(R10, () -> {
                asm.op(VMULPS, 0, 1, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                next(RAX);
            });
            asm.add(RDI, RSI);
            asm.addConstant(RDX, Float.BYTES);
        });
        return finish();
    }

    /** (x, y, bytes of a row, factors of x, factors of y, rows, count) */
    byte[] mixRows() {
        repeat(R9, () -> {
            asm.op(VBROADCASTSS, 1, Memory.at(RCX, 0));
            asm.op(VBROADCASTSS, 2, Memory.at(R8, 0));
            asm.movConstant(RAX, 0);
            asm.mov(R10, argument(6));
            repeat(R10, () -> {
                asm.op(VMULPS, 0, 1, Memory.at(RDI, RAX, 1, 0));
                asm.op(VFMADD231PS, 0, 2, Memory.at(RSI, RAX, 1, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, RAX, 1, 0));
                next(RAX);
            });
            asm.add(RDI, RDX);
            asm.add(RSI, RDX);
            asm.addConstant(RCX, Float.BYTES);
            asm.addConstant(R8, Float.BYTES);
        });
        return finish();
    }

    /** (x, bytes of a row, weights, bytes of a row of these, count) */
    byte[] solve() {
        repeat(R8, () -> {
            asm.mov(RAX, RDI);
            asm.mov(R10, RDX);
            for (int r = 0; r < RowLoops.SOLVED; r++) {
                asm.op(VMOVUPS, r, Memory.at(RAX, 0));
                for (int s = 0; s < r; s++) {
                    addScaled(r, s, Memory.at(R10, Float.BYTES * s));
                }
                asm.op(VMOVUPS_STORE, r, Memory.at(RAX, 0));
                asm.add(RAX, RSI);
                asm.add(R10, RCX);
            }
            next(RDI);
        });
        return finish();
    }

    /** {@code dst += factor · x} with a factor in memory. */
    private void addScaled(int dst, int x, Memory factor) {
        if (isWide) {
            asm.op(VFMADD231PS, dst, x, factor.broadcasting());
        } else {
            asm.op(VBROADCASTSS, RowLoops.SOLVED, factor);
            asm.op(VFMADD231PS, dst, x, RowLoops.SOLVED);
        }
    }

    /** (x, weight, count / 4, count % 4, out, groups, bits of the number of floats, bits of eps, from run to run of out) */
    byte[] rmsNorm() {
        int length = 8;
        int eps = 9;
        int one = 10;
        asm.op(VBROADCASTSS, length, argument(6));
        asm.op(VBROADCASTSS, eps, argument(7));
        asm.op(VMOVUPS, one, asm.floats(1));
        asm.mov(R11, argument(8));
        repeat(R9, () -> {
            asm.mov(RAX, RDI);
            for (int i = 0; i < SQUARES; i++) {
                asm.op(VPXOR, i, i, i);
            }
            asm.mov(R10, RDX);
            repeatAny(R10, () -> {
                for (int i = 0; i < SQUARES; i++) {
                    asm.op(VMOVUPS, SQUARES + i, Memory.at(RAX, vectorBytes * i));
                    asm.op(VFMADD231PS, i, SQUARES + i, SQUARES + i);
                }
                asm.addConstant(RAX, SQUARES * vectorBytes);
            });
            asm.mov(R10, RCX);
            repeatAny(R10, () -> {
                asm.op(VMOVUPS, SQUARES, Memory.at(RAX, 0));
                asm.op(VFMADD231PS, 0, SQUARES, SQUARES);
                next(RAX);
            });
            asm.op(VADDPS, 0, 0, 1);
            asm.op(VADDPS, 2, 2, 3);
            asm.op(VADDPS, 0, 0, 2);
            acrossLanes(asm, VADDPS, 0, 1);
            asm.op(VDIVPS, 0, 0, length);
            asm.op(VADDPS, 0, 0, eps);
            asm.op(VSQRTPS, 0, 0);
            asm.op(VDIVPS, 0, one, 0);
            asm.mov(RAX, RSI);
            asm.lea(R10, Memory.at(RCX, RDX, SQUARES, 0));
            repeat(R10, () -> {
                asm.op(VMULPS, 1, 0, Memory.at(RDI, 0));
                asm.op(VMULPS, 1, 1, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 1, Memory.at(R8, 0));
                next(RDI, RAX, R8);
            });
            asm.add(R8, R11);
        });
        return finish();
    }

    /** (x, cos, sin, count, heads, bytes of a head) */
    byte[] rope() {
        asm.mov(R11, RCX);
        asm.shiftLeft(R11, Integer.numberOfTrailingZeros(vectorBytes)); // from the first of a pair to the second
        asm.add(R11, RDI);
        repeat(R8, () -> {
            asm.movConstant(RAX, 0);
            asm.mov(R10, RCX);
            repeat(R10, () -> {
                Memory first = Memory.at(RDI, RAX, 1, 0);
                Memory second = Memory.at(R11, RAX, 1, 0);
                asm.op(VMOVUPS, 0, first);
                asm.op(VMOVUPS, 1, second);
                asm.op(VMOVUPS, 2, Memory.at(RSI, RAX, 1, 0));
                asm.op(VMOVUPS, 3, Memory.at(RDX, RAX, 1, 0));
                asm.op(VMULPS, 4, 0, 2);
                asm.op(VMULPS, 5, 1, 3);
                asm.op(VSUBPS, 4, 4, 5);
                asm.op(VMULPS, 6, 1, 2);
                asm.op(VMULPS, 7, 0, 3);
                asm.op(VADDPS, 6, 6, 7);
                asm.op(VMOVUPS_STORE, 4, first);
                asm.op(VMOVUPS_STORE, 6, second);
                next(RAX);
            });
            asm.add(RDI, R9);
            asm.add(R11, R9);
        });
        return finish();
    }

    /**
     * (x, bytes from row to row, count, out, bytes from row to row of out): as many rows as there are lanes, four columns
     * at a time. A vector holds them of every fourth row, so that two rounds of unpacking bring the rows into order.
     */
    byte[] transpose() {
        int[] fours = isWide ? new int[] {RDI, RAX, R10, R11} : new int[] {RDI, RAX};
        int three = R9;
        asm.lea(three, Memory.at(RSI, RSI, 2, 0));
        for (int i = 1; i < fours.length; i++) {
            asm.lea(fours[i], Memory.at(fours[i - 1], RSI, 4, 0));
        }
        repeat(RDX, () -> {
            for (int column = 0; column < vectorBytes; column += 16) {
                for (int row = 0; row < 4; row++) {
                    for (int four = 0; four < fours.length; four++) {
                        int at = fours[four];
                        Memory source = switch (row) {
                            case 0 -> Memory.at(at, column);
                            case 3 -> Memory.at(at, three, 1, column);
                            default -> Memory.at(at, RSI, row, column);
                        };
                        if (four == 0) {
                            asm.load128(row, source);
                        } else {
                            asm.op(VINSERTI128, row, row, source, four);
                        }
                    }
                }
                asm.op(VPUNPCKLDQ, 4, 0, 1);
                asm.op(VPUNPCKHDQ, 5, 0, 1);
                asm.op(VPUNPCKLDQ, 6, 2, 3);
                asm.op(VPUNPCKHDQ, 7, 2, 3);
                for (int pair = 0; pair < 2; pair++) {
                    asm.op(VPUNPCKLQDQ, 8, 4 + pair, 6 + pair);
                    asm.op(VPUNPCKHQDQ, 9, 4 + pair, 6 + pair);
                    asm.op(VMOVUPS_STORE, 8, Memory.at(RCX, 0));
                    asm.op(VMOVUPS_STORE, 9, Memory.at(RCX, R8, 1, 0));
                    asm.lea(RCX, Memory.at(RCX, R8, 2, 0));
                }
            }
            next(fours);
        });
        return finish();
    }

    /** (x, count, out) */
    byte[] fromBf16() {
        repeat(RSI, () -> {
            asm.op(VPMOVZXWD, 0, Memory.at(RDI, 0));
            asm.shift(VPSLLD, 0, 0, 16);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            asm.addConstant(RDI, vectorBytes / 2);
            next(RDX);
        });
        return finish();
    }

    /** (x, count / 2, out) */
    byte[] toBf16() {
        repeat(RSI, () -> {
            roundToBf16(0, Memory.at(RDI, 0));
            roundToBf16(1, Memory.at(RDI, vectorBytes));
            toWords(0, 1);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            asm.addConstant(RDI, 2 * vectorBytes);
            next(RDX);
        });
        return finish();
    }

    /** Sets {@code x} to the lower halves of the lanes of {@code x} and {@code y}, whose upper halves are zero. */
    private void toWords(int x, int y) {
        if (isWide) {
            asm.op(VPMOVDW, x, x);
            asm.op(VPMOVDW, y, y);
            asm.op(VINSERTI64X4, x, x, y, 1);
        } else {
            asm.op(VPACKUSDW, x, x, y);
            asm.op(VPERMQ, x, 0, x, 0xd8); // x and y alternate
        }
    }

    /** To nearest, ties to even; of what is no number, the upper bits and the one that keeps it so. */
    private void roundToBf16(int dst, Memory source) {
        asm.op(VMOVUPS, 2, source);
        asm.op(VPAND, 3, 2, asm.dwords(~SIGN));
        asm.op(VMOVUPS, dst, asm.dwords(INFINITY));
        asm.op(VPSUBD, dst, dst, 3);
        asm.shift(VPSRAD, dst, dst, 31);
        asm.op(VPOR, 4, 2, asm.dwords(0x40_0000));
        asm.shift(VPSRLD, 3, 2, 16);
        asm.op(VPAND, 3, 3, asm.dwords(1));
        asm.op(VPADDD, 2, 2, asm.dwords(0x7fff));
        asm.op(VPADDD, 2, 2, 3);
        choose(dst, 4, 2);
        asm.shift(VPSRLD, dst, dst, 16);
    }

    /** Every lane of {@code x} (0 to 15) = the sum or maximum of all of them. Overwrites {@code other} (0 to 15). */
    static void acrossLanes(Assembler asm, Instruction f, int x, int other) {
        acrossHalves(asm, f, x, other);
        asm.op(VPSHUFD, other, 0, x, 0x4e);
        asm.op(f, x, x, other);
        asm.op(VPSHUFD, other, 0, x, 0xb1);
        asm.op(f, x, x, other);
        asm.op(VBROADCASTSS, x, x);
    }

    /** The lowest 128 bits of {@code x} (0 to 15) = the sum or the like of all of its 128 bits. Overwrites {@code other} (0 to 15). */
    static void acrossHalves(Assembler asm, Instruction f, int x, int other) {
        if (asm.vectorBytes() == 64) {
            asm.op(VEXTRACTI64X4, x, 0, other, 1);
            asm.op(f, x, x, other);
        }
        asm.op(VEXTRACTF128, x, 0, other, 1);
        asm.op(f, x, x, other);
    }
}
