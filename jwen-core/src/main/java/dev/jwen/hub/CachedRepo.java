package dev.jwen.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One model in the cache, laid out as the hub's own tools do:
 *
 * <pre>
 *   models--OWNER--REPO/
 *     blobs/HASH                     each file once, by checksum
 *     snapshots/COMMIT/PATH          links to the blobs (where links are impossible, the files themselves)
 *     refs/REVISION                  a text file with the commit
 *   .locks/models--OWNER--REPO/      who changes it holds the lock
 * </pre>
 */
final class CachedRepo {
    private static final long LOCK_POLL_MILLIS = 100;
    private static final int MAX_DEPTH = 16;

    private final ModelName name;
    private final Path root;
    private final Path lockFile;
    private final boolean links;

    CachedRepo(Path cache, ModelName name) {
        this(cache, name, true);
    }

    /**
     * @param links false as if the file system had no symbolic links
     */
    CachedRepo(Path cache, ModelName name, boolean links) {
        this.name = name;
        this.root = cache.resolve(name.folder());
        this.lockFile = cache.resolve(".locks").resolve(name.folder()).resolve("jwen.lock");
        this.links = links;
    }

    Path root() {
        return root;
    }

    Path blobs() {
        return root.resolve("blobs");
    }

    Path snapshots() {
        return root.resolve("snapshots");
    }

    Path snapshot(String commit) {
        return snapshots().resolve(commit);
    }

    void create() {
        try {
            Files.createDirectories(blobs());
        } catch (IOException e) {
            throw Part.unwritable(blobs(), e);
        }
    }

    /** The right to change the model. */
    record Lock(FileChannel channel, FileLock lock) implements AutoCloseable {
        void requireHeld() {
            if (!lock.isValid()) {
                throw new IllegalStateException("the lock is not held");
            }
        }

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** Waits until nobody else changes the model. */
    Lock lock(PullListener listener) throws InterruptedException {
        try {
            Files.createDirectories(Objects.requireNonNull(lockFile.getParent()));
            FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                boolean isFirst = true;
                while (true) {
                    FileLock lock = tryLock(channel);
                    if (lock != null) {
                        return new Lock(channel, lock);
                    }
                    if (isFirst) {
                        isFirst = false;
                        listener.waiting();
                    }
                    Thread.sleep(LOCK_POLL_MILLIS);
                }
            } catch (IOException | InterruptedException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            throw Part.unwritable(lockFile, e);
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // held by another thread of this process
        }
    }

    /** Whether a file is here, as a blob or in the snapshot itself. */
    boolean has(String commit, RemoteFile file) {
        return isOfSize(blobs().resolve(file.hash()), file.size())
                || isOfSize(snapshot(commit).resolve(file.path()), file.size());
    }

    private static boolean isOfSize(Path path, long size) {
        try {
            return Files.isRegularFile(path) && Files.size(path) == size;
        } catch (IOException e) {
            throw unreadable(path, e);
        }
    }

