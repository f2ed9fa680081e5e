package dev.jwen.cli;

import dev.jwen.engine.Listener;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;

/** Shows how far a long prompt is read, until the answer begins. */
class PromptProgress implements Listener {
    /** Shorter prompts are read before a line could be noticed. */
    private static final int LONG_PROMPT = 600;

    private final Screen screen;
    private final PrintWriter out;
    private @Nullable Progress progress;
    private @Nullable Progress seeing;
    private int known;

    PromptProgress(Screen screen, PrintWriter out) {
        this.screen = screen;
        this.out = out;
    }

    @Override
    public void decodingVideo(int done, int total) {
        show("decoding the video", "%,d frames", done, total);
    }

    @Override
    public void encodingPictures(int done, int total) {
        show("looking", "%,d patches", done, total);
    }

    /** One line for what is going on before the prompt is read. */
    private void show(String label, String unit, int done, int total) {
        if (seeing == null) {
            seeing = new Progress(screen, out, label, total, unit::formatted, System::nanoTime);
        }
        if (done < total) {
            seeing.update(done);
        } else {
            seeing.close();
            seeing = null;
        }
    }

    @Override
    public void prompt(int read, int total) {
        if (progress == null) {
            known = read;
            progress = new Progress(
                    screen, out, "reading", total - known, n -> "%,d tokens".formatted(n), System::nanoTime);
        }
        if (total - known >= LONG_PROMPT && read < total) {
            progress.update(read - known);
        } else {
            progress.close();
            progress = null; // the next prompt, if tools go on with this one, is another
        }
    }

    /** Removes the line, if the reading was stopped before its end. */
    @Override
    public boolean isCancelled() {
        boolean stopped = isStopped();
        if (stopped && progress != null) {
            progress.close();
        }
        if (stopped && seeing != null) {
            seeing.close();
        }
        return stopped;
    }

    /** Whether the user wants no more. */
    boolean isStopped() {
        return false;
    }
}
