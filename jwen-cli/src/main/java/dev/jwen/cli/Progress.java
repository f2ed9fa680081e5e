package dev.jwen.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import org.jline.utils.AttributedString;

/**
 * One line that shows how far long work is; silent where lines cannot be rewritten.
 *
 * {@snippet :
 *   try (Progress progress = new Progress(screen, out, "Loading", totalBytes, Units::bytes, System::nanoTime)) {
 *       progress.update(doneBytes);
 *   }
 * }
 */
public final class Progress implements AutoCloseable {
    private static final long INTERVAL_NANOS = 100_000_000;
    private static final int BAR_WIDTH = 24;
    private static final int MIN_BAR_WIDTH = 4;
    private static final String CLEAR_LINE = "\r\033[K";

    private final Screen screen;
    private final PrintWriter out;
    private final String label;
    private final long total;
    private final LongFunction<String> unit;
    private final LongSupplier nanoTime;
    private final long start;
    private long lastShown;
    private boolean isShown;

    /**
     * Starts the clock; nothing is shown before the first update.
     *
     * @param total what the work amounts to; 0 if unknown
     * @param unit how to write an amount
     */
    public Progress(
            Screen screen,
            PrintWriter out,
            String label,
            long total,
            LongFunction<String> unit,
            LongSupplier nanoTime) {
        this.screen = screen;
        this.out = out;
        this.label = Printable.text(label).replaceAll("\\s", " ");
        this.total = total;
        this.unit = unit;
        this.nanoTime = nanoTime;
        this.start = nanoTime.getAsLong();
    }

    /** Says how much is done. The line is drawn ten times a second at most. */
    public void update(long done) {
        long now = nanoTime.getAsLong();
        if (!screen.movesCursor() || (isShown && now - lastShown < INTERVAL_NANOS)) {
            return;
        }
        isShown = true;
        lastShown = now;
        AttributedString line = new AttributedString(line(done, now - start));
        out.write(CLEAR_LINE + Columns.cut(line, screen.width() - 1));
        out.flush();
    }

    private String line(long done, long nanos) {
        double perSecond = nanos > 0 ? done / (nanos / 1e9) : 0;
        String speed = perSecond >= 1 ? "  " + unit.apply((long) perSecond) + "/s" : "";
        if (total <= 0) {
            return label + "  " + unit.apply(done) + speed;
        }
        double fraction = Math.clamp((double) done / total, 0.0, 1.0);
        String before = "%s %3d %% ".formatted(label, (int) (fraction * 100));
        String left = done > 0 && done < total
                ? "  " + Units.time(Duration.ofNanos((long) ((double) nanos / done * (total - done)))) + " left"
                : "";
        String after = "  %s of %s%s%s".formatted(unit.apply(done), unit.apply(total), speed, left);
        // The numbers say more than the bar: it gives way on a narrow screen.
        int room = screen.width() - 1 - Columns.width(before) - Columns.width(after);
        int width = Math.clamp(room, MIN_BAR_WIDTH, BAR_WIDTH);
        int filled = (int) (fraction * width);
        return before + "━".repeat(filled) + "─".repeat(width - filled) + after;
    }

    /** Removes the line. */
    @Override
    public void close() {
        if (isShown) {
            isShown = false;
            out.write(CLEAR_LINE);
            out.flush();
        }
    }
}
