package dev.jwen.cli;

import dev.jwen.chat.ToolCall;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.commonmark.ext.gfm.tables.TableBlock;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.node.BlockQuote;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.Heading;
import org.commonmark.node.ListBlock;
import org.commonmark.node.Node;
import org.commonmark.node.Paragraph;
import org.commonmark.node.SourceSpan;
import org.commonmark.node.ThematicBreak;
import org.commonmark.parser.IncludeSourceSpans;
import org.commonmark.parser.Parser;
import org.jline.utils.AttributedString;
import org.jspecify.annotations.Nullable;

/**
 * Renders the Markdown of an answer while it arrives.
 *
 * <p>Only complete lines decide what stays on the screen, so the final screen does not depend on how the text was
 * split into pieces. The source of the block that is still open is kept and parsed again with each line; its rendering
 * is shown in the rows at the end of the output that may still change. Rows that no later line can change are settled
 * at once: everything before the open block, all items of an open list but the last, and each line of fenced code,
 * which is recognised line by line instead of parsed again.
 */
public final class MarkdownRenderer implements AnswerView {
    private static final int MAX_PREVIEW_CHARS = 8_192; // beyond, parsing for every piece would take too long
    private static final int MAX_OPEN_CHARS = 65_536; // beyond, a block is settled although it is still open
    private static final int MAX_NESTING = 16;
    private static final Pattern MARKERS_ONLY = Pattern.compile("[\\s\\-=*_+#>|`~:.\\d)]*");
    private static final AttributedString NOTHING = new AttributedString("");
    private static final Parser PARSER = Parser.builder()
            .extensions(List.of(TablesExtension.create()))
            .includeSourceSpans(IncludeSourceSpans.BLOCKS)
            .maxOpenBlockParsers(MAX_NESTING)
            .maxInlineNesting(MAX_NESTING)
            .build();

    private record Fence(char character, int length, int indent) {}

    /** A list whose first items are settled: how it goes on. */
    private record OpenList(int number, boolean afterBlankLine) {}

    private final LiveRegion region;
    private final StringBuilder line = new StringBuilder(); // the line that has not ended yet
    private final StringBuilder source = new StringBuilder(); // complete lines of the open block
    private @Nullable OpenList openList; // in source, if its first items are settled
    private @Nullable Fence fence; // the open code block
    private boolean inThinking;
    private boolean afterGap; // in thinking: an empty row comes before the next line
    private boolean isEmpty = true; // nothing was settled yet

    /** A renderer that writes to a terminal. */
    public MarkdownRenderer(Screen screen, PrintWriter out) {
        region = new LiveRegion(screen, out);
    }

    @Override
    public void thinking(String piece) {
        if (!inThinking) {
            settleText();
            inThinking = true;
            afterGap = true;
        }
        accept(piece);
    }

    @Override
    public void text(String piece) {
        settleThinking();
        accept(piece);
    }

    @Override
    public void tool(ToolCall call, String result) {
        settleThinking();
        settleText();
        AttributedString row = new AttributedString(ToolLine.of(call, result), MarkdownRows.FAINT);
        settle(List.of(Columns.cut(row, region.width())), true);
    }

    @Override
    public void end() {
        settleThinking();
        settleText();
        region.show(List.of(), List.of());
    }

    private void accept(String piece) {
        for (int i = 0; i < piece.length(); i++) {
            char c = piece.charAt(i);
            if (c == '\n') {
                endLine();
            } else if (c != '\r') {
                line.append(c);
            }
        }
        region.show(List.of(), openRows());
    }

    private void endLine() {
        String complete = Printable.text(line.toString());
        line.setLength(0);
        if (inThinking) {
            settleThought(complete);
        } else if (fence != null) {
            settleCodeLine(complete, fence);
        } else {
            source.append(complete).append('\n');
            settleBlocks(source.length() > MAX_OPEN_CHARS);
        }
    }

    private void settleThought(String thought) {
        if (thought.isBlank()) {
            afterGap = true;
        } else {
            settle(thoughtRows(thought), afterGap);
            afterGap = false;
        }
    }

    private List<AttributedString> thoughtRows(String thought) {
        return Columns.wrap(new AttributedString(thought.replace("\t", "    "), MarkdownRows.FAINT), region.width());
    }

    private void settleCodeLine(String code, Fence open) {
        if (closes(code, open)) {
            settle(List.of(MarkdownRows.rule(region.width())), false);
            fence = null;
        } else {
            settle(codeRows(code, open), false);
        }
    }

    /** Up to three spaces, at least as many fence characters as in the opening line, and nothing else. */
    private static boolean closes(String code, Fence open) {
        int indent = leadingSpaces(code, 4);
        String rest = code.substring(indent).stripTrailing();
        return indent < 4 && rest.length() >= open.length() && rest.chars().allMatch(c -> c == open.character());
    }

