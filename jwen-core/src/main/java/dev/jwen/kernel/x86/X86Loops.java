package dev.jwen.kernel.x86;

import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.EnumMap;
import java.util.Map;

/** The loops in the instructions of the matrix products. */
final class X86Loops implements PeakLoops {
    /** Enough independent sums to hide the latency of an instruction that starts twice in each cycle. */
    private static final int SUMS = 13;

    private static final int LEFT = 13;
    private static final int RIGHT = 14;
    private static final int PRODUCTS = 15;

    private static final int READ_BYTES = 4096;
    private static final int CACHE_LINE = 64;

    private final InstructionSet set;
    private final boolean hasBf16;
    private final Arena arena = Arena.ofShared();
    private final Map<Arithmetic, MemorySegment> loops = new EnumMap<>(Arithmetic.class);
    private final MemorySegment reading;

    X86Loops(InstructionSet set, boolean hasBf16) {
        this.set = set;
        this.hasBf16 = hasBf16;
        for (Arithmetic arithmetic : Arithmetic.values()) {
            if (supports(arithmetic)) {
                loops.put(arithmetic, MachineCode.install(sums(arithmetic), arena));
            }
        }
        reading = MachineCode.install(reads(), arena);
    }

    @Override
    public String name() {
        return set.name();
    }

    @Override
    public boolean supports(Arithmetic arithmetic) {
        return arithmetic != Arithmetic.BF16 || hasBf16;
    }

    @Override
    public long calculate(Arithmetic arithmetic, int rounds) {
        MemorySegment loop = loops.get(arithmetic);
        if (loop == null) {
            throw new UnsupportedOperationException("this processor does not multiply " + arithmetic);
        }
        MachineCode.call(loop, rounds, 0, 0, 0, 0, 0, 0, 0, 0);
        int productsInLane = switch (arithmetic) {
            case INT8 -> 4;
            case BF16 -> 2;
            case F32 -> 1;
        };
        return 2L * rounds * SUMS * productsInLane * set.rows();
    }

    @Override
    public void read(Tensor memory) {
        long blocks = memory.sizeBytes() / READ_BYTES;
        try {
            if (blocks > 0) {
                MachineCode.call(reading, memory.address(), blocks, 0, 0, 0, 0, 0, 0, 0);
            }
        } finally {
            Reference.reachabilityFence(memory);
        }
    }

    @Override
    public void close() {
        arena.close();
    }

    /** (rounds): each round adds one product to each sum. */
    private byte[] sums(Arithmetic arithmetic) {
        Assembler asm = set.assembler();
        for (int i = 0; i <= PRODUCTS; i++) {
            asm.op(Instruction.VPXOR, i, i, i);
        }
        Label loop = new Label();
        asm.bind(loop);
        for (int i = 0; i < SUMS; i++) {
            switch (arithmetic) {
                case F32 -> asm.op(Instruction.VFMADD231PS, i, LEFT, RIGHT);
                case BF16 -> asm.op(Instruction.VDPBF16PS, i, LEFT, RIGHT);
                case INT8 -> {
                    if (set.hasDotProduct()) {
                        asm.op(Instruction.VPDPBUSD, i, LEFT, RIGHT);
                    } else {
                        asm.op(Instruction.VPMADDUBSW, PRODUCTS, LEFT, RIGHT);
                        asm.op(Instruction.VPMADDWD, PRODUCTS, PRODUCTS, RIGHT);
                        asm.op(Instruction.VPADDD, i, i, PRODUCTS);
                    }
                }
            }
        }
        asm.subConstant(Assembler.RDI, 1);
        asm.jumpIfNotZero(loop);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** (address, blocks): loads every byte, and asks for the next block, as processors do not look beyond a page. */
    private byte[] reads() {
        Assembler asm = set.assembler();
        Label loop = new Label();
        asm.bind(loop);
        for (int at = 0; at < READ_BYTES; at += set.vectorBytes()) {
            if (at % CACHE_LINE == 0) {
                asm.prefetch(Memory.at(Assembler.RDI, READ_BYTES + at));
            }
            asm.op(Instruction.VMOVUPS, at / set.vectorBytes() % SUMS, Memory.at(Assembler.RDI, at));
        }
        asm.addConstant(Assembler.RDI, READ_BYTES);
        asm.subConstant(Assembler.RSI, 1);
        asm.jumpIfNotZero(loop);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }
}
