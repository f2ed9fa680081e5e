package dev.jwen.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Writes a file that is seen whole or not at all: beside its place first, then moved there. */
final class AtomicFile {
    private static final long SLICE = 1 << 30;

    private AtomicFile() {}

    /** Writes the contents of a file to a channel. */
    interface Contents {
        void write(FileChannel channel) throws IOException;
    }

    static void write(Path file, Contents contents) {
        Path temporary = file.resolveSibling(file.getFileName() + "." + Long.toHexString(System.nanoTime()) + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                contents.write(channel);
                channel.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw CheckpointException.in(
                    file, "cannot be written: %s. Choose another place or free some space.", e.toString(), e);
        } finally {
            deleteLeftover(temporary);
        }
    }

    /** Writes all of {@code segment}, which may be larger than a buffer can be. */
    static void writeFully(FileChannel channel, MemorySegment segment) throws IOException {
        for (long done = 0; done < segment.byteSize(); done += SLICE) {
            long size = Math.min(SLICE, segment.byteSize() - done);
            writeFully(channel, segment.asSlice(done, size).asByteBuffer());
        }
    }

    static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private static void deleteLeftover(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            throw CheckpointException.in(temporary, "cannot be removed: %s. Remove it by hand.", e.toString(), e);
        }
    }
}
