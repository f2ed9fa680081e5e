package dev.jwen.kernel.x86;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

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

    /** By its name in letters of either case; hyphens and underscores do not count. */
    static Optional<InstructionSet> named(String name) {
        return Arrays.stream(values())
                .filter(set -> letters(set.name()).equals(letters(name)))
                .findFirst();
    }

    private static String letters(String name) {
        return name.toLowerCase(Locale.ROOT).replace("-", "").replace("_", "");
    }

    /** The names of those that a processor has, oldest first. */
    static String supportedBy(CpuFeatures cpu) {
        return Arrays.stream(values())
                .filter(set -> set.isSupportedBy(cpu))
                .map(InstructionSet::lowerCase)
                .collect(Collectors.joining(", "));
    }

    private String lowerCase() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether vectors have 512 bits, and there are the instructions and registers that only these have. */
    boolean isWide() {
        return compareTo(AVX512) >= 0;
    }

    /** Bytes of one vector. */
    int vectorBytes() {
        return isWide() ? 64 : 32;
    }

    /** Rows that are computed together: one for each 32-bit lane. */
    int rows() {
        return vectorBytes() / 4;
    }

    /** How many vector registers there are. */
    int registers() {
        return isWide() ? 32 : 16;
    }

    /**
     * For code in these instructions. A processor with AVX-512 that lacks AVX-VNNI has its dot product in another
     * encoding, so that the kernels can be tried there, too.
     */
    Assembler assembler() {
        return new Assembler(vectorBytes(), this == AVX_VNNI && !Here.AVX_VNNI);
    }

    private static final class Here {
        private static final boolean AVX_VNNI = CpuFeatures.detect().avxVnni();
    }

    /** Whether four 8-bit products can be added to a 32-bit lane in one instruction. */
    boolean hasDotProduct() {
        return this != AVX2;
    }

    boolean isSupportedBy(CpuFeatures cpu) {
        return switch (this) {
            case AVX2 -> cpu.avx2();
            case AVX_VNNI -> cpu.avxVnni() || cpu.avx512();
            case AVX512 -> cpu.avx512();
            case AVX512_BF16 -> cpu.bf16() && cpu.vbmi();
        };
    }
}
