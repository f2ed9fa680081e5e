package dev.jwen.tools;

import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Toolbox;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * Tools for work in one folder: {@code read_file}, {@code edit_file} and {@code run}.
 *
 * <p>Files are read and edited in the folder alone; no {@code ..}, no absolute path and no link leads out of it. A command
 * is a program of this user and can do whatever the user can, so whoever opens the folder decides on each. A command that
 * takes too long or says too much is stopped with all it has started.
 */
public final class FolderTools implements Toolbox {
    /** What a model is told of these tools, whatever the folder. */
    public static final List<Tool> TOOLS = List.of(
            Definition.of("read_file", "Shows a file", "path"),
            Definition.of("edit_file", "Replaces old, which occurs once, by new", "path", "old", "new"),
            Definition.of("run", "Runs a shell command", "command"));

    private static final int MAX_FILE_BYTES = 64 << 10;
    private static final int MAX_OUTPUT_BYTES = 16 << 10;

    /** A command that has written so much to its output is stopped. */
    private static final long STOP_OUTPUT_BYTES = 4L << 20;

    private static final int POLL_MILLIS = 20;

    private final Path folder;
    private final Duration limit;
    private final Predicate<String> allowed;

    /**
     * Tools for a folder.
     *
     * @param folder an existing folder
     * @param limit how long a command may run
     * @param allowed whether a command may be run at all, asked each time
     * @throws UncheckedIOException if there is no such folder
     */
    public FolderTools(Path folder, Duration limit, Predicate<String> allowed) {
        try {
            this.folder = folder.toRealPath();
        } catch (IOException e) {
            throw new UncheckedIOException("There is no folder " + folder, e);
        }
        this.limit = limit;
        this.allowed = allowed;
    }

    @Override
    public List<Tool> tools() {
        return TOOLS;
    }

    @Override
    public String call(ToolCall call) {
        try {
            return switch (call.name()) {
                case "read_file" -> read(file(text(call, "path"))).stripTrailing();
                case "edit_file" -> edit(text(call, "path"), text(call, "old"), text(call, "new"));
                case "run" -> run(text(call, "command"));
                default -> EMPTY.call(call);
            };
        } catch (ToolException e) {
            return "Error: " + e.getMessage();
        } catch (IOException e) {
            return "Error: " + call.name() + " failed: " + e.getMessage();
        }
    }

    private static String text(ToolCall call, String parameter) {
        if (call.arguments().get(parameter) instanceof String text) {
            return text;
        }
        throw new ToolException("the argument " + parameter + " is missing or not a text.");
    }

    /** The file behind a path, with all links followed. */
    private Path file(String path) throws IOException {
        Path real;
        try {
            real = folder.resolve(path).normalize();
            if (real.startsWith(folder) && Files.exists(real)) {
                real = real.toRealPath();
            }
        } catch (InvalidPathException e) {
            throw new ToolException("this is not a path.");
        }
        if (!real.startsWith(folder)) {
            throw new ToolException(path + " is outside the folder.");
        }
        if (!Files.isRegularFile(real)) {
            throw new ToolException("there is no file " + path + ".");
        }
        return real;
    }

    private static String read(Path file) throws IOException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_FILE_BYTES + 1);
        }
        if (bytes.length > MAX_FILE_BYTES) {
            throw new ToolException("the file has more than %d KiB.".formatted(MAX_FILE_BYTES >> 10));
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ToolException("the file is not text in UTF-8.");
        }
    }

    private String edit(String path, String old, String replacement) throws IOException {
        Path file = file(path);
        String text = read(file);
        int first = old.isEmpty() ? -1 : text.indexOf(old);
        if (first < 0) {
            throw new ToolException("old does not occur in " + path + ".");
        }
        if (text.indexOf(old, first + 1) >= 0) {
            throw new ToolException("old occurs more than once in " + path + ".");
        }
        Files.writeString(file, text.substring(0, first) + replacement + text.substring(first + old.length()));
        return "Done.";
    }

    private String run(String command) throws IOException {
        if (command.indexOf('\0') >= 0) {
            throw new ToolException("this is not a command.");
        }
        if (!allowed.test(command)) {
            throw new ToolException("this command is not allowed.");
        }
        // A file takes the output: a pipe could be held open by what the command leaves running.
        Path output = Files.createTempFile("jwen-run", ".txt");
        try {
            Process process = new ProcessBuilder("sh", "-c", command)
                    .directory(folder.toFile())
                    .redirectInput(
                            ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            String complaint;
            try {
                complaint = await(process, output);
            } finally {
                // The shell first: it would go on with the next command when it sees one end.
                List<ProcessHandle> started = process.descendants().toList();
                process.destroyForcibly();
                started.forEach(ProcessHandle::destroyForcibly);
            }
            return said(output) + complaint;
        } finally {
            Files.deleteIfExists(output);
        }
    }

    /** Waits for the end, and returns what is to be said of it. */
    private String await(Process process, Path output) throws IOException {
        long start = System.nanoTime();
        try {
            while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                if (System.nanoTime() - start > limit.toNanos()) {
                    return "\nError: stopped after %d ms.".formatted(limit.toMillis());
                }
                if (Files.size(output) > STOP_OUTPUT_BYTES) {
                    return "\nError: stopped, it printed too much.";
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ToolException("interrupted.");
        }
        return process.exitValue() == 0 ? "" : "\nExit code " + process.exitValue();
    }

    private static String said(Path output) throws IOException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(output)) {
            bytes = in.readNBytes(MAX_OUTPUT_BYTES + 1);
        }
        boolean cut = bytes.length > MAX_OUTPUT_BYTES;
        String text = new String(bytes, 0, Math.min(bytes.length, MAX_OUTPUT_BYTES), StandardCharsets.UTF_8);
        return cut ? text + "\n(cut)" : text.stripTrailing();
    }
}
