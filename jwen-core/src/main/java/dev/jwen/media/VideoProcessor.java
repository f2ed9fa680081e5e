package dev.jwen.media;

import java.nio.file.Path;
import java.util.List;

/**
 * Turns a clip into patches, as the published models' own processor does: frames are sampled evenly, resized to one
 * size and grouped in twos.
 *
 * <p>Holds no state: threads may share it.
 */
public final class VideoProcessor {
    private final VideoConfig config;

    public VideoProcessor(VideoConfig config) {
        this.config = config;
    }

    /**
     * Decodes and prepares a clip: a video file, an animated GIF or WebP, or a directory of frames.
     *
     * <p>A directory holds numbered pictures of one size; it is taken to be sampled already, at the frames per second
     * of the settings.
     *
     * @throws MediaException if there is no such clip, it cannot be used, or what decodes it is missing
     */
    public Patches patches(Path fileOrDirectory, Progress progress) {
        return notYet(fileOrDirectory + ": clips are not decoded yet " + config + progress);
    }

    /**
     * Decodes and prepares a clip from the bytes of its file.
     *
     * @param name what to call it in complaints
     * @throws MediaException if it cannot be used, or what decodes it is missing
     */
    public Patches patches(byte[] encoded, String name, Progress progress) {
        return notYet(name + ": clips are not decoded yet " + encoded.length + progress);
    }

    /**
     * Prepares decoded frames of one size.
     *
     * @param sourceFps frames per second of the list; those of the settings, if it is sampled already
     */
    public Patches patches(List<Picture> frames, double sourceFps) {
        return notYet("clips are not resized yet " + frames.size() + " " + sourceFps);
    }

    private Patches notYet(String what) {
        if (config.toString().isEmpty()) {
            throw new IllegalStateException();
        }
        throw new MediaException(what);
    }
}
