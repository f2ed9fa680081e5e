package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.RSP;
import static dev.jwen.kernel.x86.Instruction.VBLENDVPS;
import static dev.jwen.kernel.x86.Instruction.VPBROADCASTD;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;

/** Writes a loop over the vectors of rows: its counters, pointers and arguments. A writer serves once. */
abstract class LoopWriter {
    /** {@code dst ? a : b}, bit by bit. */
    private static final int CHOOSE = 0xca;

    final Assembler asm;
    final int vectorBytes;

    /** Floats of a vector. */
    final int lanes;

    /** Whether there are the instructions that only 512 bits have. */
    final boolean isWide;

    LoopWriter(InstructionSet set) {
        asm = set.assembler();
        vectorBytes = set.vectorBytes();
        lanes = set.rows();
        isWide = set.isWide();
    }

    final byte[] finish() {
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Repeats {@code body} as often as {@code counter} says, at least once. */
    final void repeat(int counter, Runnable body) {
        Label loop = new Label();
        asm.bind(loop);
        body.run();
        asm.subConstant(counter, 1);
        asm.jumpIfNotZero(loop);
    }

    /** Like {@link #repeat}, or not at all. */
    final void repeatAny(int counter, Runnable body) {
        Label end = new Label();
        asm.addConstant(counter, 0);
        asm.jumpIfZero(end);
        repeat(counter, body);
        asm.bind(end);
    }

    /** Moves on by a vector. */
    final void next(int... pointers) {
        for (int pointer : pointers) {
            asm.addConstant(pointer, vectorBytes);
        }
    }

    /** An argument that is not in a register. */
    static Memory argument(int index) {
        return Memory.at(RSP, 8 * (index - 5));
    }

    /** {@code dst} = the lowest 32 bits of a general register in every lane. */
    final void broadcast(int dst, int general) {
        asm.store(Memory.at(RSP, -8), general);
        asm.op(VPBROADCASTD, dst, Memory.at(RSP, -8));
    }

    /** {@code mask = mask ? a : b} in every lane, of which the mask has all bits or none. */
    final void choose(int mask, int a, int b) {
        if (isWide) {
            asm.op(VPTERNLOGD, mask, a, b, CHOOSE);
        } else {
            asm.op(VBLENDVPS, mask, b, a, mask << 4);
        }
    }
}
