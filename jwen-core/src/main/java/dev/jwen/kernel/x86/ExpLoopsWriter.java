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
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMINPS;
import static dev.jwen.kernel.x86.Instruction.VMOVAPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPANDN;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;
import static dev.jwen.kernel.x86.Instruction.VSUBPS;

import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.x86.Assembler.Memory;
import java.util.stream.IntStream;

/** Writes the loops of {@link RowLoops} that need exponentials; arguments are as in {@link RowLoopsWriter}. */
final class ExpLoopsWriter extends LoopWriter {
    private static final int SIGN = 0x8000_0000;

    ExpLoopsWriter(InstructionSet set) {
        super(set);
    }

    /** (gate, up, count, out) */
    byte[] swiGlu() {
        repeat(RDX, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RDI, 0));
            sigmoid(0, 8);
            asm.op(VMULPS, 0, 8, 0);
            asm.op(VMULPS, 0, 0, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RCX, 0));
            next(RDI, RSI, RCX);
        });
        return finish();
    }

    /** (dy, gate, up, count, dGate, dUp) */
    byte[] swiGluBack() {
        int gate = 8;
        int open = 0;
        int silu = 9;
        int slope = 10;
        int dy = 11;
        repeat(RCX, () -> {
            asm.op(VMOVUPS, gate, Memory.at(RSI, 0));
            asm.op(VMOVUPS, dy, Memory.at(RDI, 0));
            sigmoid(open, gate);
            asm.op(VMULPS, silu, gate, open);
            asm.op(VMULPS, slope, silu, open);
            asm.op(VSUBPS, slope, silu, slope);
            asm.op(VADDPS, slope, slope, open); // s + g s (1 - s)
            asm.op(VMULPS, slope, slope, dy);
            asm.op(VMULPS, slope, slope, Memory.at(RDX, 0));
            asm.op(VMULPS, silu, silu, dy);
            asm.op(VMOVUPS_STORE, slope, Memory.at(R8, 0));
            asm.op(VMOVUPS_STORE, silu, Memory.at(R9, 0));
            next(RDI, RSI, RDX, R8, R9);
        });
        return finish();
    }

    /** (x, gate, count) */
    byte[] sigmoidGate() {
        repeat(RDX, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RSI, 0));
            sigmoid(0, 8);
            asm.op(VMULPS, 0, 0, Memory.at(RDI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, 0));
            next(RDI, RSI);
        });
        return finish();
    }

    /** (x0, x1, x2, x3, weights, bytes from tap to tap, count, out) */
    byte[] fourTaps() {
        asm.mov(R11, argument(6));
        asm.mov(R10, argument(7));
        asm.lea(RAX, Memory.at(R8, R9, 2, 0));
        repeat(R11, () -> {
            asm.op(VMOVUPS, 8, Memory.at(RDI, 0));
            asm.op(VMULPS, 8, 8, Memory.at(R8, 0));
            asm.op(VMOVUPS, 9, Memory.at(RSI, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(R8, R9, 1, 0));
            asm.op(VMOVUPS, 9, Memory.at(RDX, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(RAX, 0));
            asm.op(VMOVUPS, 9, Memory.at(RCX, 0));
            asm.op(VFMADD231PS, 8, 9, Memory.at(RAX, R9, 1, 0));
            sigmoid(0, 8);
            asm.op(VMULPS, 0, 8, 0);
            asm.op(VMOVUPS_STORE, 0, Memory.at(R10, 0));
            next(RDI, RSI, RDX, RCX, R8, RAX, R10);
        });
        return finish();
    }

    /** (scores, seen, max, sums, result, count, rows) */
    byte[] soften() {
        int none = 7;
        int last = 8;
        int before = 9;
        int now = 10;
        int shrink = 11;
        int score = 12;
        int sums = 13;
        int sumVectors = RowLoops.STEP / lanes;
        asm.op(VMOVUPS, none, asm.floats(Float.NEGATIVE_INFINITY));
        asm.subConstant(RSI, 1);
        broadcast(last, RSI);
        asm.mov(RSI, argument(6));
        repeat(RSI, () -> {
            asm.op(VBROADCASTSS, before, Memory.at(RDX, 0));
            asm.op(VMOVAPS, 0, before);
            for (int i = 0; i < KvCache.BLOCK / lanes; i++) {
                int[] positions = IntStream.range(lanes * i, lanes * (i + 1)).toArray();
                asm.op(VMOVUPS, 1, Memory.at(RDI, vectorBytes * i));
                asm.op(VPSUBD, score, last, asm.lanes(positions));
                asm.shift(VPSRAD, score, score, 31);
                choose(score, none, 1);
                asm.op(VMOVUPS_STORE, score, Memory.at(RDI, vectorBytes * i));
                asm.op(VMAXPS, 0, 0, score);
            }
            RowLoopsWriter.acrossLanes(asm, VMAXPS, 0, 1);
            asm.op(VMOVAPS, now, 0);
            asm.storeFloat(Memory.at(RDX, 0), now);
            asm.op(VSUBPS, before, before, now);
            exp(shrink, before);
            for (int i = 0; i < sumVectors; i++) {
                asm.op(VMULPS, sums + i, shrink, Memory.at(RCX, vectorBytes * i));
            }
            for (int i = 0; i < KvCache.BLOCK / lanes; i++) {
                int sum = sums + i % sumVectors;
                asm.op(VMOVUPS, score, Memory.at(RDI, vectorBytes * i));
                asm.op(VSUBPS, score, score, now);
                exp(0, score);
                asm.op(VMOVUPS_STORE, 0, Memory.at(RDI, vectorBytes * i));
                asm.op(VADDPS, sum, sum, 0);
            }
            for (int i = 0; i < sumVectors; i++) {
                asm.op(VMOVUPS_STORE, sums + i, Memory.at(RCX, vectorBytes * i));
            }
            asm.mov(R10, R9);
            repeat(R10, () -> {
                asm.op(VMULPS, 0, shrink, Memory.at(R8, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(R8, 0));
                next(R8);
            });
            asm.addConstant(RDI, Float.BYTES * KvCache.BLOCK);
            asm.addConstant(RDX, Float.BYTES);
            asm.addConstant(RCX, Float.BYTES * RowLoops.STEP);
        });
        return finish();
    }

    /** (scores, positions, bytes of all lanes, max, result, width) */
    byte[] softenLanes() {
        int difference = 7;
        int now = 8;
        int shrink = 9;
        int sum = 10;
        asm.mov(R11, RDX);
        asm.shiftRight(R11, Integer.numberOfTrailingZeros(vectorBytes));
        repeat(R11, () -> {
            asm.op(VMOVUPS, now, Memory.at(RCX, 0));
            overPositions(() -> asm.op(VMAXPS, now, now, Memory.at(RAX, 0)));
            asm.op(VMOVUPS, difference, Memory.at(RCX, 0));
            asm.op(VSUBPS, difference, difference, now);
            asm.op(VMOVUPS_STORE, now, Memory.at(RCX, 0));
            exp(shrink, difference);
            asm.op(VMULPS, sum, shrink, Memory.at(RCX, RDX, 1, 0));
            overPositions(() -> {
                asm.op(VMOVUPS, difference, Memory.at(RAX, 0));
                asm.op(VSUBPS, difference, difference, now);
                exp(0, difference);
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                asm.op(VADDPS, sum, sum, 0);
            });
            asm.op(VMOVUPS_STORE, sum, Memory.at(RCX, RDX, 1, 0));
            asm.mov(RAX, R8);
            asm.mov(R10, R9);
            repeat(R10, () -> {
                asm.op(VMULPS, 0, shrink, Memory.at(RAX, 0));
                asm.op(VMOVUPS_STORE, 0, Memory.at(RAX, 0));
                asm.add(RAX, RDX);
            });
            next(RDI, RCX, R8);
        });
        return finish();
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
    byte[] exp() {
        repeat(RSI, () -> {
            asm.op(VMOVUPS, 7, Memory.at(RDI, 0));
            exp(0, 7);
            asm.op(VMOVUPS_STORE, 0, Memory.at(RDX, 0));
            next(RDI, RDX);
        });
        return finish();
    }

    /** (x, y, logs, bits of the log, bits of the factor, count) */
    byte[] decay() {
        int difference = 7;
        int log = 8;
        int factor = 9;
        int zero = 10;
        broadcast(log, RCX);
        broadcast(factor, R8);
        asm.op(VPXOR, zero, zero, zero);
        repeat(R9, () -> {
            asm.op(VSUBPS, difference, log, Memory.at(RDX, 0));
            asm.op(VMINPS, difference, difference, zero);
            exp(0, difference);
            asm.op(VMULPS, 1, 0, Memory.at(RDI, 0));
            asm.op(VMULPS, 1, 1, factor);
            asm.op(VMOVUPS_STORE, 1, Memory.at(RDI, 0));
            asm.op(VMULPS, 0, 0, Memory.at(RSI, 0));
            asm.op(VMOVUPS_STORE, 0, Memory.at(RSI, 0));
            next(RDI, RSI, RDX);
        });
        return finish();
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
        asm.op(VPANDN, dst, low, r);
    }
}
