package dev.jwen.cli;

import java.io.FileDescriptor;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The {@code jwen} command. */
@Command(
        name = "jwen",
        description = "Runs Qwen 3.5 models: chat with them, look into them, measure them.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "A MODEL is a directory with safetensors files as they are published, a GGUF file, or the name of a model "
                    + "that 'jwen pull' has fetched. Without one, jwen-nano answers, a very small model that ships with "
                    + "Jwen; 'jwen' alone begins a chat with it.",
            "",
            "Examples:",
            "  jwen run \"What is 48231 + 9977?\"",
            "  jwen pull Qwen/Qwen3.5-4B",
            "  jwen chat -m Qwen/Qwen3.5-4B",
            "  jwen run -m qwen3.5-4b-q4_k_m.gguf \"Why is the sky blue?\"",
            "  git diff | jwen run -m qwen3.5-4b-q4_k_m.gguf \"Write a commit message for this change.\"",
            "",
            "'jwen help COMMAND' or 'jwen COMMAND --help' explains a command."
        })
public final class Main implements Callable<Integer> {
    /** In the order of the help. */
    private static final List<Class<?>> COMMANDS = List.of(
            ChatCommand.class,
            RunCommand.class,
            PullCommand.class,
            ListCommand.class,
            ShowCommand.class,
            RmCommand.class,
            PretrainCommand.class,
            InspectCommand.class,
            TokenizeCommand.class,
            TokenizerCommand.class,
            LogitsCommand.class,
            CompareCommand.class,
            BenchCommand.class,
            EvalCommand.class,
            RehearseCommand.class);

    @Spec
    @Nullable
    CommandSpec spec;

    private Main() {}

    /** Without a command: a chat at a terminal, else the help. */
    @Override
    public Integer call() {
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        if (Streams.isInputTerminal() && Streams.isOutputTerminal()) {
            return commandLine("chat")
                    .setOut(line.getOut())
                    .setErr(line.getErr())
                    .execute("chat");
        }
        line.usage(line.getOut());
        line.getOut().flush();
        return 0;
    }

    public static void main(String[] args) {
        // Text goes out as UTF-8 whatever the locale says.
        StandardStream output = new StandardStream(FileDescriptor.out);
        PrintWriter out = writer(output);
        PrintWriter err = writer(new StandardStream(FileDescriptor.err));
        // Numbers look the same everywhere, and scripts can read them.
        Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
        int exit = commandLine(args).setOut(out).setErr(err).execute(args);
        out.flush();
        if (output.failure() != null) {
            err.println("jwen: standard output could not be written: " + output.failure());
            exit = 1;
        }
        err.flush();
        System.exit(exit);
    }

    private static PrintWriter writer(StandardStream stream) {
        return new PrintWriter(stream, false, StandardCharsets.UTF_8);
    }

    /**
     * The command, ready to execute {@code args}; tests use it with their own streams.
     *
     * <p>Commands that the arguments do not name are only listed in the help: finding the options of all would take 70 ms.
     */
    static CommandLine commandLine(String... args) {
        CommandLine line = new CommandLine(new Main());
        List<String> words = List.of(args);
        for (Class<?> command : COMMANDS) {
            Command about = command.getAnnotation(Command.class);
            line.addSubcommand(about.name(), words.contains(about.name()) ? command : listed(about));
        }
        line.addSubcommand(new HelpCommand());
        line.setExecutionExceptionHandler(new Failures());
        line.setParameterExceptionHandler(Failures::misused);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpAutoWidth(true);
        line.setAbbreviatedOptionsAllowed(false);
        return line;
    }

    private static CommandSpec listed(Command about) {
        CommandSpec spec = CommandSpec.create();
        spec.usageMessage().description(about.description()).hidden(about.hidden());
        return spec;
    }
}