    /** Shows files, all of which are here, as a snapshot, and lets the revision of the name point to it. */
    void publish(String commit, List<RemoteFile> files) {
        Path snapshot = snapshot(commit);
        try {
            Files.createDirectories(snapshots());
            if (Files.isDirectory(snapshot)) {
                fill(snapshot, files);
            } else {
                Path hidden = root.resolve(".snapshot-" + commit);
                delete(hidden);
                Files.createDirectories(hidden);
                fill(hidden, files);
                Files.move(hidden, snapshot, StandardCopyOption.ATOMIC_MOVE);
            }
            String revision = name.revisionOrBranch();
            if (!commit.equals(revision)) {
                Path ref = root.resolve("refs").resolve(revision);
                Files.createDirectories(Objects.requireNonNull(ref.getParent()));
                Path next = root.resolve(".ref-" + commit);
                Files.writeString(next, commit);
                Files.move(next, ref, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw Part.unwritable(snapshot, e);
        }
    }

    /** What makes a directory a model comes last: the index after the weights, the first part after the others. */
    private void fill(Path snapshot, List<RemoteFile> files) throws IOException {
        Map<String, Path> moved = new HashMap<>();
        List<RemoteFile> ordered = files.stream()
                .sorted(Comparator.comparing((RemoteFile file) -> file.path().endsWith(".index.json"))
                        .thenComparing(RemoteFile::path, Comparator.reverseOrder()))
                .toList();
        for (RemoteFile file : ordered) {
            Path place = snapshot.resolve(file.path());
            if (isOfSize(place, file.size())) {
                continue;
            }
            Path parent = Objects.requireNonNull(place.getParent());
            Files.createDirectories(parent);
            Files.deleteIfExists(place); // a link to nothing, or a file cut short
            Path blob = blobs().resolve(file.hash());
            if (!link(place, linkTarget(file))) {
                Path earlier = moved.get(file.hash());
                if (earlier != null) {
                    Files.copy(earlier, place);
                } else {
                    Files.move(blob, place, StandardCopyOption.ATOMIC_MOVE);
                    moved.put(file.hash(), place);
                }
            }
        }
    }

    /** From a file in a snapshot to its blob, relative, so that the cache can be moved. */
    private static Path linkTarget(RemoteFile file) {
        long depth = file.path().chars().filter(c -> c == '/').count();
        return Path.of("../".repeat(Math.toIntExact(depth) + 2) + "blobs/" + file.hash());
    }

    private boolean link(Path place, Path target) {
        if (!links) {
            return false;
        }
        try {
            Files.createSymbolicLink(place, target);
            return true;
        } catch (UnsupportedOperationException | FileSystemException e) {
            // Some file systems have no links, and Windows wants a privilege for them.
            return false;
        } catch (IOException e) {
            throw Part.unwritable(place, e);
        }
    }

    /** Revisions by name, and the commits they point to. */
    Map<String, String> refs() {
        Path refs = root.resolve("refs");
        Map<String, String> found = new TreeMap<>();
        for (Path file : files(refs)) {
            try {
                found.put(slashes(refs.relativize(file)), Files.readString(file).strip());
            } catch (IOException e) {
                throw unreadable(file, e);
            }
        }
        return found;
    }

    /** The commits that are here. */
    List<String> commits() {
        if (!Files.isDirectory(snapshots())) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(snapshots())) {
            return list.filter(Files::isDirectory)
                    .map(path -> path.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw unreadable(snapshots(), e);
        }
    }

    /** Paths of the files of a snapshot that can be read, with slashes. */
    List<String> paths(String commit) {
        Path snapshot = snapshot(commit);
        return files(snapshot).stream()
                .filter(Files::isRegularFile)
                .map(file -> slashes(snapshot.relativize(file)))
                .sorted()
                .toList();
    }

    static String slashes(Path relative) {
        return relative.toString().replace('\\', '/');
    }

    /** Files and links below a folder; none if there is no such folder. */
    static List<Path> files(Path folder) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> walk = Files.walk(folder, MAX_DEPTH)) {
            return walk.filter(path -> !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw unreadable(folder, e);
        } catch (UncheckedIOException e) {
            throw unreadable(folder, new IOException(e.getMessage(), e));
        }
    }

    /** Removes a folder and all in it; what links point to stays. */
    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** Removes the folders above a file up to {@code top} as far as they are empty. */
    static void deleteEmpty(Path file, Path top) throws IOException {
        for (Path folder = file.getParent(); folder != null && folder.startsWith(top); folder = folder.getParent()) {
            try {
                Files.deleteIfExists(folder);
            } catch (DirectoryNotEmptyException e) {
                return;
            }
        }
    }

    static HubException unreadable(Path path, IOException e) {
        return new HubException("%s cannot be read: %s.".formatted(path, e), e);
    }
}
