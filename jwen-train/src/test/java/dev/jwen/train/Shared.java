package dev.jwen.train;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Reference answers that lie in a directory beside the checkout. */
public final class Shared {
    private Shared() {}

    /** A file or directory of it, for example {@code "golden/dense-text"}; skips the test if absent. */
    public static Path path(String relative) {
        Path path = Path.of(System.getProperty("jwen.shared", "../../shared")).resolve(relative);
        assumeTrue(Files.exists(path), () -> "not run: needs the shared golden data " + relative);
        return path;
    }
}
