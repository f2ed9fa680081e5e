package dev.jwen.kernel.x86;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes x86-64 instructions: the few that the kernels need, in one vector length.
 *
 * <p>Registers are plain numbers: 0 to 15 general, 0 to 15 (256 bits) or 0 to 31 (512 bits) vector. With 512 bits every
 * vector instruction takes its EVEX form, with 256 bits its VEX form. Constants are collected and placed behind the code.
 */
final class Assembler {
    static final int RAX = 0;
    static final int RCX = 1;
    static final int RDX = 2;
    static final int RBX = 3;
    static final int RSP = 4;
    static final int RBP = 5;
    static final int RSI = 6;
    static final int RDI = 7;
    static final int R8 = 8;
    static final int R9 = 9;
    static final int R10 = 10;
    static final int R11 = 11;
    static final int R12 = 12;
    static final int R13 = 13;
    static final int R14 = 14;
    static final int R15 = 15;

    private static final int NONE = -1;
    private static final int BROADCAST = 0x10;
    private static final int FIRST_MASK = 1;
    private static final int CONSTANT_ALIGNMENT = 64;

    /** A place in the code, bound once. */
    static final class Label {
        private int position = NONE;
    }

    /**
     * A memory operand {@code [base + index · scale + displacement]}, or a constant behind the code.
     *
     * @param broadcast the operand is one dword that every lane sees; 512-bit instructions only
     */
    record Memory(int base, int index, int scale, int displacement, boolean broadcast, Label constant) {
        private static final Label NOWHERE = new Label();

        static Memory at(int base, int displacement) {
            return new Memory(base, NONE, 1, displacement, false, NOWHERE);
        }

        static Memory at(int base, int index, int scale, int displacement) {
            return new Memory(base, index, scale, displacement, false, NOWHERE);
        }

        Memory plus(int bytes) {
            return new Memory(base, index, scale, displacement + bytes, broadcast, constant);
        }

        Memory broadcasting() {
            return new Memory(base, index, scale, displacement, true, constant);
        }

        // Written out, as what the compiler leaves to the JVM takes 30 ms of a start.
        @Override
        public boolean equals(Object other) {
            return other instanceof Memory that
                    && base == that.base
                    && index == that.index
                    && scale == that.scale
                    && displacement == that.displacement
                    && broadcast == that.broadcast
                    && constant == that.constant;
        }

        @Override
        public int hashCode() {
            return 31 * (31 * base + displacement) + constant.hashCode();
        }

        private boolean isConstant() {
            return constant != NOWHERE;
        }

        /** 8 when the base is one of the upper eight registers. */
        private int baseBit() {
            return isConstant() ? 0 : base & 8;
        }

        /** 8 when the index is one of the upper eight registers. */
        private int indexBit() {
            return index == NONE ? 0 : index & 8;
        }
    }

    private record Fixup(int position, int end, Label target) {}

    private final int vectorBytes;
    private final boolean dotsInEvex;
    private final List<Fixup> fixups = new ArrayList<>();
    private final Map<ByteBuffer, Label> constants = new LinkedHashMap<>();
    private byte[] code = new byte[4096];
    private int size;

    /** An assembler for vectors of 32 or 64 bytes. */
    Assembler(int vectorBytes) {
        this(vectorBytes, false);
    }

    /** @param dotsInEvex whether 8-bit dot products of 256 bits take the form of AVX-512 instead of that of AVX-VNNI */
    Assembler(int vectorBytes, boolean dotsInEvex) {
        this.vectorBytes = vectorBytes;
        this.dotsInEvex = dotsInEvex;
    }

    int vectorBytes() {
        return vectorBytes;
    }

    // ---- vector instructions

    /** {@code dst = f(a, b)}. */
    void op(Instruction f, int dst, int a, int b) {
        vector(f, dst, a, b);
    }

    /** {@code dst = f(a, b)}. */
    void op(Instruction f, int dst, int a, Memory b) {
        vector(f, dst, a, b, 0);
    }

    /** {@code dst = f(b)}. */
    void op(Instruction f, int dst, int b) {
        vector(f, dst, 0, b);
    }

    /** {@code dst = f(b)}; a store writes {@code dst} to {@code b}. */
    void op(Instruction f, int dst, Memory b) {
        vector(f, dst, 0, b, 0);
    }

    /** {@code dst = f(a, b, immediate)}; {@code a} is 0 where an instruction has one source. */
    void op(Instruction f, int dst, int a, int b, int immediate) {
        vector(f, dst, a, b);
        put(immediate);
    }

    /** {@code dst = f(a, b, immediate)}. */
    void op(Instruction f, int dst, int a, Memory b, int immediate) {
        vector(f, dst, a, b, 1);
        put(immediate);
    }

