package dev.jwen.engine;

import dev.jwen.chat.ChatTemplate;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Event;
import dev.jwen.chat.Prompt;
import dev.jwen.chat.RenderOptions;
import dev.jwen.chat.Response;
import dev.jwen.chat.ResponseParser;
import dev.jwen.generate.Sampler;
import dev.jwen.generate.SamplingOptions;
import java.util.List;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A conversation with a model: messages in, thinking, text and tool calls out. What earlier turns have read is not read
 * again.
 *
 * {@snippet :
 * ChatSession chat = new ChatSession(engine);
 * Conversation question = new Conversation(List.of(Message.user("Why is the sky blue?")), List.of());
 * ChatSession.Reply reply = chat.reply(question, null, null, event -> {}, Listener.NONE);
 * System.out.println(reply.response().content());
 * }
 */
public final class ChatSession implements AutoCloseable {
    private final Engine engine;
    private final ChatTemplate template;
    private final Session session;
    private final MediaSource media;

    /**
     * An answer.
     *
     * @param response what was said, taken apart
     * @param completion how it was made
     */
    public record Reply(Response response, Completion completion) {}

    /**
     * A conversation that has not begun, whose pictures and videos come as data URLs.
     *
     * @throws IllegalArgumentException if the model has no chat template
     */
    public ChatSession(Engine engine) {
        this(engine, MediaSource.DATA_URLS);
    }

    /**
     * A conversation that has not begun.
     *
     * @param media where its pictures and videos are found
     * @throws IllegalArgumentException if the model has no chat template
     */
    public ChatSession(Engine engine, MediaSource media) {
        ChatTemplate own = engine.template();
        if (own == null) {
            throw new IllegalArgumentException(
                    "%s has no chat template, so it cannot hold a conversation; put the original chat_template.jinja beside it, or let it continue plain text"
                            .formatted(engine.checkpoint().path()));
        }
        this.engine = engine;
        this.media = media;
        this.template = own;
        this.session = engine.newSession();
    }

    /**
     * Answers the last message of a conversation.
     *
     * @param thinking whether to think first, or null for what the model does by itself
     * @param options how to choose tokens, or null for what suits the model and the mode
     * @param events hears each event as it happens
     * @param listener follows the generation
     */
    public Reply reply(
            Conversation conversation,
            @Nullable Boolean thinking,
            @Nullable SamplingOptions options,
            Consumer<Event> events,
            Listener listener) {
        Prompt prompt = render(conversation, thinking);
        SamplingOptions sampling = options == null ? engine.samplingDefaults(prompt.thinking()) : options;
        RandomGenerator ids = Sampler.random(sampling.seed() == null ? System.nanoTime() : sampling.seed());
        ResponseParser parser = new ResponseParser(prompt.thinking(), conversation.tools(), ids);
        List<Seen> seen = see(prompt, listener);
        if (seen.size() < prompt.media().size()) {
            parser.finish().forEach(events);
            return new Reply(parser.response(), Completion.CANCELLED_UNREAD);
        }
        Completion completion = session.generate(engine.encode(prompt.pieces(), seen), sampling, new Listener() {
            @Override
            public void prompt(int read, int total) {
                listener.prompt(read, total);
            }

            @Override
            public void text(String piece) {
                listener.text(piece);
                parser.feed(piece).forEach(events);
            }

            @Override
            public boolean isCancelled() {
                return listener.isCancelled();
            }
        });
        parser.finish().forEach(events);
        return new Reply(parser.response(), completion);
    }

    /**
     * Answers the last message of a conversation, and goes on with what the tools give that the model calls, until it
     * answers without a call.
     *
     * {@snippet :
     * ToolLoop end = chat.converse(question, tools, 8, null, null, event -> {}, Listener.NONE);
     * System.out.println(end.conversation().messages().getLast().text());
     * }
     *
     * @param tools what the model may call, in place of the tools of the conversation
     * @param maxRounds how many answers may call tools
     * @param thinking whether to think first, or null for what the model does by itself
     * @param options how to choose tokens, for each answer by itself, or null for what suits the model and the mode; a
     *     seed is followed by the next number in the next answer
     * @param events hears each event as it happens, the results of tools among them
     * @param listener follows each generation
     * @return the loop after its end: the whole conversation, and why it ended
     */
    public ToolLoop converse(
            Conversation conversation,
            Toolbox tools,
            int maxRounds,
            @Nullable Boolean thinking,
            @Nullable SamplingOptions options,
            Consumer<Event> events,
            Listener listener) {
        ToolLoop loop = new ToolLoop(conversation, tools, maxRounds, events);
        while (loop.ending() == null) {
            loop.take(reply(loop.conversation(), thinking, ofRound(options, loop.rounds()), events, listener));
        }
        return loop;
    }

    /** With one seed for all answers, the calls of all of them would have the same ids. */
    private static @Nullable SamplingOptions ofRound(@Nullable SamplingOptions options, int round) {
        return options == null || options.seed() == null
                ? options
                : options.toBuilder().seed(options.seed() + round).build();
    }

    /** The tokens of a conversation as the model would read it, with the start of an answer at the end. */
    public int[] tokens(Conversation conversation, @Nullable Boolean thinking) {
        Prompt prompt = render(conversation, thinking);
        return engine.encode(prompt.pieces(), see(prompt, Listener.NONE)).ids();
    }

    /** Whether an answer begins with thinking when it is asked for like this. */
    public boolean thinks(@Nullable Boolean thinking) {
        return thinking == null ? template.thinksByDefault() : thinking && template.supportsThinking();
    }

    private Prompt render(Conversation conversation, @Nullable Boolean thinking) {
        RenderOptions options = thinking == null ? RenderOptions.ANSWER : RenderOptions.ANSWER.withThinking(thinking);
        return template.render(conversation.normalised(), options);
    }

    /** Forgets what was read; the next reply reads its conversation from the start. */
    public void clear() {
        session.clear();
    }

    /** Gives back the memory of what was read. */
    @Override
    public void close() {
        session.close();
    }

    /** Bytes of the states that are kept for the next turns. */
    public long sizeBytes() {
        return session.sizeBytes();
    }

    /** What the prompt shows, or less if the listener cancelled. Text alone leaves the vision tower untouched. */
    private List<Seen> see(Prompt prompt, Listener listener) {
        return prompt.media().isEmpty() ? List.of() : engine.vision().see(prompt.media(), media, listener);
    }
}
