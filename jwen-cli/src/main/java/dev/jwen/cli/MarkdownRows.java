package dev.jwen.cli;

import java.util.ArrayList;
import java.util.List;
import org.commonmark.ext.gfm.tables.TableBlock;
import org.commonmark.node.BlockQuote;
import org.commonmark.node.Code;
import org.commonmark.node.Emphasis;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.HardLineBreak;
import org.commonmark.node.Heading;
import org.commonmark.node.HtmlBlock;
import org.commonmark.node.HtmlInline;
import org.commonmark.node.Image;
import org.commonmark.node.IndentedCodeBlock;
import org.commonmark.node.Link;
import org.commonmark.node.LinkReferenceDefinition;
import org.commonmark.node.ListBlock;
import org.commonmark.node.Node;
import org.commonmark.node.OrderedList;
import org.commonmark.node.SoftLineBreak;
import org.commonmark.node.StrongEmphasis;
import org.commonmark.node.Text;
import org.commonmark.node.ThematicBreak;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;

/** Turns parsed Markdown blocks into styled rows for a terminal. Line breaks of the source are kept. */
final class MarkdownRows {
    static final AttributedStyle FAINT = AttributedStyle.DEFAULT.faint();
    static final AttributedStyle CODE = AttributedStyle.DEFAULT.foreground(AttributedStyle.CYAN);
    private static final AttributedString NOTHING = new AttributedString("");
    private static final AttributedString QUOTE_BAR = new AttributedString("│ ", FAINT);
    private static final int MIN_WIDTH = 8;
    private static final int RULE_WIDTH = 40;

    private MarkdownRows() {}

    /** The rows of one block; none for a block that shows nothing. */
    static List<AttributedString> of(Node block, int availableWidth) {
        int width = Math.max(MIN_WIDTH, availableWidth);
        return switch (block) {
            case Heading heading -> Columns.wrap(inline(heading, headingStyle(heading.getLevel())), width);
            case FencedCodeBlock code -> fenced(code, width);
            case IndentedCodeBlock code -> code(code.getLiteral(), width);
            case HtmlBlock html -> Columns.wrap(new AttributedString(printable(html.getLiteral()), FAINT), width);
            case ThematicBreak line -> List.of(rule(width));
            case BlockQuote quote -> prefixed(children(quote, width - 2), QUOTE_BAR, QUOTE_BAR);
            case ListBlock list -> list(list, firstNumber(list), width);
            case TableBlock table -> new TableRows(table, width).rows();
            case LinkReferenceDefinition nothing -> List.of();
            default -> Columns.wrap(inline(block, AttributedStyle.DEFAULT), width);
        };
    }

    /** The rows of a list whose first item has this number, if it is numbered. */
    static List<AttributedString> list(ListBlock list, int firstNumber, int width) {
        List<AttributedString> rows = new ArrayList<>();
        int number = firstNumber;
        for (Node item = list.getFirstChild(); item != null; item = item.getNext()) {
            if (isAfterBlankLine(item)) {
                rows.add(NOTHING);
            }
            rows.addAll(item(item, number++, width));
        }
        return rows;
    }

    /** The rows of one list item. */
    static List<AttributedString> item(Node item, int number, int width) {
        String marker = item.getParent() instanceof OrderedList ? number + ". " : "• ";
        List<AttributedString> rows = new ArrayList<>();
        for (Node child = item.getFirstChild(); child != null; child = child.getNext()) {
            if (isAfterBlankLine(child)) {
                rows.add(NOTHING);
            }
            rows.addAll(of(child, width - marker.length()));
        }
        AttributedString indent = new AttributedString(" ".repeat(marker.length()));
        return prefixed(rows.isEmpty() ? List.of(NOTHING) : rows, new AttributedString(marker, FAINT), indent);
    }

    /** The number of the first item as it is written. */
    static int firstNumber(ListBlock list) {
        return list instanceof OrderedList ordered ? ordered.getMarkerStartNumber() : 0;
    }

    /** Whether an empty line stands between a block and the one before it in the same container. */
    static boolean isAfterBlankLine(Node block) {
        Node before = block.getPrevious();
        return before != null
                && before.getSourceSpans().getLast().getLineIndex() + 1
                        < block.getSourceSpans().getFirst().getLineIndex();
    }