    /** {@code dst = a} shifted by {@code bits}, lane by lane. */
    void shift(Instruction f, int dst, int a, int bits) {
        vector(f, f.digit, dst, a);
        put(bits);
    }

    /** {@code dst = f(a, b)} of 128 bits, of registers from 0 to 15; clears the rest of {@code dst}. */
    void op128(Instruction f, int dst, int a, int b) {
        vex(f, dst, a, b & 8, 0, 0);
        put(modRm(0xc0, dst, b));
    }

    /** The same with a second operand in memory. */
    void op128(Instruction f, int dst, int a, Memory b) {
        vex(f, dst, a, b.baseBit(), b.indexBit(), 0);
        modRm(dst, b, 1, 0);
    }

    /** {@code dst = f(a, b, immediate)} of 128 bits; {@code a} is 0 where an instruction has one source. */
    void op128(Instruction f, int dst, int a, int b, int immediate) {
        op128(f, dst, a, b);
        put(immediate);
    }

    /** Shifts the lanes of 128 bits of {@code a} by a constant. */
    void shift128(Instruction f, int dst, int a, int bits) {
        op128(f, f.digit, dst, a);
        put(bits);
    }

    /** Reads 16 bytes into {@code dst} (0 to 15) and clears the rest of it. */
    void load128(int dst, Memory source) {
        vex(Instruction.VMOVUPS, dst, 0, source.baseBit(), source.indexBit(), 0);
        modRm(dst, source, 1, 0);
    }

    /** Writes the lowest 16 bytes of {@code source} (0 to 15). */
    void store128(Memory dst, int source) {
        vex(Instruction.VMOVUPS_STORE, source, 0, dst.baseBit(), dst.indexBit(), 0);
        modRm(source, dst, 1, 0);
    }

    /** Reads two bytes into 16-bit lane {@code index} of {@code dst} (0 to 15); clears what lies above the 8 lanes. */
    void insertWord(int dst, Memory source, int index) {
        put(0xc4, clear(dst & 8, 0x80) | clear(source.indexBit(), 0x40) | clear(source.baseBit(), 0x20) | 1);
        put(((~dst & 15) << 3) | 1, 0xc4);
        modRm(dst, source, 1, 1);
        put(index);
    }

    /** Writes 16-bit lane {@code index} of {@code source} (0 to 15). */
    void extractWord(Memory dst, int source, int index) {
        extract(0x15, false, dst, source, index);
    }

    /** Writes 32-bit lane {@code index} of {@code source} (0 to 15). */
    void extractDword(Memory dst, int source, int index) {
        extract(0x16, false, dst, source, index);
    }

    /** Writes 64-bit lane {@code index} of {@code source} (0 to 15). */
    void extractQword(Memory dst, int source, int index) {
        extract(0x16, true, dst, source, index);
    }

    private void extract(int opcode, boolean w, Memory dst, int source, int index) {
        put(0xc4, clear(source & 8, 0x80) | clear(dst.indexBit(), 0x40) | clear(dst.baseBit(), 0x20) | 3);
        put(w ? 0xf9 : 0x79, opcode);
        modRm(source, dst, 1, 1);
        put(index);
    }

    /** Writes the lowest float of {@code source} (0 to 15). */
    void storeFloat(Memory dst, int source) {
        put(0xc4, clear(source & 8, 0x80) | clear(dst.indexBit(), 0x40) | clear(dst.baseBit(), 0x20) | 1, 0x7a, 0x11);
        modRm(source, dst, 1, 0);
    }

    /**
     * {@code dst} = for every lane the dword that {@code source} gives when its index is that lane of a vector register.
     *
     * @param source the index is a vector register from 0 to 15, other than {@code dst} and {@code mask}
     * @param mask register that is overwritten with 256 bits; with 512 bits it is mask register 1 instead
     */
    void gather(int dst, Memory source, int mask) {
        if (vectorBytes == 64) {
            put(0xc5, 0xf4, 0x46, 0xc9); // kxnorw k1, k1, k1: all lanes
            evex(Instruction.VPGATHERDD, dst, 0, source.baseBit(), source.indexBit(), FIRST_MASK);
            modRm(dst, source, 4, 0);
        } else {
            op(Instruction.VPCMPEQD, mask, mask, mask);
            vex(Instruction.VPGATHERDD, dst, mask, source.baseBit(), source.indexBit(), 4);
            modRm(dst, source, 1, 0);
        }
    }

    void vzeroupper() {
        put(0xc5, 0xf8, 0x77);
    }

    private void vector(Instruction f, int reg, int a, int b) {
        prefix(f, reg, a, b & 8, b & 16, false);
        put(modRm(0xc0, reg, b));
    }

