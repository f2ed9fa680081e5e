package dev.jwen.cli;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

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
            InspectCommand.class,
            TokenizeCommand.class,
            LogitsCommand.class,
            CompareCommand.class,
            BenchCommand.class,
            HelpCommand.class
        },
        footer = {
            "",
            "A MODEL is a directory with safetensors files as they are published, or a GGUF file.",
            "",
            "Examples:",
            "  jwen chat -m ~/models/Qwen3.5-4B",
            "  jwen run -m qwen3.5-4b-q4_k_m.gguf \"Why is the sky blue?\"",
            "  git diff | jwen run -m qwen3.5-4b-q4_k_m.gguf \"Write a commit message for this change.\"",
            "",
            "'jwen help COMMAND' or 'jwen COMMAND --help' explains a command."
        })
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        // Text in and out is UTF-8 whatever the locale says.
        System.setOut(new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.err), true, StandardCharsets.UTF_8));
        int exit = commandLine().execute(args);
        System.out.flush();
        System.exit(exit);
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
