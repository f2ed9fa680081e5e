package dev.jwen.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Finds which files a path stands for. */
final class ModelFiles {
    private static final String SAFETENSORS = ".safetensors";
    private static final String INDEX = ".safetensors.index.json";
    private static final String GGUF = ".gguf";
    private static final Pattern SHARD = Pattern.compile("(.+)-(\\d{5})-of-(\\d{5})\\.(?:gguf|safetensors)");
    private static final long MAX_TEXT = 16L << 20;

    private ModelFiles() {}

    /** One of several files that make up a model: {@code stem-00001-of-00003.gguf}; the number counts from 1. */
    record Shard(String stem, int number, int count) {
        static @Nullable Shard of(Path file) {
            Matcher matcher = SHARD.matcher(file.getFileName().toString());
            return matcher.matches()
                    ? new Shard(
                            matcher.group(1), Integer.parseInt(matcher.group(2)), Integer.parseInt(matcher.group(3)))
                    : null;
        }
    }

    /** Opens a model whose mappings {@code arena} owns. */
    static Checkpoint open(Path path, Arena arena) {
        if (Files.isDirectory(path)) {
            return openDirectory(path, arena);
        }
        if (!Files.isRegularFile(path)) {
            throw CheckpointException.in(
                    path,
                    "%s. Name a model directory, a .safetensors file or a .gguf file.",
                    Files.exists(path) ? "is neither a file nor a directory" : "does not exist");
        }
        String name = path.getFileName().toString().toLowerCase(Locale.ROOT);
        if (startsLikeGguf(path) || name.endsWith(GGUF)) {
            return GgufCheckpoint.open(path, path, arena);
        }
        if (name.endsWith(SAFETENSORS)) {
            Path directory = Objects.requireNonNull(path.toAbsolutePath().getParent()); // a file has a directory
            boolean isShard = Shard.of(path) != null && index(directory) != null;
            return SafetensorsCheckpoint.open(path, directory, isShard ? null : path, arena);
        }
        throw CheckpointException.in(
                path,
                "is neither a safetensors nor a GGUF file. Name a model directory, a .safetensors file or a .gguf file.");
    }

    private static Checkpoint openDirectory(Path directory, Arena arena) {
        List<Path> all = list(directory, GGUF);
        boolean hasSafetensors =
                index(directory) != null || !list(directory, SAFETENSORS).isEmpty();
        if (hasSafetensors && (all.isEmpty() || Files.exists(directory.resolve("config.json")))) {
            return SafetensorsCheckpoint.open(directory, directory, null, arena);
        }
        if (all.isEmpty()) {
            throw CheckpointException.in(
                    directory, "has neither .safetensors nor .gguf files. Name the directory or file of a model.");
        }
        // The vision tower comes as a file of its own beside the text model.
        List<Path> text =
                all.stream().filter(file -> !VisionFiles.isMmproj(file)).toList();
        List<Path> candidates = text.isEmpty() ? all : text;
        if (candidates.stream().map(ModelFiles::model).distinct().count() > 1) {
            throw CheckpointException.in(
                    directory, "holds several GGUF models. Name one of them: %s", names(candidates));
        }
        return GgufCheckpoint.open(directory, candidates.getFirst(), arena);
    }

    /**
     * The vision file in the directory of a GGUF model, or null if there is none.
     *
     * @param model the file, or the directory that was opened in its place
     */
    static @Nullable Path mmprojBeside(Path model) {
        boolean isDirectory = Files.isDirectory(model);
        Path directory = isDirectory
                ? model
                : Objects.requireNonNull(model.toAbsolutePath().getParent());
        List<Path> found =
                list(directory, GGUF).stream().filter(VisionFiles::isMmproj).toList();
        if (found.size() < 2) {
            return found.isEmpty() ? null : found.getFirst();
        }
        throw CheckpointException.in(
                directory, "holds several vision files. Name the one of this model with --mmproj: %s", names(found));
    }

    private static String model(Path file) {
        Shard shard = Shard.of(file);
        return shard == null ? file.getFileName().toString() : shard.stem() + "/" + shard.count();
    }

    /** The index of a sharded checkpoint, or null if the directory has none. */
    static @Nullable Path index(Path directory) {
        Path usual = directory.resolve("model" + INDEX);
        if (Files.exists(usual)) {
            return usual;
        }
        List<Path> indexes = list(directory, INDEX);
        return indexes.size() == 1 ? indexes.getFirst() : null;
    }

    /** The one safetensors file of a directory without index. */
    static Path onlySafetensors(Path directory) {
        List<Path> files = list(directory, SAFETENSORS);
        if (files.size() == 1 && Shard.of(files.getFirst()) == null) {
            return files.getFirst();
        }
        throw CheckpointException.in(
                directory,
                "has %d safetensors files %s but no model.safetensors.index.json. Fetch the index from the model's page, or name one file.",
                files.size(),
                names(files));
    }

    private static List<Path> names(List<Path> files) {
        return files.stream().limit(8).map(Path::getFileName).toList();
    }

    private static List<Path> list(Path directory, String suffix) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(file -> file.getFileName()
                            .toString()
                            .toLowerCase(Locale.ROOT)
                            .endsWith(suffix))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw MappedFile.unreadable(directory, e);
        } catch (UncheckedIOException e) {
            throw MappedFile.unreadable(directory, new IOException(e.getMessage(), e));
        }
    }

    private static boolean startsLikeGguf(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] head = in.readNBytes(Integer.BYTES);
            return head.length == Integer.BYTES
                    && ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getInt() == Gguf.MAGIC;
        } catch (IOException e) {
            throw MappedFile.unreadable(file, e);
        }
    }

    /** A small text file such as a chat template. */
    static String text(Path file) {
        byte[] bytes = MappedFile.readSmall(file, MAX_TEXT);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw CheckpointException.damaged(file, "is not UTF-8 text", e);
        }
    }
}
