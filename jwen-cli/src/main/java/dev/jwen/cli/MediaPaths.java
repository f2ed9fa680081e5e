package dev.jwen.cli;

import dev.jwen.chat.ContentPart;
import dev.jwen.engine.MediaSource;
import dev.jwen.media.MediaException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Finds the pictures and videos that somebody dropped into a message: paths of files that exist, as terminals write
 * them, in quotes, with backslashes before blanks, or as {@code file:} URLs.
 */
final class MediaPaths {
    private static final Set<String> PICTURES = Set.of("png", "jpg", "jpeg", "webp", "gif", "bmp");
    private static final Set<String> VIDEOS = Set.of("mp4", "webm", "mov", "mkv", "avi", "m4v");

    /** Something in quotes, or without blanks but those behind a backslash. */
    private static final Pattern CANDIDATE = Pattern.compile("'([^'\n]+)'|\"([^\"\n]+)\"|((?:\\\\.|[^\\s'\"\\\\])+)");

    /** How the path of a dropped file begins; bare names are words. */
    private static final Pattern BEGINNING = Pattern.compile("(?:/|~/|\\.{1,2}/|file:|[A-Za-z]:[/\\\\]).*");

    private MediaPaths() {}

    /** The message with its pictures and videos in the place of their paths. */
    static List<ContentPart> parts(String message) {
        List<ContentPart> parts = new ArrayList<>();
        Matcher matcher = CANDIDATE.matcher(message);
        int done = 0;
        while (matcher.find()) {
            ContentPart media = media(matcher);
            if (media != null) {
                addText(parts, message.substring(done, matcher.start()));
                parts.add(media);
                done = matcher.end();
            }
        }
        addText(parts, message.substring(done));
        return parts;
    }

    private static void addText(List<ContentPart> parts, String text) {
        if (!text.isBlank()) {
            parts.add(new ContentPart.Text(text.strip()));
        }
    }

    private static @Nullable ContentPart media(Matcher matcher) {
        boolean quoted = matcher.group(3) == null;
        String word = matcher.group(1) != null ? matcher.group(1) : matcher.group(2);
        String path = quoted ? String.valueOf(word) : matcher.group(3).replaceAll("\\\\(.)", "$1");
        if (!BEGINNING.matcher(path).matches()) {
            return null;
        }
        String extension = path.substring(path.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        boolean isVideo = VIDEOS.contains(extension);
        if ((!isVideo && !PICTURES.contains(extension)) || !isFile(path)) {
            return null;
        }
        return isVideo ? new ContentPart.Video(absolute(path)) : new ContentPart.Image(absolute(path));
    }

    private static boolean isFile(String path) {
        try {
            return Files.isRegularFile(Path.of(local(path)));
        } catch (InvalidPathException | MediaException e) {
            return false;
        }
    }

    /** A path that stays right when the conversation is saved and loaded elsewhere. */
    static String absolute(String path) {
        return Path.of(local(path)).toAbsolutePath().normalize().toString();
    }

    private static String local(String path) {
        if (path.startsWith("file:")) {
            return MediaSource.FILES.find(path) instanceof MediaSource.Stored file
                    ? file.path().toString()
                    : path;
        }
        return path.startsWith("~/") ? System.getProperty("user.home") + path.substring(1) : path;
    }
}
