package dev.jwen.kernel;

import dev.jwen.tensor.Tensor;

/**
 * Loops that do one thing as fast as the processor can: what the speed of kernels is compared with. Each call runs on
 * the thread that makes it, and beside any other.
 */
public interface PeakLoops extends AutoCloseable {

    /** What kernels multiply with. */
    enum Arithmetic {
        /** Bytes, added up in 32-bit integers. */
        INT8,
        /** Pairs of bfloat16, added up in float32. */
        BF16,
        /** Float32, multiplied and added in one instruction. */
        F32
    }

    /** How the loops are made, for example "AVX512". */
    String name();

    /** Whether the processor has instructions for it. */
    boolean supports(Arithmetic arithmetic);

    /**
     * Multiplies and adds from registers alone.
     *
     * @return the operations that {@code rounds} rounds are; a multiplication and an addition count as two
     * @throws UnsupportedOperationException if it is not supported
     */
    long calculate(Arithmetic arithmetic, int rounds);

    /** Reads all bytes of {@code memory}, in order; a last part of less than 4 KiB may be left out. */
    void read(Tensor memory);

    /** Frees the loops. No call may be running. */
    @Override
    void close();
}