    private void vector(Instruction f, int reg, int a, Memory b, int immediateBytes) {
        prefix(f, reg, a, b.baseBit(), b.indexBit(), b.broadcast);
        int unit = b.broadcast ? 4 : f.operand.bytes(vectorBytes);
        modRm(reg, b, isEvex(f) ? unit : 1, immediateBytes);
    }

    private boolean isEvex(Instruction f) {
        return vectorBytes == 64 ? f.form != Instruction.Form.VEX_ONLY : dotsInEvex && f == Instruction.VPDPBUSD;
    }

    private void prefix(Instruction f, int reg, int a, int b, int x, boolean broadcast) {
        if (isEvex(f)) {
            evex(f, reg, a, b, x, broadcast ? BROADCAST : 0);
        } else if (broadcast || (reg | a | x) > 15 || f.isEvexOnly()) {
            throw new IllegalArgumentException(
                    "%s has no form of %d bits with these operands".formatted(f, 8 * vectorBytes));
        } else {
            vex(f, reg, a, b, x, 4);
        }
    }

    /**
     * {@code b} and {@code x}: non-zero when the operand's base, or its index or register above 15, needs the bit.
     *
     * @param flags {@link #BROADCAST}, {@link #FIRST_MASK} or neither
     */
    private void evex(Instruction f, int reg, int a, int b, int x, int flags) {
        boolean w = switch (f.form) {
            case W1, EVEX_W1, EVEX_ONLY_W1 -> true;
            case W0, VEX_ONLY, EVEX_ONLY -> false;
        };
        put(0x62, clear(reg & 8, 0x80) | clear(x, 0x40) | clear(b, 0x20) | clear(reg & 16, 0x10) | f.map);
        put((w ? 0x80 : 0) | ((~a & 15) << 3) | 4 | f.prefix);
        put(vectorBytes | flags | clear(a & 16, 0x08)); // of the length, 2 bits: 64 for 512, 32 for 256
        put(f.opcode);
    }

    private void vex(Instruction f, int reg, int a, int b, int x, int length) {
        boolean w = f.form == Instruction.Form.W1;
        int last = ((~a & 15) << 3) | length | f.prefix;
        if (f.map == 1 && !w && b == 0 && x == 0) {
            put(0xc5, clear(reg & 8, 0x80) | last);
        } else {
            put(0xc4, clear(reg & 8, 0x80) | clear(x, 0x40) | clear(b, 0x20) | f.map, (w ? 0x80 : 0) | last);
        }
        put(f.opcode);
    }

    /** The extension bits of VEX and EVEX are stored inverted. */
    private static int clear(int bits, int value) {
        return bits == 0 ? value : 0;
    }

    // ---- general instructions, 64 bits wide

    void mov(int dst, int source) {
        general(0x89, source, dst);
    }

    void mov(int dst, Memory source) {
        general(0x8b, dst, source);
    }

    void store(Memory dst, int source) {
        general(0x89, source, dst);
    }

    void lea(int dst, Memory address) {
        general(0x8d, dst, address);
    }

    void add(int dst, int source) {
        general(0x01, source, dst);
    }

    /** {@code dst = constant}, sign-extended. */
    void movConstant(int dst, int constant) {
        general(0xc7, 0, dst);
        putInt(constant);
    }

    /** {@code dst = constant}, all 64 bits of it. */
    void movLong(int dst, long constant) {
        put(0x48 | (dst >> 3), 0xb8 | (dst & 7));
        putInt((int) constant);
        putInt((int) (constant >> 32));
    }

    void addConstant(int dst, int constant) {
        general(0x81, 0, dst);
        putInt(constant);
    }

    void subConstant(int dst, int constant) {
        general(0x81, 5, dst);
        putInt(constant);
    }

    void shiftLeft(int dst, int bits) {
        general(0xc1, 4, dst);
        put(bits);
    }

    void shiftRight(int dst, int bits) {
        general(0xc1, 5, dst);
        put(bits);
    }

    /** Subtracts from a 64-bit value in memory. */
    void subConstant(Memory dst, int constant) {
        general(0x81, 5, dst);
        putInt(constant);
    }

    void push(int register) {
        put(0x40 | (register >> 3), 0x50 | (register & 7));
    }

    void pop(int register) {
        put(0x40 | (register >> 3), 0x58 | (register & 7));
    }

    void ret() {
        put(0xc3);
    }

    void cpuid() {
        put(0x0f, 0xa2);
    }

    void xgetbv() {
        put(0x0f, 0x01, 0xd0);
    }

    /** Asks for the cache line of {@code address} in the second-level cache; never faults. */
    void prefetch(Memory address) {
        put(0x40 | (address.baseBit() >> 3) | (address.indexBit() >> 2), 0x0f, 0x18);
        modRm(2, address, 1, 0);
    }

