package dev.jwen.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.chat.ToolCall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FolderToolsTest {
    @TempDir
    Path outside;

    private Path folder;
    private FolderTools tools;

    @BeforeEach
    void prepare() throws IOException {
        folder = Files.createDirectory(outside.resolve("work"));
        Files.writeString(outside.resolve("secret.txt"), "secret");
        Files.writeString(folder.resolve("a.txt"), "one\ntwo\ntwo\n");
        Files.createDirectory(folder.resolve("sub"));
        Files.writeString(folder.resolve("sub/b.txt"), "b");
        tools = new FolderTools(folder, Duration.ofSeconds(5), command -> true);
    }

    private String read(String path) {
        return tools.call(new ToolCall("", "read_file", Map.of("path", path)));
    }

    private String edit(String path, String old, String replacement) {
        return tools.call(new ToolCall("", "edit_file", Map.of("path", path, "old", old, "new", replacement)));
    }

    private String run(FolderTools tools, String command) {
        return tools.call(new ToolCall("", "run", Map.of("command", command)));
    }

    @Test
    void readsFiles() throws IOException {
        assertThat(read("a.txt")).isEqualTo("one\ntwo\ntwo");
        assertThat(read("sub/../sub/b.txt")).isEqualTo("b");
        assertThat(read("none.txt")).isEqualTo("Error: there is no file none.txt.");
        assertThat(read("sub")).isEqualTo("Error: there is no file sub.");
        Files.write(folder.resolve("bad"), new byte[] {(byte) 0xff});
        assertThat(read("bad")).isEqualTo("Error: the file is not text in UTF-8.");
        Files.write(folder.resolve("big"), new byte[70_000]);
        assertThat(read("big")).isEqualTo("Error: the file has more than 64 KiB.");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"../secret.txt", "sub/../../secret.txt", "/etc/hostname", "link.txt", "up/secret.txt", "..", "\0"
            })
    void nothingLeadsOutOfTheFolder(String path) throws IOException {
        Files.createSymbolicLink(folder.resolve("link.txt"), outside.resolve("secret.txt"));
        Files.createSymbolicLink(folder.resolve("up"), outside);
        assertThat(read(path)).startsWith("Error: ").doesNotContain("\n");
        assertThat(edit(path, "secret", "changed")).startsWith("Error: ");
        assertThat(Files.readString(outside.resolve("secret.txt"))).isEqualTo("secret");
    }

    @Test
    void editsWhatOccursOnce() throws IOException {
        assertThat(edit("a.txt", "one\ntwo", "1\n2")).isEqualTo("Done.");
        assertThat(Files.readString(folder.resolve("a.txt"))).isEqualTo("1\n2\ntwo\n");
        assertThat(edit("a.txt", "three", "3")).isEqualTo("Error: old does not occur in a.txt.");
        assertThat(edit("a.txt", "", "3")).isEqualTo("Error: old does not occur in a.txt.");
        Files.writeString(folder.resolve("a.txt"), "aaa");
        assertThat(edit("a.txt", "aa", "b")).isEqualTo("Error: old occurs more than once in a.txt.");
        assertThat(Files.readString(folder.resolve("a.txt"))).isEqualTo("aaa");
    }

    @Test
    void runsCommandsInTheFolder() {
        assertThat(run(tools, "cat a.txt")).isEqualTo("one\ntwo\ntwo");
        assertThat(run(tools, "echo out; echo wrong >&2; exit 3")).isEqualTo("out\nwrong\nExit code 3");
        assertThat(run(tools, "cat")).isEmpty();
        assertThat(run(tools, "true \0")).isEqualTo("Error: this is not a command.");
    }

    @Test
    void stopsWhatDoesNotEnd() {
        FolderTools hasty = new FolderTools(folder, Duration.ofMillis(200), command -> true);
        long start = System.nanoTime();
        assertThat(run(hasty, "echo first; sleep 60; echo second")).isEqualTo("first\nError: stopped after 200 ms.");
        assertThat(run(tools, "yes"))
                .endsWith("(cut)\nError: stopped, it printed too much.")
                .hasSizeLessThan(17_000);
        assertThat(run(tools, "sleep 60 & echo left")).isEqualTo("left");
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
    }

    @Test
    void runsOnlyWhatIsAllowed() {
        FolderTools strict = new FolderTools(folder, Duration.ofSeconds(5), "cat a.txt"::equals);
        assertThat(run(strict, "cat a.txt")).startsWith("one");
        assertThat(run(strict, "cat a.txt; rm a.txt")).isEqualTo("Error: this command is not allowed.");
        assertThat(folder.resolve("a.txt")).exists();
    }

    @Test
    void saysWhatIsWrongWithACall() {
        assertThat(tools.call(new ToolCall("", "run", Map.of())))
                .isEqualTo("Error: the argument command is missing or not a text.");
        assertThat(tools.call(new ToolCall("", "read_file", Map.of("path", 1))))
                .isEqualTo("Error: the argument path is missing or not a text.");
        assertThat(tools.call(new ToolCall("", "delete", Map.of()))).isEqualTo("Error: there is no tool named delete.");
        assertThatThrownBy(() -> new FolderTools(folder.resolve("none"), Duration.ofSeconds(1), command -> true))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("There is no folder");
    }
}
