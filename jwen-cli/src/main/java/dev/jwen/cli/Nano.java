package dev.jwen.cli;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** jwen-nano, the model that ships with Jwen: what answers where no model is named. */
final class Nano {
    static final String NAME = "jwen-nano";

    /** The directory of the launcher script, which passes it. */
    static final String HOME = "jwen.home";

    static final String NOTE =
            "jwen-nano: a very small model that Jwen trained itself; it adds, counts letters and names plain figures."
                    + " A real one: jwen pull Qwen/Qwen3.5-0.8B, then -m Qwen/Qwen3.5-0.8B.";

    private Nano() {}

    /**
     * Where it lies.
     *
     * @throws CommandException if it is not there
     */
    static Path find() {
        Path directory = directory();
        if (directory == null) {
            throw new CommandException("%s, the small model that ships with Jwen, is not here%s. %s"
                    .formatted(
                            NAME,
                            System.getProperty(HOME) == null
                                    ? ""
                                    : " (no " + inside(Path.of(System.getProperty(HOME))) + ")",
                            "Fetch a model, for example with 'jwen pull Qwen/Qwen3.5-0.8B', and name it with -m."));
        }
        return directory;
    }

    /**
     * Where it lies, for a command that names no model; says on standard error what it is, but not beside JSON.
     *
     * @param line of the command, which is being executed
     * @throws CommandException if it is not there
     */
    static Path unnamed(CommandLine line) {
        if (directory() == null) {
            throw new CommandException("no model was named, and jwen-nano, the small one that ships with Jwen, is not"
                    + " here; add -m MODEL: a directory with safetensors files, a GGUF file, or the name of a model that"
                    + " 'jwen pull' fetched");
        }
        if (!line.getParseResult().hasMatchedOption("--json")) {
            line.getErr().println(NOTE);
            line.getErr().flush();
        }
        return find();
    }

    /** Whether a model is this one. */
    static boolean is(Path model) {
        return model.equals(directory());
    }

    private static @Nullable Path directory() {
        String home = System.getProperty(HOME);
        if (home != null) {
            return existing(Path.of(home));
        }
        // Started without the script: somewhere above the jar or the classes.
        for (Path above = code(); above != null; above = above.getParent()) {
            Path directory = existing(above);
            if (directory != null) {
                return directory;
            }
        }
        return null;
    }

    private static @Nullable Path existing(Path home) {
        Path directory = inside(home);
        return Files.isDirectory(directory) ? directory : null;
    }

    private static Path inside(Path home) {
        return home.resolve("models").resolve(NAME);
    }

    private static @Nullable Path code() {
        CodeSource source = Nano.class.getProtectionDomain().getCodeSource();
        try {
            return source == null ? null : Path.of(source.getLocation().toURI());
        } catch (URISyntaxException e) {
            return null; // not a file, so nothing lies beside it
        }
    }
}
