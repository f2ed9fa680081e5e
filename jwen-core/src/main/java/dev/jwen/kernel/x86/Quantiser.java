package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Instruction.VBROADCASTSS;
import static dev.jwen.kernel.x86.Instruction.VCVTDQ2PS;
import static dev.jwen.kernel.x86.Instruction.VCVTPS2DQ;
import static dev.jwen.kernel.x86.Instruction.VDIVPS;
import static dev.jwen.kernel.x86.Instruction.VEXTRACTF128;
import static dev.jwen.kernel.x86.Instruction.VINSERTI128;
import static dev.jwen.kernel.x86.Instruction.VMAXPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS;
import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;
import static dev.jwen.kernel.x86.Instruction.VMULPS;
import static dev.jwen.kernel.x86.Instruction.VPACKSSDW;
import static dev.jwen.kernel.x86.Instruction.VPACKSSWB;
import static dev.jwen.kernel.x86.Instruction.VPACKUSDW;
import static dev.jwen.kernel.x86.Instruction.VPADDD;
import static dev.jwen.kernel.x86.Instruction.VPAND;
import static dev.jwen.kernel.x86.Instruction.VPERMD;
import static dev.jwen.kernel.x86.Instruction.VPERMQ;
import static dev.jwen.kernel.x86.Instruction.VPHADDD;
import static dev.jwen.kernel.x86.Instruction.VPMADDUBSW;
import static dev.jwen.kernel.x86.Instruction.VPMADDWD;
import static dev.jwen.kernel.x86.Instruction.VPOR;
import static dev.jwen.kernel.x86.Instruction.VPSHUFD;
import static dev.jwen.kernel.x86.Instruction.VPSLLD;
import static dev.jwen.kernel.x86.Instruction.VPSRLD;
import static dev.jwen.kernel.x86.Instruction.VPSUBD;
import static dev.jwen.kernel.x86.Instruction.VPXOR;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * The kernels that bring float32 values into the form of {@link Activations}: (values, records, number of records). All
 * instruction sets share them; 256 bits suit a record of 32 values.
 */
final class Quantiser {
    private static final int VECTOR = 32;

    private final Assembler asm = new Assembler(VECTOR);

    private Quantiser() {}

    static byte[] write(Activations form) {
        Quantiser quantiser = new Quantiser();
        Assembler asm = quantiser.asm;
        Label loop = new Label();
        asm.bind(loop);
        for (int block = 0; block < form.recordValues() / Activations.VALUES; block++) {
            for (int i = 0; i < 4; i++) {
                asm.op(VMOVUPS, i, Memory.at(RDI, VECTOR * (4 * block + i)));
            }
            switch (form) {
                case INT8 -> quantiser.int8();
                case INT8_PAIRS, INT8_SIXTEENS, INT8_BLOCKS -> quantiser.int8Lanes(form, block);
                case BF16 -> quantiser.bf16();
                case F32 -> quantiser.f32();
            }
        }
        asm.addConstant(RDI, 4 * form.recordValues());
        asm.addConstant(RSI, form.recordBytes());
        asm.subConstant(RDX, 1);
        asm.jumpIfNotZero(loop);
        asm.vzeroupper();
        asm.ret();
        return asm.finish();
    }

    private void int8() {
        round();
        sums();
        factors();
        pack();
        asm.op(VMOVUPS_STORE, 0, Memory.at(RSI, 0));
    }

    private void int8Lanes(Activations form, int block) {
        int codes = 0;
        int upper = 8;
        int sums = 7;
        int scale = 4;
        round();
        pack();
        asm.op(VEXTRACTF128, codes, 0, upper, 1);
        for (int dword = 0; dword < 8; dword++) {
            asm.extractDword(Memory.at(RSI, form.code(block, dword)), dword < 4 ? codes : upper, dword % 4);
        }
        // -128 · Σ of four bytes: 128 · 127 twice still fits 16 bits.
        asm.op(VMOVUPS, sums, asm.constant((byte) 0x80));
        asm.op(VPMADDUBSW, sums, sums, codes);
        asm.op(VPMADDWD, sums, sums, asm.constant((byte) 0xff));
        asm.op(VEXTRACTF128, sums, 0, upper, 1);
        if (form == Activations.INT8_SIXTEENS) {
            asm.op(VPHADDD, sums, sums, upper);
            asm.op(VPHADDD, sums, sums, sums);
        } else {
            asm.op(VPADDD, sums, sums, upper);
            asm.op(VPSHUFD, upper, 0, sums, 0b01_00_11_10);
            asm.op(VPADDD, sums, sums, upper);
        }
        asm.op(VMULPS, scale, scale, asm.floats(1 / 127f));
        if (form == Activations.INT8_BLOCKS) {
            storeLane(form, block, 0, scale);
        } else {
            int[] dwords = {0, form == Activations.INT8_SIXTEENS ? 4 : 1};
            for (int i = 0; i < 2; i++) {
                int lane = Integer.BYTES * form.lane(block, dwords[i]);
                asm.extractDword(Memory.at(RSI, form.laneCorrections() + lane), sums, i);
                storeLane(form, block, dwords[i], scale);
            }
        }
        asm.op(VPHADDD, sums, sums, sums);
        asm.op(VPXOR, upper, upper, upper);
        if (block == 0 && form != Activations.INT8_BLOCKS) {
            asm.op(VMOVUPS_STORE, upper, Memory.at(RSI, form.recordBytes() - VECTOR));
        }
        asm.op(VPSUBD, sums, upper, sums);
        asm.op(VCVTDQ2PS, sums, sums);
        asm.op(VMULPS, sums, sums, asm.floats(1 / 128f));
        asm.op(VMULPS, sums, sums, scale);
        asm.storeFloat(Memory.at(RSI, form.sum(block)), sums);
    }

