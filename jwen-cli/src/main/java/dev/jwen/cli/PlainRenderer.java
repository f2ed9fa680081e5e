package dev.jwen.cli;

import dev.jwen.chat.ToolCall;
import java.io.PrintWriter;

/**
 * Passes an answer through as it is. Only on a terminal, which would obey them, control characters are made visible.
 */
public final class PlainRenderer implements AnswerView {
    private final boolean isTerminal;
    private final PrintWriter out;
    private final PrintWriter notes;
    private boolean inThinking;
    private char lastOfText = '\n';

    /**
     * A plain view.
     *
     * @param notes takes thinking and tool calls; may be the same as {@code out}
     */
    public PlainRenderer(Screen screen, PrintWriter out, PrintWriter notes) {
        this.isTerminal = screen.isTerminal();
        this.out = out;
        this.notes = notes;
    }

    @Override
    public void thinking(String piece) {
        inThinking = true;
        write(notes, piece);
    }

    @Override
    public void text(String piece) {
        if (piece.isEmpty()) {
            return;
        }
        endThinking();
        lastOfText = piece.charAt(piece.length() - 1);
        write(out, piece);
    }

    @Override
    public void tool(ToolCall call, String result) {
        end(); // what comes next is another answer
        write(notes, ToolLine.of(call, result) + "\n");
    }

    @Override
    public void end() {
        endThinking();
        if (lastOfText != '\n') {
            lastOfText = '\n';
            write(out, "\n");
        }
    }

    private void endThinking() {
        if (inThinking) {
            inThinking = false;
            write(notes, "\n\n");
        }
    }

    private void write(PrintWriter to, String piece) {
        to.write(isTerminal ? Printable.text(piece) : piece);
        to.flush();
    }
}
