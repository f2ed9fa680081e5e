package dev.jwen.kernel.x86;

import dev.jwen.tensor.CodeBooks;
import dev.jwen.tensor.DataType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/** The code books of the I-quants in native memory, as codes that can go into a panel: {@link CodedUnpacker}. */
final class Books {
    private static final int CACHE_LINE = 64;

    private final Arena arena;
    private final InstructionSet set;
    private final boolean permutes;
    private final Map<DataType, MemorySegment> books = new ConcurrentHashMap<>();

    /**
     * Books that live as long as {@code arena}.
     *
     * @param vbmi whether the processor has AVX-512 VBMI
     */
    Books(Arena arena, InstructionSet set, boolean vbmi) {
        this.arena = arena;
        this.set = set;
        this.permutes = vbmi && set.isWide();
    }

    /**
     * Address of the first entry of the book of {@code type}, which have four bytes each: four codes, or of eight columns
     * the numbers of their codes among the {@link #codes}, columns 0 to 3 in the low and 4 to 7 in the high nibbles. A book
     * {@link #inPlanes} has the first bytes of all entries, then the second, third and fourth ones.
     */
    long address(DataType type) {
        return books.computeIfAbsent(type, this::copy).address();
    }

    /** Whether the book of {@code type} is small enough to be read by permutations, and these exist. */
    boolean inPlanes(DataType type) {
        return permutes
                && switch (type) {
                    case IQ2_XXS, IQ3_XXS, IQ3_S -> true;
                    default -> false;
                };
    }

    /** Entries in the book of {@code type}. */
    static int entries(DataType type) {
        return CodeBooks.of(type).length / (isFourWide(type) ? 4 : 8);
    }

    /** The codes that occur in the book of {@code type}, 16 at most, in their place in a byte. */
    byte[] codes(DataType type) {
        byte[] values = levels(CodeBooks.of(type));
        byte[] codes = new byte[16];
        for (int i = 0; i < values.length; i++) {
            codes[i] = code(type, values[i]);
        }
        return codes;
    }

    private MemorySegment copy(DataType type) {
        byte[] book = CodeBooks.of(type);
        byte[] copy = isFourWide(type) ? new byte[book.length] : new byte[book.length / 2];
        byte[] levels = levels(book);
        for (int i = 0; i < copy.length; i++) {
            if (isFourWide(type)) {
                copy[i] = code(type, book[i]);
            } else {
                int column = i / 4 * 8 + i % 4;
                int low = Arrays.binarySearch(levels, book[column]);
                int high = Arrays.binarySearch(levels, book[column + 4]);
                copy[i] = (byte) (low | high << 4);
            }
        }
        MemorySegment memory = arena.allocate(copy.length, CACHE_LINE);
        for (int i = 0; i < copy.length; i++) {
            int place = inPlanes(type) ? i % 4 * (copy.length / 4) + i / 4 : i;
            memory.set(ValueLayout.JAVA_BYTE, place, copy[i]);
        }
        return memory;
    }

    private static boolean isFourWide(DataType type) {
        return type == DataType.IQ3_XXS || type == DataType.IQ3_S;
    }

    /** The values that occur, in order. */
    private static byte[] levels(byte[] book) {
        byte[] sorted = book.clone();
        Arrays.sort(sorted);
        int count = 0;
        for (byte value : sorted) {
            if (count == 0 || value != sorted[count - 1]) {
                sorted[count++] = value;
            }
        }
        return Arrays.copyOf(sorted, count);
    }

    /** Codes are moved by half their range; those of the ternary book are eighths, already moved down by one of them. */
    private byte code(DataType type, byte value) {
        int shift = Objects.requireNonNull(Unpacker.packing(type, set)).codeShift(set);
        int code = switch (type) {
            case IQ1_S, IQ1_M -> 8 * value - 1 + 16;
            default -> value + 64;
        };
        return (byte) (code << shift);
    }
}
