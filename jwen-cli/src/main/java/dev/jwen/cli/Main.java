package dev.jwen.cli;

import java.io.FileDescriptor;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
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
        subcommands = {
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
            RehearseCommand.class,
            HelpCommand.class
        },
        footer = {
            "",
            "A MODEL is a directory with safetensors files as they are published, a GGUF file, or the name of",
            "a model that 'jwen pull' has fetched. Without one, jwen-nano answers, a very small model that",
            "ships with Jwen; 'jwen' alone begins a chat with it.",
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
    @Spec
    @Nullable
    CommandSpec spec;

    private Main() {}

    /** Without a command: a chat at a terminal, else the help. */
    @Override
    public Integer call() {
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        if (Streams.isInputTerminal() && Streams.isOutputTerminal()) {
            return Objects.requireNonNull(line.getSubcommands().get("chat")).execute();
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
        int exit = commandLine().setOut(out).setErr(err).execute(args);
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

    /** The whole command, ready to execute; tests use it with their own streams. */
    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new Main());
        line.setExecutionExceptionHandler(new Failures());
        line.setParameterExceptionHandler(Failures::misused);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpAutoWidth(true);
        line.setAbbreviatedOptionsAllowed(false);
        return line;
    }
}
