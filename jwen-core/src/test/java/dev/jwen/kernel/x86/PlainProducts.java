package dev.jwen.kernel.x86;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.random.RandomGenerator;

/** The definition of the quantised products, one weight after the other, and matrices of every format to try it on. */
final class PlainProducts {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int[] IQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    private static final int[] MXFP4 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    /** A weight is {@code scale · code + minimum}; both hold for 16 columns. */
    private static final class Codes {
        private final int[] codes = new int[32];
        private final float[] scales = new float[2];
        private final float[] minima = new float[2];
    }

    /** A product and the sum of the magnitudes of its terms, by which its rounding error is bounded. */
    record Product(double value, double magnitude) {}

    private PlainProducts() {}

    /** Where the FP16 scales of a block are. */
    static int[] scaleOffsets(DataType type) {
        return switch (type) {
            case Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS -> new int[] {0};
            case Q4_1, Q5_1, Q4_K, Q5_K -> new int[] {0, 2};
            case Q6_K -> new int[] {208};
            case Q3_K -> new int[] {108};
            case Q2_K -> new int[] {80, 82};
            default -> new int[0];
        };
    }

    /** Sets all scales of a block to {@code scale} and makes plain numbers finite. */
    static void setScales(DataType type, MemorySegment w, float scale, RandomGenerator random) {
        for (long block = 0; block < w.byteSize(); block += type.blockBytes()) {
            for (int offset : scaleOffsets(type)) {
                w.set(SHORT, block + offset, Float.floatToFloat16(scale));
            }
            switch (type) {
                case MXFP4 -> w.set(ValueLayout.JAVA_BYTE, block, (byte) (128 + Math.getExponent(scale)));
                case F32 -> w.set(Tensor.FLOAT, block, scale * random.nextFloat(-1, 1));
                case F16 -> w.set(SHORT, block, Float.floatToFloat16(scale * random.nextFloat(-1, 1)));
                case BF16 ->
                    w.set(SHORT, block, (short) (Float.floatToRawIntBits(scale * random.nextFloat(-1, 1)) >>> 16));
                default -> {
                    // The codes may be any bits.
                }
            }
        }
    }

    /** Row {@code row} of {@code w} times the records of token {@code token}. */
    static Product product(Tensor w, int row, Activations form, MemorySegment records, int token) {
        double sum = 0;
        double magnitude = 0;
        for (int column = 0; column < w.columns(); column += 32) {
            long record = token * form.bytes(w.columns()) + form.offset(column);
            int block = column % form.recordValues() / 32;
            boolean isRow = form == Activations.INT8_ROW;
            if (form == Activations.INT8 || isRow) {
                Codes codes = codes(w.type(), w.segment(), row * w.rowBytes(), column);
                float scale = records.get(Tensor.FLOAT, record + (isRow ? 512 + 4 * block : 32));
                long q0 = record + (isRow ? 128 * (block / 2) + 32 * (block % 2) : 0);
                for (int part = 0; part < 2; part++) {
                    int dot = 0;
                    int q = 0;
                    for (int i = 16 * part; i < 16 * part + 16; i++) {
                        int value = records.get(ValueLayout.JAVA_BYTE, q0 + i);
                        dot += codes.codes[i] * value;
                        q += value;
                    }
                    double term = (double) scale * codes.scales[part] * dot;
                    double minimum = (double) scale * codes.minima[part] * q;
                    sum += term + minimum;
                    magnitude += Math.abs(term) + Math.abs(minimum);
                }
            } else {
                for (int i = 0; i < 32; i++) {
                    float value = form == Activations.F32
                            ? records.get(Tensor.FLOAT, record + 4L * i)
                            : Float.intBitsToFloat(records.get(SHORT, record + 2L * i) << 16);
                    double term = (double) value * number(w, (long) row * w.columns() + column + i);
                    sum += term;
                    magnitude += Math.abs(term);
                }
            }
        }
        return new Product(sum, magnitude);
    }

