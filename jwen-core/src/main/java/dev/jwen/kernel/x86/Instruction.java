package dev.jwen.kernel.x86;

/**
 * The vector instructions the kernels use, with the fields of their VEX and EVEX encodings.
 *
 * <p>One entry serves both vector lengths: {@link Assembler} writes the VEX form for 256 bits and the EVEX form for 512.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */
enum Instruction {
    VMOVUPS(0, 1, 0x10),
    VMOVUPS_STORE(0, 1, 0x11),
    VMOVAPS(0, 1, 0x28),
    VBROADCASTSS(1, 2, 0x18, Operand.FOUR_BYTES),
    VPBROADCASTD(1, 2, 0x58, Operand.FOUR_BYTES),
    VINSERTI128(1, 3, 0x38, Operand.SIXTEEN_BYTES),
    VEXTRACTF128(1, 3, 0x19, Form.VEX_ONLY),
    VBROADCASTI64X4(1, 2, 0x5b, Operand.THIRTY_TWO_BYTES, Form.EVEX_ONLY_W1),
    VINSERTI64X4(1, 3, 0x3a, Operand.THIRTY_TWO_BYTES, Form.EVEX_ONLY_W1),
    VEXTRACTI64X4(1, 3, 0x3b, Operand.THIRTY_TWO_BYTES, Form.EVEX_ONLY_W1),
    VPUNPCKLBW(1, 1, 0x60),
    VPUNPCKHBW(1, 1, 0x68),
    VPUNPCKLWD(1, 1, 0x61),
    VPUNPCKHWD(1, 1, 0x69),
    VPUNPCKLDQ(1, 1, 0x62),
    VPUNPCKHDQ(1, 1, 0x6a),
    VPUNPCKLQDQ(1, 1, 0x6c, Form.EVEX_W1),
    VPUNPCKHQDQ(1, 1, 0x6d, Form.EVEX_W1),
    VPSHUFB(1, 2, 0x00),
    VPSHUFD(1, 1, 0x70),
    VPERMQ(1, 3, 0x00, Form.W1),
    VPERM2I128(1, 3, 0x46, Form.VEX_ONLY),
    VSHUFPS(0, 1, 0xc6),
    VSHUFI64X2(1, 3, 0x43, Form.EVEX_ONLY_W1),
    VPERMD(1, 2, 0x36),
    VPERMPS(1, 2, 0x16),
    /** Needs AVX-512 VBMI. */
    VPERMT2B(1, 2, 0x7d, Form.EVEX_ONLY),
    VPACKSSDW(1, 1, 0x6b),
    VPACKSSWB(1, 1, 0x63),
    VPACKUSDW(1, 2, 0x2b),
    VPMOVDW(2, 2, 0x33, Form.EVEX_ONLY),
    VPMOVDB(2, 2, 0x31, Operand.QUARTER, Form.EVEX_ONLY),
    VPMOVZXBD(1, 2, 0x31, Operand.QUARTER),
    VPMOVSXBD(1, 2, 0x21, Operand.QUARTER),
    VPMOVZXWD(1, 2, 0x33, Operand.HALF),
    VPAND(1, 1, 0xdb),
    /** {@code ~a & b}. */
    VPANDN(1, 1, 0xdf),
    VPOR(1, 1, 0xeb),
    VPXOR(1, 1, 0xef),
    VPTERNLOGD(1, 3, 0x25, Form.EVEX_ONLY),
    /** Of {@code b} the lanes where the register in the upper half of the immediate has a sign, else of {@code a}. */
    VBLENDVPS(1, 3, 0x4a, Form.VEX_ONLY),
    VPADDW(1, 1, 0xfd),
    VPADDD(1, 1, 0xfe),
    VPSUBD(1, 1, 0xfa),
    VPMULLD(1, 2, 0x40),
    VPMINSD(1, 2, 0x39),
    VPMAXSD(1, 2, 0x3d),
    VPHADDD(1, 2, 0x02, Form.VEX_ONLY),
    VPCMPEQD(1, 1, 0x76, Form.VEX_ONLY),
    /** Only through {@link Assembler#gather}. */
    VPGATHERDD(1, 2, 0x90, Operand.FOUR_BYTES),
    VPABSB(1, 2, 0x1c),
    VPSIGNB(1, 2, 0x08, Form.VEX_ONLY),
    VPMADDUBSW(1, 2, 0x04),
    VPMADDWD(1, 1, 0xf5),
    VPDPBUSD(1, 2, 0x50),
    VDPBF16PS(2, 2, 0x52, Form.EVEX_ONLY),
    VPSLLW(1, 1, 0x71, 6),
    VPSRLW(1, 1, 0x71, 2),
    VPSLLD(1, 1, 0x72, 6),
    VPSRLD(1, 1, 0x72, 2),
    VPSRAD(1, 1, 0x72, 4),
    VPSLLVD(1, 2, 0x47),
    VPSRLVD(1, 2, 0x45),
    VPRORVD(1, 2, 0x14, Form.EVEX_ONLY),
    VCVTDQ2PS(0, 1, 0x5b),
    VCVTPS2DQ(1, 1, 0x5b),
    VCVTPH2PS(1, 2, 0x13, Operand.HALF),
    VCVTPS2PH(1, 3, 0x1d, Operand.HALF),
    VCVTPS2PD(0, 1, 0x5a, Operand.HALF),
    VCVTPD2PS(1, 1, 0x5a, Form.EVEX_W1),
    VADDPS(0, 1, 0x58),
    VSUBPS(0, 1, 0x5c),
    VMULPS(0, 1, 0x59),
    VDIVPS(0, 1, 0x5e),
    VSQRTPS(0, 1, 0x51),
    VMINPS(0, 1, 0x5d),
    VMAXPS(0, 1, 0x5f),
    VFMADD213PS(1, 2, 0xa8),
    VFMADD231PS(1, 2, 0xb8),
    VFNMADD231PS(1, 2, 0xbc),
    VADDPD(1, 1, 0x58, Form.EVEX_W1),
    VMULPD(1, 1, 0x59, Form.EVEX_W1),
    VSQRTPD(1, 1, 0x51, Form.EVEX_W1),
    VFMADD231PD(1, 2, 0xb8, Form.W1);

