package dev.jwen.engine;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Event;
import dev.jwen.chat.Message;
import dev.jwen.chat.Response;
import dev.jwen.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A conversation that a model leads on by itself: what it calls is run, and it reads what came back, until it answers
 * without a call.
 *
 * <p>Where the answers come from is up to the caller; {@link ChatSession#converse} asks a session.
 *
 * {@snippet :
 *   ToolLoop loop = new ToolLoop(conversation, tools, 8, event -> {});
 *   while (loop.ending() == null) {
 *       loop.take(chat.reply(loop.conversation(), null, null, event -> {}, Listener.NONE));
 *   }
 * }
 */
public final class ToolLoop {
    private final List<Message> messages;
    private final List<Completion> completions = new ArrayList<>();
    private final Toolbox tools;
    private final int maxRounds;
    private final Consumer<Event> events;
    private int rounds;
    private @Nullable Ending ending;

    /** Why a loop ended. */
    public enum Ending {
        /** The model answered without a call. */
        ANSWERED,
        /** An answer was cut by a limit of tokens; its calls, which may be incomplete, were not run. */
        CUT,
        /** The listener of a generation cancelled it; its calls were not run. */
        CANCELLED,
        /** The model called tools once more than it may; these calls were not run. */
        TOO_MANY_ROUNDS
    }

    /**
     * A loop before the first answer.
     *
     * @param start ends with what the model is to answer; its tools make way for those of {@code tools}
     * @param maxRounds how many answers may call tools, each any number of them
     * @param events hears what each call gave, an {@link Event.ToolResult}
     * @throws IllegalArgumentException if {@code maxRounds} is negative
     */
    public ToolLoop(Conversation start, Toolbox tools, int maxRounds, Consumer<Event> events) {
        if (maxRounds < 0) {
            throw new IllegalArgumentException("the limit of rounds is %d, expected 0 or more".formatted(maxRounds));
        }
        this.messages = new ArrayList<>(start.messages());
        this.tools = tools;
        this.maxRounds = maxRounds;
        this.events = events;
    }

    /** What was said so far, results of tools included; while {@link #ending} is null, what the model is to answer. */
    public Conversation conversation() {
        return new Conversation(messages, tools.tools());
    }

    /** How each answer was made, in order. */
    public List<Completion> completions() {
        return List.copyOf(completions);
    }

    /** How many answers called tools that were run. */
    public int rounds() {
        return rounds;
    }

    /** Why the loop has ended, or null if it goes on. */
    public @Nullable Ending ending() {
        return ending;
    }

    /**
     * Appends the answer to {@link #conversation} and, unless it ends the loop, runs its calls in order and appends what
     * they gave.
     *
     * @throws IllegalStateException if the loop has ended
     */
    public void take(ChatSession.Reply reply) {
        if (ending != null) {
            throw new IllegalStateException("the loop has ended (%s) and takes no further answer".formatted(ending));
        }
        Response response = reply.response();
        messages.add(response.message());
        completions.add(reply.completion());
        ending = switch (reply.completion().finishReason()) {
            case CANCELLED -> Ending.CANCELLED;
            case LENGTH, CONTEXT_FULL -> Ending.CUT;
            case STOP, STOP_STRING ->
                response.cut() == Response.Cut.CALL
                        ? Ending.CUT
                        : response.calls().isEmpty()
                                ? Ending.ANSWERED
                                : rounds == maxRounds ? Ending.TOO_MANY_ROUNDS : null;
        };
        if (ending == null) {
            rounds++;
            for (ToolCall call : response.calls()) {
                String result = tools.call(call);
                messages.add(Message.tool(call.id(), result));
                events.accept(new Event.ToolResult(call, result));
            }
        }
    }
}
