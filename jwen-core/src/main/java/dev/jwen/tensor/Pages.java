package dev.jwen.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * What Linux is told about the pages of large memory. Weights and states are read from end to end for every token; in pages
 * of 2 MiB, where the system has them, a core need not translate an address every 4 KiB. Elsewhere memory is what Java gives.
 */
public final class Pages {
    private static final long PAGE = 4096;
    private static final long HUGE_PAGE = 2 << 20;

    // The numbers of the kernel's interface: asm-generic/mman-common.h.
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final int ADVISE_HUGE_PAGES = 14;
    private static final int POPULATE_READ = 22;

    private static final @Nullable MethodHandle MAP =
            system("mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final @Nullable MethodHandle UNMAP = system("munmap", JAVA_INT, ADDRESS, JAVA_LONG);
    private static final @Nullable MethodHandle ADVISE = system("madvise", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);

    private Pages() {}

    /**
     * Memory of zeros that lives as long as {@code arena}, aligned to cache lines. Large memory takes none of the machine's
     * before it is touched.
     */
    public static MemorySegment zeros(long bytes, Arena arena) {
        MemorySegment mapping = bytes < HUGE_PAGE ? null : map(bytes + HUGE_PAGE, arena);
        if (mapping == null) {
            return arena.allocate(bytes, 64);
        }
        MemorySegment memory = mapping.asSlice(-mapping.address() & (HUGE_PAGE - 1), bytes);
        advise(memory, ADVISE_HUGE_PAGES);
        return memory;
    }

    /** Asks for huge pages where a file is mapped: it is read from disk in larger pieces, too. */
    public static void preferHuge(MemorySegment mapped) {
        advise(mapped, ADVISE_HUGE_PAGES);
    }

    /** Reads a mapped file into memory, as far as it is not there. */
    public static void load(MemorySegment mapped) {
        if (!advise(mapped, POPULATE_READ)) {
            mapped.load();
        }
    }

    private static boolean advise(MemorySegment memory, int advice) {
        if (ADVISE == null) {
            return false;
        }
        long from = memory.address() & -PAGE;
        try {
            return (int) ADVISE.invokeExact(
                            MemorySegment.ofAddress(from), memory.address() + memory.byteSize() - from, advice)
                    == 0;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("restricted") // gives memory of the system a size and an owner
    private static @Nullable MemorySegment map(long bytes, Arena arena) {
        if (MAP == null || UNMAP == null) {
            return null;
        }
        try {
            MemorySegment mapping =
                    (MemorySegment) MAP.invokeExact(MemorySegment.NULL, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            return mapping.address() == -1 ? null : mapping.reinterpret(bytes, arena, Pages::unmap);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static void unmap(MemorySegment mapping) {
        try {
            int ignored = UNMAP == null
                    ? 0
                    : (int) UNMAP.invokeExact(MemorySegment.ofAddress(mapping.address()), mapping.byteSize());
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** A function of the system; null where it is not Linux, or where Java may not call it. */
    @SuppressWarnings("restricted")
    private static @Nullable MethodHandle system(String name, MemoryLayout result, MemoryLayout... arguments) {
        if (!System.getProperty("os.name", "").equals("Linux")
                || !Pages.class.getModule().isNativeAccessEnabled()) {
            return null;
        }
        Linker linker = Linker.nativeLinker();
        return linker.defaultLookup()
                .find(name)
                .map(function -> linker.downcallHandle(function, FunctionDescriptor.of(result, arguments)))
                .orElse(null);
    }
}
