package dev.jwen.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Reads little-endian values one after another; asking for more than the file has is the file's error. */
final class Cursor {
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ORDER);

    private static final int LARGEST_BUFFER = Integer.MAX_VALUE - 8;

    private final MappedFile file;
    private final MemorySegment segment;
    private long position;

    Cursor(MappedFile file, long position) {
        this.file = file;
        this.segment = file.segment();
        this.position = position;
    }

    long position() {
        return position;
    }

    /** Steps over {@code count} bytes and returns where they begin. */
    long skip(long count) {
        if (count < 0 || count > segment.byteSize() - position) {
            throw CheckpointException.damaged(
                    file.path(),
                    "needs %s bytes at byte %d, but ends at byte %d",
                    Long.toUnsignedString(count),
                    position,
                    segment.byteSize());
        }
        long begin = position;
        position += count;
        return begin;
    }

    byte i8() {
        return segment.get(ValueLayout.JAVA_BYTE, skip(Byte.BYTES));
    }

    short i16() {
        return segment.get(SHORT, skip(Short.BYTES));
    }

    int i32() {
        return segment.get(INT, skip(Integer.BYTES));
    }

    long u32() {
        return Integer.toUnsignedLong(i32());
    }

    long i64() {
        return segment.get(LONG, skip(Long.BYTES));
    }

    float f32() {
        return segment.get(FLOAT, skip(Float.BYTES));
    }

    double f64() {
        return segment.get(DOUBLE, skip(Double.BYTES));
    }

    /** A string of at most {@code limit} bytes behind its 64-bit length. */
    String string(long limit) {
        long begin = position;
        long length = i64();
        if (length < 0 || length > limit) {
            throw CheckpointException.damaged(
                    file.path(),
                    "a string at byte %d claims %s bytes, expected at most %d",
                    begin,
                    Long.toUnsignedString(length),
                    limit);
        }
        byte[] bytes = segment.asSlice(skip(length), length).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /**
     * The next {@code count} strings: a copy of their bytes, each decoded when it is asked for.
     *
     * <p>A buffer is read, as a value of a segment takes microseconds until it is compiled and a vocabulary has a quarter
     * of a million strings.
     */
    StringList strings(int count, long limit) {
        long begin = position;
        ByteBuffer rest = segment.asSlice(begin, Math.min(segment.byteSize() - begin, LARGEST_BUFFER))
                .asByteBuffer()
                .order(ORDER);
        int[] ends = new int[count];
        int end = 0;
        for (int i = 0; i < count; i++) {
            long length = end + Long.BYTES <= rest.limit() ? rest.getLong(end) : -1;
            if (length < 0 || length > limit || length > rest.limit() - end - Long.BYTES) {
                position = begin + end;
                string(limit); // says what is wrong
                throw CheckpointException.damaged(file.path(), "has more than 2 GiB of strings in a list");
            }
            end += Long.BYTES + (int) length;
            ends[i] = end;
        }
        byte[] bytes = new byte[end];
        rest.get(bytes);
        position = begin + end;
        return new StringList(bytes, ends);
    }

    int[] ints(int count) {
        return segment.asSlice(skip((long) count * Integer.BYTES), (long) count * Integer.BYTES)
                .toArray(INT);
    }
}