    private void storeLane(Activations form, int block, int dword, int scale) {
        asm.storeFloat(Memory.at(RSI, form.laneScales() + Float.BYTES * form.lane(block, dword)), scale);
    }

    /** Registers 0 to 3 = the values as integers, register 4 = the largest magnitude in every lane. */
    private void round() {
        largestMagnitude();
        asm.op(VMOVUPS, 5, asm.floats(127));
        asm.op(VDIVPS, 5, 5, 4);
        for (int i = 0; i < 4; i++) {
            asm.op(VMULPS, i, i, 5);
            asm.op(VCVTPS2DQ, i, i);
        }
    }

    /** Register 0 = the integers of registers 0 to 3 as bytes. */
    private void pack() {
        asm.op(VPACKSSDW, 0, 0, 1);
        asm.op(VPACKSSDW, 2, 2, 3);
        asm.op(VPACKSSWB, 0, 0, 2);
        permute(0, 0, 4, 1, 5, 2, 6, 3, 7);
    }

    /** Register 4 = the largest magnitude of registers 0 to 3, in every lane. */
    private void largestMagnitude() {
        asm.op(VMOVUPS, 4, asm.floats(Activations.SMALLEST));
        for (int i = 0; i < 4; i++) {
            asm.op(VPAND, 5, i, asm.dwords(0x7fffffff));
            asm.op(VMAXPS, 4, 4, 5);
        }
        asm.op(VEXTRACTF128, 4, 0, 5, 1);
        asm.op(VMAXPS, 4, 4, 5);
        asm.op(VPSHUFD, 5, 0, 4, 0b01_00_11_10);
        asm.op(VMAXPS, 4, 4, 5);
        asm.op(VPSHUFD, 5, 0, 4, 0b10_11_00_01);
        asm.op(VMAXPS, 4, 4, 5);
        asm.op(VBROADCASTSS, 4, 4);
    }

    /** Register 7 = {-, Σ, Σ low, Σ high, Σ, Σ low, Σ high, -} of the integers in registers 0 to 3. */
    private void sums() {
        asm.op(VPADDD, 7, 0, 1);
        asm.op(VPADDD, 8, 2, 3);
        asm.op(VPHADDD, 7, 7, 8);
        asm.op(VPHADDD, 7, 7, 7);
        asm.op(VEXTRACTF128, 7, 0, 8, 1);
        asm.op(VPADDD, 7, 7, 8);
        asm.op(VPHADDD, 8, 7, 7);
        asm.op(VINSERTI128, 7, 7, 8, 1);
        permute(7, 0, 4, 0, 1, 4, 0, 1, 0);
    }

    /** Writes the second half of a record from the largest magnitude and the sums. */
    private void factors() {
        asm.op(VMULPS, 4, 4, asm.floats(1 / 127f));
        asm.op(VPAND, 4, 4, asm.lanes(-1, 0, 0, 0, 0, 0, 0, 0));
        asm.op(VCVTDQ2PS, 8, 7);
        asm.op(VPAND, 8, 8, asm.lanes(0, 0, 0, 0, -1, -1, -1, 0));
        asm.op(VPOR, 4, 4, 8);
        asm.shift(VPSLLD, 7, 7, 7);
        asm.op(VPXOR, 8, 8, 8);
        asm.op(VPSUBD, 7, 8, 7);
        asm.op(VPAND, 7, 7, asm.lanes(0, -1, -1, -1, 0, 0, 0, 0));
        asm.op(VPOR, 4, 4, 7);
        asm.op(VMOVUPS_STORE, 4, Memory.at(RSI, Activations.SCALE));
    }

    private void bf16() {
        for (int i = 0; i < 4; i++) {
            asm.shift(VPSRLD, 4, i, 16);
            asm.op(VPAND, 4, 4, asm.dwords(1));
            asm.op(VPADDD, 4, 4, asm.dwords(0x7fff));
            asm.op(VPADDD, i, i, 4);
            asm.shift(VPSRLD, i, i, 16);
        }
        for (int i = 0; i < 4; i += 2) {
            asm.op(VPACKUSDW, i, i, i + 1);
            asm.op(VPERMQ, i, 0, i, 0b11_01_10_00);
            asm.op(VMOVUPS_STORE, i, Memory.at(RSI, VECTOR * i / 2));
        }
    }

    private void f32() {
        for (int i = 0; i < 4; i++) {
            asm.op(VMOVUPS_STORE, i, Memory.at(RSI, VECTOR * i));
        }
    }

    private void permute(int register, int... order) {
        asm.op(VMOVUPS, 6, asm.lanes(order));
        asm.op(VPERMD, register, 6, register);
    }
}
