import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Draws what a terminal shows at the end of a session: its raw output from standard input, an SVG to standard output.
 * It knows the orders that Jwen gives: line feed, return, cursor up, clear, bold, dim, italic, underlined and the eight
 * colours; others are left out.
 */
final class Terminal {
    private static final Pattern ORDER = Pattern.compile("\033\\[([0-9;?]*)([A-Za-z])");
    private static final int WIDTH = 84; // columns, as record.sh sets them
    private static final double ADVANCE = 8.43; // of a character at 14 pixels in most monospaced fonts
    private static final int LINE = 20;
    private static final int MARGIN = 18;
    private static final int TOP = 44;

    private record Cell(String text, String style) {}

    private final List<List<Cell>> rows = new ArrayList<>(List.of(new ArrayList<>()));
    private int row;
    private int column;
    private String style = "";

    public static void main(String[] arguments) throws IOException {
        Terminal terminal = new Terminal();
        terminal.take(new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
        System.out.print(terminal.svg());
    }

    private void take(String output) {
        Matcher order = ORDER.matcher(output);
        for (int i = 0; i < output.length(); ) {
            if (order.region(i, output.length()).lookingAt()) {
                obey(order.group(2).charAt(0), order.group(1));
                i = order.end();
                continue;
            }
            int c = output.codePointAt(i);
            i += Character.charCount(c);
            switch (c) {
                case '\n' -> move(row + 1, 0);
                case '\r' -> column = 0;
                default -> {
                    if (!Character.isISOControl(c)) {
                        put(Character.toString(c));
                    }
                }
            }
        }
    }

    private void obey(char order, String argument) {
        int number = argument.matches("[0-9]+") ? Integer.parseInt(argument) : 0;
        switch (order) {
            case 'A' -> row = Math.max(0, row - Math.max(1, number));
            case 'J' -> {
                rows.subList(row + 1, rows.size()).clear();
                cutRow();
            }
            case 'K' -> cutRow();
            case 'm' -> {
                for (String code : argument.split(";")) {
                    style = code.isEmpty() || code.equals("0") ? "" : style + " s" + code;
                }
            }
            default -> {
                // nothing that could be seen
            }
        }
    }

    private void cutRow() {
        List<Cell> cells = rows.get(row);
        cells.subList(Math.min(column, cells.size()), cells.size()).clear();
    }

    private void move(int toRow, int toColumn) {
        row = toRow;
        column = toColumn;
        while (rows.size() <= row) {
            rows.add(new ArrayList<>());
        }
    }

    private void put(String character) {
        if (column == WIDTH) {
            move(row + 1, 0);
        }
        List<Cell> cells = rows.get(row);
        while (cells.size() <= column) {
            cells.add(new Cell(" ", ""));
        }
        cells.set(column++, new Cell(character, style));
    }

    private String svg() {
        while (!rows.isEmpty() && rows.get(rows.size() - 1).isEmpty()) {
            rows.remove(rows.size() - 1);
        }
        int width = (int) Math.ceil(WIDTH * ADVANCE) + 2 * MARGIN;
        int height = TOP + rows.size() * LINE + MARGIN;
        StringBuilder svg = new StringBuilder();
        svg.append("""
                <svg xmlns="http://www.w3.org/2000/svg" width="%1$d" height="%2$d" viewBox="0 0 %1$d %2$d" role="img">
                <title>A session with jwen-nano in a terminal</title>
                <style>
                text { font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #e6e6e6; white-space: pre }
                .s1 { font-weight: bold; fill: #ffffff } .s2 { fill: #8b949e } .s3 { font-style: italic } .s4 { text-decoration: underline }
                .s31 { fill: #ff7b72 } .s32 { fill: #7ee787 } .s33 { fill: #e3b341 } .s34 { fill: #79c0ff } .s35 { fill: #d2a8ff } .s36 { fill: #76e3ea }
                </style>
                <rect width="%1$d" height="%2$d" rx="10" fill="#161b22"/>
                <circle cx="22" cy="20" r="6" fill="#ff5f57"/><circle cx="42" cy="20" r="6" fill="#febc2e"/><circle cx="62" cy="20" r="6" fill="#28c840"/>
                """.formatted(width, height));
        for (int r = 0; r < rows.size(); r++) {
            List<Cell> cells = rows.get(r);
            int end;
            for (int start = 0; start < cells.size(); start = end) {
                end = start + 1;
                while (end < cells.size() && cells.get(end).style().equals(cells.get(start).style())) {
                    end++;
                }
                run(svg, r, start, cells.subList(start, end));
            }
        }
        return svg.append("</svg>\n").toString();
    }

    /** Cells of one style. Their length is given, so that rows are aligned in any font. */
    private static void run(StringBuilder svg, int row, int column, List<Cell> cells) {
        StringBuilder text = new StringBuilder();
        cells.forEach(cell -> text.append(cell.text()));
        if (text.toString().isBlank()) {
            return;
        }
        String style = cells.get(0).style().strip();
        svg.append("<text x=\"%.1f\" y=\"%d\" textLength=\"%.1f\"%s>%s</text>\n"
                .formatted(
                        MARGIN + column * ADVANCE,
                        TOP + row * LINE + LINE - 6,
                        cells.size() * ADVANCE,
                        style.isEmpty() ? "" : " class=\"" + style + "\"",
                        text.toString().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")));
    }
}
