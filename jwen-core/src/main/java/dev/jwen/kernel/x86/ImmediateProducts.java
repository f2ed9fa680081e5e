package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VFMADD213PS;
import static dev.jwen.kernel.x86.Instruction.VFMADD231PS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPDPBUSD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;

/**
 * Multiplies each vector of codes with a few tokens at the moment when it is unpacked: none goes through memory, and a
 * processor unpacks the next ones while it multiplies, which it cannot where a whole block is unpacked before.
 *
 * <p>Integers become floats without an instruction for it: dot products start from the bits of {@value #BIAS}, next to
 * which floats count in ones, and what that adds is taken away again, exactly, when they are scaled.
 *
 * <p>Where 32 columns have two scales, each part is added to the sum of a token by itself, for want of registers, and not
 * both together as {@link Products} do: the sums are rounded differently.
 *
 * <p>With 512 bits; the registers from 16 on, below are those of the {@link Unpacker}. Scales and minima go through memory, as
 * many of them are made at once.
 */
final class ImmediateProducts implements Unpacker.Panels {
    /** Limited by registers. */
    static final int MAX_TOKENS = 8;

    /** 1.5 · 2²³: in its binade all integers from -2²² to 2²² can be added to it; dot products stay below 2²¹. */
    private static final float BIAS = 0x1.8p23f;

    // Free when a scale's columns are complete.
    private static final int MINIMA = 13;
    private static final int SCALES = 14;
    /** What the bias of a dot product becomes when it is scaled, negative; exact, as scales have 18 bits at most. */
    private static final int SCALED_BIAS = 15;

    private static final int DOTS = 16;
    private static final int SUMS = DOTS + MAX_TOKENS;

    private final Assembler asm;
    private final Packing packing;
    private final Tile tile;
    private final int tokens;

    /** Vectors of codes that come one after another and are scaled together: all that have one scale, or half of them. */
    private final int run;

    /** How many of them have been multiplied. */
    private int multiplied;

    private int panel;
    /** The first of them. */
    private int first;

    ImmediateProducts(Assembler asm, DataType type, Packing packing, Tile tile, int tokens) {
        this.asm = asm;
        this.packing = packing;
        this.tile = tile;
        this.tokens = tokens;
        this.run = Unpacker.run(type);
    }

    static boolean supports(DataType type, Packing packing, InstructionSet set, int tokens) {
        return set.isWide() && tokens <= MAX_TOKENS && packing.isInteger() && Unpacker.run(type) > 0;
    }

    /** Sets the sums to zero. */
    void clear() {
        for (int t = 0; t < tokens; t++) {
            asm.op(VPXOR, SUMS + t, SUMS + t, SUMS + t);
        }
    }

    @Override
    public void put(int panel, int vector, int register) {
        if (vector >= packing.vectors()) {
            asm.op(VMOVUPS_STORE, register, panel(panel, vector));
            return;
        }
        if (multiplied == 0) {
            this.panel = panel;
            this.first = vector / run * run;
            start();
        } else if (panel != this.panel || vector / run * run != first) {
            throw new IllegalStateException("vector %d of panel %d comes before those from %d of %d are complete"
                    .formatted(vector, panel, first, this.panel));
        }
        for (int t = 0; t < tokens; t++) {
            asm.op(VPDPBUSD, DOTS + t, register, x(t, 4 * vector).broadcasting());
        }
        multiplied++;
        if (multiplied == run) {
            complete();
            multiplied = 0;
        }
    }

    /** Which of the scales of the panel it is. */
    private int part() {
        return first * packing.parts() / packing.vectors();
    }

    private boolean isFirst() {
        return first * packing.parts() % packing.vectors() == 0;
    }

    private void start() {
        Memory bias = asm.floats(BIAS);
        for (int t = 0; t < tokens; t++) {
            if (packing.hasMinima() || !isFirst()) {
                asm.op(VMOVUPS, DOTS + t, bias);
            } else {
                asm.op(VPBROADCASTD, DOTS + t, x(t, packing.correctionOffset(part())));
                asm.op(VPADDD, DOTS + t, DOTS + t, bias);
            }
        }
    }

    /** Adds the dot products, times both scales, to the sums, and once for each scale its minimum. */
    private void complete() {
        boolean addsMinima = packing.hasMinima() && isFirst();
        asm.op(VMOVUPS, SCALES, panel(panel, packing.scale(part())));
        asm.op(VMULPS, SCALED_BIAS, SCALES, asm.floats(-BIAS));
        if (addsMinima) {
            asm.op(VMOVUPS, MINIMA, panel(panel, packing.minimum(part())));
        }
        for (int t = 0; t < tokens; t++) {
            asm.op(VFMADD213PS, DOTS + t, SCALES, SCALED_BIAS);
            if (addsMinima) {
                Memory sum = x(t, packing.sumOffset(part()));
                asm.op(VFMADD231PS, DOTS + t, MINIMA, sum.broadcasting());
            }
            asm.op(VFMADD231PS, SUMS + t, DOTS + t, x(t, Activations.SCALE).broadcasting());
        }
    }

    /** Writes the sums to the output rows at which the tokens point. */
    void write() {
        for (int t = 0; t < tokens; t++) {
            asm.op(VMOVUPS_STORE, SUMS + t, tile.token(t, 0));
        }
    }

    private Memory panel(int panel, int vector) {
        return tile.panel(panel * packing.panelVectors() + vector);
    }

    private Memory x(int token, int offset) {
        return tile.token(token, panel * packing.activations().recordBytes() + offset);
    }
}
