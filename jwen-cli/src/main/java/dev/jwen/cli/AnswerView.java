package dev.jwen.cli;

import dev.jwen.chat.ToolCall;
import java.io.PrintWriter;

/** Shows an answer while it is written: thinking and text arrive in pieces of any size. */
public sealed interface AnswerView permits MarkdownRenderer, PlainRenderer {

    /** Shows the next piece of the model's thinking. */
    void thinking(String piece);

    /** Shows the next piece of the answer. */
    void text(String piece);

    /** Shows what the model called and what that gave, in one line. */
    void tool(ToolCall call, String result);

    /** Ends the answer: what was held back is shown, and the cursor stands on a new line. */
    void end();

    /**
     * The view that suits the screen: rendered Markdown where text can have style, else plain text.
     *
     * @param notes where a plain view writes thinking and tool calls, so that a pipe carries the answer alone
     */
    static AnswerView on(Screen screen, PrintWriter out, PrintWriter notes) {
        return screen.hasStyle() ? new MarkdownRenderer(screen, out) : new PlainRenderer(screen, out, notes);
    }
}
