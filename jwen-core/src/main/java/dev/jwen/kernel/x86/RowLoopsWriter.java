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
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VDIVPS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTI64X4;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VINSERTI64X4;
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMINPS;
import static dev.jwen.kernel.x86.Instruction.VMOVAPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPMOVDW;
import static dev.jwen.kernel.x86.Instruction.VPMOVZXWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKHQDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLDQ;
import static dev.jwen.kernel.x86.Instruction.VPUNPCKLQDQ;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSQRTPS;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * Writes the loops of {@link dev.jwen.kernel.RowLoops} in 512 bits: what there is to do for one token between the
 * products. Counts are vectors; each method says its arguments in order.
 */
final class RowLoopsWriter {
    static final int VECTOR = 64;

    /** Vectors that are squared side by side. */
    static final int SQUARES = 4;

    private static final int BLOCK_VECTORS = KvCache.BLOCK * Float.BYTES / VECTOR;

    /** {@code dst ? a : b}, bit by bit. */
    private static final int CHOOSE = 0xca;

    /** {@code ~dst & a}, bit by bit. */
    private static final int CLEAR = 0x0c;

    private static final int SIGN = 0x8000_0000;
    private static final int INFINITY = 0x7f80_0000;

    private final Assembler asm = new Assembler(VECTOR);

    private RowLoopsWriter() {}

    static boolean supports(InstructionSet set) {
        return set.vectorBytes() == VECTOR;
    }

