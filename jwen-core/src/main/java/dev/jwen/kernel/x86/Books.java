package dev.jwen.kernel.x86;

import dev.jwen.tensor.CodeBooks;
import dev.jwen.tensor.DataType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/** The code books of the I-quants in native memory, as codes that can go into a panel: {@link CodedUnpacker}. */
final class Books {
    private static final int CACHE_LINE = 64;

    private final Arena arena;
    private final InstructionSet set;
    private final Map<DataType, MemorySegment> books = new ConcurrentHashMap<>();

    /** Books that live as long as {@code arena}. */
    Books(Arena arena, InstructionSet set) {
        this.arena = arena;
        this.set = set;
    }

    /** Address of the first entry of the book of {@code type}. */
    long address(DataType type) {
        return books.computeIfAbsent(type, this::copy).address();
    }

    private MemorySegment copy(DataType type) {
        int shift = Objects.requireNonNull(Unpacker.packing(type, set)).codeShift(set);
        byte[] book = CodeBooks.of(type);
        for (int i = 0; i < book.length; i++) {
            book[i] = (byte) (code(type, book[i]) << shift);
        }
        MemorySegment memory = arena.allocate(book.length, CACHE_LINE);
        MemorySegment.copy(book, 0, memory, ValueLayout.JAVA_BYTE, 0, book.length);
        return memory;
    }

    /** Codes are moved by half their range; those of the ternary book are eighths, already moved down by one of them. */
    private static int code(DataType type, byte value) {
        return switch (type) {
            case IQ1_S, IQ1_M -> 8 * value - 1 + 16;
            default -> value + 64;
        };
    }
}
