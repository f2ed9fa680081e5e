package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.ToolCall;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class MarkdownRendererTest {
    private static final String EVERYTHING = """
            # Title with `code`

            A paragraph with **bold**, *italic* and ***both***, long enough to be wrapped, a [link](https://example.org)
            and <https://example.org/auto>.
            ## Lists
            1. first item that is quite a bit longer than the screen is wide
            2. second
               - nested **bold**
               - deeper

                 paragraph

            10. jump

                ```py
                print("in a list")
                ```
            * other list
            > quoted text that goes on and on until it has to be wrapped
            > - with a list

            | Name | Größe | 漢字 |
            | :--- | ----: | :-: |
            | one | 1 | 漢 |
            | a much longer cell than the others | 22 | ✅ |

            ```java
            int x = 1;\tint y = 2; // a line that is longer than the screen
              if (x < y) { **no bold** }

            ~~~
            ```
            漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字
            Setext
            ======
            ***
                indented code

            <div>html</div>

            [ref]: https://example.org/ref
            Windows line\r
            last line with ![image](a.png) and &#27;[2J an entity
            """;

    private static Screen screen(int width, int height) {
        return new Screen(true, true, true, width, height);
    }

    private static List<String> render(String markdown, int width) {
        TestTerminal terminal = new TestTerminal(24);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(width + 1, 24), terminal.writer());
        renderer.text(markdown);
        renderer.end();
        List<String> rows = terminal.rows();
        assertThat(rows.getLast()).as("the cursor stands on a new line").isEmpty();
        return rows.subList(0, rows.size() - 1);
    }

    @Test
    void inlineStylesBecomeTerminalStyles() {
        assertThat(render("plain **bold** *italic* `code` **bold *both***", 60))
                .containsExactly("plain {1}bold{0} {3}italic{0} {36}code{0} {1}bold {0}{3;1}both{0}");
    }

    @Test
    void headingsAreBoldAndTheFirstLevelUnderlined() {
        assertThat(render("# One\n## Two\ntext\nThree\n===\n", 40))
                .containsExactly("{4;1}One{0}", "", "{1}Two{0}", "", "{4;1}text{0}", "{4;1}Three{0}");
    }

    @Test
    void paragraphsAreWrappedBetweenWords() {
        assertThat(render("one two three four five\n\nsix", 20))
                .containsExactly("one two three four", "five", "", "six");
    }

    @Test
    void lineBreaksOfTheSourceAreKept() {
        assertThat(render("Roses are red\nviolets are blue", 40)).containsExactly("Roses are red", "violets are blue");
    }

    @Test
    void wideCharactersTakeTwoColumns() {
        assertThat(render("漢字漢字漢字漢字漢字漢字", 21)).containsExactly("漢字漢字漢字漢字漢字", "漢字");
        assertThat(render("👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻👩‍💻", 20))
                .containsExactly("👩‍💻".repeat(10), "👩‍💻");
    }

    @Test
    void listsHangAndNest() {
        assertThat(render("9. first item is long\n10. second\n    - inner\n\n    para\n- [ ] other", 20))
                .containsExactly(
                        "{2}9. {0}first item is",
                        "   long", "{2}10. {0}second", "    {2}• {0}inner", "", "    para", "", "{2}• {0}[ ] other");
    }

    @Test
    void quotesHaveABar() {
        assertThat(render("> one two three four five\n>\n> six", 20))
                .containsExactly("{2}│ {0}one two three four", "{2}│ {0}five", "{2}│ {0}", "{2}│ {0}six");
    }

    @Test
    void codeKeepsItsSpacesBetweenTwoRules() {
        assertThat(render("```java\nif (a) {\n  b();\n\n}\n```\ndone", 20))
                .containsExactly(
                        "{2}── java ────────────{0}",
                        "{36}if (a) {{0}", "{36}  b();{0}", "", "{36}}{0}", "{2}────────────────────{0}", "", "done");
        assertThat(render("```\n0123456789012345678 9abc", 20))
                .containsExactly(
                        "{2}────────────────────{0}",
                        "{36}0123456789012345678 {0}", "{36}9abc{0}", "{2}────────────────────{0}");
    }

    @Test
    void tablesAreAlignedAndWrapWhereTheyAreTooWide() {
        assertThat(render("| a | right | mid |\n|---|---:|:-:|\n| 漢 | 1 | x |\n| b |\n", 40))
                .containsExactly(
                        "{1}a{0} {2} │ {0}{1}right{0}{2} │ {0}{1}mid{0}",
                        "{2}───┼───────┼────{0}", "漢{2} │ {0}    1{2} │ {0} x ", "b {2} │ {0}     {2} │ {0}   ");
        assertThat(render("| key | value |\n|---|---|\n| k | one two three four |\n", 20))
                .containsExactly(
                        "{1}key{0}{2} │ {0}{1}value{0}         ",
                        "{2}────┼───────────────{0}", "k  {2} │ {0}one two three ", "   {2} │ {0}four          ");
    }

    @Test
    void linksShowTheirTarget() {
        assertThat(render("[text](https://a.b) <https://c.d> ![alt](e.png)", 60))
                .containsExactly("{4}text{0}{2} (https://a.b){0} {4}https://c.d{0} {4}alt{0}{2} (e.png){0}");
    }

    @Test
    void rulesAndHtmlAreQuiet() {
        assertThat(render("***\n\n<div>\n", 20)).containsExactly("{2}────────────────────{0}", "", "{2}<div>{0}");
    }

    @Test
    void theFinalScreenDoesNotDependOnTheSplit() {
        for (int width : new int[] {24, 40, 100}) {
            List<String> whole = render(EVERYTHING, width);
            for (int seed = 0; seed < 12; seed++) {
                int longest = seed == 0 ? 1 : 1 + 3 * seed;
                assertThat(renderSplit(EVERYTHING, width, seed, longest))
                        .as("width %d, seed %d", width, seed)
                        .isEqualTo(whole);
            }
        }
    }

    @Test
    void theFinalScreenOfAnyMixtureDoesNotDependOnTheSplit() {
        List<String> parts = List.of(
                "\n",
                "\n",
                "\n\n",
                "- ",
                "3. ",
                "* ",
                "> ",
                "  ",
                "    ",
                "```",
                "~~~",
                "|",
                "|---|\n",
                "# ",
                "---",
                "===",
                "**",
                "_",
                "`",
                "[",
                "](x)",
                "<b>",
                "<!--",
                "[a]: b\n",
                "\t",
                "\\",
                "word ",
                "漢",
                "&#27;",
                "\r\n",
                "1)");
        for (int seed = 0; seed < 500; seed++) {
            RandomGenerator random =
                    RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
            StringBuilder markdown = new StringBuilder();
            for (int i = 0; i < 30; i++) {
                markdown.append(parts.get(random.nextInt(parts.size())));
            }
            assertThat(renderSplit(markdown.toString(), 30, seed, 4))
                    .as("seed %d: %s", seed, markdown)
                    .isEqualTo(render(markdown.toString(), 30));
        }
    }

    private static List<String> renderSplit(String markdown, int width, int seed, int longest) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        TestTerminal terminal = new TestTerminal(24);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(width + 1, 24), terminal.writer());
        for (int from = 0; from < markdown.length(); ) {
            int to = Math.min(markdown.length(), from + random.nextInt(1, longest + 1));
            renderer.text(markdown.substring(from, to));
            from = to;
        }
        renderer.end();
        List<String> rows = terminal.rows();
        return rows.subList(0, rows.size() - 1);
    }

    @Test
    void everyWordOfTheTextIsShown() {
        String shown = String.join("", render(EVERYTHING, 40)).replaceAll("\\{[0-9;]*}|\\s", "");
        String withoutDefinition = EVERYTHING.replace("[ref]: https://example.org/ref", "");
        Pattern.compile("\\p{L}+")
                .matcher(withoutDefinition)
                .results()
                .forEach(word -> assertThat(shown).contains(word.group()));
    }

    @Test
    void textIsShownBeforeItsBlockIsComplete() {
        TestTerminal terminal = new TestTerminal(24);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(41, 24), terminal.writer());
        renderer.text("Hello **wor");
        assertThat(terminal.rows()).containsExactly("Hello **wor");
        renderer.text("ld** and");
        assertThat(terminal.rows()).containsExactly("Hello {1}world{0} and");
        renderer.text(" all\n\n- it");
        assertThat(terminal.rows()).containsExactly("Hello {1}world{0} and all", "", "{2}• {0}it");
        renderer.text("em\n\n```\nco");
        assertThat(terminal.rows().getLast()).isEqualTo("{36}co{0}");
    }

    @Test
    void anOpenBlockHigherThanTheScreenScrollsAndIsWhollyShownInTheEnd() {
        TestTerminal terminal = new TestTerminal(6);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(41, 6), terminal.writer());
        for (int i = 0; i < 30; i++) {
            renderer.text("line " + i);
            assertThat(terminal.rows().getLast()).contains("line " + i);
            renderer.text("\n");
        }
        renderer.end();
        assertThat(terminal.rows()).hasSize(31).startsWith("line 0", "line 1").endsWith("line 29", "");
    }

    @Test
    void thinkingIsDimmedAndNotTakenForMarkdown() {
        TestTerminal terminal = new TestTerminal(24);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(41, 24), terminal.writer());
        renderer.thinking("\n\nLet me **th");
        renderer.thinking("ink**.\n\n\n\nDone.\n\n");
        renderer.text("\n\nThe *answer*");
        renderer.tool(new ToolCall("1", "calculator", Map.of("expression", "12 *\n 34")), "408");
        renderer.thinking("More");
        renderer.end();
        assertThat(terminal.rows())
                .containsExactly(
                        "{2}Let me **think**.{0}",
                        "",
                        "{2}Done.{0}",
                        "",
                        "The {3}answer{0}",
                        "",
                        "{2}▸ calculator 12 * 34 = 408{0}",
                        "",
                        "{2}More{0}",
                        "");
    }

    @Test
    void theModelCannotDriveTheTerminal() {
        String orders = "\033[2J\033]0;title\007\u009b31m\u0000\b\u007f\r\013 &#27;[31m &#x9b;1m ";
        String hostile = orders + "`" + orders + "` [" + orders + "](<" + orders + ">)\n\n| " + orders
                + " |\n|---|\n\n<b " + orders + ">\n\n```" + orders + "\n" + orders + "\n```\n    " + orders;
        TestTerminal terminal = new TestTerminal(24);
        MarkdownRenderer renderer = new MarkdownRenderer(screen(81, 24), terminal.writer());
        renderer.thinking(orders);
        renderer.text(hostile);
        renderer.tool(new ToolCall("1", orders, Map.of(orders, orders, "x", orders)), orders);
        renderer.text(orders);
        renderer.end();
        String left = terminal.written().replaceAll("\033\\[[0-9;]*m|\033\\[[0-9]*A|\r\033\\[J|\n", "");
        assertThat(left.chars().filter(Character::isISOControl).toArray()).isEmpty();
        assertThat(left).contains("␛[2J", "␀", "␡", "␈");
    }

    @Test
    void hostileTextTakesNoTime() {
        List<String> texts = List.of(
                "> ".repeat(5_000) + "deep",
                "- ".repeat(5_000) + "deep",
                "[".repeat(20_000),
                "*a **b ".repeat(5_000),
                "x".repeat(100_000),
                "| a ".repeat(2_000) + "|\n" + "|---".repeat(2_000) + "|\n",
                "- a\n".repeat(5_000),
                "漢".repeat(50_000),
                "e" + "\u0301".repeat(20_000));
        for (String text : texts) {
            Assertions.assertTimeoutPreemptively(
                    Duration.ofSeconds(20), () -> renderSplit(text, 80, 1, 2_000), text.substring(0, 8));
        }
    }
}
