package dev.jwen.cli;

import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.engine.ChatSession;
import dev.jwen.engine.Completion;
import dev.jwen.engine.Engine;
import dev.jwen.engine.MediaSource;
import dev.jwen.engine.ToolLoop;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The conversation behind {@code jwen chat}: messages and slash commands, without a terminal of its own. */
final class ChatLoop {
    static final String HELP = """
            /help                 this list
            /clear                forget the conversation (the instructions stay)
            /image FILE           show a picture with the next message
            /video FILE           show a video with the next message
            /system TEXT          instructions for the model; without TEXT, show them
            /think on|off|auto    think before answering, or not, or as the model was made
            /think fold|show      fold the thinking to one line, or show it as it comes
            /think                show the thinking of the last answer
            /save FILE            write the conversation as JSON
            /load FILE            go on with a conversation
            /tools                what the model may use
            /tools TOOL on|off    let it use calculator or files=DIR, or not
            /stats                speed and memory
            /exit                 leave (also Ctrl-D)

            A picture dropped into a message is shown in its place.
            A line that ends with \\ goes on in the next.
            \"\"\" opens and closes a message of several lines.
            Ctrl-C stops an answer.""";

    private final Engine engine;
    private final ChatSession session;
    private final SamplingFlags sampling;
    private final Tools tools;
    private final Supplier<Screen> screen;
    private final PrintWriter out;
    private final PrintWriter err;

    private @Nullable String system;
    private List<Message> messages = new ArrayList<>();
    private @Nullable Boolean thinking;
    private boolean thinkingFolded;
    /** What will be shown with the next message. */
    private final List<ContentPart> attached = new ArrayList<>();

    private String lastThinking = "";
    private List<Completion> lastCompletions = List.of();

    /** Set from a signal handler while an answer is being made. */
    private volatile boolean cancelled;

    ChatLoop(
            Engine engine,
            MediaSource media,
            SamplingFlags sampling,
            Tools tools,
            Supplier<Screen> screen,
            PrintWriter out,
            PrintWriter err) {
        this.engine = engine;
        this.session = new ChatSession(engine, media);
        this.sampling = sampling;
        this.tools = tools;
        this.screen = screen;
        this.out = out;
        this.err = err;
    }

    void setSystem(String text) {
        system = text;
    }

    void setThinking(@Nullable Boolean on) {
        thinking = on;
    }

    void setThinkingFolded(boolean folded) {
        thinkingFolded = folded;
    }

    /** Stops the answer that is being made, if one is. */
    void cancel() {
        cancelled = true;
    }

    /** What the model is, for a greeting. */
    String greeting() {
        return "%s, %s kernels, %s. /help lists the commands, Ctrl-D leaves."
                .formatted(
                        engine.checkpoint().path().getFileName(),
                        engine.network().kernels().name(),
                        Units.counted(engine.network().kernels().threads(), "thread"));
    }