    private static float number(Tensor w, long index) {
        MemorySegment memory = w.segment();
        return switch (w.type()) {
            case F32 -> memory.get(Tensor.FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(memory.get(SHORT, 2 * index));
            default -> Float.intBitsToFloat(memory.get(SHORT, 2 * index) << 16);
        };
    }

    /** The 32 codes from {@code column} on of the row that starts at {@code start}. */
    private static Codes codes(DataType type, MemorySegment w, long start, int column) {
        long block = start + type.bytes(column - column % type.blockValues());
        Codes result = new Codes();
        for (int i = 0; i < 32; i++) {
            result.codes[i] = code(type, w, block, column % type.blockValues() + i);
        }
        for (int part = 0; part < 2; part++) {
            scale(type, w, block, column % type.blockValues() / 16 + part, part, result.scales, result.minima);
        }
        return result;
    }

    private static int code(DataType type, MemorySegment w, long block, long i) {
        long half = i / 128;
        return switch (type) {
            case Q8_0 -> w.get(ValueLayout.JAVA_BYTE, block + 2 + i);
            case Q4_0 -> nibble(w, block + 2, i) - 8;
            case Q4_1 -> nibble(w, block + 4, i);
            case Q5_0 -> nibble(w, block + 6, i) + 16 * bit(w, block + 2, i) - 16;
            case Q5_1 -> nibble(w, block + 8, i) + 16 * bit(w, block + 4, i);
            case IQ4_NL -> IQ4[nibble(w, block + 2, i)];
            case IQ4_XS -> IQ4[nibble(w, block + 8 + 16 * (i / 32), i % 32)];
            case MXFP4 -> MXFP4[nibble(w, block + 1, i)];
            case Q4_K -> field(w, block + 16 + 32 * (i / 64) + i % 32, 4 * (i / 32 % 2), 4);
            case Q5_K ->
                field(w, block + 48 + 32 * (i / 64) + i % 32, 4 * (i / 32 % 2), 4)
                        + 16 * field(w, block + 16 + i % 32, i / 32, 1);
            case Q6_K ->
                field(w, block + 64 * half + i % 64, 4 * (i % 128 / 64), 4)
                        + 16 * field(w, block + 128 + 32 * half + i % 32, 2 * (i % 128 / 32), 2)
                        - 32;
            case Q3_K ->
                field(w, block + 32 + 32 * half + i % 32, 2 * (i % 128 / 32), 2)
                        + 4 * field(w, block + i % 32, i / 32, 1)
                        - 4;
            case Q2_K -> field(w, block + 16 + 32 * half + i % 32, 2 * (i % 128 / 32), 2);
            default -> throw new IllegalArgumentException(type.name());
        };
    }

    /** Scale and minimum of the 16 columns {@code sixteenth} of a block. */
    private static void scale(
            DataType type, MemorySegment w, long block, long sixteenth, int part, float[] scales, float[] minima) {
        int[] offsets = scaleOffsets(type);
        float d = offsets.length > 0 ? half(w, block + offsets[0]) : 0;
        float m = offsets.length > 1 ? half(w, block + offsets[1]) : 0;
        long j = sixteenth / 2;
        switch (type) {
            case Q4_1, Q5_1 -> {
                scales[part] = d;
                minima[part] = m;
            }
            case Q4_K, Q5_K -> {
                long s = block + 4;
                if (j < 4) {
                    scales[part] = d * field(w, s + j, 0, 6);
                    minima[part] = -m * field(w, s + j + 4, 0, 6);
                } else {
                    scales[part] = d * (field(w, s + j + 4, 0, 4) + 16 * field(w, s + j - 4, 6, 2));
                    minima[part] = -m * (field(w, s + j + 4, 4, 4) + 16 * field(w, s + j, 6, 2));
                }
            }
            case Q6_K -> scales[part] = d * w.get(ValueLayout.JAVA_BYTE, block + 192 + sixteenth);
            case Q3_K -> {
                int low = field(w, block + 96 + sixteenth % 8, 4 * (sixteenth / 8), 4);
                int high = field(w, block + 104 + sixteenth % 4, 2 * (sixteenth / 4), 2);
                scales[part] = d * (low + 16 * high - 32);
            }
            case Q2_K -> {
                scales[part] = d * field(w, block + sixteenth, 0, 4);
                minima[part] = -m * field(w, block + sixteenth, 4, 4);
            }
            case IQ4_XS -> {
                int low = field(w, block + 4 + j / 2, 4 * (j % 2), 4);
                int high = field(w, block + 2 + j / 4, 2 * (j % 4), 2);
                scales[part] = d * (low + 16 * high - 32);
            }
            case MXFP4 -> scales[part] = (float) Math.pow(2, field(w, block, 0, 8) - 128);
            default -> scales[part] = d;
        }
    }

    private static float half(MemorySegment w, long offset) {
        return Float.float16ToFloat(w.get(SHORT, offset));
    }

    /** {@code bits} bits from bit {@code from} of a byte. */
    private static int field(MemorySegment w, long offset, long from, int bits) {
        return ((w.get(ValueLayout.JAVA_BYTE, offset) & 255) >> from) & ((1 << bits) - 1);
    }

    private static int nibble(MemorySegment w, long offset, long i) {
        return field(w, offset + i % 16, 4 * (i / 16), 4);
    }

    private static int bit(MemorySegment w, long offset, long i) {
        return field(w, offset + i / 8, i % 8, 1);
    }
}
