package dev.jwen.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * Parses what a Qwen model writes, while it arrives, into reasoning, answer and tool calls.
 *
 * <p>The text may be fed in any split: the events, neighbouring ones joined, and the response are the same. Nothing in
 * the text is an error. What cannot be text yet is held back, a few hundred characters at most; the one exception are
 * tool arguments that are not strings, which appear when they are complete. Time is linear in the text.
 *
 * <p><b>Reasoning.</b> Whether the answer starts inside the reasoning is a matter of the prompt, see
 * {@link Prompt#thinking()}. A leading {@code <think>} is dropped. The first {@code </think>} ends the reasoning; so
 * does the opening of a call, because models sometimes call without closing the block. A bare mention of
 * {@code <tool_call>} does not. Newlines around the reasoning (at its end 64 at most) and before the answer belong to
 * the format and are dropped. If the prompt is not thinking, everything is answer.
 *
 * <p><b>Calls.</b> A call opens with {@code <tool_call>}, white space, and {@code <function=NAME>}; anything less is
 * text. Newlines before a call and white space after it are dropped; answer text after a call is kept, an empty line
 * between it and earlier text. What is inside a call is told at {@link CallParser}.
 *
 * {@snippet :
 *   ResponseParser parser = new ResponseParser(prompt.thinking(), tools, random);
 *   for (String text : generated) {
 *       parser.feed(text).forEach(client::send);
 *   }
 *   parser.finish().forEach(client::send);
 *   Response response = parser.response();
 * }
 */
public final class ResponseParser {
    private static final String THINK = "<think>";
    private static final String END_THINK = "</think>";

    private final Scanner scanner = new Scanner();
    private final EventList events = new EventList();
    private final Passage reasoning = new Passage(events::thinking);
    private final Passage content = new Passage(events::text);
    private final CallParser call;
    private boolean thinking;
    private boolean thinkTagAllowed = true;
    private boolean finished;
    private Response.Cut cut = Response.Cut.NOTHING;

    /**
     * @param thinking whether the prompt ends inside the reasoning
     * @param tools the tools of the request; their schemas decide the types of arguments
     * @param random makes the ids of calls
     */
    public ResponseParser(boolean thinking, List<Tool> tools, RandomGenerator random) {
        this.thinking = thinking;
        this.call = new CallParser(scanner, events, tools, random);
    }

    /** Takes more text and returns what it settles, which may be nothing. */
    public List<Event> feed(String text) {
        if (finished) {
            throw new IllegalStateException("The answer was finished; a new one needs a new parser");
        }
        scanner.append(text);
        return drain();
    }

    /** Says that the answer is over, and returns what that settles. */
    public List<Event> finish() {
        if (finished) {
            return List.of();
        }
        scanner.complete();
        List<Event> last = new ArrayList<>(drain());
        if (call.isOpen()) {
            cut = call.isComplete() ? Response.Cut.NOTHING : Response.Cut.CALL;
            call.cutOff();
        } else if (thinking) {
            cut = Response.Cut.THINKING;
        }
        reasoning.end();
        content.end();
        last.addAll(events.take());
        finished = true;
        return last;
    }

    /** The whole answer, after {@link #finish}. */
    public Response response() {
        if (!finished) {
            throw new IllegalStateException("The answer is not finished; call finish() first");
        }
        return new Response(reasoning.text(), content.text(), call.calls(), cut);
    }

    /** Parses a whole answer. */
    public static Response parse(String text, boolean thinking, List<Tool> tools, RandomGenerator random) {
        ResponseParser parser = new ResponseParser(thinking, tools, random);
        parser.feed(text);
        parser.finish();
        return parser.response();
    }

    private List<Event> drain() {
        while (step()) {
            // every step consumes text or changes the state
        }
        scanner.compact();
        return events.take();
    }

    private boolean step() {
        if (call.isOpen()) {
            return call.step();
        }
        Passage passage = thinking ? reasoning : content;
        passage.add(scanner.run());
        if (!scanner.atTag()) {
            return false;
        }
        int endThink = thinking ? scanner.tag(END_THINK) : Scanner.NO;
        int think = thinking && thinkTagAllowed && !passage.hasStarted() ? scanner.tag(THINK) : Scanner.NO;
        int opening = call.opening();
        if (endThink >= 0) {
            scanner.skipTo(endThink);
            endReasoning();
        } else if (think >= 0) {
            scanner.skipTo(think);
            thinkTagAllowed = false;
        } else if (opening >= 0) {
            endReasoning();
            content.interrupt();
            call.open(opening);
        } else if (endThink == Scanner.MORE || think == Scanner.MORE || opening == Scanner.MORE) {
            return false;
        } else if (call.isCutOpening()) {
            endReasoning();
            content.interrupt();
            scanner.skipTo(scanner.end());
            cut = Response.Cut.CALL;
        } else {
            passage.add(scanner.take(scanner.at() + 1));
        }
        return true;
    }

    private void endReasoning() {
        thinking = false;
        reasoning.interrupt();
    }

    /** Reasoning or answer: text without the newlines that surround it in the format. */
    private static final class Passage {
        private static final int MAX_HELD = 64;

        private final Consumer<String> sink;
        private final StringBuilder text = new StringBuilder();
        private boolean started;
        private boolean interrupted;
        private int held;

        Passage(Consumer<String> sink) {
            this.sink = sink;
        }

        boolean hasStarted() {
            return started;
        }

        String text() {
            return text.toString();
        }

        void add(String more) {
            int from = started ? 0 : start(more);
            int end = more.length();
            while (end > from && more.charAt(end - 1) == '\n') {
                end--;
            }
            if (end > from) {
                emit("\n".repeat(held) + more.substring(from, end));
                held = 0;
            }
            held += more.length() - Math.max(from, end);
            if (held > MAX_HELD) {
                emit("\n".repeat(held - MAX_HELD));
                held = MAX_HELD;
            }
        }

        /** Drops the newlines at the end; what comes later starts afresh. */
        void interrupt() {
            held = 0;
            interrupted |= started;
            started = false;
        }

        void end() {
            if (started) {
                emit("\n".repeat(held));
                held = 0;
            }
        }

        private int start(String more) {
            int from = 0;
            while (from < more.length() && isSurrounding(more.charAt(from))) {
                from++;
            }
            if (from < more.length()) {
                started = true;
                if (interrupted) {
                    emit("\n\n");
                }
            }
            return from;
        }

        /** At the very start indentation may matter; after a call nothing does. */
        private boolean isSurrounding(char c) {
            return c == '\n' || (interrupted && Character.isWhitespace(c));
        }

        private void emit(String more) {
            text.append(more);
            sink.accept(more);
        }
    }
}
