package dev.jwen.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Block;
import org.commonmark.node.Document;
import org.commonmark.node.Node;
import org.commonmark.node.Paragraph;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.text.TextContentRenderer;

/**
 * What the README.md of a published model says about it.
 *
 * @param fields of its head: licence, base model, what it is for; only those with a single value
 * @param summary its first paragraph of prose, without markup; empty if it has none
 */
record ModelCard(Map<String, String> fields, String summary) {
    private static final int MAX_BYTES = 1 << 20;
    private static final int MAX_SUMMARY = 600;
    private static final int MIN_PROSE = 60;

    /** Reads a card; one that is missing says nothing. */
    static ModelCard of(Path readme) throws IOException {
        if (!Files.isRegularFile(readme) || Files.size(readme) > MAX_BYTES) {
            return new ModelCard(Map.of(), "");
        }
        return of(new String(Files.readAllBytes(readme), StandardCharsets.UTF_8));
    }

    /** Reads the text of a card: a head between lines of three dashes, then Markdown. */
    static ModelCard of(String text) {
        String[] lines = text.replace("\r\n", "\n").split("\n", -1);
        Map<String, String> fields = new LinkedHashMap<>();
        int line = 0;
        if (lines[0].strip().equals("---")) {
            for (line = 1; line < lines.length && !lines[line].strip().equals("---"); line++) {
                int colon = lines[line].indexOf(':');
                // Lists and maps are indented below their key; a single value stands beside it.
                if (colon > 0 && Character.isLetter(lines[line].charAt(0))) {
                    String value = lines[line].substring(colon + 1).strip().replaceAll("^(['\"])(.*)\\1$", "$2");
                    if (!value.isEmpty()) {
                        fields.put(lines[line].substring(0, colon).strip(), value);
                    }
                }
            }
            line++;
        }
        String body = Arrays.stream(lines).skip(line).collect(Collectors.joining("\n"));
        return new ModelCard(fields, firstProse(Parser.builder().build().parse(body)));
    }

    private static String firstProse(Node document) {
        StringBuilder found = new StringBuilder();
        document.accept(new AbstractVisitor() {
            @Override
            public void visit(Paragraph paragraph) {
                Block parent = paragraph.getParent();
                String text = TextContentRenderer.builder()
                        .build()
                        .render(paragraph)
                        .replaceAll("\\s+", " ")
                        .strip();
                // Badges and links to chats come first, as short paragraphs, and notes as quotes.
                if (found.isEmpty() && parent instanceof Document && text.length() >= MIN_PROSE) {
                    found.append(text);
                }
            }
        });
        return found.length() <= MAX_SUMMARY ? found.toString() : found.substring(0, MAX_SUMMARY) + "…";
    }
}
