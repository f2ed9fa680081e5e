package dev.jwen.engine;

import dev.jwen.media.DataUrl;
import dev.jwen.media.MediaException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;

/** Finds the picture or video that a message names. What may be named depends on who writes the messages. */
@FunctionalInterface
public interface MediaSource {

    /** Where the bytes are. */
    sealed interface Media {}

    /** A file, or a directory with the frames of a video. */
    record Stored(Path path) implements Media {}

    /**
     * The bytes of a file.
     *
     * @param name what to call it in complaints
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of megabytes, never compared
    record Bytes(byte[] bytes, String name) implements Media {}

    /** Data URLs alone: for messages that strangers write. */
    MediaSource DATA_URLS = source -> {
        if (DataUrl.matches(source)) {
            return new Bytes(DataUrl.decode(source), "the attached file");
        }
        throw new MediaException(
                "'%s' is not a data URL. Send the picture itself, as data:image/png;base64,…".formatted(shown(source)));
    };

    /** Data URLs, and the files of this machine by path or {@code file:} URL: for one's own messages. */
    MediaSource FILES = source -> {
        if (DataUrl.matches(source)) {
            return DATA_URLS.find(source);
        }
        String lower = source.toLowerCase(Locale.ROOT);
        if (lower.startsWith("http:") || lower.startsWith("https:")) {
            throw new MediaException(
                    "'%s' lies on the network, where nothing is fetched from without leave (--fetch). Download it and name the file."
                            .formatted(shown(source)));
        }
        try {
            return new Stored(lower.startsWith("file:") ? Path.of(pathOf(source)) : Path.of(source));
        } catch (InvalidPathException | MediaException e) {
            throw new MediaException("'%s' is not the name of a file.".formatted(shown(source)), e);
        }
    };

    /**
     * Finds what a message names; nothing is decoded.
     *
     * @throws MediaException if there is no such thing, or it may not be named
     */
    Media find(String source);

    /** The path of a {@code file:} URL, with {@code %20} and the like resolved. */
    private static String pathOf(String url) {
        String path = url.substring("file:".length()).replaceFirst("^//(localhost)?(?=/)", "");
        return new String(DataUrl.decode("data:," + path), StandardCharsets.UTF_8);
    }

    private static String shown(String source) {
        return source.length() > 60 ? source.substring(0, 60) + "…" : source;
    }
}
