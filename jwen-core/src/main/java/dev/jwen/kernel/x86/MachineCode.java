package dev.jwen.kernel.x86;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/**
 * Makes finished machine code callable, and calls it.
 *
 * <p>Code is mapped writable, copied, and switched to read and execute before anything can call it: memory is never
 * writable and executable at once. All kernels have one signature, ten 64-bit integers and no result.
 */
@SuppressWarnings("restricted") // calling machine code is what this class is for
final class MachineCode {
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int EXECUTE = 4;
    private static final int PRIVATE = 2;
    private static final int ANONYMOUS = 0x20;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle MAP =
            system("mmap", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle PROTECT =
            system("mprotect", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle UNMAP = system("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle KERNEL = LINKER.downcallHandle(
            FunctionDescriptor.ofVoid(Collections.nCopies(10, JAVA_LONG).toArray(ValueLayout[]::new)));

    private MachineCode() {}

    /**
     * Copies {@code code} into executable memory, which is freed when {@code arena} closes; no call may follow then.
     *
     * @throws UnsupportedOperationException if the system does not give executable memory
     */
    static MemorySegment install(byte[] code, Arena arena) {
        try {
            MemorySegment mapping = (MemorySegment)
                    MAP.invokeExact(MemorySegment.NULL, (long) code.length, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0L);
            if (mapping.address() == -1) {
                throw refused(code.length);
            }
            MemorySegment memory = mapping.reinterpret(code.length, arena, MachineCode::unmap);
            MemorySegment.copy(code, 0, memory, ValueLayout.JAVA_BYTE, 0, code.length);
            if ((int) PROTECT.invokeExact(mapping, (long) code.length, READ | EXECUTE) != 0) {
                throw refused(code.length);
            }
            // An address without the arena: a call would otherwise count itself in and out of it, at a cost to all
            // threads.
            return MemorySegment.ofAddress(memory.address());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** Calls {@code code} with nine integers; addresses must be absolute. */
    static void call(MemorySegment code, long a, long b, long c, long d, long e, long f, long g, long h, long i) {
        call(code, a, b, c, d, e, f, g, h, i, 0);
    }

    /** Calls {@code code} with ten integers; addresses must be absolute. */
    static void call(
            MemorySegment code, long a, long b, long c, long d, long e, long f, long g, long h, long i, long j) {
        try {
            KERNEL.invokeExact(code, a, b, c, d, e, f, g, h, i, j);
        } catch (RuntimeException | Error failure) {
            throw failure;
        } catch (Throwable failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static UnsupportedOperationException refused(int bytes) {
        return new UnsupportedOperationException("the system refused %d bytes of executable memory".formatted(bytes));
    }

    private static void unmap(MemorySegment memory) {
        try {
            int ignored = (int) UNMAP.invokeExact(MemorySegment.ofAddress(memory.address()), memory.byteSize());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static MethodHandle system(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor);
    }
}
