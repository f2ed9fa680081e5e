package dev.jwen.kernel.x86;

import dev.jwen.kernel.Kernels;
import java.util.Arrays;
import java.util.stream.Stream;

/** The back end "x86" in every instruction set of this processor, not only the fastest. */
public final class EveryInstructionSet {
    private EveryInstructionSet() {}

    /** None where machine code does not run; whoever asks closes them. */
    public static Stream<Kernels> open(int threads) {
        return new X86Provider().unavailable().isPresent()
                ? Stream.of()
                : Arrays.stream(InstructionSet.values())
                        .filter(set -> set.isSupportedBy(CpuFeatures.detect()))
                        .map(set -> X86Provider.open(set, threads));
    }
}
