package dev.jwen.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.commonmark.ext.gfm.tables.TableBlock;
import org.commonmark.ext.gfm.tables.TableCell;
import org.commonmark.ext.gfm.tables.TableHead;
import org.commonmark.ext.gfm.tables.TableRow;
import org.commonmark.node.Node;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;

/** A Markdown table in aligned columns; where it is too wide, cells wrap in the widest columns. */
final class TableRows {
    private static final AttributedString BAR = new AttributedString(" │ ", MarkdownRows.FAINT);
    private static final int MIN_COLUMN = 3;

    private record Cell(AttributedString text, TableCell.Alignment alignment) {}

    private final List<List<Cell>> cells = new ArrayList<>();
    private final int[] widths;

    TableRows(TableBlock table, int width) {
        for (Node section = table.getFirstChild(); section != null; section = section.getNext()) {
            for (Node row = section.getFirstChild(); row != null; row = row.getNext()) {
                cells.add(cells((TableRow) row, section instanceof TableHead));
            }
        }
        widths = fittingWidths(width);
    }

    private static List<Cell> cells(TableRow row, boolean isHead) {
        List<Cell> cells = new ArrayList<>();
        AttributedStyle style = isHead ? AttributedStyle.DEFAULT.bold() : AttributedStyle.DEFAULT;
        for (Node node = row.getFirstChild(); node != null; node = node.getNext()) {
            TableCell cell = (TableCell) node;
            TableCell.Alignment alignment = cell.getAlignment();
            cells.add(new Cell(
                    MarkdownRows.inline(cell, style), alignment == null ? TableCell.Alignment.LEFT : alignment));
        }
        return cells;
    }

    private int[] fittingWidths(int width) {
        int columns = cells.getFirst().size();
        int[] fitting = new int[columns];
        for (List<Cell> row : cells) {
            for (int i = 0; i < Math.min(columns, row.size()); i++) {
                fitting[i] = Math.max(fitting[i], Columns.width(row.get(i).text()));
            }
        }
        int excess = IntStream.of(fitting).sum() + (columns - 1) * BAR.length() - width;
        for (; excess > 0; excess--) {
            int widest = 0;
            for (int i = 1; i < columns; i++) {
                widest = fitting[i] > fitting[widest] ? i : widest;
            }
            if (fitting[widest] <= MIN_COLUMN) {
                break;
            }
            fitting[widest]--;
        }
        return fitting;
    }

    List<AttributedString> rows() {
        List<AttributedString> rows = new ArrayList<>(row(cells.getFirst()));
        List<String> rules = IntStream.of(widths).mapToObj("─"::repeat).toList();
        rows.add(new AttributedString(String.join("─┼─", rules), MarkdownRows.FAINT));
        cells.stream().skip(1).forEach(row -> rows.addAll(row(row)));
        return rows;
    }

    private List<AttributedString> row(List<Cell> row) {
        List<List<AttributedString>> columns = new ArrayList<>();
        int height = 1;
        for (int i = 0; i < widths.length; i++) {
            AttributedString text = i < row.size() ? row.get(i).text() : new AttributedString("");
            columns.add(Columns.wrap(text, Math.max(1, widths[i])));
            height = Math.max(height, columns.getLast().size());
        }
        List<AttributedString> rows = new ArrayList<>();
        for (int line = 0; line < height; line++) {
            AttributedStringBuilder text = new AttributedStringBuilder();
            for (int i = 0; i < widths.length; i++) {
                AttributedString part =
                        line < columns.get(i).size() ? columns.get(i).get(line) : new AttributedString("");
                TableCell.Alignment alignment = i < row.size() ? row.get(i).alignment() : TableCell.Alignment.LEFT;
                appendAligned(part, widths[i], alignment, text.append(i == 0 ? new AttributedString("") : BAR));
            }
            rows.add(text.toAttributedString());
        }
        return rows;
    }

    private static void appendAligned(
            AttributedString part, int width, TableCell.Alignment alignment, AttributedStringBuilder text) {
        int space = Math.max(0, width - Columns.width(part));
        int left = switch (alignment) {
            case LEFT -> 0;
            case CENTER -> space / 2;
            case RIGHT -> space;
        };
        text.append(" ".repeat(left)).append(part).append(" ".repeat(space - left));
    }
}