    private static List<AttributedString> children(Node parent, int width) {
        List<AttributedString> rows = new ArrayList<>();
        for (Node child = parent.getFirstChild(); child != null; child = child.getNext()) {
            addBlock(of(child, width), rows);
        }
        return rows;
    }

    /** Adds the rows of a block, after an empty row where others precede it. */
    static void addBlock(List<AttributedString> block, List<AttributedString> rows) {
        if (!rows.isEmpty() && !block.isEmpty()) {
            rows.add(NOTHING);
        }
        rows.addAll(block);
    }

    private static List<AttributedString> prefixed(
            List<AttributedString> rows, AttributedString first, AttributedString rest) {
        List<AttributedString> prefixed = new ArrayList<>();
        for (AttributedString row : rows) {
            AttributedString prefix = prefixed.isEmpty() ? first : rest;
            boolean isBlank = row.length() == 0 && prefix.toString().isBlank();
            prefixed.add(isBlank ? NOTHING : AttributedStringBuilder.append(prefix, row));
        }
        return prefixed;
    }

    private static List<AttributedString> fenced(FencedCodeBlock block, int width) {
        List<AttributedString> rows = new ArrayList<>();
        rows.add(fenceTop(block.getInfo(), width));
        rows.addAll(code(block.getLiteral(), width));
        rows.add(rule(width));
        return rows;
    }

    /** The rule above a code block, with the language. */
    static AttributedString fenceTop(String info, int width) {
        String language = printable(info).strip();
        if (language.isEmpty()) {
            return rule(width);
        }
        String label = "── " + language + " ";
        int left = Math.max(0, Math.min(RULE_WIDTH, width) - Columns.width(label));
        return Columns.cut(new AttributedString(label + "─".repeat(left), FAINT), width);
    }

    static AttributedString rule(int width) {
        return new AttributedString("─".repeat(Math.min(RULE_WIDTH, width)), FAINT);
    }

    /** The rows of code, in which nothing but the width breaks a line. */
    static List<AttributedString> code(String literal, int width) {
        if (literal.isEmpty()) {
            return List.of();
        }
        String lines = literal.endsWith("\n") ? literal.substring(0, literal.length() - 1) : literal;
        return Columns.chop(new AttributedString(printable(lines), CODE), width);
    }

    private static AttributedStyle headingStyle(int level) {
        AttributedStyle bold = AttributedStyle.DEFAULT.bold();
        return level == 1 ? bold.underline() : bold;
    }

    /** The inline content of a block, with a newline at each line break. */
    static AttributedString inline(Node block, AttributedStyle style) {
        AttributedStringBuilder text = new AttributedStringBuilder();
        appendInline(block, style, text);
        return text.toAttributedString();
    }

    private static void appendInline(Node parent, AttributedStyle style, AttributedStringBuilder text) {
        for (Node node = parent.getFirstChild(); node != null; node = node.getNext()) {
            switch (node) {
                case Text literal -> text.append(printable(literal.getLiteral()), style);
                case Code code -> text.append(printable(code.getLiteral()), style.foreground(AttributedStyle.CYAN));
                case HtmlInline html -> text.append(printable(html.getLiteral()), style.faint());
                case SoftLineBreak newline -> text.append("\n", style);
                case HardLineBreak newline -> text.append("\n", style);
                case Emphasis emphasis -> appendInline(emphasis, style.italic(), text);
                case StrongEmphasis strong -> appendInline(strong, style.bold(), text);
                case Link link -> appendLink(link, link.getDestination(), style, text);
                case Image image -> appendLink(image, image.getDestination(), style, text);
                default -> appendInline(node, style, text);
            }
        }
    }

    private static void appendLink(Node link, String destination, AttributedStyle style, AttributedStringBuilder text) {
        int start = text.length();
        appendInline(link, style.underline(), text);
        String target = printable(destination);
        String label = text.subSequence(start, text.length()).toString();
        if (label.isEmpty()) {
            text.append(target, style.underline());
        } else if (!target.isEmpty() && !label.equals(target) && !target.equals("mailto:" + label)) {
            text.append(" (" + target + ")", style.faint());
        }
    }

    // Entities such as &#27; become characters while parsing, so text is made safe here, not only where it comes in.
    private static String printable(String text) {
        return Printable.text(text).replace("\t", "    ");
    }
}
