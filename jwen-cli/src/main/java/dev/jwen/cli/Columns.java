package dev.jwen.cli;

import java.util.ArrayList;
import java.util.List;
import org.jline.utils.AttributedString;
import org.jline.utils.WCWidth;

/** Text measured in terminal columns: combining marks take none, Chinese characters and emoji take two. */
final class Columns {
    // Longer clusters exist only in decorated nonsense; JLine looks at the whole text for each one otherwise.
    private static final int LONGEST_CLUSTER = 32;
    private static final char FIRST_COMBINING = '\u0300';

    private Columns() {}

    /** Columns a line of text takes. */
    static int width(CharSequence text) {
        int width = 0;
        for (int i = 0; i < text.length(); i += clusterLength(text, i)) {
            width += clusterWidth(text, i);
        }
        return width;
    }

    /**
     * Breaks text into rows at its newlines, and where it is too wide: between words or beside a wide character, else
     * anywhere. Spaces at such a break vanish.
     */
    static List<AttributedString> wrap(AttributedString text, int width) {
        return wrap(text, width, true);
    }

    /** Breaks text into rows at its newlines, and exactly where it is too wide. */
    static List<AttributedString> chop(AttributedString text, int width) {
        return wrap(text, width, false);
    }

    private static List<AttributedString> wrap(AttributedString text, int width, boolean atWords) {
        List<AttributedString> rows = new ArrayList<>();
        int start = 0;
        int column = 0;
        int opportunity = 0; // where the next row may start; usable when beyond start
        for (int i = 0; i < text.length(); i += clusterLength(text, i)) {
            char c = text.charAt(i);
            if (c == '\n') {
                rows.add(text.subSequence(start, i));
                start = i + 1;
                column = 0;
                continue;
            }
            int clusterWidth = clusterWidth(text, i);
            boolean isSpace = atWords && c == ' ';
            if (clusterWidth == 2) {
                opportunity = i;
            }
            if (column + clusterWidth > width && i > start && !isSpace) {
                int next = atWords && opportunity > start ? opportunity : i;
                rows.add(atWords ? withoutTrailingSpaces(text, start, next) : text.subSequence(start, next));
                start = next;
                column = width(text.subSequence(next, i));
            }
            if (isSpace || clusterWidth == 2) {
                opportunity = i + clusterLength(text, i);
            }
            column += clusterWidth;
        }
        rows.add(text.subSequence(start, text.length()));
        return rows;
    }

    private static AttributedString withoutTrailingSpaces(AttributedString text, int start, int end) {
        int last = end;
        while (last > start && text.charAt(last - 1) == ' ') {
            last--;
        }
        return text.subSequence(start, last);
    }

    /** The beginning of a row that takes at most {@code width} columns. */
    static AttributedString cut(AttributedString row, int width) {
        int column = 0;
        for (int i = 0; i < row.length(); i += clusterLength(row, i)) {
            column += clusterWidth(row, i);
            if (column > width) {
                return row.subSequence(0, i);
            }
        }
        return row;
    }

    private static int clusterLength(CharSequence text, int index) {
        return isSimple(text, index) ? 1 : WCWidth.charCountForGraphemeCluster(cluster(text, index), 0);
    }

    private static int clusterWidth(CharSequence text, int index) {
        return isSimple(text, index) ? 1 : Math.max(0, WCWidth.wcwidthForGraphemeCluster(cluster(text, index), 0));
    }

    private static boolean isSimple(CharSequence text, int index) {
        return text.charAt(index) < FIRST_COMBINING
                && (index + 1 == text.length() || text.charAt(index + 1) < FIRST_COMBINING);
    }

    private static String cluster(CharSequence text, int index) {
        return text.subSequence(index, Math.min(text.length(), index + LONGEST_CLUSTER))
                .toString();
    }
}
