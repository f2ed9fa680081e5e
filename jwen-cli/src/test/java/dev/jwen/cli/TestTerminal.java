package dev.jwen.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A terminal that understands the few orders Jwen gives: newline, carriage return, cursor up, clear and styles.
 * Anything else that starts with ESC, and moving above the visible rows, is an error. Styles stay in the rows, written
 * {@code {1}} for {@code ESC[1m}.
 */
final class TestTerminal {
    private static final Pattern ORDER = Pattern.compile("\033\\[([0-9;]*)([AJKm])");

    private final StringWriter written = new StringWriter();
    private final int height;

    TestTerminal(int height) {
        this.height = height;
    }

    PrintWriter writer() {
        return new PrintWriter(written);
    }

    String written() {
        return written.toString();
    }

    /** What stands on the screen and in the scrollback, row by row; the last row is the cursor's. */
    List<String> rows() {
        List<StringBuilder> rows = new ArrayList<>(List.of(new StringBuilder()));
        int row = 0;
        String text = written();
        Matcher order = ORDER.matcher(text);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\033') {
                if (!order.find(i) || order.start() != i) {
                    throw new AssertionError("unknown order at " + i + ": " + text.substring(i));
                }
                row = obey(order.group(2), order.group(1), row, rows);
                i = order.end() - 1;
            } else if (c == '\n') {
                row++;
                if (row == rows.size()) {
                    rows.add(new StringBuilder());
                }
            } else if (c == '\r') {
                // All rows are rewritten from their beginning, after a clear that follows.
                if (text.charAt(i + 1) != '\033') {
                    throw new AssertionError("carriage return without a clear at " + i);
                }
            } else {
                rows.get(row).append(c);
            }
        }
        return rows.stream().map(StringBuilder::toString).toList();
    }

    private int obey(String order, String argument, int row, List<StringBuilder> rows) {
        switch (order) {
            case "A" -> {
                int target = row - Integer.parseInt(argument);
                if (target < Math.max(0, rows.size() - height)) {
                    throw new AssertionError("the cursor left the screen: row " + target + " of " + rows.size());
                }
                return target;
            }
            case "J" -> {
                rows.subList(row + 1, rows.size()).clear();
                rows.get(row).setLength(0);
            }
            case "K" -> rows.get(row).setLength(0);
            default -> rows.get(row).append('{').append(argument).append('}');
        }
        return row;
    }
}
