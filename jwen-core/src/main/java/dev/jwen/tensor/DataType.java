package dev.jwen.tensor;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How the values of a tensor are stored: plain numbers, or blocks of a few dozen quantised weights that share scales.
 *
 * <p>Rows are whole blocks. The names are those of ggml and of safetensors; the byte layouts are in {@link Blocks}.
 */
public enum DataType {
    F32(0, 1, 4),
    F16(1, 1, 2),
    BF16(30, 1, 2),
    F64(28, 1, 8),
    I8(24, 1, 1),
    I16(25, 1, 2),
    I32(26, 1, 4),
    I64(27, 1, 8),
    /** Eight bits 1-4-3, bias 7, no infinities; in checkpoints always with a {@link Tensor.Scale}. */
    F8_E4M3(-1, 1, 1),
    U8(-1, 1, 1),
    BOOL(-1, 1, 1),
    Q4_0(2, 32, 18),
    Q4_1(3, 32, 20),
    Q5_0(6, 32, 22),
    Q5_1(7, 32, 24),
    /** The numbers of Q5_0, 16 rows side by side: {@link SideBySide}. Never in files. */
    Q5_0_R16(-1, 32, 22),
    Q8_0(8, 32, 34),
    Q2_K(10, 256, 84),
    Q3_K(11, 256, 110),
    Q4_K(12, 256, 144),
    Q5_K(13, 256, 176),
    Q6_K(14, 256, 210),
    IQ2_XXS(16, 256, 66),
    IQ2_XS(17, 256, 74),
    IQ3_XXS(18, 256, 98),
    IQ1_S(19, 256, 50),
    IQ4_NL(20, 32, 18),
    IQ3_S(21, 256, 110),
    IQ2_S(22, 256, 82),
    IQ4_XS(23, 256, 136),
    IQ1_M(29, 256, 56),
    TQ1_0(34, 256, 54),
    TQ2_0(35, 256, 66),
    MXFP4(39, 32, 17),
    NVFP4(40, 64, 36);

    private final int ggmlId;
    private final int blockValues;
    private final int blockBytes;

    DataType(int ggmlId, int blockValues, int blockBytes) {
        this.ggmlId = ggmlId;
        this.blockValues = blockValues;
        this.blockBytes = blockBytes;
    }

    /** The type id in GGUF files, or -1 for types that GGUF does not have. */
    public int ggmlId() {
        return ggmlId;
    }

    /** Values in one block; 1 for plain types. */
    public int blockValues() {
        return blockValues;
    }

    /** Bytes of one block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Rows that lie side by side in memory: a tensor holds whole groups of them. 1 where each row is a run of its own. */
    public int rowGroup() {
        return this == Q5_0_R16 ? SideBySide.ROWS : 1;
    }

    /** True when several values share a block, so that a single value cannot be addressed. */
    public boolean isQuantised() {
        return blockValues > 1;
    }

    /** True for the types whose values {@link Blocks} decodes to float32. */
    public boolean isFloating() {
        return switch (this) {
            case F64, I8, I16, I32, I64, U8, BOOL -> false;
            default -> true;
        };
    }

    /** Bytes of {@code values} values; {@code values} must be whole blocks. */
    public long bytes(long values) {
        if (values < 0 || values % blockValues != 0) {
            throw new IllegalArgumentException(
                    "%d values are not whole blocks of %s, which holds %d".formatted(values, this, blockValues));
        }
        return Math.multiplyExact(values / blockValues, (long) blockBytes);
    }

    /** The type with this GGUF id, or null if there is none. */
    public static @Nullable DataType ofGgmlId(int id) {
        for (DataType type : values()) {
            if (type.ggmlId == id && id >= 0) {
                return type;
            }
        }
        return null;
    }

    /** The type with this safetensors name ({@code "BF16"}, {@code "F8_E4M3"}…), or null if there is none. */
    public static @Nullable DataType ofSafetensorsName(String name) {
        return switch (name.toUpperCase(Locale.ROOT)) {
            case "F32" -> F32;
            case "F16" -> F16;
            case "BF16" -> BF16;
            case "F64" -> F64;
            case "I8" -> I8;
            case "I16" -> I16;
            case "I32" -> I32;
            case "I64" -> I64;
            case "U8" -> U8;
            case "BOOL" -> BOOL;
            case "F8_E4M3" -> F8_E4M3;
            default -> null;
        };
    }
}
