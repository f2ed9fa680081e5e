package dev.jwen.cli;

import dev.jwen.engine.Listener;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;

/** Writes generated text as it comes, or nowhere. */
record PlainText(@Nullable PrintWriter out) implements Listener {
    @Override
    public void text(String piece) {
        if (out != null) {
            out.print(Streams.isOutputTerminal() ? Printable.text(piece) : piece);
            out.flush();
        }
    }

    /** True when whoever reads the text has gone. */
    @Override
    public boolean isCancelled() {
        return out != null && out.checkError();
    }
}
