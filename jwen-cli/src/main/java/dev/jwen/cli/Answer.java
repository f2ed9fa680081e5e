package dev.jwen.cli;

import dev.jwen.chat.Event;
import java.io.PrintWriter;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Shows the events of an answer as they happen. */
final class Answer implements Consumer<Event>, AutoCloseable {
    private final @Nullable AnswerView view;
    private final boolean foldThinking;
    private int hiddenCharacters;
    private boolean ended;

    private Answer(@Nullable AnswerView view, boolean foldThinking) {
        this.view = view;
        this.foldThinking = foldThinking;
    }

    /** Shows the answer on a screen; folded thinking becomes one line. */
    static Answer on(Screen screen, PrintWriter out, PrintWriter notes, boolean foldThinking) {
        return new Answer(AnswerView.on(screen, out, notes), foldThinking);
    }

    /** Shows nothing. */
    static Answer silent() {
        return new Answer(null, false);
    }

    @Override
    public void accept(Event event) {
        if (view == null) {
            return;
        }
        switch (event) {
            case Event.Thinking thinking -> think(view, thinking.text());
            case Event.Text text -> {
                unfold(view);
                view.text(text.text());
            }
            case Event.ToolResult result -> {
                unfold(view);
                view.tool(result.call(), result.text());
            }
            case Event.ToolCallStart start -> {
                // Shown with what it gave.
            }
            case Event.ToolCallArguments arguments -> {
                // As above.
            }
            case Event.ToolCallEnd end -> {
                // As above.
            }
        }
    }

    private void think(AnswerView shown, String text) {
        if (foldThinking) {
            hiddenCharacters += text.length();
        } else {
            shown.thinking(text);
        }
    }

    private void unfold(AnswerView shown) {
        if (hiddenCharacters > 0) {
            shown.thinking("(thought for %,d characters)".formatted(hiddenCharacters));
            hiddenCharacters = 0;
        }
    }

    /** Ends the answer: what was held back is shown. Ending again does nothing. */
    void end() {
        if (view != null && !ended) {
            ended = true;
            unfold(view);
            view.end();
        }
    }

    @Override
    public void close() {
        end();
    }
}
