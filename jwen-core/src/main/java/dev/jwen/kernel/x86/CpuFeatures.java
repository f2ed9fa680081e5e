package dev.jwen.kernel.x86;

import dev.jwen.kernel.x86.Assembler.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the processor can do and the operating system keeps across task switches.
 *
 * @param avx2 AVX2, FMA and F16C with 256-bit registers
 * @param avxVnni 8-bit dot products in VEX form
 * @param avx512 AVX-512 F, BW, DQ, VL and VNNI with 512-bit registers
 * @param vbmi AVX-512 VBMI: permutations of bytes
 * @param zen4 whether this is AMD's Zen 4, where measurement decided otherwise than elsewhere
 * @param bf16 dot products of BF16 pairs
 * @param fastBf16 whether these are faster than float32 multiply-adds
 * @param secondLevelCacheBytes size of one core's second-level cache, 0 if unknown
 */
record CpuFeatures(
        boolean avx2,
        boolean avxVnni,
        boolean avx512,
        boolean vbmi,
        boolean zen4,
        boolean bf16,
        boolean fastBf16,
        int secondLevelCacheBytes) {
    /** The first four letters of "AuthenticAMD". */
    private static final long AMD = 0x68747541;

    /** The extended family of Zen 3, which has no AVX-512, and Zen 4. */
    private static final long ZEN_4 = 0x0a;

    private static final long YMM_STATE = 0b110;
    private static final long ZMM_STATE = 0b1110_0110;

    /** Asks this processor. */
    static CpuFeatures detect() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = MachineCode.install(query(), arena);
            MemorySegment answer = arena.allocate(6 * 8, 8);
            ask(query, 0, 0, answer);
            long highest = answer.getAtIndex(ValueLayout.JAVA_LONG, 0);
            boolean amd = answer.getAtIndex(ValueLayout.JAVA_LONG, 1) == AMD;
            ask(query, 1, 0, answer);
            long family = (answer.getAtIndex(ValueLayout.JAVA_LONG, 0) >> 20) & 0xff;
            long basic = answer.getAtIndex(ValueLayout.JAVA_LONG, 2);
            long state = answer.getAtIndex(ValueLayout.JAVA_LONG, 4);
            if (highest < 7) {
                return new CpuFeatures(false, false, false, false, false, false, false, 0);
            }
            ask(query, 7, 0, answer);
            long b = answer.getAtIndex(ValueLayout.JAVA_LONG, 1);
            long c = answer.getAtIndex(ValueLayout.JAVA_LONG, 2);
            boolean hasSecondPage = answer.getAtIndex(ValueLayout.JAVA_LONG, 0) >= 1;
            ask(query, 7, hasSecondPage ? 1 : 0, answer);
            long second = hasSecondPage ? answer.getAtIndex(ValueLayout.JAVA_LONG, 0) : 0;
            ask(query, 0x80000006, 0, answer);
            long cacheKib = (answer.getAtIndex(ValueLayout.JAVA_LONG, 2) >> 16) & 0xffff;

            boolean avx2 = has(basic, 12, 27, 28, 29) && (state & YMM_STATE) == YMM_STATE && has(b, 5);
            boolean avx512 = avx2 && (state & ZMM_STATE) == ZMM_STATE && has(b, 16, 17, 30, 31) && has(c, 11);
            boolean vbmi = avx512 && has(c, 1);
            boolean bf16 = avx512 && has(second, 5);
            // Zen 4 starts one such product in each cycle, Emerald Rapids one in two, but two multiply-adds in each.
            return new CpuFeatures(
                    avx2,
                    avx2 && has(second, 4),
                    avx512,
                    vbmi,
                    vbmi && amd && family == ZEN_4,
                    bf16,
                    bf16 && amd,
                    (int) cacheKib * 1024);
        }
    }

    private static boolean has(long word, int... bits) {
        for (int bit : bits) {
            if (((word >> bit) & 1) == 0) {
                return false;
            }
        }
        return true;
    }

    private static void ask(MemorySegment query, int leaf, int page, MemorySegment answer) {
        MachineCode.call(query, leaf, page, answer.address(), 0, 0, 0, 0, 0, 0);
    }

    /** (leaf, page, answer): CPUID's four registers, then XGETBV's two, or zeros where the system has not enabled it. */
    private static byte[] query() {
        Assembler asm = new Assembler(32);
        asm.push(Assembler.RBX);
        asm.mov(Assembler.R8, Assembler.RDX);
        asm.mov(Assembler.RAX, Assembler.RDI);
        asm.mov(Assembler.RCX, Assembler.RSI);
        asm.cpuid();
        asm.store(Memory.at(Assembler.R8, 0), Assembler.RAX);
        asm.store(Memory.at(Assembler.R8, 8), Assembler.RBX);
        asm.store(Memory.at(Assembler.R8, 16), Assembler.RCX);
        asm.store(Memory.at(Assembler.R8, 24), Assembler.RDX);
        asm.movConstant(Assembler.RAX, 1);
        asm.movConstant(Assembler.RCX, 0);
        asm.cpuid();
        asm.movConstant(Assembler.RAX, 0);
        asm.movConstant(Assembler.RDX, 0);
        Assembler.Label none = new Assembler.Label();
        asm.shiftLeft(Assembler.RCX, 63 - 27);
        asm.shiftRight(Assembler.RCX, 63);
        asm.jumpIfZero(none);
        asm.movConstant(Assembler.RCX, 0);
        asm.xgetbv();
        asm.bind(none);
        asm.store(Memory.at(Assembler.R8, 32), Assembler.RAX);
        asm.store(Memory.at(Assembler.R8, 40), Assembler.RDX);
        asm.pop(Assembler.RBX);
        asm.ret();
        return asm.finish();
    }
}
