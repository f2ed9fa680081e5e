package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.ToolCall;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PlainRendererTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter notes = new StringWriter();

    private AnswerView view(Screen screen) {
        return AnswerView.on(screen, new PrintWriter(out), new PrintWriter(notes));
    }

    @Test
    void aPipeGetsTheAnswerUnchangedAndNothingElse() {
        AnswerView view = view(Screen.pipe());
        view.thinking("hm");
        view.text("# **raw** \033[1m\r\n");
        view.text("I search.");
        view.tool(new ToolCall("1", "search", Map.of("q", "cats")), "two\ncats");
        view.text("end");
        view.end();
        assertThat(out).hasToString("# **raw** \033[1m\r\nI search.\nend\n");
        assertThat(notes).hasToString("hm\n\n▸ search cats → two … (2 lines)\n");
    }

    @Test
    void aTerminalWithoutColourGetsPlainTextWithoutControlCharacters() {
        AnswerView view = view(Screen.terminal(Map.of("NO_COLOR", "1", "TERM", "xterm"), 80, 24));
        view.text("**raw** \033[2J\ttab\n");
        view.end();
        assertThat(out).hasToString("**raw** ␛[2J\ttab\n");
    }

    @Test
    void theEnvironmentChoosesTheView() {
        assertThat(view(Screen.terminal(Map.of("TERM", "xterm-256color"), 80, 24)))
                .isInstanceOf(MarkdownRenderer.class);
        assertThat(view(Screen.terminal(Map.of("TERM", "xterm", "NO_COLOR", ""), 80, 24)))
                .isInstanceOf(MarkdownRenderer.class);
        assertThat(view(Screen.terminal(Map.of("TERM", "xterm", "NO_COLOR", "1"), 80, 24)))
                .isInstanceOf(PlainRenderer.class);
        assertThat(view(Screen.terminal(Map.of("TERM", "dumb"), 80, 24))).isInstanceOf(PlainRenderer.class);
        assertThat(view(Screen.pipe())).isInstanceOf(PlainRenderer.class);
    }

    @Test
    void anUnknownSizeStandsForTheUsualOne() {
        Screen screen = Screen.terminal(Map.of(), 0, 0);
        assertThat(screen.width()).isEqualTo(80);
        assertThat(screen.height()).isEqualTo(24);
    }
}