    private List<AttributedString> codeRows(String code, Fence open) {
        return MarkdownRows.code(code.substring(leadingSpaces(code, open.indent())) + "\n", region.width());
    }

    private static int leadingSpaces(String text, int atMost) {
        int spaces = 0;
        while (spaces < Math.min(atMost, text.length()) && text.charAt(spaces) == ' ') {
            spaces++;
        }
        return spaces;
    }

    private void settleBlocks(boolean all) {
        Node document = PARSER.parse(source.toString());
        Node last = document.getLastChild();
        boolean isOpen = last != null && !all && !isComplete(last);
        for (Node block = document.getFirstChild(); block != null; block = block.getNext()) {
            if (block.getNext() != null || !isOpen) {
                settle(rowsOf(block), openList == null || openList.afterBlankLine());
                openList = null;
            }
        }
        if (last == null || !isOpen) {
            source.setLength(0);
        } else {
            settleStablePart(last);
        }
    }

    private boolean isComplete(Node block) {
        if (block instanceof Heading || block instanceof ThematicBreak) {
            return true;
        }
        boolean endsAtBlankLine =
                block instanceof Paragraph || block instanceof BlockQuote || block instanceof TableBlock;
        return endsAtBlankLine && endsWithBlankLine();
    }

    private boolean endsWithBlankLine() {
        int start = source.lastIndexOf("\n", source.length() - 2) + 1;
        return source.substring(start).isBlank();
    }

    private void settleStablePart(Node open) {
        if (open instanceof FencedCodeBlock code) {
            settle(List.of(MarkdownRows.fenceTop(code.getInfo(), region.width())), true);
            fence = new Fence(code.getFenceCharacter().charAt(0), code.getOpeningFenceLength(), code.getFenceIndent());
            source.setLength(0);
        } else if (open instanceof ListBlock list) {
            settleItems(list);
            keepFrom(list.getLastChild());
        } else {
            keepFrom(open);
        }
    }

    /** Settles all items but the last, which may still grow. */
    private void settleItems(ListBlock list) {
        for (Node item = list.getFirstChild(); item != null && item.getNext() != null; item = item.getNext()) {
            int number = openList == null ? MarkdownRows.firstNumber(list) : openList.number();
            settle(MarkdownRows.item(item, number, region.width()), openList == null || openList.afterBlankLine());
            openList = new OpenList(number + 1, MarkdownRows.isAfterBlankLine(item.getNext()));
        }
    }

    private void keepFrom(Node block) {
        SourceSpan span = block.getSourceSpans().getFirst();
        source.delete(0, span.getInputIndex() - span.getColumnIndex());
    }

    /** The rows of a top-level block, which may be the rest of a list. */
    private List<AttributedString> rowsOf(Node block) {
        return openList != null && block instanceof ListBlock list
                ? MarkdownRows.list(list, openList.number(), region.width())
                : MarkdownRows.of(block, region.width());
    }

    private void settle(List<AttributedString> rows, boolean afterEmptyRow) {
        if (!rows.isEmpty()) {
            region.show(separated(rows, afterEmptyRow), List.of());
            isEmpty = false;
        }
    }

    private List<AttributedString> separated(List<AttributedString> rows, boolean afterEmptyRow) {
        List<AttributedString> separated = new ArrayList<>(rows);
        if (afterEmptyRow && !isEmpty && !rows.isEmpty()) {
            separated.addFirst(NOTHING);
        }
        return separated;
    }

    /** What the part that is not settled yet looks like, as far as it can be told. */
    private List<AttributedString> openRows() {
        String tail = Printable.text(line.toString());
        if (inThinking) {
            return tail.isBlank() ? List.of() : separated(thoughtRows(tail), afterGap);
        }
        if (fence != null) {
            char mark = fence.character();
            boolean mayClose = tail.strip().chars().allMatch(c -> c == mark);
            return mayClose ? List.of() : codeRows(tail, fence);
        }
        if (source.length() + tail.length() > MAX_PREVIEW_CHARS) {
            return List.of();
        }
        boolean isUnclear = MARKERS_ONLY.matcher(tail).matches();
        Node document = PARSER.parse(isUnclear ? source.toString() : source + tail);
        List<AttributedString> rows = new ArrayList<>();
        for (Node block = document.getFirstChild(); block != null; block = block.getNext()) {
            boolean isFirst = block.getPrevious() == null;
            MarkdownRows.addBlock(isFirst ? rowsOf(block) : MarkdownRows.of(block, region.width()), rows);
        }
        return separated(rows, openList == null || openList.afterBlankLine());
    }

    private void settleThinking() {
        if (inThinking) {
            endLine();
            inThinking = false;
        }
    }

    private void settleText() {
        if (!line.isEmpty()) {
            endLine();
        }
        if (fence != null) {
            settle(List.of(MarkdownRows.rule(region.width())), false);
            fence = null;
        }
        settleBlocks(true);
    }
}
