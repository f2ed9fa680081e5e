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
            case Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS, IQ1_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S -> new int[] {0};
            case Q4_1, Q5_1, Q4_K, Q5_K -> new int[] {0, 2};
            case Q6_K -> new int[] {208};
            case Q3_K -> new int[] {108};
            case Q2_K -> new int[] {80, 82};
            case TQ1_0 -> new int[] {52};
            case TQ2_0 -> new int[] {64};
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
                case F8_E4M3 -> {
                    // The two NaN become zeros.
                    byte b = w.get(ValueLayout.JAVA_BYTE, block);
                    w.set(ValueLayout.JAVA_BYTE, block, (b & 0x7f) == 0x7f ? 0 : b);
                }
                case NVFP4 -> {
                    // E4M3 of any bits but for the scale 1, which is half of 2.
                    for (int i = 0; i < 4 && scale == 1; i++) {
                        w.set(ValueLayout.JAVA_BYTE, block + i, (byte) 0x40);
                    }
                }
                case IQ1_M -> {
                    short half = Float.floatToFloat16(scale);
                    for (int i = 0; i < 4; i++) {
                        long at = block + 48 + 2L * i;
                        w.set(SHORT, at, (short) ((w.get(SHORT, at) & 0x0fff) | (half >> (4 * i) & 15) << 12));
                    }
                }
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
        float[] values = new float[(int) w.columns()];
        if (hasCodeBook(w.type())) {
            w.decode(row, 0, values.length, values, 0);
        }
        for (int column = 0; column < w.columns(); column += 32) {
            long record = token * form.bytes(w.columns()) + form.offset(column);
            int block = column % form.recordValues() / 32;
            if (form != Activations.F32 && form != Activations.BF16) {
                Codes codes = codes(w.type(), w.segment(), row * w.rowBytes(), column, values);
                int sixteen = 2 * block;
                int scaleAt = switch (form) {
                    case INT8_PAIRS -> 320 + 4 * sixteen;
                    case INT8_SIXTEENS -> 320 + 4 * (sixteen % 4 * 4 + sixteen / 4);
                    case INT8_BLOCKS -> 512 + 4 * (block % 4 * 4 + block / 4);
                    default -> 32;
                };
                float scale = records.get(Tensor.FLOAT, record + scaleAt);
                for (int part = 0; part < 2; part++) {
                    int dot = 0;
                    int q = 0;
                    for (int i = 16 * part; i < 16 * part + 16; i++) {
                        long at = switch (form) {
                            case INT8_PAIRS -> 64 * (i / 8) + 8 * block + i % 8;
                            case INT8_SIXTEENS -> {
                                int own = 2 * block + i / 16;
                                yield 64 * (i % 16 / 4) + 16 * (own % 4) + 4 * (own / 4) + i % 4;
                            }
                            case INT8_BLOCKS -> {
                                int first = block % 2 == 0 ? 0 : 4;
                                yield 64 * ((first + i / 4) % 8) + 16 * (block % 4) + 4 * (block / 4) + i % 4;
                            }
                            default -> i;
                        };
                        int value = records.get(ValueLayout.JAVA_BYTE, record + at);
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
                    double term = (double) value * number(w, row, column + i);
                    sum += term;
                    magnitude += Math.abs(term);
                }
            }
        }
        double factor = w.type() == DataType.F8_E4M3 ? 1 : w.factor(row, 0);
        return new Product(factor * sum, Math.abs(factor) * magnitude);
    }

    private static boolean hasCodeBook(DataType type) {
        return switch (type) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S -> true;
            default -> false;
        };
    }

    private static float number(Tensor w, int row, int column) {
        MemorySegment memory = w.segment();
        long index = row * w.columns() + column;
        return switch (w.type()) {
            case F32 -> memory.get(Tensor.FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(memory.get(SHORT, 2 * index));
            case F8_E4M3 -> {
                float[] value = new float[1];
                w.decode(row, column, 1, value, 0);
                yield value[0];
            }
            default -> Float.intBitsToFloat(memory.get(SHORT, 2 * index) << 16);
        };
    }

    /**
     * The 32 codes from {@code column} on of the row that starts at {@code start}.
     *
     * @param values what the weights of the row stand for, if the format has a code book: multiples of the scales
     */
    private static Codes codes(DataType type, MemorySegment w, long start, int column, float[] values) {
        long block = start + type.bytes(column - column % type.blockValues());
        Codes result = new Codes();
        for (int part = 0; part < 2; part++) {
            scale(type, w, block, column % type.blockValues() / 16 + part, part, result.scales, result.minima);
        }
        for (int i = 0; i < 32; i++) {
            result.codes[i] = hasCodeBook(type)
                    ? Math.round(values[column + i] / result.scales[i / 16])
                    : code(type, w, block, column % type.blockValues() + i);
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
            case NVFP4 -> MXFP4[field(w, block + 4 + 8 * (i / 16) + i % 8, 4 * (i % 16 / 8), 4)];
            case TQ2_0 -> field(w, block + 32 * half + i % 32, 2 * (i % 128 / 32), 2) - 1;
            case TQ1_0 ->
                i < 160
                        ? digit(w, block + i % 32, i / 32)
                        : i < 240
                                ? digit(w, block + 32 + (i - 160) % 16, (i - 160) / 16)
                                : digit(w, block + 48 + (i - 240) % 4, (i - 240) / 4);
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
            case NVFP4 -> {
                int exponent = field(w, block + sixteenth, 3, 4);
                int mantissa = field(w, block + sixteenth, 0, 3);
                boolean none = field(w, block + sixteenth, 0, 8) == 0x7f;
                double value = exponent == 0 ? mantissa / 8.0 / 64 : (1 + mantissa / 8.0) * Math.pow(2, exponent - 7);
                scales[part] = none ? 0 : (float) (value / 2);
            }
            case IQ2_XXS -> scales[part] = d / 8 * odd(w, block + 2 + 8 * j + 7, 4, 4);
            case IQ2_XS -> scales[part] = d / 8 * odd(w, block + 66 + j, 4L * part, 4);
            case IQ2_S -> scales[part] = d / 8 * odd(w, block + 74 + j, 4L * part, 4);
            case IQ3_XXS -> scales[part] = d / 4 * odd(w, block + 66 + 4 * j + 3, 4, 4);
            case IQ3_S -> scales[part] = d * odd(w, block + 106 + j / 2, 4 * (j % 2), 4);
            case IQ1_S -> scales[part] = d / 8 * odd(w, block + 34 + 2 * j + 1, 4, 3);
            case IQ1_M -> {
                int bits = 0;
                for (int i = 0; i < 4; i++) {
                    bits |= field(w, block + 49 + 2L * i, 4, 4) << (4 * i);
                }
                int word = w.get(SHORT, block + 48 + j / 2 * 2) & 0xffff;
                int s = word >> (3 * (sixteenth % 4)) & 7;
                scales[part] = Float.float16ToFloat((short) bits) / 8 * (2 * s + 1);
            }
            case MXFP4 -> scales[part] = (float) Math.pow(2, field(w, block, 0, 8) - 128);
            default -> scales[part] = d;
        }
    }

    /** 2 s + 1 of a bit field s. */
    private static int odd(MemorySegment w, long offset, long from, int bits) {
        return 2 * field(w, offset, from, bits) + 1;
    }

    /** The ternary digit {@code n} of a byte that is a fraction of 256 in base 3, less one. */
    private static int digit(MemorySegment w, long offset, long n) {
        int fraction = w.get(ValueLayout.JAVA_BYTE, offset) & 255;
        for (int i = 0; i < n; i++) {
            fraction = fraction * 3 & 255;
        }
        return fraction * 3 / 256 - 1;
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
