package dev.jwen.cli;

import dev.jwen.hub.HubCache;
import dev.jwen.hub.HubException;
import dev.jwen.hub.HubSettings;
import dev.jwen.hub.ModelName;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** What a MODEL on the command line stands for. */
final class Models {
    /** For the description of a MODEL. */
    static final String DESCRIPTION =
            "A directory with safetensors files, a GGUF file (of a split one, any part), or the name of a pulled model.";

    /** Follows it where the MODEL may be left out. */
    static final String BY_DEFAULT = " By default jwen-nano, the small one that ships with Jwen.";

    private Models() {}

    /**
     * The file or directory of a model, or of jwen-nano where none is named.
     *
     * @param line of the command, for what it says on standard error
     * @throws CommandException if it is not there
     */
    static Path find(@Nullable String model, CommandLine line) {
        return model == null ? Nano.unnamed(line) : find(model);
    }

    /**
     * The file or directory of a model: what there is under this path, else jwen-nano, else the model of this name in the
     * cache.
     *
     * @throws CommandException if there is neither
     */
    static Path find(String model) {
        Path path = existing(model);
        if (path != null) {
            return path;
        }
        if (model.equals(Nano.NAME)) {
            return Nano.find();
        }
        ModelName name;
        try {
            name = ModelName.of(model);
        } catch (HubException e) {
            throw new CommandException(
                    "%s does not exist. Name a model directory, a .safetensors file, a .gguf file, a model that was pulled ('jwen list' shows them), or %s, which came with Jwen."
                            .formatted(Printable.text(model), Nano.NAME),
                    e);
        }
        try {
            return new HubCache(settings(null).cache()).find(name);
        } catch (HubException e) {
            throw new CommandException(
                    "there is no file or directory %s, and as a model's name: %s".formatted(model, e.getMessage()), e);
        }
    }

    private static @Nullable Path existing(String model) {
        try {
            Path path = Path.of(model);
            return Files.exists(path) ? path : null;
        } catch (InvalidPathException e) {
            return null; // a name may hold what a path may not
        }
    }

    /**
     * What the environment says about the hub.
     *
     * @param mirror the server to ask in place of the usual ones, or null
     */
    static HubSettings settings(@Nullable String mirror) {
        return HubSettings.of(System.getenv(), Path.of(System.getProperty("user.home")), mirror);
    }
}
