package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VADDPS;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VDPBF16PS;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPABSB;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPADDW;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPMADDUBSW;
import static dev.jwen.kernel.x86.Instruction.VPMADDWD;
import static dev.jwen.kernel.x86.Instruction.VPSIGNB;
import static dev.jwen.kernel.x86.Instruction.VPSRAD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * Multiplies a panel of weights, or those of two groups of rows, with the records of several tokens and adds to their
 * accumulators: one float for each (row, token), rows in lanes.
 *
 * <p>With 512 bits the accumulators are the last registers; those of one group, 16 and up, survive an {@link Unpacker}.
 * With 256 bits they are registers 0 and up and must be kept in memory meanwhile: {@link #load}, {@link #store}.
 */
final class Products {
    /** Registers of {@link #addCodesWide}; the weights are 0 to 7. */
    private static final int SCALES = 8;

    private static final int MINIMA = 10;
    private static final int SUMS = 12;
    private static final int SUM_REGISTERS = 4;

    /** Sums of {@link #addScaledPairs}, from register 0 on. */
    private static final int SCALED_SUMS = 8;

    private final Assembler asm;
    private final InstructionSet set;
    private final Packing packing;
    private final Tile tile;
    private final int tokens;
    private final int groups;
    private final boolean wide;
    private final int firstAccumulator;
    /** Accumulators of one token: with few tokens several are needed to hide the latency of an addition. */
    private final int ways;

    /** @param groups groups of rows: 1 or, with 512 bits, 2 */
    Products(Assembler asm, InstructionSet set, Packing packing, Tile tile, int tokens, int groups) {
        this.asm = asm;
        this.set = set;
        this.packing = packing;
        this.tile = tile;
        this.tokens = tokens;
        this.groups = groups;
        this.wide = set.isWide();
        this.firstAccumulator = groups == 2 ? 32 - 2 * tokens : wide ? 16 : 0;
        int most = packing.maxTokens(set);
        boolean apart = packing.parts() == 0 && groups == 1;
        this.ways = apart && 4 * tokens <= most ? 4 : apart && 2 * tokens <= most ? 2 : 1;
    }

    /** Of group {@code i}; where there is only one, of its way {@code i}. */
    private int accumulator(int i, int token) {
        return firstAccumulator + i * tokens + token;
    }

    /** Bytes that {@link #load} and {@link #store} need at most. */
    static int accumulatorBytes() {
        return 16 * 64;
    }

    /** Sets the accumulators to zero. */
    void clear() {
        for (int i = 0; i < ways * groups * tokens; i++) {
            int register = firstAccumulator + i;
            asm.op(VPXOR, register, register, register);
        }
    }

    /** Saves the accumulators just below the panel, unless nothing else uses their registers. */
    void store() {
        for (int i = 0; i < ways * tokens && !wide; i++) {
            asm.op(VMOVUPS_STORE, firstAccumulator + i, tile.panel(-1 - i));
        }
    }

    void load() {
        for (int i = 0; i < ways * tokens && !wide; i++) {
            asm.op(VMOVUPS, firstAccumulator + i, tile.panel(-1 - i));
        }
    }

    /** Continues from the sums at which the tokens point. */
    void read() {
        for (int t = 0; t < tokens; t++) {
            for (int group = 0; group < groups; group++) {
                asm.op(VMOVUPS, accumulator(group, t), tile.token(t, group * asm.vectorBytes()));
            }
        }
    }

    /** Asks for the cache lines that {@link #write} will write, so that it need not wait for them. */
    void prefetchOutput() {
        for (int t = 0; t < tokens; t++) {
            for (int group = 0; group < groups; group++) {
                asm.prefetch(tile.token(t, group * asm.vectorBytes()));
            }
        }
    }

    /** Writes the sums to the output rows at which the tokens point. */
    void write() {
        for (int t = 0; t < tokens; t++) {
            for (int way = 1; way < ways; way++) {
                asm.op(VADDPS, accumulator(0, t), accumulator(0, t), accumulator(way, t));
            }
            for (int group = 0; group < groups; group++) {
                asm.op(VMOVUPS_STORE, accumulator(group, t), tile.token(t, group * asm.vectorBytes()));
            }
        }
    }

    /** Adds the products of the current panel and the current records. */
    void add() {
        if (groups == 2) {
            addTwoGroups();
        } else if (packing.equals(Packing.SCALED_BF16_PAIRS)) {
            addScaledPairs();
        } else if (!packing.isInteger()) {
            addNumbers();
        } else if (wide) {
            addCodesWide();
        } else {
            for (int part = 0; part < packing.parts(); part++) {
                addCodes(part);
            }
        }
    }

    private Instruction multiplyAdd() {
        return switch (packing.activations()) {
            case INT8, INT8_PAIRS, INT8_SIXTEENS, INT8_BLOCKS -> VPDPBUSD;
            case BF16 -> VDPBF16PS;
            case F32 -> VFMADD231PS;
        };
    }

    private void addNumbers() {
        for (int k = 0; k < packing.vectors(); k++) {
            int weights = 12 + k % 2;
            asm.op(VMOVUPS, weights, tile.panel(k));
            for (int t = 0; t < tokens; t++) {
                Memory value = tile.token(t, 4 * k);
                if (wide) {
                    asm.op(multiplyAdd(), accumulator(k % ways, t), weights, value.broadcasting());
                } else {
                    asm.op(VBROADCASTSS, 14 + t % 2, value);
                    asm.op(multiplyAdd(), accumulator(k % ways, t), weights, 14 + t % 2);
                }
            }
        }
    }

    /** With 512 bits only: the sums of 32 columns, of a few tokens at a time, times their scales. */
    private void addScaledPairs() {
        asm.op(VMOVUPS, 14, tile.panel(packing.scale(0)));
        for (int first = 0; first < tokens; first += SCALED_SUMS) {
            int count = Math.min(SCALED_SUMS, tokens - first);
            int splits = Math.min(4, SCALED_SUMS / count);
            for (int i = 0; i < splits * count; i++) {
                asm.op(VPXOR, i, i, i);
            }
            for (int k = 0; k < packing.vectors(); k++) {
                int weights = 12 + k % 2;
                asm.op(VMOVUPS, weights, tile.panel(k));
                for (int t = 0; t < count; t++) {
                    Memory value = tile.token(first + t, 4 * k).broadcasting();
                    asm.op(VDPBF16PS, k % splits * count + t, weights, value);
                }
            }
            for (int i = splits * count - 1; i >= count; i--) {
                asm.op(VADDPS, i - count, i - count, i);
            }
            for (int t = 0; t < count; t++) {
                asm.op(VFMADD231PS, accumulator(0, first + t), t, 14);
            }
        }
    }

    // ---- 512 bits: all weights of a panel in registers, a few tokens at a time

    private void addCodesWide() {
        int parts = packing.parts();
        for (int k = 0; k < 8; k++) {
            asm.op(VMOVUPS, k, tile.panel(k));
        }
        for (int part = 0; part < parts; part++) {
            asm.op(VMOVUPS, SCALES + part, tile.panel(packing.scale(part)));
            if (packing.hasMinima()) {
                asm.op(VMOVUPS, MINIMA + part, tile.panel(packing.minimum(part)));
            }
        }
        int side = SUM_REGISTERS / parts;
        for (int first = 0; first < tokens; first += side) {
            addTokensWide(first, Math.min(first + side, tokens));
        }
    }

    /**
     * Four dot products advance side by side, because each step waits six cycles for the one before it: those of several
     * tokens, or parts of the same one.
     */
    private void addTokensWide(int from, int to) {
        int parts = packing.parts();
        int count = 8 / parts;
        int sums = (to - from) * parts;
        int splits = SUM_REGISTERS / sums;
        for (int t = from; t < to; t++) {
            for (int part = 0; part < parts; part++) {
                startSum(SUMS + (t - from) * parts + part, t, part);
            }
        }
        for (int i = sums; i < splits * sums; i++) {
            asm.op(VPXOR, SUMS + i, SUMS + i, SUMS + i);
        }
        for (int k = 0; k < count; k++) {
            for (int t = from; t < to; t++) {
                for (int part = 0; part < parts; part++) {
                    int column = part * count + k;
                    int sum = SUMS + k % splits * sums + (t - from) * parts + part;
                    asm.op(VPDPBUSD, sum, column, tile.token(t, 4 * column).broadcasting());
                }
            }
        }
        for (int i = splits * sums - 1; i >= sums; i--) {
            asm.op(VPADDD, SUMS + i - sums, SUMS + i - sums, SUMS + i);
        }
        for (int t = from; t < to; t++) {
            scaleSums(SUMS + (t - from) * parts, t, SCALES, MINIMA, accumulator(0, t));
        }
    }

    /** Adds the integers in register {@code sum}, and in the one after it if there are two parts, times their scales. */
    private void scaleSums(int sum, int token, int scales, int minima, int accumulator) {
        int parts = packing.parts();
        for (int part = 0; part < parts; part++) {
            asm.op(VCVTDQ2PS, sum + part, sum + part);
        }
        asm.op(VMULPS, sum, sum, scales);
        if (parts == 2) {
            asm.op(VFMADD231PS, sum, sum + 1, scales + 1);
        }
        for (int part = 0; part < parts && packing.hasMinima(); part++) {
            asm.op(
                    VFMADD231PS,
                    sum,
                    minima + part,
                    tile.token(token, packing.sumOffset(part)).broadcasting());
        }
        asm.op(
                VFMADD231PS,
                accumulator,
                sum,
                tile.token(token, Activations.SCALE).broadcasting());
    }

    // ---- 512 bits, two groups of rows: all tokens side by side, each value of theirs is loaded once for both groups

    private void addTwoGroups() {
        int parts = packing.parts();
        if (parts == 0) {
            multiplyTwoGroups(0, packing.vectors(), firstAccumulator, 1);
            return;
        }
        int sums = firstAccumulator - 2 * tokens * parts;
        for (int i = 0; i < 2 * tokens; i++) {
            for (int part = 0; part < parts; part++) {
                startSum(sums + i * parts + part, i % tokens, part);
            }
        }
        int vectors = packing.vectors() / parts;
        for (int part = 0; part < parts; part++) {
            multiplyTwoGroups(part * vectors, (part + 1) * vectors, sums + part, parts);
        }
        for (int group = 0; group < 2; group++) {
            int scales = 4 * group;
            int minima = scales + 2;
            for (int part = 0; part < parts; part++) {
                asm.op(VMOVUPS, scales + part, tile.panel(group, packing.scale(part)));
                if (packing.hasMinima()) {
                    asm.op(VMOVUPS, minima + part, tile.panel(group, packing.minimum(part)));
                }
            }
            for (int t = 0; t < tokens; t++) {
                int sum = sums + (group * tokens + t) * parts;
                if (packing.isInteger()) {
                    scaleSums(sum, t, scales, minima, accumulator(group, t));
                } else {
                    asm.op(VFMADD231PS, accumulator(group, t), sum, scales);
                }
            }
        }
    }

    /** Adds the products of some vectors to the sums of group 0 and all tokens, then of group 1, {@code step} registers apart. */
    private void multiplyTwoGroups(int from, int to, int sums, int step) {
        for (int k = from; k < to; k++) {
            int weights = 2 * (k % 2);
            asm.op(VMOVUPS, weights, tile.panel(0, k));
            asm.op(VMOVUPS, weights + 1, tile.panel(1, k));
            for (int t = 0; t < tokens; t++) {
                int values = 4 + t % 2;
                asm.op(VPBROADCASTD, values, tile.token(t, 4 * k));
                asm.op(multiplyAdd(), sums + t * step, weights, values);
                asm.op(multiplyAdd(), sums + (tokens + t) * step, weights + 1, values);
            }
        }
    }

    // ---- 256 bits: all tokens side by side, one vector of weights after the other

    private void addCodes(int part) {
        int sums = tokens;
        int temporary = 14;
        for (int t = 0; t < tokens; t++) {
            startSum(sums + t, t, part);
        }
        int count = 8 / packing.parts();
        for (int k = part * count; k < (part + 1) * count; k++) {
            if (set.hasDotProduct()) {
                dotProducts(k);
            } else if (packing.isSigned(set)) {
                signedProducts(k);
            } else {
                unsignedProducts(k, count);
            }
        }
        for (int t = 0; t < tokens; t++) {
            asm.op(VCVTDQ2PS, sums + t, sums + t);
            asm.op(VMULPS, sums + t, sums + t, tile.panel(packing.scale(part)));
            if (packing.hasMinima()) {
                asm.op(VBROADCASTSS, temporary, tile.token(t, packing.sumOffset(part)));
                asm.op(VFMADD231PS, sums + t, temporary, tile.panel(packing.minimum(part)));
            }
            asm.op(VBROADCASTSS, temporary, tile.token(t, Activations.SCALE));
            asm.op(VFMADD231PS, accumulator(0, t), sums + t, temporary);
        }
    }

    private void startSum(int sum, int token, int part) {
        if (!packing.isInteger() || packing.hasMinima() || packing.isSigned(set)) {
            asm.op(VPXOR, sum, sum, sum);
            return;
        }
        asm.op(VPBROADCASTD, sum, tile.token(token, packing.correctionOffset(part)));
        // The correction is for the offset 128; codes of fewer bits in the lower part of a byte have a smaller one.
        int smaller = 8 - packing.codeBits() - packing.codeShift(set);
        if (smaller > 0) {
            asm.shift(VPSRAD, sum, sum, smaller);
        }
    }

    private void dotProducts(int k) {
        int weights = 12 + k % 2;
        asm.op(VMOVUPS, weights, tile.panel(k));
        for (int t = 0; t < tokens; t++) {
            int values = 14 + t % 2;
            asm.op(VPBROADCASTD, values, tile.token(t, 4 * k));
            asm.op(VPDPBUSD, tokens + t, weights, values);
        }
    }

    /** |w| · sign(w) a: at most 2 · 128 · 127 in 16 bits, so every pair is widened at once. */
    private void signedProducts(int k) {
        asm.op(VMOVUPS, 12, tile.panel(k));
        asm.op(VPABSB, 13, 12);
        for (int t = 0; t < tokens; t++) {
            int values = 14 + t % 2;
            asm.op(VPBROADCASTD, values, tile.token(t, 4 * k));
            asm.op(VPSIGNB, values, values, 12);
            asm.op(VPMADDUBSW, values, 13, values);
            asm.op(VPMADDWD, values, values, asm.dwords(0x00010001));
            asm.op(VPADDD, tokens + t, tokens + t, values);
        }
    }

    /** Codes of few bits: several sums of two products fit 16 bits before they are widened. */
    private void unsignedProducts(int k, int count) {
        int largest = 2 * 127 * ((1 << packing.codeBits()) - 1);
        int run = Math.min(count, Integer.highestOneBit(Short.MAX_VALUE / largest));
        asm.op(VMOVUPS, 12, tile.panel(k));
        for (int t = 0; t < tokens; t++) {
            int words = 2 * tokens + t;
            int values = 14 + t % 2;
            asm.op(VPBROADCASTD, values, tile.token(t, 4 * k));
            if (k % run == 0) {
                asm.op(VPMADDUBSW, words, 12, values);
            } else {
                asm.op(VPMADDUBSW, values, 12, values);
                asm.op(VPADDW, words, words, values);
            }
            if (k % run == run - 1) {
                asm.op(VPMADDWD, words, words, asm.dwords(0x00010001));
                asm.op(VPADDD, tokens + t, tokens + t, words);
            }
        }
    }
}
