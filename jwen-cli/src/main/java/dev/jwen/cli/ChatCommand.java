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
            "Inside, /help lists the commands. Ctrl-C stops an answer, Ctrl-D ends the conversation. When input is piped in, each line is a message and the answers are plain text.",
            "",
            "Examples:",
            "  jwen chat",
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

    @Mixin
    VisionFlags vision = new VisionFlags();

    @Mixin
    AnswerFlags answering = new AnswerFlags();

    @Mixin
    ToolFlags tools = new ToolFlags();

    @Option(names = "--load", paramLabel = "FILE", description = "Go on with a conversation that /save wrote.")
    @Nullable
    Path load;

    @Override
    public void run() {
        boolean nano = Nano.is(model.path());
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        if (!Streams.isInputTerminal()) {
            Tools box = tools.open(nano, command -> refuses(line.getErr(), command));
            try (Engine engine = model.open(vision)) {
                begin(new ChatLoop(
                                engine, vision.media(), sampling, box, Streams::output, line.getOut(), line.getErr()))
                        .readLines();
            }
            return;
        }
        try (Terminal terminal = TerminalBuilder.builder().system(true).build()) {
            PrintWriter writer = terminal.writer();
            Tools box = tools.open(
                    nano, command -> ChatTerminal.confirms(terminal, "Run %s?".formatted(Printable.text(command))));
            try (Engine engine = model.open(vision)) {
                ChatLoop loop =
                        new ChatLoop(engine, vision.media(), sampling, box, () -> screen(terminal), writer, writer);
                new ChatTerminal(terminal, begin(loop)).run();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean refuses(PrintWriter err, String command) {
        err.println("(not run, as there is no terminal to ask at: %s)".formatted(Printable.text(command)));
        err.flush();
        return false;
    }

    private ChatLoop begin(ChatLoop loop) {
        loop.setThinking(answering.think);
        loop.setThinkingFolded(answering.hideThinking);
        if (answering.system != null) {
            loop.setSystem(answering.system);
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
