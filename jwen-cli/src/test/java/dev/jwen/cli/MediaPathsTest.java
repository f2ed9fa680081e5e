package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.ContentPart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MediaPathsTest {
    @TempDir
    Path directory;

    private String plain;
    private String blank;
    private String clip;

    @BeforeEach
    void files() throws IOException {
        plain = Files.createFile(directory.resolve("cat.PNG")).toString();
        blank = Files.createFile(directory.resolve("my cat.jpg")).toString();
        clip = Files.createFile(directory.resolve("run.mp4")).toString();
        Files.createFile(directory.resolve("notes.txt"));
    }

    private static ContentPart text(String text) {
        return new ContentPart.Text(text);
    }

    private static ContentPart image(String path) {
        return new ContentPart.Image(path);
    }

    @Test
    void aDroppedPathIsAPictureInItsPlace() {
        assertThat(MediaPaths.parts(plain)).containsExactly(image(plain));
        assertThat(MediaPaths.parts("what is " + plain + " here?"))
                .containsExactly(text("what is"), image(plain), text("here?"));
        assertThat(MediaPaths.parts(plain + " and " + clip + "\ncompare"))
                .containsExactly(image(plain), text("and"), new ContentPart.Video(clip), text("compare"));
    }

    @Test
    void blanksMayBeQuotedOrEscaped() {
        String escaped = blank.replace(" ", "\\ ");
        String url = directory.resolve("my cat.jpg").toUri().toString();
        for (String written : List.of("'" + blank + "'", '"' + blank + '"', escaped, url)) {
            assertThat(MediaPaths.parts("look: " + written)).as(written).containsExactly(text("look:"), image(blank));
        }
    }

    @Test
    void everythingElseStaysText() {
        for (String message : List.of(
                "plain words, 'quoted' and \"more\"",
                "is cat.png a good name?",
                "read " + directory.resolve("notes.txt"),
                "open " + directory.resolve("missing.png"),
                "it's 5 o'clock",
                "/tmp\u0000.png",
                "file:///%zz.png",
                "C:\\\\nothing.png")) {
            assertThat(MediaPaths.parts(message)).as(message).containsExactly(text(message));
        }
        assertThat(MediaPaths.parts(" ")).isEmpty();
    }
}