    /** How many bytes a memory operand has, which is also the unit of EVEX's compressed displacement. */
    enum Operand {
        FULL,
        HALF,
        QUARTER,
        THIRTY_TWO_BYTES,
        SIXTEEN_BYTES,
        FOUR_BYTES;

        int bytes(int vectorBytes) {
            return switch (this) {
                case FULL -> vectorBytes;
                case HALF -> vectorBytes / 2;
                case QUARTER -> vectorBytes / 4;
                case THIRTY_TWO_BYTES -> 32;
                case SIXTEEN_BYTES -> 16;
                case FOUR_BYTES -> 4;
            };
        }
    }

    /** Which encodings exist and what the W bit is in them. */
    enum Form {
        W0,
        W1,
        EVEX_W1,
        VEX_ONLY,
        EVEX_ONLY,
        EVEX_ONLY_W1
    }

    boolean isEvexOnly() {
        return form == Form.EVEX_ONLY || form == Form.EVEX_ONLY_W1;
    }

    final int prefix;
    final int map;
    final int opcode;
    final Operand operand;
    final Form form;
    /** Opcode extension of the shifts by a constant, or -1. */
    final int digit;

    Instruction(int prefix, int map, int opcode, Operand operand, Form form, int digit) {
        this.prefix = prefix;
        this.map = map;
        this.opcode = opcode;
        this.operand = operand;
        this.form = form;
        this.digit = digit;
    }

    /** {@code prefix}: 0 none, 1 66, 2 F3; {@code map}: 1 0F, 2 0F38, 3 0F3A. */
    Instruction(int prefix, int map, int opcode) {
        this(prefix, map, opcode, Operand.FULL, Form.W0, -1);
    }

    Instruction(int prefix, int map, int opcode, Operand operand) {
        this(prefix, map, opcode, operand, Form.W0, -1);
    }

    Instruction(int prefix, int map, int opcode, Operand operand, Form form) {
        this(prefix, map, opcode, operand, form, -1);
    }

    Instruction(int prefix, int map, int opcode, Form form) {
        this(prefix, map, opcode, Operand.FULL, form, -1);
    }

    Instruction(int prefix, int map, int opcode, int digit) {
        this(prefix, map, opcode, Operand.FULL, Form.W0, digit);
    }
}
