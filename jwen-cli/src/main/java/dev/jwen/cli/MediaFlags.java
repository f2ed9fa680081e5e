package dev.jwen.cli;

import dev.jwen.chat.ContentPart;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** What a prompt shows. */
final class MediaFlags {
    @Option(
            names = "--image",
            paramLabel = "FILE",
            description = "Show a picture (PNG, JPEG, WebP, GIF, BMP); repeat for several. A data URL will do too.")
    List<String> images = List.of();

    @Option(
            names = "--video",
            paramLabel = "FILE",
            description = "Show a video, an animation or a directory of frames; repeat for several.")
    List<String> videos = List.of();

    boolean isEmpty() {
        return images.isEmpty() && videos.isEmpty();
    }

    /** Pictures, then videos, each in the order of the command line. */
    List<ContentPart> parts() {
        List<ContentPart> parts = new ArrayList<>();
        images.forEach(source -> parts.add(new ContentPart.Image(source)));
        videos.forEach(source -> parts.add(new ContentPart.Video(source)));
        return parts;
    }
}
