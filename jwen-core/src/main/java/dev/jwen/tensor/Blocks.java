package dev.jwen.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * Decoding of every floating data type to float32, and encoding of those that Jwen writes.
 *
 * <p>The layouts are those of ggml, little-endian: a block holds its factors d (and m or dmin) as half floats and its
 * values as small integers. {@link SmallBlocks}, {@link SuperBlocks} and {@link CodedBlocks} state each of them.
 * Decoded values agree with ggml's to the last bit.
 */
public final class Blocks {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int Q8_0_VALUES = 32;
    private static final int Q8_0_BYTES = 34;

    /** Blocks pass through a buffer of about this many bytes, which stays in the first-level cache. */
    private static final int CHUNK_BYTES = 4096;

    private static final float[] E4M3 = e4m3();

    private Blocks() {}

    /** Decodes whole blocks that lie in an array: loops over arrays are what the JVM compiles best. */
    private interface Decoder {
        void decode(byte[] blocks, int count, float[] out, int at);
    }

    /**
     * Decodes {@code count} values that start at byte {@code offset} of {@code source}.
     *
     * @param count whole blocks
     * @throws IllegalArgumentException if {@code count} is not whole blocks, {@code type} is not floating, or its rows lie
     *     side by side: those {@link Tensor#decode} reads
     * @throws IndexOutOfBoundsException if source or out is too short; nothing is written then
     */
    public static void decode(DataType type, MemorySegment source, long offset, int count, float[] out, int outOffset) {
        Objects.checkFromIndexSize(offset, type.bytes(count), source.byteSize());
        Objects.checkFromIndexSize(outOffset, count, out.length);
        switch (type) {
            case F32 -> MemorySegment.copy(source, Tensor.FLOAT, offset, out, outOffset, count);
            case F16, BF16 -> decodeHalves(type == DataType.F16, source, offset, count, out, outOffset);
            default -> decodeBlocks(type, source, offset, count, out, outOffset);
        }
    }

    private static void decodeHalves(
            boolean ieee, MemorySegment source, long offset, int count, float[] out, int outOffset) {
        short[] chunk = new short[Math.min(count, CHUNK_BYTES / 2)];
        for (int done = 0; done < count; done += chunk.length) {
            int n = Math.min(chunk.length, count - done);
            MemorySegment.copy(source, SHORT, offset + 2L * done, chunk, 0, n);
            if (ieee) {
                halves(chunk, n, out, outOffset + done);
            } else {
                bfloats(chunk, n, out, outOffset + done);
            }
        }
    }

    private static void halves(short[] halves, int count, float[] out, int at) {
        for (int i = 0; i < count; i++) {
            out[at + i] = Float.float16ToFloat(halves[i]);
        }
    }

    private static void bfloats(short[] bfloats, int count, float[] out, int at) {
        for (int i = 0; i < count; i++) {
            out[at + i] = Float.intBitsToFloat(bfloats[i] << 16);
        }
    }

    private static void decodeBlocks(
            DataType type, MemorySegment source, long offset, int count, float[] out, int outOffset) {
        Decoder decoder = decoder(type);
        int blocks = count / type.blockValues();
        int chunkBlocks = Math.min(blocks, CHUNK_BYTES / type.blockBytes());
        byte[] chunk = new byte[chunkBlocks * type.blockBytes()];
        for (int done = 0; done < blocks; done += chunkBlocks) {
            int n = Math.min(chunkBlocks, blocks - done);
            long from = offset + (long) done * type.blockBytes();
            MemorySegment.copy(source, ValueLayout.JAVA_BYTE, from, chunk, 0, n * type.blockBytes());
            decoder.decode(chunk, n, out, outOffset + done * type.blockValues());
        }
    }

