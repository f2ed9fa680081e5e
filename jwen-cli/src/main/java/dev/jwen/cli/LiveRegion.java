package dev.jwen.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStyle;

/**
 * The end of a terminal's output: rows that stay, followed by rows that may still change.
 *
 * <p>The changing rows are cut to the width and limited to the height of the screen, because a cursor cannot move back
 * to what has scrolled away; of more rows the last are shown. Rows that did not change are not written again.
 */
final class LiveRegion {
    private static final String CLEAR_BELOW = "\r\033[J";

    private final PrintWriter out;
    private final int width;
    private final int maxOpenRows;
    private List<String> open = List.of(); // the cursor stands at the end of the last

    LiveRegion(Screen screen, PrintWriter out) {
        this.out = out;
        this.width = screen.width() - 1; // some terminals wrap as soon as the last column is filled
        this.maxOpenRows = screen.height() - 1;
    }

    /** Columns that rows may use. */
    int width() {
        return width;
    }

    /** Replaces the changing rows by rows that stay and new changing rows. */
    void show(List<AttributedString> done, List<AttributedString> stillOpen) {
        List<String> rows = new ArrayList<>();
        done.forEach(row -> rows.add(ansi(row)));
        stillOpen.stream()
                .skip(Math.max(0, stillOpen.size() - maxOpenRows))
                .forEach(row -> rows.add(ansi(Columns.cut(row, width))));
        out.write(rewrite(rows, stillOpen.isEmpty()));
        out.flush();
        open = List.copyOf(rows.subList(done.size(), rows.size()));
    }

    private String rewrite(List<String> rows, boolean isSettled) {
        int same = 0;
        while (same < Math.min(open.size(), rows.size()) && open.get(same).equals(rows.get(same))) {
            same++;
        }
        StringBuilder text = new StringBuilder();
        if (same < open.size()) {
            same = Math.min(same, Math.max(0, rows.size() - 1)); // the cursor must end in a row of ours
            moveUp(open.size() - 1 - same, text);
        } else if (same > 0 && same < rows.size()) {
            text.append('\n');
        }
        text.append(String.join("\n", rows.subList(same, rows.size())));
        if (isSettled && !rows.isEmpty()) {
            text.append('\n');
        }
        return text.toString();
    }

    // JLine's own toAnsi turns box drawing into ASCII, also where it belongs to the answer.
    private static String ansi(AttributedString row) {
        StringBuilder text = new StringBuilder();
        int end;
        for (int start = 0; start < row.length(); start = end) {
            end = row.runLimit(start);
            AttributedStyle style = row.styleAt(start);
            if (style.equals(AttributedStyle.DEFAULT)) {
                text.append(row, start, end);
            } else {
                text.append("\033[" + style.toAnsi() + "m")
                        .append(row, start, end)
                        .append("\033[0m");
            }
        }
        return text.toString();
    }

    private static void moveUp(int rows, StringBuilder text) {
        if (rows > 0) {
            text.append("\033[").append(rows).append('A');
        }
        text.append(CLEAR_BELOW);
    }
}
