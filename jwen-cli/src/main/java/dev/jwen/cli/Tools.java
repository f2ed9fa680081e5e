package dev.jwen.cli;

import dev.jwen.chat.Tool;
import dev.jwen.chat.ToolCall;
import dev.jwen.engine.Toolbox;
import dev.jwen.tools.Calculator;
import dev.jwen.tools.FolderTools;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/** The tools at hand, each on or off. */
final class Tools implements Toolbox {
    static final String CALCULATOR = "calculator";
    static final String FILES = "files";
    static final String NONE = "none";

    /** How many answers in a row may call tools before somebody must say that it may go on. */
    static final int MAX_ROUNDS = 32;

    private static final Duration COMMAND_LIMIT = Duration.ofMinutes(2);

    private final Predicate<String> allowed;
    private final Map<String, Toolbox> on = new TreeMap<>();
    private String folder = "";

    /**
     * No tools.
     *
     * @param allowed whether a command may be run, asked each time
     */
    Tools(Predicate<String> allowed) {
        this.allowed = allowed;
    }

    /**
     * Turns on what a word names: {@code calculator}, or {@code files=DIR}; {@code none} turns all off.
     *
     * @throws CommandException if it names nothing
     */
    void turnOn(String tool) {
        String name = name(tool);
        switch (name) {
            case CALCULATOR -> on.put(name, new Calculator());
            case FILES -> openFolder(tool.substring(Math.min(tool.length(), FILES.length() + 1)));
            case NONE -> on.clear();
            default -> throw unknown(tool);
        }
    }

    private void openFolder(String directory) {
        if (directory.isBlank()) {
            throw new CommandException("files needs a folder: files=DIR");
        }
        Path path = Path.of(directory);
        if (!Files.isDirectory(path)) {
            throw new CommandException("there is no folder " + directory);
        }
        on.put(FILES, new FolderTools(path, COMMAND_LIMIT, allowed));
        folder = directory;
    }

    /**
     * Turns off what a word names.
     *
     * @throws CommandException if it names nothing
     */
    void turnOff(String tool) {
        String name = name(tool);
        if (!name.equals(CALCULATOR) && !name.equals(FILES)) {
            throw unknown(tool);
        }
        on.remove(name);
    }

    private static String name(String tool) {
        return tool.startsWith(FILES + "=") ? FILES : tool.toLowerCase(Locale.ROOT);
    }

    private static CommandException unknown(String tool) {
        return new CommandException("there is no tool %s; there are calculator, files=DIR and none".formatted(tool));
    }

    /** One line for each, on or off. */
    String list() {
        return """
                calculator   %s  + - * / %% ( ), exact
                files=DIR    %s  reads and edits files in a folder%s, runs commands there if you agree to each""".formatted(mark(CALCULATOR), mark(FILES), on.containsKey(FILES) ? " (" + folder + ")" : "");
    }

    private String mark(String name) {
        return on.containsKey(name) ? "on " : "off";
    }

    /** How many answers in a row may call tools: without tools no call is run. */
    int maxRounds() {
        return on.isEmpty() ? 0 : MAX_ROUNDS;
    }

    /** Why the last calls of a conversation were not run. */
    String refusal() {
        return on.isEmpty()
                ? "(the model called a tool and has none; --tools gives it some)"
                : "(stopped, as %d answers in a row called tools)".formatted(MAX_ROUNDS);
    }

    @Override
    public List<Tool> tools() {
        return Toolbox.of(List.copyOf(on.values())).tools();
    }

    @Override
    public String call(ToolCall call) {
        return Toolbox.of(List.copyOf(on.values())).call(call);
    }
}
