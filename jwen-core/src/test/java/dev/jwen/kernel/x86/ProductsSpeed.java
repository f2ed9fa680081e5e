package dev.jwen.kernel.x86;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Prints how fast the products are: {@code ProductsSpeed [columns] [instruction set] [type ...]}.
 *
 * <p>Few tokens walk a matrix of 512 MiB in pieces of 2 MiB for each thread, many tokens use one of 1 MiB again and again.
 * The time is the best of many such pieces, because the pieces are shorter than a time slice of a busy machine.
 */
final class ProductsSpeed {
    private static final long MATRIX_BYTES = 512L << 20;
    private static final long PIECE_BYTES = 2L << 20;
    private static final int PIECES = 120;

    private ProductsSpeed() {}

    /** Piece {@code piece} of the work, by thread {@code thread}. */
    private interface Work {
        void run(int thread, int piece);
    }

    static void main(String[] args) throws Exception {
        int columns = args.length > 0 ? Integer.parseInt(args[0]) : 1024;
        InstructionSet set = args.length > 1 && !args[1].equals("-") ? InstructionSet.valueOf(args[1]) : null;
        String[] types = args.length > 2
                ? Arrays.copyOfRange(args, 2, args.length)
                : "Q8_0 Q4_0 Q4_K Q6_K Q5_K BF16 F16 F32 Q5_0 Q3_K Q2_K IQ4_XS MXFP4".split(" ");
        try (X86Products products = new X86Products(set);
                Arena arena = Arena.ofShared()) {
            System.out.printf("%s, %d columns; 1 thread / 2 threads%n", products.instructionSet(), columns);
            MemorySegment memory = arena.allocate(MATRIX_BYTES + PIECE_BYTES, 4096);
            SplittableRandom random = new SplittableRandom(1);
            for (long i = 0; i < memory.byteSize(); i += 8) {
                // As floats, halves or scales these are small, but not so small that they slow arithmetic down.
                memory.set(ValueLayout.JAVA_LONG, i, (random.nextLong() & 0x0f3f0f3f0f3f0f3fL) | 0x3030303030303030L);
            }
            readCeiling(arena, memory);
            // Until the Java code around the kernels is compiled, it counts.
            product(products, memory, DataType.Q8_0, columns, 64, 1, 100);
            product(products, memory, DataType.Q8_0, columns, 1024, 1, 100);
            for (String type : types) {
                type(products, memory, DataType.valueOf(type), columns);
            }
        }
    }

    private static void type(X86Products products, MemorySegment memory, DataType type, int columns) throws Exception {
        long rowBytes = type.bytes(columns);
        StringBuilder line = new StringBuilder("%-7s".formatted(type));
        int pieceRows = (int) (PIECE_BYTES / rowBytes / 16) * 16;
        double[] one = new double[3];
        for (int tokens : new int[] {1, 2, 4, 8, 12, 16}) {
            double[] seconds = product(products, memory, type, columns, pieceRows, tokens, MATRIX_BYTES / PIECE_BYTES);
            if (tokens == 1) {
                one = seconds;
                double bytes = (double) pieceRows * rowBytes;
                line.append("  GB/s %5.1f /%5.1f | cost".formatted(bytes / one[1] * 1e-9, 2 * bytes / one[2] * 1e-9));
            } else {
                line.append("  %d: %.2f/%.2f".formatted(tokens, seconds[1] / one[1], seconds[2] / one[2]));
            }
        }
        int fewRows = 64;
        double[] seconds = product(products, memory, type, columns, fewRows, 480, 1);
        double operations = 2.0 * 480 * fewRows * columns;
        line.append(" | 480 tokens, GOPS %4.0f /%4.0f"
                .formatted(operations / seconds[1] * 1e-9, 2 * operations / seconds[2] * 1e-9));
        System.out.println(line);
    }

    /** Seconds of a piece with one and with two threads, where each thread has a piece of its own. */
    private static double[] product(
            X86Products products, MemorySegment memory, DataType type, int columns, int rows, int tokens, long pieces)
            throws Exception {
        try (Arena own = Arena.ofShared()) {
            Activations form = products.activations(
                    Tensor.of(type, memory.asSlice(0, rows * type.bytes(columns)), rows, columns), tokens);
            MemorySegment x = own.allocate(4L * tokens * columns, 64);
            for (long i = 0; i < (long) tokens * columns; i++) {
                x.set(Tensor.FLOAT, 4 * i, (i * 7919 % 1000 - 500) * 0.001f);
            }
            MemorySegment records = own.allocate(form.bytes(columns) * tokens, 4096);
            products.quantise(form, x, tokens, columns, records);
            MemorySegment[] outs = {own.allocate(4L * tokens * rows, 4096), own.allocate(4L * tokens * rows, 4096)};
            Tensor[] matrices = new Tensor[(int) pieces];
            for (int i = 0; i < pieces; i++) {
                matrices[i] =
                        Tensor.of(type, memory.asSlice(i * PIECE_BYTES, rows * type.bytes(columns)), rows, columns);
            }
            long packBytes = products.packBytes(matrices[0]);
            MemorySegment[] buffers = {own.allocate(packBytes, 4096), own.allocate(packBytes, 4096)};
            Work work = (thread, piece) -> products.product(
                    matrices[piece % matrices.length], 0, rows, records, tokens, outs[thread], rows, buffers[thread]);
            return new double[] {0, best(1, work), best(2, work)};
        }
    }

    private static void readCeiling(Arena arena, MemorySegment memory) throws Exception {
        Assembler asm = new Assembler(32);
        Label loop = new Label();
        asm.bind(loop);
        for (int i = 0; i < 8; i++) {
            asm.op(Instruction.VMOVUPS, i, Memory.at(Assembler.RDI, 32 * i));
        }
        asm.addConstant(Assembler.RDI, 256);
        asm.subConstant(Assembler.RSI, 256);
        asm.jumpIfNotZero(loop);
        asm.ret();
        MemorySegment code = MachineCode.install(asm.finish(), arena);
        Work work = (thread, piece) -> {
            long start = memory.address() + piece * PIECE_BYTES % MATRIX_BYTES;
            MachineCode.call(code, start, PIECE_BYTES, 0, 0, 0, 0, 0, 0, 0);
        };
        System.out.printf(
                "plain read, GB/s %.1f / %.1f%n",
                PIECE_BYTES / best(1, work) * 1e-9, 2 * PIECE_BYTES / best(2, work) * 1e-9);
    }

    /** The best time of a piece; with two threads, of both while the other runs. */
    private static double best(int threads, Work work) throws InterruptedException {
        double[][] seconds = new double[threads][PIECES];
        AtomicInteger arrived = new AtomicInteger();
        Thread[] workers = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            int thread = i;
            workers[i] = new Thread(() -> {
                for (int round = 0; round < PIECES; round++) {
                    arrived.incrementAndGet();
                    while (arrived.get() < threads * (round + 1)) {
                        Thread.onSpinWait();
                    }
                    long begin = System.nanoTime();
                    work.run(thread, threads * round + thread);
                    seconds[thread][round] = (System.nanoTime() - begin) * 1e-9;
                }
            });
            workers[i].start();
        }
        for (Thread worker : workers) {
            worker.join();
        }
        double best = Double.MAX_VALUE;
        for (int round = 0; round < PIECES; round++) {
            double slowest = seconds[0][round];
            for (int i = 1; i < threads; i++) {
                slowest = Math.max(slowest, seconds[i][round]);
            }
            best = Math.min(best, slowest);
        }
        return best;
    }
}