    private byte[] finish() {
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Repeats {@code body} as often as {@code counter} says, at least once. */
    private void repeat(int counter, Runnable body) {
        Label loop = new Label();
        asm.bind(loop);
        body.run();
        asm.subConstant(counter, 1);
        asm.jumpIfNotZero(loop);
    }

    /** Like {@link #repeat}, or not at all. */
    private void repeatAny(int counter, Runnable body) {
        Label end = new Label();
        asm.addConstant(counter, 0);
        asm.jumpIfZero(end);
        repeat(counter, body);
        asm.bind(end);
    }

    private void next(int... pointers) {
        for (int pointer : pointers) {
            asm.addConstant(pointer, VECTOR);
        }
    }

    /** An argument that is not in a register. */
    private static Memory argument(int index) {
        return Memory.at(RSP, 8 * (index - 5));
    }

    /** {@code dst} = the lowest 32 bits of a general register in every lane. */
    private void broadcast(int dst, int general) {
        asm.store(Memory.at(RSP, -8), general);
        asm.op(VPBROADCASTD, dst, Memory.at(RSP, -8));
    }

    /** (x, y, bits of the factor, count) */
    static byte[] addScaled() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.broadcast(1, RDX);
        writer.repeat(RCX, () -> {
            asm.op(VMOVUPS, 0, Memory.at(RDI, 0));
            asm.op(VFMADD231PS, 0, 1, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, 0));
            writer.next(RDI, RSI);
        });
        return writer.finish();
    }

    /** (x, bits of the factor, count, out) */
    static byte[] scale() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.broadcast(1, RSI);
        writer.repeat(RDX, () -> {
            asm.op(VMULPS, 0, 1, Memory.at(RDI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RCX, 0));
            writer.next(RDI, RCX);
        });
        return writer.finish();
    }

    /** (x, bytes of a row, factors, rows, count) */
    static byte[] scaleRows() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RCX, () -> {
            asm.op(VBROADCASTSS, 1, Memory.at(RDX, 0));
            asm.mov(RAX, RDI);
            asm.mov(R10, R8);
            writer.repeat(R10, () -> {
                asm.op(VMULPS, 0, 1, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                writer.next(RAX);
            });
            asm.add(RDI, RSI);
            asm.addConstant(RDX, Float.BYTES);
        });
        return writer.finish();
    }

    /** (x, y, bytes of a row, factors of x, factors of y, rows, count) */
    static byte[] mixRows() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(R9, () -> {
            asm.op(VBROADCASTSS, 1, Memory.at(RCX, 0));
            asm.op(VBROADCASTSS, 2, Memory.at(R8, 0));
            asm.movConstant(RAX, 0);
            asm.mov(R10, argument(6));
            writer.repeat(R10, () -> {
                asm.op(VMULPS, 0, 1, Memory.at(RDI, RAX, 1, 0));
                asm.op(VFMADD231PS, 0, 2, Memory.at(RSI, RAX, 1, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, RAX, 1, 0));
                writer.next(RAX);
            });
            asm.add(RDI, RDX);
            asm.add(RSI, RDX);
            asm.addConstant(RCX, Float.BYTES);
            asm.addConstant(R8, Float.BYTES);
        });
        return writer.finish();
    }

    /** (x, bytes of a row, weights, bytes of a row of these, count) */
    static byte[] solve() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(R8, () -> {
            asm.mov(RAX, RDI);
            asm.mov(R10, RDX);
            for (int r = 0; r < RowLoops.SOLVED; r++) {
                asm.op(VMOVUPS, r, Memory.at(RAX, 0));
                for (int s = 0; s < r; s++) {
                    asm.op(VFMADD231PS, r, s, Memory.at(R10, Float.BYTES * s).broadcasting());
                }
                asm.op(VMOVUPS_STORE, r, Memory.at(RAX, 0));
                asm.add(RAX, RSI);
                asm.add(R10, RCX);
            }
            writer.next(RDI);
        });
        return writer.finish();
    }

    /** (x, weight, count / 4, count % 4, out, groups, bits of the number of floats, bits of eps, from run to run of out) */
    static byte[] rmsNorm() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int length = 8;
        int eps = 9;
        int one = 10;
        asm.op(VBROADCASTSS, length, argument(6));
        asm.op(VBROADCASTSS, eps, argument(7));
        asm.op(VMOVUPS, one, asm.floats(1));
        asm.mov(R11, argument(8));
        writer.repeat(R9, () -> {
            asm.mov(RAX, RDI);
            for (int i = 0; i < SQUARES; i++) {
                asm.op(VPXOR, i, i, i);
            }
            asm.mov(R10, RDX);
            writer.repeatAny(R10, () -> {
                for (int i = 0; i < SQUARES; i++) {
                    asm.op(VMOVUPS, SQUARES + i, Memory.at(RAX, VECTOR * i));
                    asm.op(VFMADD231PS, i, SQUARES + i, SQUARES + i);
                }
                asm.addConstant(RAX, SQUARES * VECTOR);
            });
            asm.mov(R10, RCX);
            writer.repeatAny(R10, () -> {
                asm.op(VMOVUPS, SQUARES, Memory.at(RAX, 0));
                asm.op(VFMADD231PS, 0, SQUARES, SQUARES);
                writer.next(RAX);
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
            writer.repeat(R10, () -> {
                asm.op(VMULPS, 1, 0, Memory.at(RDI, 0));
                asm.op(VMULPS, 1, 1, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 1, Memory.at(R8, 0));
                writer.next(RDI, RAX, R8);
            });
            asm.add(R8, R11);
        });
        return writer.finish();
    }

    /** (gate, up, count, out) */
    static byte[] swiGlu() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RDX, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RDI, 0));
            writer.sigmoid(0, 8);
            asm.op(VMULPS, 0, 8, 0);
            asm.op(VMULPS, 0, 0, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RCX, 0));
            writer.next(RDI, RSI, RCX);
        });
        return writer.finish();
    }

    /** (dy, gate, up, count, dGate, dUp) */
    static byte[] swiGluBack() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int gate = 8;
        int open = 0;
        int silu = 9;
        int slope = 10;
        int dy = 11;
        writer.repeat(RCX, () -> {
            asm.op(VMOVUPS, gate, Memory.at(RSI, 0));
            asm.op(VMOVUPS, dy, Memory.at(RDI, 0));
            writer.sigmoid(open, gate);
            asm.op(VMULPS, silu, gate, open);
            asm.op(VMULPS, slope, silu, open);
            asm.op(VSUBPS, slope, silu, slope);
            asm.op(VADDPS, slope, slope, open); // s + g s (1 - s)
            asm.op(VMULPS, slope, slope, dy);
            asm.op(VMULPS, slope, slope, Memory.at(RDX, 0));
            asm.op(VMULPS, silu, silu, dy);
            asm.op(VMOVUPS_STORE, slope, Memory.at(R8, 0));
            asm.op(VMOVUPS_STORE, silu, Memory.at(R9, 0));
            writer.next(RDI, RSI, RDX, R8, R9);
        });
        return writer.finish();
    }

    /** (x, gate, count) */
    static byte[] sigmoidGate() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RDX, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RSI, 0));
            writer.sigmoid(0, 8);
            asm.op(VMULPS, 0, 0, Memory.at(RDI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, 0));
            writer.next(RDI, RSI);
        });
        return writer.finish();
    }

    /** (x, cos, sin, count, heads, bytes of a head) */
    static byte[] rope() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        asm.mov(R11, RCX);
        asm.shiftLeft(R11, 6); // from the first of a pair to the second
        asm.add(R11, RDI);
        writer.repeat(R8, () -> {
            asm.movConstant(RAX, 0);
            asm.mov(R10, RCX);
            writer.repeat(R10, () -> {
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
                writer.next(RAX);
            });
            asm.add(RDI, R9);
            asm.add(R11, R9);
        });
        return writer.finish();
    }

    /** (x0, x1, x2, x3, weights, bytes from tap to tap, count, out) */
    static byte[] fourTaps() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        asm.mov(R11, argument(6));
        asm.mov(R10, argument(7));
        asm.lea(RAX, Memory.at(R8, R9, 2, 0));
        writer.repeat(R11, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RDI, 0));
            asm.op(VMULPS, 8, 8, Memory.at(R8, 0));
            asm.op(VMOVUPS, 9, Memory.at(RSI, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(R8, R9, 1, 0));
            asm.op(VMOVUPS, 9, Memory.at(RDX, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(RAX, 0));
            asm.op(VMOVUPS, 9, Memory.at(RCX, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(RAX, R9, 1, 0));
            writer.sigmoid(0, 8);
            asm.op(VMULPS, 0, 8, 0);
            asm.op(VMOVUPS_STORE, 0, Memory.at(R10, 0));
            writer.next(RDI, RSI, RDX, RCX, R8, RAX, R10);
        });
        return writer.finish();
    }

    /** (scores, seen, max, sums, result, count, rows) */
    static byte[] soften() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int seen = 8;
        int before = 9;
        int now = 10;
        int shrink = 11;
        int sum = 12;
        int scores = 16;
        writer.broadcast(seen, RSI);
        asm.mov(RSI, argument(6));
        writer.repeat(RSI, () -> {
            asm.op(VBROADCASTSS, before, Memory.at(RDX, 0));
            asm.op(VMOVAPS, 0, before);
            for (int i = 0; i < BLOCK_VECTORS; i++) {
                int score = scores + i;
                int[] position = new int[VECTOR / Float.BYTES];
                for (int lane = 0; lane < position.length; lane++) {
                    position[lane] = position.length * i + lane;
                }
                asm.op(VMOVUPS, 1, Memory.at(RDI, VECTOR * i));
                asm.op(VMOVUPS, score, asm.lanes(position));
                asm.op(VPSUBD, score, score, seen);
                asm.shift(VPSRAD, score, score, 31);
                asm.op(VPTERNLOGD, score, 1, asm.floats(Float.NEGATIVE_INFINITY), CHOOSE);
                asm.op(VMAXPS, 0, 0, score);
            }
            acrossLanes(asm, VMAXPS, 0, 1);
            asm.op(VMOVAPS, now, 0);
            asm.storeFloat(Memory.at(RDX, 0), now);
            asm.op(VSUBPS, before, before, now);
            writer.exp(shrink, before);
            asm.op(VMULPS, sum, shrink, Memory.at(RCX, 0));
            for (int i = 0; i < BLOCK_VECTORS; i++) {
                asm.op(VSUBPS, scores + i, scores + i, now);
                writer.exp(0, scores + i);
                asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, VECTOR * i));
                asm.op(VADDPS, sum, sum, 0);
            }
            asm.op(VMOVUPS_STORE, sum, Memory.at(RCX, 0));
            asm.mov(R10, R9);
            writer.repeat(R10, () -> {
                asm.op(VMULPS, 0, shrink, Memory.at(R8, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(R8, 0));
                writer.next(R8);
            });
            asm.addConstant(RDI, BLOCK_VECTORS * VECTOR);
            asm.addConstant(RDX, Float.BYTES);
            writer.next(RCX);
        });
        return writer.finish();
    }

    /** (scores, positions, bytes of all lanes, max, result, width) */
    static byte[] softenLanes() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int difference = 7;
        int now = 8;
        int shrink = 9;
        int sum = 10;
        asm.mov(R11, RDX);
        asm.shiftRight(R11, 6);
        writer.repeat(R11, () -> {
            asm.op(VMOVUPS, now, Memory.at(RCX, 0));
            writer.overPositions(() -> asm.op(VMAXPS, now, now, Memory.at(RAX, 0)));
            asm.op(VMOVUPS, difference, Memory.at(RCX, 0));
            asm.op(VSUBPS, difference, difference, now);
            asm.op(VMOVUPS_STORE, now, Memory.at(RCX, 0));
            writer.exp(shrink, difference);
            asm.op(VMULPS, sum, shrink, Memory.at(RCX, RDX, 1, 0));
            writer.overPositions(() -> {
                asm.op(VMOVUPS, difference, Memory.at(RAX, 0));
                asm.op(VSUBPS, difference, difference, now);
                writer.exp(0, difference);
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                asm.op(VADDPS, sum, sum, 0);
            });
            asm.op(VMOVUPS_STORE, sum, Memory.at(RCX, RDX, 1, 0));
            asm.mov(RAX, R8);
            asm.mov(R10, R9);
            writer.repeat(R10, () -> {
                asm.op(VMULPS, 0, shrink, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                asm.add(RAX, RDX);
            });
            writer.next(RDI, RCX, R8);
        });
        return writer.finish();
    }

    /** Runs {@code body} for the scores of some lanes at RAX, one position after the other. */
    private void overPositions(Runnable body) {
        asm.mov(RAX, RDI);
        asm.mov(R10, RSI);
        repeat(R10, () -> {
            body.run();
            asm.add(RAX, RDX);
        });
    }

    /** (x, count, out) */
    static byte[] exp() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RSI, () -> {
            asm.op(VMOVUPS, 7, Memory.at(RDI, 0));
            writer.exp(0, 7);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            writer.next(RDI, RDX);
        });
        return writer.finish();
    }

    /** (x, y, logs, bits of the log, bits of the factor, count) */
    static byte[] decay() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int difference = 7;
        int log = 8;
        int factor = 9;
        int zero = 10;
        writer.broadcast(log, RCX);
        writer.broadcast(factor, R8);
        asm.op(VPXOR, zero, zero, zero);
        writer.repeat(R9, () -> {
            asm.op(VSUBPS, difference, log, Memory.at(RDX, 0));
            asm.op(VMINPS, difference, difference, zero);
            writer.exp(0, difference);
            asm.op(VMULPS, 1, 0, Memory.at(RDI, 0));
            asm.op(VMULPS, 1, 1, factor);
            asm.op(VMOVUPS_STORE, 1, Memory.at(RDI, 0));
            asm.op(VMULPS, 0, 0, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RSI, 0));
            writer.next(RDI, RSI, RDX);
        });
        return writer.finish();
    }

    /**
     * (x, bytes from row to row, count, out, bytes from row to row of out): four columns at a time. A vector holds them of
     * every fourth row, so that two rounds of unpacking bring the rows into order.
     */
    static byte[] transpose() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        int[] fours = {RDI, RAX, R10, R11};
        int three = R9;
        asm.lea(three, Memory.at(RSI, RSI, 2, 0));
        for (int i = 1; i < 4; i++) {
            asm.lea(fours[i], Memory.at(fours[i - 1], RSI, 4, 0));
        }
        writer.repeat(RDX, () -> {
            for (int column = 0; column < VECTOR; column += 16) {
                for (int row = 0; row < 4; row++) {
                    for (int four = 0; four < 4; four++) {
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
            for (int four : fours) {
                asm.addConstant(four, VECTOR);
            }
        });
        return writer.finish();
    }

    /** (x, count, out) */
    static byte[] fromBf16() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RSI, () -> {
            asm.op(VPMOVZXWD, 0, Memory.at(RDI, 0));
            asm.shift(VPSLLD, 0, 0, 16);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            asm.addConstant(RDI, VECTOR / 2);
            writer.next(RDX);
        });
        return writer.finish();
    }

    /** (x, count / 2, out) */
    static byte[] toBf16() {
        RowLoopsWriter writer = new RowLoopsWriter();
        Assembler asm = writer.asm;
        writer.repeat(RSI, () -> {
            writer.roundToBf16(0, Memory.at(RDI, 0));
            writer.roundToBf16(1, Memory.at(RDI, VECTOR));
            asm.op(VINSERTI64X4, 0, 0, 1, 1);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            asm.addConstant(RDI, 2 * VECTOR);
            writer.next(RDX);
        });
        return writer.finish();
    }

    /** Half a vector: to nearest, ties to even; of what is no number, the upper bits and the one that keeps it so. */
    private void roundToBf16(int dst, Memory source) {
        asm.op(VMOVUPS, 2, source);
        asm.op(VPAND, 3, 2, asm.dwords(~SIGN));
        asm.op(VMOVUPS, 4, asm.dwords(INFINITY));
        asm.op(VPSUBD, 4, 4, 3);
        asm.shift(VPSRAD, 4, 4, 31);
        asm.op(VPOR, 5, 2, asm.dwords(0x40_0000));
        asm.shift(VPSRLD, 3, 2, 16);
        asm.op(VPAND, 3, 3, asm.dwords(1));
        asm.op(VPADDD, 2, 2, asm.dwords(0x7fff));
        asm.op(VPADDD, 2, 2, 3);
        asm.op(VPTERNLOGD, 4, 5, 2, CHOOSE);
        asm.shift(VPSRLD, 4, 4, 16);
        asm.op(VPMOVDW, 4, dst);
    }

    /** Every lane of {@code x} (0 to 15) = the sum or maximum of all of them. Overwrites {@code other} (0 to 15). */
    static void acrossLanes(Assembler asm, Instruction f, int x, int other) {
        if (asm.vectorBytes() == 64) {
            asm.op(VEXTRACTI64X4, x, 0, other, 1);
            asm.op(f, x, x, other);
        }
        asm.op(VEXTRACTF128, x, 0, other, 1);
        asm.op(f, x, x, other);
        asm.op(VPSHUFD, other, 0, x, 0x4e);
        asm.op(f, x, x, other);
        asm.op(VPSHUFD, other, 0, x, 0xb1);
        asm.op(f, x, x, other);
        asm.op(VBROADCASTSS, x, x);
    }

    /** {@code dst = 1 / (1 + exp(-x))}; see {@link #exp}. */
    private void sigmoid(int dst, int x) {
        asm.op(VPXOR, 7, x, asm.dwords(SIGN));
        exp(dst, 7);
        asm.op(VMOVUPS, 1, asm.floats(1));
        asm.op(VADDPS, dst, dst, 1);
        asm.op(VDIVPS, dst, 1, dst);
    }

    /**
     * {@code dst = exp(x)} with the bits of the vector kernels: 0 below -87.33 and e⁸⁸ above 88. Overwrites the registers
     * 1 to 6; {@code dst} is 0 or above 6.
     */
    private void exp(int dst, int x) {
        int n = 1;
        int r = 2;
        int power = 3;
        int p = 4;
        int low = 6;
        asm.op(VMOVUPS, r, asm.floats(-87.33f));
        asm.op(VMAXPS, r, r, x);
        // All bits where x is lower: the minimum turns what is no number into 0.
        asm.op(VSUBPS, low, x, r);
        asm.op(VPXOR, n, n, n);
        asm.op(VMINPS, low, low, n);
        asm.shift(VPSRAD, low, low, 31);
        asm.op(VMOVUPS, n, asm.floats(88));
        asm.op(VMINPS, r, n, r);
        asm.op(VMOVUPS, power, asm.floats(0x1.8p23f));
        asm.op(VFMADD231PS, power, r, asm.floats(0x1.715476p0f));
        asm.op(VSUBPS, n, power, asm.floats(0x1.8p23f));
        asm.shift(VPSLLD, power, power, 23);
        asm.op(VFMADD231PS, r, n, asm.floats(-0x1.63p-1f));
        asm.op(VFMADD231PS, r, n, asm.floats(0x1.bd0106p-13f));
        asm.op(VMOVUPS, p, asm.floats(0x1.6e879cp-10f));
        asm.op(VFMADD231PS, p, r, asm.floats(0x1.a0d2cep-13f));
        float[] coefficients = {0x1.11121p-7f, 0x1.555382p-5f, 0x1.555554p-3f, 0x1.0p-1f};
        for (float coefficient : coefficients) {
            int next = 9 - p; // 4 and 5 in turn
            asm.op(VMOVUPS, next, asm.floats(coefficient));
            asm.op(VFMADD231PS, next, p, r);
            p = next;
        }
        asm.op(VMULPS, n, r, r);
        asm.op(VFMADD231PS, r, p, n);
        asm.op(VADDPS, r, r, asm.floats(1));
        asm.op(VPADDD, r, r, power);
        asm.op(VPTERNLOGD, low, r, r, CLEAR);
        asm.op(VMOVAPS, dst, low);
    }
}
