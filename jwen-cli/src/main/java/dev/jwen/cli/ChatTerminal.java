package dev.jwen.cli;

import java.nio.file.Path;
import org.jline.reader.CompletingParsedLine;
import org.jline.reader.EOFError;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.ParsedLine;
import org.jline.reader.Parser;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.reader.impl.completer.StringsCompleter;
import org.jline.terminal.Terminal;

/** The line editor around a conversation: history, several lines, Ctrl-C. */
final class ChatTerminal {
    private final Terminal terminal;
    private final ChatLoop loop;
    private final LineReader reader;

    ChatTerminal(Terminal terminal, ChatLoop loop) {
        this.terminal = terminal;
        this.loop = loop;
        this.reader = LineReaderBuilder.builder()
                .terminal(terminal)
                .appName("jwen")
                .parser(ChatTerminal::parse)
                .completer(new StringsCompleter(
                        "/help", "/clear", "/image", "/video", "/system", "/think", "/tools", "/save", "/load",
                        "/stats", "/exit"))
                .variable(LineReader.HISTORY_FILE, historyFile())
                .variable(LineReader.HISTORY_SIZE, 2000)
                .variable(LineReader.SECONDARY_PROMPT_PATTERN, "… ")
                // History expansion would take the ! out of messages.
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .option(LineReader.Option.BRACKETED_PASTE, true)
                .build();
    }

    /** Talks until the user leaves. */
    void run() {
        terminal.writer().println(loop.greeting());
        terminal.flush();
        while (true) {
            String line;
            try {
                line = reader.readLine("> ");
            } catch (UserInterruptException e) {
                terminal.writer().println("(Ctrl-D or /exit leaves)");
                terminal.flush();
                continue;
            } catch (EndOfFileException e) {
                return;
            }
            // Outside the line editor Ctrl-C is a signal; it stops the answer and not the program.
            Terminal.SignalHandler before = terminal.handle(Terminal.Signal.INT, signal -> loop.cancel());
            try {
                if (!loop.take(MessageLines.join(line), true)) {
                    return;
                }
            } finally {
                terminal.handle(Terminal.Signal.INT, before);
            }
        }
    }

    /** Asks at a terminal; true if the answer is yes. */
    static boolean confirms(Terminal terminal, String question) {
        try {
            LineReader asking = LineReaderBuilder.builder().terminal(terminal).build();
            return Input.isYes(asking.readLine(question + " [y/N] "));
        } catch (UserInterruptException | EndOfFileException e) {
            return false;
        }
    }

    /** Only whether the message is complete matters here; quotes and brackets are ordinary characters. */
    private static ParsedLine parse(String line, int cursor, Parser.ParseContext context) {
        if (context == Parser.ParseContext.ACCEPT_LINE && MessageLines.isOpen(line)) {
            throw new EOFError(-1, -1, "the message goes on");
        }
        DefaultParser words = new DefaultParser();
        words.setQuoteChars(new char[0]);
        words.setEscapeChars(new char[0]);
        return (CompletingParsedLine) words.parse(line, cursor, Parser.ParseContext.COMPLETE);
    }

    private static Path historyFile() {
        String data = System.getenv("XDG_DATA_HOME");
        Path base = data == null || data.isBlank()
                ? Path.of(System.getProperty("user.home"), ".local", "share")
                : Path.of(data);
        return base.resolve("jwen").resolve("history");
    }
}
