package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VPTERNLOGD;

import dev.jwen.kernel.x86.Assembler.Memory;
import java.util.LinkedHashMap;
import java.util.Map;

/** Constants of a loop, of which those that are used first stay in the registers that are left. */
final class KeptConstants {
    private static final int NONE = -1;

    /** The first of three operands, or both others. */
    private static final int OR_AND = 0b1111_1000;

    private final Assembler asm;
    private final int first;
    private final int registers;
    private final Map<Memory, Integer> kept = new LinkedHashMap<>();

    /** Registers from {@code first} on are left. */
    KeptConstants(Assembler asm, InstructionSet set, int first) {
        this.asm = asm;
        this.first = first;
        this.registers = set.registers();
    }

    /** The register that holds {@code constant} throughout, or {@link #NONE}. */
    private int register(Memory constant) {
        if (first + kept.size() < registers) {
            kept.putIfAbsent(constant, first + kept.size());
        }
        return kept.getOrDefault(constant, NONE);
    }

    /** A register that holds {@code constant}: {@code other}, from here on, unless there is one throughout. */
    int register(Memory constant, int other) {
        int register = register(constant);
        if (register == NONE) {
            asm.op(VMOVUPS, other, constant);
            return other;
        }
        return register;
    }

    /** {@code dst = f(a, constant)}. */
    void op(Instruction f, int dst, int a, Memory constant) {
        int register = register(constant);
        if (register == NONE) {
            asm.op(f, dst, a, constant);
        } else {
            asm.op(f, dst, a, register);
        }
    }

    /** {@code dst = dst | (a & constant)}, with AVX-512. */
    void orAnd(int dst, int a, Memory constant) {
        int register = register(constant);
        if (register == NONE) {
            asm.op(VPTERNLOGD, dst, a, constant, OR_AND);
        } else {
            asm.op(VPTERNLOGD, dst, a, register, OR_AND);
        }
    }

    /** Loads them, before the loop, once all that the loop uses are known. */
    void load() {
        kept.forEach((constant, register) -> asm.op(VMOVUPS, register, constant));
    }
}