    private static Decoder decoder(DataType type) {
        return switch (type) {
            case F8_E4M3 -> Blocks::f8_e4m3;
            case Q4_0 -> SmallBlocks::q4_0;
            case Q4_1 -> SmallBlocks::q4_1;
            case Q5_0 -> SmallBlocks::q5_0;
            case Q5_1 -> SmallBlocks::q5_1;
            case Q8_0 -> SmallBlocks::q8_0;
            case IQ4_NL -> SmallBlocks::iq4_nl;
            case IQ4_XS -> SmallBlocks::iq4_xs;
            case MXFP4 -> SmallBlocks::mxfp4;
            case NVFP4 -> SmallBlocks::nvfp4;
            case Q2_K -> SuperBlocks::q2_k;
            case Q3_K -> SuperBlocks::q3_k;
            case Q4_K -> SuperBlocks::q4_k;
            case Q5_K -> SuperBlocks::q5_k;
            case Q6_K -> SuperBlocks::q6_k;
            case TQ1_0 -> SuperBlocks::tq1_0;
            case TQ2_0 -> SuperBlocks::tq2_0;
            case IQ1_S -> CodedBlocks::iq1_s;
            case IQ1_M -> CodedBlocks::iq1_m;
            case IQ2_XXS -> CodedBlocks::iq2_xxs;
            case IQ2_XS -> CodedBlocks::iq2_xs;
            case IQ2_S -> CodedBlocks::iq2_s;
            case IQ3_XXS -> CodedBlocks::iq3_xxs;
            case IQ3_S -> CodedBlocks::iq3_s;
            case F32, F16, BF16, F64, I8, I16, I32, I64, U8, BOOL, Q5_0_R16 ->
                throw new IllegalArgumentException("%s does not decode to float32 blocks".formatted(type));
        };
    }

    private static void f8_e4m3(byte[] b, int count, float[] out, int at) {
        for (int i = 0; i < count; i++) {
            out[at + i] = E4M3[b[i] & 0xFF];
        }
    }

    private static float[] e4m3() {
        float[] values = new float[256];
        for (int bits = 0; bits < 128; bits++) {
            values[bits] = bits == 127 ? Float.NaN : SmallBlocks.e4m3Magnitude(bits);
            values[128 + bits] = -values[bits];
        }
        return values;
    }

    /**
     * Encodes {@code count} values to {@code target} from byte {@code offset} on: F32, F16 and BF16 (rounded to nearest,
     * ties to even, NaN kept) and Q8_0 (per 32 values d = max |x| / 127 and q = x / d, ties away from zero).
     *
     * @param count whole blocks
     * @throws IllegalArgumentException if {@code count} is not whole blocks or {@code type} cannot be encoded
     * @throws IndexOutOfBoundsException if source or target is too short; nothing is written then
     */
    public static void encode(
            DataType type, float[] source, int sourceOffset, int count, MemorySegment target, long offset) {
        Objects.checkFromIndexSize(offset, type.bytes(count), target.byteSize());
        Objects.checkFromIndexSize(sourceOffset, count, source.length);
        switch (type) {
            case F32 -> MemorySegment.copy(source, sourceOffset, target, Tensor.FLOAT, offset, count);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target.set(SHORT, offset + 2L * i, Float.floatToFloat16(source[sourceOffset + i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target.set(SHORT, offset + 2L * i, bfloat16(source[sourceOffset + i]));
                }
            }
            case Q8_0 -> {
                for (int i = 0; i < count / Q8_0_VALUES; i++) {
                    encodeQ8_0(source, sourceOffset + i * Q8_0_VALUES, target, offset + (long) i * Q8_0_BYTES);
                }
            }
            default ->
                throw new IllegalArgumentException(
                        "cannot encode %s; F32, F16, BF16 and Q8_0 can be written".formatted(type));
        }
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            // A payload in the low half alone would turn into infinity: set the quiet bit.
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
    }

    private static void encodeQ8_0(float[] source, int from, MemorySegment target, long to) {
        float max = 0;
        for (int i = 0; i < Q8_0_VALUES; i++) {
            max = Math.max(max, Math.abs(source[from + i]));
        }
        float d = max / 127;
        float inverse = d == 0 ? 0 : 1 / d;
        target.set(SHORT, to, Float.floatToFloat16(d));
        for (int i = 0; i < Q8_0_VALUES; i++) {
            float q = source[from + i] * inverse;
            target.set(ValueLayout.JAVA_BYTE, to + 2 + i, (byte) Math.copySign(Math.floor(Math.abs(q) + 0.5), q));
        }
    }
}