    private void general(int opcode, int reg, int rm) {
        put(0x48 | ((reg & 8) >> 1) | (rm >> 3), opcode, modRm(0xc0, reg, rm));
    }

    private void general(int opcode, int reg, Memory rm) {
        put(0x48 | ((reg & 8) >> 1) | (rm.indexBit() >> 2) | (rm.baseBit() >> 3), opcode);
        modRm(reg, rm, 1, 0);
    }

    // ---- labels and constants

    void bind(Label label) {
        label.position = size;
    }

    void jump(Label target) {
        put(0xe9);
        relative(target, 0);
    }

    /** Jumps when the last addition or subtraction did not give zero. */
    void jumpIfNotZero(Label target) {
        put(0x0f, 0x85);
        relative(target, 0);
    }

    /** Jumps when the last addition or subtraction gave zero. */
    void jumpIfZero(Label target) {
        put(0x0f, 0x84);
        relative(target, 0);
    }

    /** Jumps when the last addition or subtraction gave less than zero. */
    void jumpIfNegative(Label target) {
        put(0x0f, 0x88);
        relative(target, 0);
    }

    /** A vector that repeats {@code pattern}, placed behind the code. */
    Memory constant(byte... pattern) {
        byte[] vector = new byte[vectorBytes];
        for (int i = 0; i < vectorBytes; i++) {
            vector[i] = pattern[i % pattern.length];
        }
        Label label = constants.computeIfAbsent(ByteBuffer.wrap(vector), key -> new Label());
        return new Memory(NONE, NONE, 1, 0, false, label);
    }

    /** A vector of these dwords, repeated. */
    Memory lanes(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(values);
        return constant(bytes.array());
    }

    /** A vector with the same dword in every lane. */
    Memory dwords(int value) {
        return lanes(value);
    }

    /** A vector with the same float in every lane. */
    Memory floats(float value) {
        return dwords(Float.floatToRawIntBits(value));
    }

    /** The finished code; nothing may be added afterwards. */
    byte[] finish() {
        constants.forEach((vector, label) -> {
            while (size % CONSTANT_ALIGNMENT != 0) {
                put(0xcc);
            }
            bind(label);
            for (int i = 0; i < vectorBytes; i++) {
                put(vector.get(i));
            }
        });
        ByteBuffer buffer = ByteBuffer.wrap(code).order(ByteOrder.LITTLE_ENDIAN);
        for (Fixup fixup : fixups) {
            if (fixup.target.position == NONE) {
                throw new IllegalStateException(
                        "a jump at %d leads to a label that was never bound".formatted(fixup.position));
            }
            buffer.putInt(fixup.position, fixup.target.position - fixup.end);
        }
        return Arrays.copyOf(code, size);
    }

    // ---- bytes

    /**
     * Writes ModRM, SIB and displacement.
     *
     * @param unit what one step of an 8-bit displacement is worth
     * @param immediateBytes bytes that follow: constants are addressed from the end of the instruction
     */
    private void modRm(int reg, Memory m, int unit, int immediateBytes) {
        if (m.isConstant()) {
            put(modRm(0x00, reg, 5));
            relative(m.constant, immediateBytes);
            return;
        }
        boolean noDisplacement = m.displacement == 0 && (m.base & 7) != RBP;
        boolean small = m.displacement % unit == 0 && (byte) (m.displacement / unit) == m.displacement / unit;
        int mode = noDisplacement ? 0x00 : small ? 0x40 : 0x80;
        if (m.index != NONE) {
            put(modRm(mode, reg, RSP), modRm(Integer.numberOfTrailingZeros(m.scale) << 6, m.index, m.base));
        } else if ((m.base & 7) == RSP) {
            put(modRm(mode, reg, RSP), modRm(0x00, RSP, RSP));
        } else {
            put(modRm(mode, reg, m.base));
        }
        if (mode == 0x40) {
            put(m.displacement / unit);
        } else if (mode == 0x80) {
            putInt(m.displacement);
        }
    }

    private static int modRm(int mode, int reg, int rm) {
        return mode | ((reg & 7) << 3) | (rm & 7);
    }

    private void relative(Label target, int immediateBytes) {
        fixups.add(new Fixup(size, size + 4 + immediateBytes, target));
        putInt(0);
    }

    private void put(int... bytes) {
        for (int b : bytes) {
            if (size == code.length) {
                code = Arrays.copyOf(code, 2 * size);
            }
            code[size++] = (byte) b;
        }
    }

    private void putInt(int value) {
        put(value, value >> 8, value >> 16, value >> 24);
    }
}
