package dev.jwen.hub;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * A file on its way: its bytes in {@code HASH.jwen-part}, and how many of each segment have come in
 * {@code HASH.jwen-done} beside it. A killed pull goes on from there.
 *
 * <p>The record is written after the bytes it counts, so it never promises too much while the machine runs; after a loss
 * of power it may, and then the checksum tells. The names end unlike those of other programs, which take the length of
 * an unfinished file for what has come: here segments fill in any order.
 *
 * <p>Threads may write different segments at once.
 */
final class Part implements AutoCloseable {
    private static final String BYTES = ".jwen-part";
    private static final String DONE = ".jwen-done";
    private static final String FORMAT = "jwen 1";
    private static final String COUNTS = "\\d{1,18}( \\d{1,18})*";
    private static final long SAVE_NANOS = 500_000_000;

    private final RemoteFile file;
    private final Path target;
    private final Path bytes;
    private final Path record;
    private final long segmentSize;
    private final FileChannel channel;
    private final long[] done; // bytes of each segment, from its start
    private final AtomicLong resumed = new AtomicLong();
    private final AtomicBoolean isFinished = new AtomicBoolean();
    private int round;
    private long saved;
    private boolean isPlaced;

    private Part(RemoteFile file, Path blobs, long segmentSize) throws IOException {
        this.file = file;
        this.target = blobs.resolve(file.hash());
        this.bytes = blobs.resolve(file.hash() + BYTES);
        this.record = blobs.resolve(file.hash() + DONE);
        this.segmentSize = segmentSize;
        this.done = new long[Math.toIntExact(Math.max(1, (file.size() + segmentSize - 1) / segmentSize))];
        if (Files.exists(bytes)) {
            read();
        }
        this.channel = FileChannel.open(bytes, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        this.resumed.set(received());
    }

    /** Opens what there is of a file, or begins it. */
    static Part open(RemoteFile file, Path blobs, long segmentSize) {
        try {
            return new Part(file, blobs, segmentSize);
        } catch (IOException e) {
            throw unwritable(blobs, e);
        }
    }

    /** Bytes of a file that an earlier pull left. */
    static long received(RemoteFile file, Path blobs, long segmentSize) {
        if (!Files.exists(blobs.resolve(file.hash() + BYTES))) {
            return 0;
        }
        try (Part part = open(file, blobs, segmentSize)) {
            return part.received();
        }
    }

    static boolean isPart(String name) {
        return name.endsWith(BYTES) || name.endsWith(DONE);
    }

    /** What a file of the cache holds: its size, or if it is on its way what has come of it. */
    static long receivedBytes(Path file) throws IOException {
        String name = file.getFileName().toString();
        if (!name.endsWith(BYTES)) {
            return Files.size(file);
        }
        // Its length says nothing: the last segment may have come first.
        Path record = file.resolveSibling(name.substring(0, name.length() - BYTES.length()) + DONE);
        List<String> lines = Files.exists(record) ? Files.readAllLines(record) : List.of();
        return lines.size() == 3 && lines.get(2).matches(COUNTS)
                ? Arrays.stream(lines.get(2).split(" "))
                        .mapToLong(Long::parseLong)
                        .sum()
                : 0;
    }

    private void read() throws IOException {
        if (!Files.exists(record)) {
            return;
        }
        List<String> lines = Files.readAllLines(record);
        if (lines.size() != 3
                || !lines.get(0).equals(FORMAT)
                || !lines.get(1).equals(file.size() + " " + segmentSize)
                || !lines.get(2).matches(COUNTS)) {
            return; // of another version, or cut off: start afresh
        }
        long[] counts = Arrays.stream(lines.get(2).split(" "))
                .mapToLong(Long::parseLong)
                .toArray();
        if (counts.length != done.length) {
            return;
        }
        long length = Files.size(bytes);
        for (int i = 0; i < done.length; i++) {
            // Never beyond the segment, nor beyond what the file system still has.
            done[i] = Math.max(0, Math.min(counts[i], Math.min(size(i), length - start(i))));
        }
    }

    RemoteFile file() {
        return file;
    }

    int segments() {
        return done.length;
    }

    private long start(int segment) {
        return segment * segmentSize;
    }

    private long size(int segment) {
        return Math.min(segmentSize, file.size() - start(segment));
    }

    /** Where the next byte of a segment belongs. */
    synchronized long position(int segment) {
        return start(segment) + done[segment];
    }

    /** Where a segment ends. */
    long end(int segment) {
        return start(segment) + size(segment);
    }

    synchronized boolean isComplete(int segment) {
        return done[segment] == size(segment);
    }

    synchronized boolean isComplete() {
        return received() == file.size();
    }

    /** The first segment that is not complete; the file is not complete. */
    synchronized int firstIncomplete() {
        int segment = 0;
        while (isComplete(segment)) {
            segment++;
        }
        return segment;
    }

    synchronized long received() {
        return LongStream.of(done).sum();
    }

    /** Whether some of it came from an earlier pull, or a try before this one. */
    boolean isResumed() {
        return resumed.get() > 0;
    }

    /** How often what had come was forgotten. */
    synchronized int round() {
        return round;
    }

    /** Forgets what has come. */
    synchronized void restart() {
        Arrays.fill(done, 0);
        resumed.set(0);
        isFinished.set(false);
        round++;
        save();
    }

    /** Adds bytes at the end of what a segment has; no more than it lacks. */
    void write(int segment, ByteBuffer source) {
        int count = source.remaining();
        try {
            long at = position(segment);
            while (source.hasRemaining()) {
                at += channel.write(source, at);
            }
        } catch (IOException e) {
            throw unwritable(bytes, e);
        }
        synchronized (this) {
            done[segment] += count;
            if (System.nanoTime() - saved > SAVE_NANOS) {
                save();
            }
        }
    }

    private void save() {
        saved = System.nanoTime();
        String counts = LongStream.of(done).mapToObj(Long::toString).collect(Collectors.joining(" "));
        Path next = record.resolveSibling(record.getFileName() + ".new");
        try {
            Files.writeString(next, FORMAT + "\n" + file.size() + " " + segmentSize + "\n" + counts + "\n");
            Files.move(next, record, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw unwritable(record, e);
        }
    }

    /** Whether the caller is the one who shall {@link #finish}; true once. */
    boolean claim() {
        return isComplete() && isFinished.compareAndSet(false, true);
    }

    /**
     * Checks the checksum and puts the file in its place.
     *
     * @return false if the checksum is wrong though parts came from an earlier pull: all is forgotten, to be fetched anew
     * @throws HubException if it is wrong though all came now
     */
    boolean finish() {
        try {
            channel.force(true);
            String found = file.hashOf(bytes);
            if (!found.equals(file.hash())) {
                if (isResumed()) {
                    restart();
                    return false;
                }
                channel.close();
                Files.deleteIfExists(record);
                Files.deleteIfExists(bytes);
                isPlaced = true;
                throw new HubException(
                        "%s: the %s of what came is %s, expected %s. It was thrown away; pull again. If that happens again, the server or a proxy on the way changes files."
                                .formatted(file.path(), file.algorithm(), found, file.hash()));
            }
            channel.close();
            Files.move(bytes, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            Files.deleteIfExists(record);
            isPlaced = true;
            return true;
        } catch (IOException e) {
            throw unwritable(bytes, e);
        }
    }

    /** A failure to write, in words. */
    static HubException unwritable(Path where, IOException failure) {
        String why = String.valueOf(failure.getMessage());
        if (why.contains("No space left") || why.contains("not enough space") || why.contains("quota")) {
            return new HubException(
                    "the disk of %s is full. Free some space and pull again: what has come is kept.".formatted(where),
                    failure);
        }
        return new HubException(
                "%s cannot be written: %s. Check who may write there, or name another folder in HF_HUB_CACHE."
                        .formatted(where, failure),
                failure);
    }

    /** Notes what has come. */
    @Override
    public void close() {
        try {
            channel.close();
            if (!isPlaced) {
                synchronized (this) {
                    save();
                }
            }
        } catch (IOException e) {
            throw unwritable(bytes, e);
        }
    }
}
