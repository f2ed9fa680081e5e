package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;
import dev.jwen.kernel.x86.Instruction.Form;
import dev.jwen.kernel.x86.Instruction.Operand;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every instruction in every operand form, against bytes that the GNU assembler made. */
class AssemblerTest {

    private static final String[] GENERAL = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
    };

    /** Instructions of one source operand. */
    private static final Set<Instruction> ONE_SOURCE = Set.of(
            Instruction.VMOVUPS,
            Instruction.VMOVUPS_STORE,
            Instruction.VMOVAPS,
            Instruction.VBROADCASTSS,
            Instruction.VPBROADCASTD,
            Instruction.VBROADCASTI64X4,
            Instruction.VPMOVZXBD,
            Instruction.VPMOVSXBD,
            Instruction.VPMOVZXWD,
            Instruction.VPABSB,
            Instruction.VCVTDQ2PS,
            Instruction.VSQRTPS,
            Instruction.VCVTPS2DQ,
            Instruction.VCVTPH2PS,
            Instruction.VCVTPS2PH,
            Instruction.VCVTPS2PD,
            Instruction.VCVTPD2PS,
            Instruction.VSQRTPD,
            Instruction.VPMOVDW,
            Instruction.VPMOVDB,
            Instruction.VPSHUFD,
            Instruction.VPERMQ,
            Instruction.VEXTRACTF128);

    private static final Set<Instruction> WITH_IMMEDIATE = Set.of(
            Instruction.VPTERNLOGD,
            Instruction.VBLENDVPS,
            Instruction.VINSERTI128,
            Instruction.VINSERTI64X4,
            Instruction.VPERM2I128,
            Instruction.VSHUFI64X2,
            Instruction.VSHUFPS,
            Instruction.VPSHUFD,
            Instruction.VPERMQ,
            Instruction.VCVTPS2PH,
            Instruction.VEXTRACTF128,
            Instruction.VEXTRACTI64X4);

    /** Instructions that keep their source in the field where others have the destination. */
    private static final Set<Instruction> TURNED = Set.of(
            Instruction.VPMOVDW,
            Instruction.VPMOVDB,
            Instruction.VCVTPS2PH,
            Instruction.VEXTRACTF128,
            Instruction.VEXTRACTI64X4);

    /** Instructions whose result is half as long as their source. */
    private static final Set<Instruction> NARROWING = Set.of(Instruction.VCVTPD2PS);

    private static final Set<Instruction> STORES = Set.of(Instruction.VMOVUPS_STORE);

    /** Instructions whose memory operand can be one dword for all lanes. */
    private static final Set<Instruction> BROADCASTING = Set.of(
            Instruction.VPADDD,
            Instruction.VPSUBD,
            Instruction.VPAND,
            Instruction.VPANDN,
            Instruction.VPOR,
            Instruction.VPXOR,
            Instruction.VPTERNLOGD,
            Instruction.VPMULLD,
            Instruction.VPMINSD,
            Instruction.VPMAXSD,
            Instruction.VPDPBUSD,
            Instruction.VDPBF16PS,
            Instruction.VCVTDQ2PS,
            Instruction.VADDPS,
            Instruction.VSUBPS,
            Instruction.VPERMD,
            Instruction.VPERMPS,
            Instruction.VSHUFPS,
            Instruction.VPRORVD,
            Instruction.VPSLLVD,
            Instruction.VPSRLVD,
            Instruction.VMULPS,
            Instruction.VDIVPS,
            Instruction.VSQRTPS,
            Instruction.VMINPS,
            Instruction.VMAXPS,
            Instruction.VFMADD213PS,
            Instruction.VFMADD231PS,
            Instruction.VFNMADD231PS);

    private record Case(String text, String hex) {
        String golden() {
            return hex + "  " + text;
        }
    }

    @Test
    void bytesAreThoseOfTheGoldenTable() throws IOException {
        try (InputStream golden = AssemblerTest.class.getResourceAsStream("instructions.txt")) {
            assertThat(golden).isNotNull();
            List<String> lines = new String(golden.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
            assertThat(cases().stream().map(Case::golden)).containsExactlyElementsOf(lines);
        }
    }

    @Test
    void bytesAreThoseOfTheGnuAssembler(@TempDir Path directory) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/as")) && Files.isExecutable(Path.of("/usr/bin/objcopy")));
        List<Case> cases = cases();
        Path source = directory.resolve("a.s");
        String text = cases.stream().map(Case::text).collect(Collectors.joining("\n"));
        Files.writeString(source, ".intel_syntax noprefix\n" + text + "\n");
        run(directory, "/usr/bin/as", "--64", "-o", "a.o", "a.s");
        run(directory, "/usr/bin/objcopy", "-O", "binary", "--only-section=.text", "a.o", "a.bin");
        byte[] expected = Files.readAllBytes(directory.resolve("a.bin"));
        int position = 0;
        for (Case c : cases) {
            int end = Math.min(expected.length, position + c.hex.length() / 2);
            assertThat(c.hex).as(c.text).isEqualTo(HexFormat.of().formatHex(expected, position, end));
            position = end;
        }
        assertThat(position).isEqualTo(expected.length);
    }

    @Test
    void jumpsAndConstantsReachTheirTargets() {
        Assembler asm = new Assembler(32);
        Label loop = new Label();
        asm.bind(loop);
        asm.op(Instruction.VPERMQ, 1, 0, asm.dwords(0x01020304), 7);
        asm.jumpIfNotZero(loop);
        byte[] code = asm.finish();
        HexFormat hex = HexFormat.of();
        // The constant is 64 bytes in; the displacement counts from byte 10, the jump from byte 16.
        assertThat(hex.formatHex(code, 0, 16)).isEqualTo("c4e3fd000d3600000007" + "0f85f0ffffff");
        assertThat(code).hasSize(96);
        assertThat(hex.formatHex(code, 64, 68)).isEqualTo("04030201");
    }

    @Test
    void jumpsAskForZeroOrTheSign() {
        Assembler asm = new Assembler(32);
        Label end = new Label();
        asm.jumpIfZero(end);
        asm.jumpIfNegative(end);
        asm.jump(end);
        asm.bind(end);
        assertThat(HexFormat.of().formatHex(asm.finish())).isEqualTo("0f840b000000" + "0f8805000000" + "e900000000");
    }

    @Test
    void whatCannotBeEncodedIsRefused() {
        assertThatThrownBy(() -> new Assembler(32).op(Instruction.VPADDD, 16, 1, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("VPADDD");
        Assembler asm = new Assembler(64);
        asm.jumpIfZero(new Label());
        assertThatThrownBy(asm::finish).isInstanceOf(IllegalStateException.class);
    }

    private static void run(Path directory, String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
    }

    private static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        generalInstructions(cases);
        for (int vectorBytes : new int[] {32, 64}) {
            for (Instruction f : Instruction.values()) {
                if (f == Instruction.VPGATHERDD) {
                    gathers(cases, vectorBytes);
                } else if (vectorBytes == 32 ? !f.isEvexOnly() : f.form != Form.VEX_ONLY) {
                    vectorInstruction(cases, f, vectorBytes);
                }
            }
        }
        add(cases, 64, "vmovups xmm5, [r9 + r11*1 + 100]", a -> a.load128(5, Memory.at(9, 11, 1, 100)));
        add(cases, 64, "vmovups xmm13, [rdi + rsi*2 + 1000]", a -> a.load128(13, Memory.at(7, 6, 2, 1000)));
        add(
                cases,
                64,
                "{vex3} vpinsrw xmm5, xmm5, [r9 + r11*1 + 100], 7",
                a -> a.insertWord(5, Memory.at(9, 11, 1, 100), 7));
        add(cases, 64, "{vex3} vpinsrw xmm13, xmm13, [rdi + 1000], 0", a -> a.insertWord(13, Memory.at(7, 1000), 0));
        add(cases, 64, "vpextrw [rsi], xmm12, 0", a -> a.extractWord(Memory.at(6, 0), 12, 0));
        add(cases, 64, "vpextrw [r9 + r11 + 100], xmm5, 7", a -> a.extractWord(Memory.at(9, 11, 1, 100), 5, 7));
        add(cases, 64, "vpextrd [rax + 256], xmm13, 3", a -> a.extractDword(Memory.at(0, 256), 13, 3));
        add(cases, 64, "vpextrq [rsi], xmm12, 0", a -> a.extractQword(Memory.at(6, 0), 12, 0));
        add(cases, 64, "vpextrq [r9 + r11 + 100], xmm5, 1", a -> a.extractQword(Memory.at(9, 11, 1, 100), 5, 1));
        add(cases, 64, "{vex3} vmovss [rcx], xmm3", a -> a.storeFloat(Memory.at(1, 0), 3));
        add(cases, 64, "{vex3} vmovss [r10 + r11*1 + 100], xmm13", a -> a.storeFloat(Memory.at(10, 11, 1, 100), 13));
        add(cases, 64, "vpand xmm9, xmm2, xmm12", a -> a.op128(Instruction.VPAND, 9, 2, 12));
        add(
                cases,
                64,
                "vpsrlvd xmm5, xmm12, [r9 + r11*1 + 100]",
                a -> a.op128(Instruction.VPSRLVD, 5, 12, Memory.at(9, 11, 1, 100)));
        add(cases, 64, "vpshufd xmm12, xmm3, 27", a -> a.op128(Instruction.VPSHUFD, 12, 0, 3, 27));
        add(cases, 64, "vcvtph2ps xmm3, xmm13", a -> a.op128(Instruction.VCVTPH2PS, 3, 0, 13));
        add(cases, 64, "vpsrld xmm12, xmm13, 2", a -> a.shift128(Instruction.VPSRLD, 12, 13, 2));
        add(cases, 64, "vzeroupper", Assembler::vzeroupper);
        return cases;
    }

    private static void generalInstructions(List<Case> cases) {
        for (int r = 0; r < 16; r++) {
            int register = r;
            int other = 15 - r;
            String name = GENERAL[r];
            String otherName = GENERAL[other];
            add(cases, 32, "mov %s, %s".formatted(name, otherName), a -> a.mov(register, other));
            add(cases, 32, "mov %s, [%s + 8]".formatted(name, otherName), a -> a.mov(register, Memory.at(other, 8)));
            add(cases, 32, "mov [%s], %s".formatted(otherName, name), a -> a.store(Memory.at(other, 0), register));
            if (r != Assembler.RSP) {
                String address = "[%s + %s*4 + 1000]".formatted(otherName, name);
                add(
                        cases,
                        32,
                        "lea %s, %s".formatted(name, address),
                        a -> a.lea(register, Memory.at(other, register, 4, 1000)));
                add(cases, 32, "prefetcht1 " + address, a -> a.prefetch(Memory.at(other, register, 4, 1000)));
            }
            add(cases, 32, "add %s, %s".formatted(name, otherName), a -> a.add(register, other));
            add(cases, 32, "mov %s, -5".formatted(name), a -> a.movConstant(register, -5));
            add(
                    cases,
                    32,
                    "movabs %s, 0x123456789abcdef0".formatted(name),
                    a -> a.movLong(register, 0x123456789abcdef0L));
        }
        add(cases, 32, "add r9, 1000", a -> a.addConstant(9, 1000));
        add(cases, 32, "sub rcx, 1000", a -> a.subConstant(1, 1000));
        add(cases, 32, "sub qword ptr [rsp - 8], 1000", a -> a.subConstant(Memory.at(4, -8), 1000));
        add(cases, 32, "shl r9, 3", a -> a.shiftLeft(9, 3));
        add(cases, 32, "shr rcx, 63", a -> a.shiftRight(1, 63));
        add(cases, 32, "push r12", a -> a.push(12));
        add(cases, 32, "pop r13", a -> a.pop(13));
        add(cases, 32, "ret", Assembler::ret);
        add(cases, 32, "cpuid", Assembler::cpuid);
        add(cases, 32, "xgetbv", Assembler::xgetbv);
    }

    private static void gathers(List<Case> cases, int vectorBytes) {
        for (int[] r : new int[][] {{1, 2, 3, 8}, {9, 14, 13, 4}, {8, 12, 5, 8}}) {
            Memory entry = Memory.at(r[0], r[1], r[3], r[0] / 9 * 4);
            String address = "[%s + %%smm%d*%d + %d]".formatted(GENERAL[r[0]], r[1], r[3], r[0] / 9 * 4);
            String text = vectorBytes == 64
                    ? "kxnorw k1, k1, k1; vpgatherdd zmm%d{k1}, %s".formatted(15 - r[2], address.formatted("z"))
                    : "vpcmpeqd ymm%d, ymm%d, ymm%d; vpgatherdd ymm%d, %s, ymm%d"
                            .formatted(r[2], r[2], r[2], 15 - r[2], address.formatted("y"), r[2]);
            add(cases, vectorBytes, text, asm -> asm.gather(15 - r[2], entry, r[2]));
        }
    }

    private static void vectorInstruction(List<Case> cases, Instruction f, int vectorBytes) {
        int high = vectorBytes == 64 ? 16 : 0;
        for (int[] r : new int[][] {{1, 2, 3}, {9, 10, 11}, {8 + high, 5, 15}, {2, 12 + high, 4}, {7, 6, 9 + high}}) {
            if (!STORES.contains(f) && f != Instruction.VBROADCASTI64X4) {
                registers(cases, f, vectorBytes, r[0], r[1], r[2]);
            }
            if (f.digit < 0 && !TURNED.contains(f)) {
                memory(cases, f, vectorBytes, r[0], r[1], Memory.at(7, 0), "[rdi]");
                memory(cases, f, vectorBytes, r[0], r[1], Memory.at(13, 128), "[r13 + 128]");
                memory(cases, f, vectorBytes, r[0], r[1], Memory.at(12, 6, 2, 40), "[r12 + rsi*2 + 40]");
                memory(cases, f, vectorBytes, r[0], r[1], Memory.at(0, 14, 8, 4099), "[rax + r14*8 + 4099]");
            }
            if (vectorBytes == 64 && BROADCASTING.contains(f)) {
                Memory dword = Memory.at(3, 508).broadcasting();
                memory(cases, f, vectorBytes, r[0], r[1], dword, "dword bcst [rbx + 508]");
                memory(cases, f, vectorBytes, r[0], r[1], dword.plus(1), "dword bcst [rbx + 509]");
            }
        }
    }

    private static void registers(List<Case> cases, Instruction f, int vectorBytes, int dst, int a, int b) {
        String d = register(dst, resultBytes(f, vectorBytes), f, false);
        String source = register(b, vectorBytes, f, true);
        String name = name(f, vectorBytes);
        String second = register(a, vectorBytes, f, false);
        if (TURNED.contains(f)) {
            String narrow = vectorBytes == 64 && f != Instruction.VPMOVDB ? "ymm" + b : "xmm" + b;
            String text = "%s %s, %s".formatted(name, narrow, register(dst, vectorBytes, f, false));
            if (WITH_IMMEDIATE.contains(f)) {
                add(cases, vectorBytes, text + ", 1", asm -> asm.op(f, dst, 0, b, 1));
            } else {
                add(cases, vectorBytes, text, asm -> asm.op(f, dst, b));
            }
        } else if (f.digit >= 0) {
            add(cases, vectorBytes, "%s %s, %s, 5".formatted(name, d, source), asm -> asm.shift(f, dst, b, 5));
        } else if (ONE_SOURCE.contains(f) && WITH_IMMEDIATE.contains(f)) {
            add(cases, vectorBytes, "%s %s, %s, 27".formatted(name, d, source), asm -> asm.op(f, dst, 0, b, 27));
        } else if (ONE_SOURCE.contains(f)) {
            // The GNU assembler would otherwise turn some register moves round to save a byte.
            add(cases, vectorBytes, "{load} %s %s, %s".formatted(name, d, source), asm -> asm.op(f, dst, b));
        } else if (WITH_IMMEDIATE.contains(f)) {
            String text = "%s %s, %s, %s, %s".formatted(name, d, second, source, lastOperand(f));
            add(cases, vectorBytes, text, asm -> asm.op(f, dst, a, b, immediate(f)));
        } else {
            String text = "%s %s, %s, %s".formatted(name, d, second, source);
            add(cases, vectorBytes, text, asm -> asm.op(f, dst, a, b));
        }
    }

    private static void memory(
            List<Case> cases, Instruction f, int vectorBytes, int dst, int a, Memory m, String address) {
        String d = register(dst, resultBytes(f, vectorBytes), f, false);
        String second = register(a, vectorBytes, f, false);
        String name = name(f, vectorBytes);
        if (STORES.contains(f)) {
            add(cases, vectorBytes, "%s %s, %s".formatted(name, address, d), asm -> asm.op(f, dst, m));
        } else if (ONE_SOURCE.contains(f) && WITH_IMMEDIATE.contains(f)) {
            add(cases, vectorBytes, "%s %s, %s, 27".formatted(name, d, address), asm -> asm.op(f, dst, 0, m, 27));
        } else if (ONE_SOURCE.contains(f)) {
            String size = NARROWING.contains(f) ? vectorBytes == 64 ? "zmmword ptr " : "ymmword ptr " : "";
            add(cases, vectorBytes, "%s %s, %s%s".formatted(name, d, size, address), asm -> asm.op(f, dst, m));
        } else if (WITH_IMMEDIATE.contains(f)) {
            String text = "%s %s, %s, %s, %s".formatted(name, d, second, address, lastOperand(f));
            add(cases, vectorBytes, text, asm -> asm.op(f, dst, a, m, immediate(f)));
        } else {
            String text = "%s %s, %s, %s".formatted(name, d, second, address);
            add(cases, vectorBytes, text, asm -> asm.op(f, dst, a, m));
        }
    }

    private static String lastOperand(Instruction f) {
        return f == Instruction.VBLENDVPS ? "ymm13" : "1";
    }

    private static int immediate(Instruction f) {
        return f == Instruction.VBLENDVPS ? 13 << 4 : 1;
    }

    private static int resultBytes(Instruction f, int vectorBytes) {
        return NARROWING.contains(f) ? vectorBytes / 2 : vectorBytes;
    }

    private static String name(Instruction f, int vectorBytes) {
        String name = f.name().toLowerCase(Locale.ROOT).replace("_store", "");
        if (vectorBytes == 32) {
            return f == Instruction.VPDPBUSD ? "{vex} vpdpbusd" : name;
        }
        return switch (f) {
            case VPAND, VPANDN, VPOR, VPXOR -> name + "d";
            case VINSERTI128 -> "vinserti32x4";
            default -> name;
        };
    }

    private static String register(int r, int vectorBytes, Instruction f, boolean isSource) {
        int bytes = isSource ? f.operand.bytes(vectorBytes) : vectorBytes;
        if (isSource && f.operand == Operand.FOUR_BYTES) {
            bytes = 16;
        }
        return (bytes == 64 ? "zmm" : bytes == 32 ? "ymm" : "xmm") + Math.abs(r);
    }

    private static void add(List<Case> cases, int vectorBytes, String text, Consumer<Assembler> instruction) {
        Assembler asm = new Assembler(vectorBytes);
        instruction.accept(asm);
        cases.add(new Case(text, HexFormat.of().formatHex(asm.finish())));
    }

    /** Prints the golden table; compare it with an assembler before committing it. */
    static void main() {
        cases().forEach(c -> System.out.println(c.golden()));
    }
}
