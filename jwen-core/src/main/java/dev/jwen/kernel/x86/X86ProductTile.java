package dev.jwen.kernel.x86;

import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Writes and calls the inner loop of products of float32 matrices: two vectors wide, and as many rows as the registers
 * hold sums for.
 */
final class X86ProductTile implements ProductTile {
    private static final int VECTORS = 2;

    /** Products of this many k between two jumps. */
    private static final int STEPS = 4;

    private static final int CACHE_LINE = 64;

    private static final int A = Assembler.RDI;
    private static final int B = Assembler.RSI;
    private static final int DEPTH_LEFT = Assembler.RDX;
    private static final int C = Assembler.RCX;
    private static final int C_ROW = Assembler.R8;
    private static final int COUNT = Assembler.RAX;
    private static final int AHEAD = Assembler.R9;

    private final InstructionSet set;
    private final int rows;
    private final MemorySegment byRows;
    private final MemorySegment byColumns;

    /** A loop that lives as long as {@code arena}. */
    X86ProductTile(InstructionSet set, Arena arena) {
        this.set = set;
        int registers = set.vectorBytes() == 64 ? 32 : 16;
        // Beside the sums: a row of b, and two factors in turn.
        rows = (registers - VECTORS - 2) / VECTORS;
        byRows = MachineCode.install(write(ROW_BYTES, Float.BYTES), arena);
        byColumns = MachineCode.install(write(Float.BYTES, rows * Float.BYTES), arena);
    }

    @Override
    public int rows() {
        return rows;
    }

    @Override
    public int columns() {
        return VECTORS * set.vectorBytes() / Float.BYTES;
    }

    @Override
    public void add(long a, boolean isByColumns, long b, int depth, long c, long rowBytes) {
        MachineCode.call(isByColumns ? byColumns : byRows, a, b, depth, c, rowBytes, 0, 0, 0, 0);
    }

    /**
     * (a, b, depth, c, bytes from row to row of c)
     *
     * @param row bytes from one row of a to the next
     * @param step bytes from one column of a to the next
     */
    private byte[] write(int row, int step) {
        Assembler asm = new Assembler(set.vectorBytes());
        asm.mov(AHEAD, C);
        for (int r = 0; r < rows; r++) {
            for (int at = 0; at < VECTORS * set.vectorBytes(); at += CACHE_LINE) {
                asm.prefetch(Memory.at(AHEAD, at));
            }
            asm.add(AHEAD, C_ROW);
            for (int v = 0; v < VECTORS; v++) {
                int sum = sum(r, v);
                asm.op(Instruction.VPXOR, sum, sum, sum);
            }
        }
        asm.mov(COUNT, DEPTH_LEFT);
        asm.shiftRight(COUNT, Integer.numberOfTrailingZeros(STEPS));
        repeatAny(asm, COUNT, () -> steps(asm, STEPS, row, step));
        asm.shiftLeft(DEPTH_LEFT, Long.SIZE - Integer.numberOfTrailingZeros(STEPS));
        asm.shiftRight(DEPTH_LEFT, Long.SIZE - Integer.numberOfTrailingZeros(STEPS));
        repeatAny(asm, DEPTH_LEFT, () -> steps(asm, 1, row, step));
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < VECTORS; v++) {
                Memory c = Memory.at(C, v * set.vectorBytes());
                asm.op(Instruction.VADDPS, sum(r, v), sum(r, v), c);
                asm.op(Instruction.VMOVUPS_STORE, sum(r, v), c);
            }
            asm.add(C, C_ROW);
        }
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Repeats {@code body} as often as {@code counter} says. */
    private static void repeatAny(Assembler asm, int counter, Runnable body) {
        Label loop = new Label();
        Label end = new Label();
        asm.addConstant(counter, 0);
        asm.jumpIfZero(end);
        asm.bind(loop);
        body.run();
        asm.subConstant(counter, 1);
        asm.jumpIfNotZero(loop);
        asm.bind(end);
    }

    private void steps(Assembler asm, int count, int row, int step) {
        int vector = set.vectorBytes();
        for (int k = 0; k < count; k++) {
            for (int v = 0; v < VECTORS; v++) {
                asm.op(Instruction.VMOVUPS, v, Memory.at(B, (k * VECTORS + v) * vector));
            }
            for (int r = 0; r < rows; r++) {
                int factor = VECTORS + r % 2;
                asm.op(Instruction.VBROADCASTSS, factor, Memory.at(A, r * row + k * step));
                for (int v = 0; v < VECTORS; v++) {
                    asm.op(Instruction.VFMADD231PS, sum(r, v), factor, v);
                }
            }
        }
        asm.addConstant(A, count * step);
        asm.addConstant(B, count * VECTORS * vector);
    }

    private static int sum(int row, int vector) {
        return VECTORS + 2 + VECTORS * row + vector;
    }
}
