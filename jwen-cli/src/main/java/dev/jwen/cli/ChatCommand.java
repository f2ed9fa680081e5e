package dev.jwen.cli;

import dev.jwen.engine.Engine;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Objects;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A conversation in the terminal. */
@Command(
        name = "chat",
        description = "Holds a conversation in the terminal.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Inside, /help lists the commands. Ctrl-C stops an answer, Ctrl-D ends the conversation. When input is piped",
            "in, each line is a message and the answers are plain text.",
            "",
            "Examples:",
            "  jwen chat -m Qwen3.5-4B",
            "  jwen chat -m Qwen3.5-4B --no-think --system \"Answer in one sentence.\"",
            "  jwen chat -m Qwen3.5-4B --load yesterday.json"
        })
final class ChatCommand implements Runnable {
    @Spec
    @Nullable
    CommandSpec spec;

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    SamplingFlags sampling = new SamplingFlags();

    @Option(names = "--system", paramLabel = "TEXT", description = "Instructions that come before the conversation.")
    @Nullable
    String system;

    @Option(
            names = "--think",
            negatable = true,
            defaultValue = Option.NULL_VALUE,
            fallbackValue = "true",
            description = "Let the model think first, or not; by default what it was made for.")
    @Nullable
    Boolean think;

    @Option(names = "--hide-thinking", description = "Fold the thinking to one line.")
    boolean hideThinking;

    @Option(names = "--load", paramLabel = "FILE", description = "Go on with a conversation that /save wrote.")
    @Nullable
    Path load;

    @Override
    public void run() {
        model.path();
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        try (Engine engine = model.open()) {
            if (!Streams.isInputTerminal()) {
                begin(new ChatLoop(engine, sampling, Streams::output, line.getOut(), line.getErr()))
                        .readLines();
                return;
            }
            try (Terminal terminal = TerminalBuilder.builder().system(true).build()) {
                PrintWriter writer = terminal.writer();
                ChatLoop loop = new ChatLoop(engine, sampling, () -> screen(terminal), writer, writer);
                new ChatTerminal(terminal, begin(loop)).run();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private ChatLoop begin(ChatLoop loop) {
        loop.setThinking(think);
        loop.setThinkingFolded(hideThinking);
        if (system != null) {
            loop.setSystem(system);
        }
        if (load != null) {
            loop.load(load);
        }
        return loop;
    }

    private static Screen screen(Terminal terminal) {
        return Streams.isOutputTerminal()
                ? Screen.terminal(
                        System.getenv(),
                        terminal.getSize().getColumns(),
                        terminal.getSize().getRows())
                : Screen.pipe();
    }
}
