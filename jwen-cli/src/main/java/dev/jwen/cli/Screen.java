package dev.jwen.cli;

import java.util.Map;

/**
 * What the output can show.
 *
 * @param isTerminal whether a person's terminal reads the output, rather than a file or another program
 * @param movesCursor whether lines can be rewritten
 * @param hasStyle whether text may be bold or coloured
 * @param width columns
 * @param height rows
 */
public record Screen(boolean isTerminal, boolean movesCursor, boolean hasStyle, int width, int height) {
    private static final int MIN_WIDTH = 20;
    private static final int MIN_HEIGHT = 4;

    public Screen {
        width = Math.max(width, MIN_WIDTH);
        height = Math.max(height, MIN_HEIGHT);
    }

    /**
     * A terminal as its environment describes it: {@code TERM=dumb} moves no cursor, and there and with
     * {@code NO_COLOR} (any value but the empty one) text has no style.
     *
     * @param width columns; 0 if unknown, which stands for 80
     * @param height rows; 0 if unknown, which stands for 24
     */
    public static Screen terminal(Map<String, String> environment, int width, int height) {
        boolean dumb = environment.getOrDefault("TERM", "").equals("dumb");
        boolean noColor = !environment.getOrDefault("NO_COLOR", "").isEmpty();
        return new Screen(true, !dumb, !dumb && !noColor, width > 0 ? width : 80, height > 0 ? height : 24);
    }

    /** A file or a pipe. */
    public static Screen pipe() {
        return new Screen(false, false, false, 80, 24);
    }
}
