package dev.jwen.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A page of HTML that needs nothing but itself: no script, no address; light or dark as the reader likes it. */
public final class Page {
    /** Colours by role; {@code --strong} is the lightness of the colours of curves. */
    private static final String COLOURS = """
            :root{--back:#ffffff;--text:#1f2328;--faint:#6e7781;--line:#d5dae0;--accent:#0969da;--good:#1a7f37;--bad:#cf222e;--strong:38%}
            @media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--faint:#8d96a0;--line:#30363d;--accent:#4493f8;--good:#3fb950;--bad:#f85149;--strong:66%}}
            """;

    private static final String STYLE = """
            body{background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
            svg{width:100%;height:auto}
            pre{border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere}
            table{border-collapse:collapse}
            td,th{padding:.2rem .9rem .2rem 0;text-align:left;border-bottom:1px solid var(--line)}
            td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
            .faint{color:var(--faint)}
            .good{color:var(--good)}
            .bad{color:var(--bad)}
            """;

    private Page() {}

    /**
     * Writes a page.
     *
     * @param title text
     * @param body HTML
     * @throws UncheckedIOException if the file cannot be written
     */
    public static void write(Path file, String title, String body) {
        String page = """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width">
                <meta name="color-scheme" content="light dark">
                <title>%s</title>
                <style>
                %s%s</style>
                </head>
                <body>
                <h1>%s</h1>
                %s</body>
                </html>
                """.formatted(escaped(title), COLOURS, STYLE, escaped(title), body);
        try {
            Files.writeString(file, page);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The colours as a style of a picture that stands alone. */
    public static String pictureStyle() {
        return "<style>" + COLOURS.replace(":root", "svg") + "</style>";
    }

    /** Text as HTML and SVG show it; characters that XML does not know become question marks. */
    public static String escaped(String text) {
        StringBuilder html = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> html.append("&amp;");
                case '<' -> html.append("&lt;");
                case '>' -> html.append("&gt;");
                case '"' -> html.append("&quot;");
                default -> {
                    boolean isUnknown = (c < ' ' && c != '\n' && c != '\t')
                            || (c >= 0xd800 && c <= 0xdfff)
                            || (c & 0xfffe) == 0xfffe;
                    html.appendCodePoint(isUnknown ? '\ufffd' : c);
                }
            }
        });
        return html.toString();
    }
}
