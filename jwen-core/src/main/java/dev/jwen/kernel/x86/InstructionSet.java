package dev.jwen.kernel.x86;

/** The families of vector instructions the kernels are written in, from the oldest to the newest. */
public enum InstructionSet {
    /** 256-bit integers; 8-bit products through 16-bit sums. */
    AVX2,
    /** AVX2 and 8-bit dot products. */
    AVX_VNNI,
    /** 512 bits and 8-bit dot products. */
    AVX512,
    /** AVX-512 with permutations of bytes (VBMI) and dot products of BF16 pairs. */
    AVX512_BF16;

    /** Bytes of one vector. */
    int vectorBytes() {
        return compareTo(AVX512) >= 0 ? 64 : 32;
    }

    /** Rows that are computed together: one for each 32-bit lane. */
    int rows() {
        return vectorBytes() / 4;
    }

    /** Whether four 8-bit products can be added to a 32-bit lane in one instruction. */
    boolean hasDotProduct() {
        return this != AVX2;
    }

    boolean isSupportedBy(CpuFeatures cpu) {
        return switch (this) {
            case AVX2 -> cpu.avx2();
            case AVX_VNNI -> cpu.avxVnni();
            case AVX512 -> cpu.avx512();
            case AVX512_BF16 -> cpu.bf16() && cpu.vbmi();
        };
    }
}