    /** Takes messages and commands from standard input, one a line, until it ends. */
    void readLines() {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            StringBuilder message = new StringBuilder();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                message.append(line);
                if (MessageLines.isOpen(message)) {
                    message.append('\n');
                } else if (!take(MessageLines.join(message), false)) {
                    return;
                } else {
                    message.setLength(0);
                }
            }
            if (!message.isEmpty()) {
                take(MessageLines.join(message), false);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Takes one message or command.
     *
     * @param interactive a mistake is told and the conversation goes on; otherwise it ends the program
     * @return false when the conversation is over
     */
    boolean take(String input, boolean interactive) {
        String text = input.strip();
        if (text.isEmpty()) {
            return true;
        }
        try {
            List<ContentPart> parts = MediaPaths.parts(text.startsWith("//") ? text.substring(1) : text);
            boolean startsWithMedia = !(parts.getFirst() instanceof ContentPart.Text);
            if (text.startsWith("/") && !text.startsWith("//") && !startsWithMedia) {
                return command(text);
            }
            answer(parts);
        } catch (RuntimeException e) {
            if (!interactive) {
                throw e;
            }
            err.println("jwen: " + Failures.sentence(e));
            err.flush();
        }
        return true;
    }

    private boolean command(String text) {
        int space = text.indexOf(' ');
        String name = (space < 0 ? text : text.substring(0, space)).toLowerCase(Locale.ROOT);
        String argument = space < 0 ? "" : text.substring(space + 1).strip();
        switch (name) {
            case "/help", "/?" -> out.println(HELP);
            case "/clear", "/new" -> clear();
            case "/image" -> attach(new ContentPart.Image(media(argument, name)));
            case "/video" -> attach(new ContentPart.Video(media(argument, name)));
            case "/system" -> system(argument);
            case "/think" -> think(argument);
            case "/save" -> save(file(argument, name));
            case "/load" -> load(file(argument, name));
            case "/tools" -> tools(argument);
            case "/stats" -> stats();
            case "/exit", "/quit", "/bye" -> {
                return false;
            }
            default ->
                throw new CommandException("there is no command " + name
                        + "; /help lists them, and // begins a message that starts with a slash");
        }
        out.flush();
        return true;
    }

    private void attach(ContentPart part) {
        engine.vision(); // says now, and not with the next message, if the model cannot see
        attached.add(part);
        out.println("(shown with the next message)");
    }

    private static String media(String argument, String command) {
        List<ContentPart> dropped = MediaPaths.parts(argument);
        if (dropped.size() == 1 && dropped.getFirst() instanceof ContentPart.Image image) {
            return image.source();
        }
        if (dropped.size() == 1 && dropped.getFirst() instanceof ContentPart.Video video) {
            return video.source();
        }
        if (argument.matches("(?i)(https?|data):.*")) {
            return argument;
        }
        Path path = file(argument, command);
        if (!Files.exists(path)) {
            throw new CommandException("there is no file " + path);
        }
        return MediaPaths.absolute(path.toString());
    }

    private void answer(List<ContentPart> parts) {
        cancelled = false;
        List<ContentPart> shown = new ArrayList<>(attached);
        attached.clear();
        shown.addAll(parts);
        List<Message> asked = new ArrayList<>(messages);
        asked.add(Message.user(shown));
        Boolean mode = thinking;
        try (Answer answer = Answer.on(screen.get(), out, err, thinkingFolded)) {
            ToolLoop loop = session.converse(
                    conversation(asked),
                    tools,
                    tools.maxRounds(),
                    mode,
                    sampling.over(engine.samplingDefaults(session.thinks(mode))),
                    answer,
                    new PromptProgress(Streams.messages(), err) {
                        @Override
                        boolean isStopped() {
                            return cancelled;
                        }
                    });
            answer.end();
            int before = asked.size();
            messages = withoutSystem(loop.conversation().messages());
            lastThinking = reasoning(messages.subList(before, messages.size()));
            lastCompletions = loop.completions();
            tellEnding(loop);
        }
    }

    private void tellEnding(ToolLoop loop) {
        Completion last = loop.completions().getLast();
        switch (last.finishReason()) {
            case CANCELLED -> err.println("(stopped)");
            case LENGTH ->
                err.println("(the answer was cut after %,d tokens; start with -n N to allow more)"
                        .formatted(last.tokens()));
            case CONTEXT_FULL ->
                err.println(
                        "(the context of %,d tokens is full; /clear begins anew)".formatted(engine.contextTokens()));
            case STOP, STOP_STRING -> {
                if (last.text().isBlank()) {
                    err.println("(the model ended its turn without a word)");
                }
            }
        }
        if (loop.ending() == ToolLoop.Ending.TOO_MANY_ROUNDS) {
            err.println(tools.refusal());
        }
        err.flush();
    }

    private List<Message> withoutSystem(List<Message> all) {
        return new ArrayList<>(system == null ? all : all.subList(1, all.size()));
    }

    /** What was thought in these messages. */
    static String reasoning(List<Message> messages) {
        return messages.stream()
                .map(Message::reasoning)
                .filter(thought -> thought != null && !thought.isEmpty())
                .collect(Collectors.joining("\n\n"));
    }

    private Conversation conversation(List<Message> asked) {
        List<Message> all = new ArrayList<>(asked);
        if (system != null) {
            all.addFirst(Message.system(system));
        }
        return new Conversation(all, List.of());
    }

    private void clear() {
        attached.clear();
        messages = new ArrayList<>();
        session.clear();
        lastThinking = "";
        out.println("(a new conversation)");
    }

    private void system(String text) {
        if (!text.isEmpty()) {
            system = text;
            out.println("(from the next answer on)");
        } else {
            out.println(system == null ? "(no instructions)" : system);
        }
    }

    private void think(String argument) {
        switch (argument.toLowerCase(Locale.ROOT)) {
            case "on" -> thinking = true;
            case "off" -> thinking = false;
            case "auto" -> thinking = null;
            case "fold" -> thinkingFolded = true;
            case "show" -> thinkingFolded = false;
            case "" -> {
                out.println(
                        lastThinking.isEmpty()
                                ? "(the last answer came without thinking)"
                                : Printable.text(lastThinking));
                return;
            }
            default -> throw new CommandException("/think takes on, off, auto, fold or show, found " + argument);
        }
        out.println("(from the next answer on)");
    }

    private void tools(String argument) {
        if (argument.isEmpty()) {
            out.println(tools.list());
            return;
        }
        String tool = argument.replaceFirst("\\s+(?i:on|off)$", "");
        if (argument.toLowerCase(Locale.ROOT).endsWith(" off")) {
            tools.turnOff(tool);
        } else {
            tools.turnOn(tool);
        }
        out.println("(from the next answer on)");
    }

    private static Path file(String argument, String command) {
        if (argument.isEmpty()) {
            throw new CommandException(command + " needs the name of a file");
        }
        String home = System.getProperty("user.home");
        return Path.of(argument.startsWith("~/") ? home + argument.substring(1) : argument);
    }

    private void save(Path file) {
        try {
            Files.writeString(file, conversation(messages).toJson() + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.println("(%d messages written to %s)".formatted(messages.size(), file));
    }

    /** Goes on with a saved conversation. */
    void load(Path file) {
        List<Message> loaded =
                new ArrayList<>(Conversation.fromJson(Input.file(file)).messages());
        if (!loaded.isEmpty() && loaded.getFirst().role() == dev.jwen.chat.Role.SYSTEM) {
            system = loaded.removeFirst().text();
        }
        messages = loaded;
        out.println("(%d messages from %s)".formatted(messages.size(), file));
        out.flush();
    }

    private void stats() {
        lastCompletions.forEach(completion -> out.println(Stats.line(completion)));
        int tokens = messages.isEmpty() ? 0 : session.tokens(conversation(messages), thinking).length;
        out.println("conversation %,d of %,d tokens; %s kept for the next turn"
                .formatted(tokens, engine.contextTokens(), Units.bytes(session.sizeBytes())));
    }
}
