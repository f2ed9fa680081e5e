package dev.jwen.kernel.x86;

import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Writes and calls the inner loop of products of float32 matrices: two vectors wide, and at most as many rows as the
 * registers hold sums for.
 */
final class X86ProductTile implements ProductTile {
    private static final int VECTORS = 2;

    /** Products of this many k between two jumps. */
    private static final int STEPS = 4;

    private static final int CACHE_LINE = 64;

    /** Of these, a first register reaches three rows: its own, and those one and two times {@link #STRIDE} further. */
    private static final int[] A = {Assembler.RDI, Assembler.RAX, Assembler.R10, Assembler.R11, Assembler.RBX};

    private static final int A_ROWS = 3;

    /** Bytes from row to row of a where its rows are runs, or else from column to column. */
    private static final int STRIDE = Assembler.RSI;

    private static final int B = Assembler.RDX;
    private static final int B_ROW = Assembler.RCX;
    private static final int DEPTH_LEFT = Assembler.R8;
    private static final int C = Assembler.R9;
    private static final int COUNT = Assembler.RBP;

    /** Above two saved registers and the address of return. */
    private static final Memory C_ROW = Memory.at(Assembler.RSP, 24);

    private static final Memory FRESH = Memory.at(Assembler.RSP, 32);

    private final InstructionSet set;
    private final int rows;
    private final MemorySegment byRows;
    private final MemorySegment byColumns;

    /** A loop for so many rows that lives as long as {@code arena}. */
    X86ProductTile(InstructionSet set, int rows, Arena arena) {
        this.set = set;
        this.rows = rows;
        byRows = MachineCode.install(write(true), arena);
        byColumns = MachineCode.install(write(false), arena);
    }

    /** Rows whose sums the registers hold beside a row of b and two factors in turn. */
    static int mostRows(InstructionSet set) {
        return (set.registers() - VECTORS - 2) / VECTORS;
    }

    @Override
    public int rows() {
        return rows;
    }

    @Override
    public int columns() {
        return VECTORS * set.rows();
    }

    @Override
    public void add(long a, long aRow, long aStep, long b, long bRow, int depth, long c, long cRow, boolean isFresh) {
        boolean isByRows = aStep == Float.BYTES;
        MachineCode.call(
                isByRows ? byRows : byColumns, a, isByRows ? aRow : aStep, b, bRow, depth, c, cRow, isFresh ? 1 : 0, 0);
    }

    /**
     * (a, stride, b, bytes from row to row of b, depth, c, bytes from row to row of c, whether the sum is written)
     *
     * @param isByRows whether the rows of a are runs, rather than its columns
     */
    private byte[] write(boolean isByRows) {
        Assembler asm = set.assembler();
        asm.push(Assembler.RBX);
        asm.push(COUNT);
        prefetch(asm);
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < VECTORS; v++) {
                asm.op(Instruction.VPXOR, sum(r, v), sum(r, v), sum(r, v));
            }
        }
        if (isByRows) {
            for (int i = 1; i < firsts(); i++) {
                asm.lea(A[i], Memory.at(A[i - 1], STRIDE, 2, 0));
                asm.add(A[i], STRIDE);
            }
        }
        asm.mov(COUNT, DEPTH_LEFT);
        asm.shiftRight(COUNT, Integer.numberOfTrailingZeros(STEPS));
        repeatAny(asm, COUNT, () -> steps(asm, STEPS, isByRows));
        asm.shiftLeft(DEPTH_LEFT, Long.SIZE - Integer.numberOfTrailingZeros(STEPS));
        asm.shiftRight(DEPTH_LEFT, Long.SIZE - Integer.numberOfTrailingZeros(STEPS));
        repeatAny(asm, DEPTH_LEFT, () -> steps(asm, 1, isByRows));
        writeSums(asm);
        asm.pop(COUNT);
        asm.pop(Assembler.RBX);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    /** Asks for the tile of c, which is wanted when the sums are done. */
    private void prefetch(Assembler asm) {
        int ahead = A[1];
        int row = A[2];
        asm.mov(ahead, C);
        asm.mov(row, C_ROW);
        for (int r = 0; r < rows; r++) {
            for (int at = 0; at < VECTORS * set.vectorBytes(); at += CACHE_LINE) {
                asm.prefetch(Memory.at(ahead, at));
            }
            asm.add(ahead, row);
        }
    }

    private void writeSums(Assembler asm) {
        int row = A[1];
        int fresh = A[2];
        Label add = new Label();
        Label end = new Label();
        asm.mov(row, C_ROW);
        asm.mov(fresh, FRESH);
        asm.addConstant(fresh, 0);
        asm.jumpIfZero(add);
        writeSums(asm, row, false);
        asm.jump(end);
        asm.bind(add);
        writeSums(asm, row, true);
        asm.bind(end);
    }

    private void writeSums(Assembler asm, int row, boolean isAdded) {
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < VECTORS; v++) {
                Memory c = Memory.at(C, v * set.vectorBytes());
                if (isAdded) {
                    asm.op(Instruction.VADDPS, sum(r, v), sum(r, v), c);
                }
                asm.op(Instruction.VMOVUPS_STORE, sum(r, v), c);
            }
            asm.add(C, row);
        }
    }

    private int firsts() {
        return Math.ceilDiv(rows, A_ROWS);
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

    private void steps(Assembler asm, int count, boolean isByRows) {
        for (int k = 0; k < count; k++) {
            for (int v = 0; v < VECTORS; v++) {
                asm.op(Instruction.VMOVUPS, v, Memory.at(B, v * set.vectorBytes()));
            }
            asm.add(B, B_ROW);
            for (int r = 0; r < rows; r++) {
                int factor = VECTORS + r % 2;
                asm.op(Instruction.VBROADCASTSS, factor, isByRows ? inRow(r, k) : Memory.at(A[0], r * Float.BYTES));
                for (int v = 0; v < VECTORS; v++) {
                    asm.op(Instruction.VFMADD231PS, sum(r, v), factor, v);
                }
            }
            if (!isByRows) {
                asm.add(A[0], STRIDE);
            }
        }
        for (int i = 0; isByRows && i < firsts(); i++) {
            asm.addConstant(A[i], count * Float.BYTES);
        }
    }

    private static Memory inRow(int r, int k) {
        int first = A[r / A_ROWS];
        int beyond = r % A_ROWS;
        return beyond == 0 ? Memory.at(first, k * Float.BYTES) : Memory.at(first, STRIDE, beyond, k * Float.BYTES);
    }

    private static int sum(int row, int vector) {
        return VECTORS + 2 + VECTORS * row + vector;
    }
}
