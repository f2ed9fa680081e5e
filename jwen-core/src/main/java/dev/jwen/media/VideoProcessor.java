package dev.jwen.media;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Turns a clip into patches, as the published models' own processor does: frames are sampled evenly, resized to one
 * size as they are decoded, and grouped in twos.
 *
 * {@snippet :
 * VideoProcessor processor = new VideoProcessor(VideoConfig.read(checkpointDirectory).withMaxFrames(64));
 * Patches patches = processor.patches(Path.of("cat.mp4"), Progress.NONE);
 * }
 *
 * <p>Animated GIF and WebP and directories of pictures are decoded here. Video files are decoded by the user's ffmpeg;
 * where there is none, MP4 and MOV files with ordinary H.264 are decoded in Java. Holds no state: threads may share it.
 */
public final class VideoProcessor {
    private static final int HEAD = 16;

    private final VideoConfig config;
    private final Ffmpeg ffmpeg;

    public VideoProcessor(VideoConfig config) {
        this(config, Ffmpeg.ON_PATH);
    }

    VideoProcessor(VideoConfig config, Ffmpeg ffmpeg) {
        this.config = config;
        this.ffmpeg = ffmpeg;
    }

    /**
     * Decodes and prepares a clip: a video file, an animated GIF or WebP, or a directory of frames.
     *
     * <p>A directory holds pictures of one size in the order of the numbers in their names. It is taken to be sampled
     * already, at the frames per second of the settings.
     *
     * @throws MediaException if there is no such clip, it cannot be used, or what decodes it is missing
     */
    public Patches patches(Path fileOrDirectory, Progress progress) {
        String name = fileOrDirectory.toString();
        try (Clip clip = open(fileOrDirectory, name)) {
            return patches(clip, name, progress);
        }
    }

    /**
     * Decodes and prepares a clip from the bytes of its file.
     *
     * @param name what to call it in complaints
     * @throws MediaException if it cannot be used, or what decodes it is missing
     */
    public Patches patches(byte[] encoded, String name, Progress progress) {
        if (encoded.length == 0) {
            throw new MediaException(name + " is empty.");
        }
        if (ImageFormat.isAnimatable(encoded)) {
            try (Clip clip = animation(encoded, name)) {
                return patches(clip, name, progress);
            }
        }
        Path file = null;
        try {
            file = Files.createTempFile("jwen-clip", ".video");
            Files.write(file, encoded);
            try (Clip clip = open(file, name)) {
                return patches(clip, name, progress);
            }
        } catch (IOException e) {
            throw new MediaException("%s cannot be kept while it is decoded: %s.".formatted(name, Limits.reason(e)), e);
        } finally {
            delete(file);
        }
    }

    private static void delete(@Nullable Path file) {
        if (file != null) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                file.toFile().deleteOnExit();
            }
        }
    }

    /**
     * Prepares decoded frames of one size.
     *
     * @param sourceFps frames per second of the list; those of the settings, if it is sampled already
     */
    public Patches patches(List<Picture> frames, double sourceFps) {
        if (frames.isEmpty() || !(sourceFps > 0)) {
            throw new IllegalArgumentException(
                    "%d frames at %s per second are no clip".formatted(frames.size(), sourceFps));
        }
        return patches(new FrameList(List.copyOf(frames), sourceFps), "the clip", Progress.NONE);
    }

    private Clip open(Path path, String name) {
        if (!Files.exists(path)) {
            throw new MediaException(name + ": there is no such file or directory.");
        }
        if (Files.isDirectory(path)) {
            return FolderClip.open(path, config.fps());
        }
        byte[] head = head(path, name);
        if (head.length == 0) {
            throw new MediaException(name + " is empty.");
        }
        if (ImageFormat.isAnimatable(head)) {
            return animation(Limits.read(path), name);
        }
        if (ImageFormat.isStill(head)) {
            throw new MediaException(name + " is a picture, not a video.");
        }
        if (ffmpeg.isInstalled()) {
            return ffmpeg.open(path, name);
        }
        if (new String(head, StandardCharsets.ISO_8859_1).startsWith("ftyp", 4)) {
            return H264Clip.open(path, name);
        }
        throw new MediaException(name + " cannot be decoded without ffmpeg. " + Ffmpeg.HOW_TO_INSTALL);
    }

    private static Clip animation(byte[] bytes, String name) {
        return ImageFormat.of(bytes, name) == ImageFormat.GIF
                ? GifFile.open(bytes, name)
                : WebpFile.of(bytes, name).open();
    }

    private static byte[] head(Path file, String name) {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(HEAD);
        } catch (IOException e) {
            throw new MediaException(name + " cannot be read: " + Limits.reason(e) + ".", e);
        }
    }

    private Patches patches(Clip clip, String name, Progress progress) {
        int[] indices = FrameSampling.indices(clip.frameCount(), clip.framesPerSecond(), config);
        Frames frames = new Frames(indices.length, name, progress);
        if (!clip.read(indices, frames)) {
            indices = FrameSampling.indices(clip.frameCount(), clip.framesPerSecond(), config);
            frames = new Frames(indices.length, name, progress);
            if (!clip.read(indices, frames)) {
                throw new MediaException(name + " gives other frames each time it is decoded.");
            }
        }
        return frames.finish(FrameSampling.timestamps(
                indices, clip.framesPerSecond(), config.frames().temporalPatchSize()));
    }

    /** Resizes frames as they come; the last one alone is kept. */
    private final class Frames implements Consumer<Picture> {
        private final int count;
        private final String name;
        private final Progress progress;
        private Size source = new Size(0, 0);
        private Size target = new Size(0, 0);
        private @Nullable PatchWriter writer;
        private @Nullable Picture last;
        private int done;

        Frames(int count, String name, Progress progress) {
            this.count = count;
            this.name = name;
            this.progress = progress;
        }

        @Override
        public void accept(Picture frame) {
            Size size = new Size(frame.width(), frame.height());
            if (writer == null) {
                source = size;
                target = Size.ofFrames(count, frame.width(), frame.height(), config.frames());
                int steps = Math.ceilDiv(count, config.frames().temporalPatchSize());
                writer = new PatchWriter(config.frames(), target, steps);
            } else if (!size.equals(source)) {
                throw new MediaException(
                        "%s: its frames must have one size, but frame %d is %d x %d and the first %d x %d."
                                .formatted(
                                        name, done + 1, size.width(), size.height(), source.width(), source.height()));
            }
            last = Bicubic.resize(frame, target);
            writer.frame(done++, last);
            progress.frames(done, count);
        }

        Patches finish(List<Double> timestamps) {
            if (writer == null || last == null) {
                throw new MediaException(name + " has no frames.");
            }
            writer.repeat(done, last);
            return writer.finish(timestamps);
        }
    }
}
