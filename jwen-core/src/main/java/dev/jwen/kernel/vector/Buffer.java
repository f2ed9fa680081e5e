package dev.jwen.kernel.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Temporary memory that grows to the largest size asked for; valid as long as this object is reachable. */
final class Buffer {
    private MemorySegment segment = MemorySegment.NULL;

    /** Address of at least {@code bytes} bytes at a cache line; contents are lost when it grows. */
    long address(long bytes) {
        if (segment.byteSize() < bytes) {
            segment = Arena.ofAuto().allocate(bytes, 64);
        }
        return segment.address();
    }

    /** Address of what was asked for last. */
    long address() {
        return segment.address();
    }
}
