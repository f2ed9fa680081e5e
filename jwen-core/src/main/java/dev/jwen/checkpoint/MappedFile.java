package dev.jwen.checkpoint;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** One file in memory, read-only; what its header says is checked against its length before it is believed. */
record MappedFile(Path path, MemorySegment segment) {
    /** Small enough that the bytes of no type overflow, larger than any disk. */
    private static final long MAX_VALUES = 1L << 56;

    /** A tensor as a header describes it: bytes {@code [offset, offset + size)} of the file. */
    @SuppressWarnings("ArrayRecordComponent") // a line of a header, never compared
    record Extent(String name, DataType type, long[] shape, long offset, long size) {}

    /** Opens what owns a new arena; if that fails, nothing stays mapped. */
    @SuppressWarnings("MustBeClosedChecker") // the arena belongs to what is opened
    static <T> T inNewArena(Function<Arena, T> opening) {
        Arena arena = Arena.ofShared();
        try {
            return opening.apply(arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    static MappedFile open(Path path, Arena arena) {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw CheckpointException.in(
                    path,
                    "expected a file, found %s. Name a model file.",
                    Files.isDirectory(path) ? "a directory" : "a device or pipe");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(path, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException e) {
            throw unreadable(path, e);
        }
    }

    /** All bytes of a small file, such as config.json. */
    static byte[] readSmall(Path path, long limit) {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw CheckpointException.in(path, "expected a file. Restore it from the model's page.");
        }
        try {
            long size = Files.size(path);
            if (size > limit) {
                throw CheckpointException.in(
                        path, "has %d bytes, expected at most %d. Restore it from the model's page.", size, limit);
            }
            return Files.readAllBytes(path);
        } catch (IOException e) {
            throw unreadable(path, e);
        }
    }

    static CheckpointException unreadable(Path path, IOException e) {
        if (e instanceof NoSuchFileException) {
            return CheckpointException.in(path, "does not exist. Check the spelling of the path.", e);
        }
        if (e instanceof AccessDeniedException) {
            return CheckpointException.in(path, "may not be read. Give this user permission to read it.", e);
        }
        return CheckpointException.in(path, "cannot be read: %s. Check the disk.", String.valueOf(e.getMessage()), e);
    }

    long size() {
        return segment.byteSize();
    }

    /** The extent of a tensor that starts at {@code offset}, its shape proven sound and its bytes inside the file. */
    Extent extent(String name, DataType type, long offset, long[] shape) {
        long values = 1;
        for (long dim : shape) {
            // A dimension of zero must not hide an overflow of the others.
            if (dim < 0 || dim > MAX_VALUES / values) {
                throw CheckpointException.damaged(
                        path, "tensor '%s' has the impossible shape %s", name, Arrays.toString(shape));
            }
            values *= Math.max(1, dim);
        }
        long columns = shape.length == 0 ? 1 : shape[shape.length - 1];
        if (columns % type.blockValues() != 0) {
            throw CheckpointException.damaged(
                    path,
                    "tensor '%s' has rows of %d values, expected a multiple of %d for type %s",
                    name,
                    columns,
                    type.blockValues(),
                    type);
        }
        long bytes = Tensor.sizeBytes(type, shape);
        if (offset < 0 || offset > size() - bytes) {
            throw CheckpointException.damaged(
                    path,
                    "tensor '%s' (%s %s) needs %d bytes at byte %d, but the file ends at byte %d",
                    name,
                    type,
                    Arrays.toString(shape),
                    bytes,
                    offset,
                    size());
        }
        return new Extent(name, type, shape, offset, bytes);
    }

    /** Tensors over these extents in the order given, none of which may overlap. */
    Map<String, Tensor> tensors(List<Extent> extents) {
        List<Extent> sorted = extents.stream()
                .filter(e -> e.size() > 0)
                .sorted(Comparator.comparingLong(Extent::offset))
                .toList();
        for (int i = 1; i < sorted.size(); i++) {
            Extent before = sorted.get(i - 1);
            Extent after = sorted.get(i);
            if (before.offset() + before.size() > after.offset()) {
                throw CheckpointException.damaged(
                        path,
                        "tensors '%s' and '%s' overlap: bytes %d to %d, and from %d",
                        before.name(),
                        after.name(),
                        before.offset(),
                        before.offset() + before.size(),
                        after.offset());
            }
        }
        Map<String, Tensor> tensors = LinkedHashMap.newLinkedHashMap(extents.size());
        for (Extent e : extents) {
            Tensor tensor = Tensor.of(e.type(), segment.asSlice(e.offset(), e.size()), e.shape());
            if (tensors.put(e.name(), tensor) != null) {
                throw CheckpointException.damaged(path, "tensor '%s' is listed twice", e.name());
            }
        }
        return tensors;
    }
}
