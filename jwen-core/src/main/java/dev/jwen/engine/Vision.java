package dev.jwen.engine;

import dev.jwen.chat.ContentPart;
import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.checkpoint.VisionFiles;
import dev.jwen.media.ImageConfig;
import dev.jwen.media.ImageProcessor;
import dev.jwen.media.MediaException;
import dev.jwen.media.Patches;
import dev.jwen.media.VideoConfig;
import dev.jwen.media.VideoProcessor;
import dev.jwen.model.EncodedPicture;
import dev.jwen.model.Grid;
import dev.jwen.model.Qwen35;
import dev.jwen.model.VisionTower;
import dev.jwen.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * How a model sees: pictures and videos in, the features that its text network reads out.
 *
 * <p>Small pictures go through the tower together. What was seen is kept by content, {@value #CACHE_BYTES} bytes of it.
 * One thread at a time sees.
 */
public final class Vision implements AutoCloseable {
    private static final long CACHE_BYTES = 256L << 20;

    /** Patches of several pictures that go through the tower together. */
    private static final int TOGETHER = 4096;

    private final VisionFiles files;
    private final VisionTower tower;
    private final ImageProcessor images;
    private final VideoProcessor videos;
    private final PictureCache cache = new PictureCache(CACHE_BYTES);

    private Vision(VisionFiles files, VisionTower tower, ImageProcessor images, VideoProcessor videos) {
        this.files = files;
        this.tower = tower;
        this.images = images;
        this.videos = videos;
    }

    /**
     * The eyes of a model; close them before it.
     *
     * @throws IllegalArgumentException if it has none
     * @throws CheckpointException if they are broken or of another model
     */
    static Vision of(Checkpoint checkpoint, Qwen35 network, VisionOptions options) {
        VisionFiles files = VisionFiles.of(checkpoint, options.mmproj());
        if (files == null) {
            throw new IllegalArgumentException("%s has no vision tower, so it cannot see pictures or videos. %s"
                    .formatted(
                            checkpoint.path(),
                            checkpoint.format().equals("GGUF")
                                    ? "Put the model's mmproj file beside it, or name it with --mmproj."
                                    : "Use a release of the model that has one."));
        }
        try {
            VisionTower tower = VisionTower.of(files, network.config(), network.kernels());
            Path directory = directory(checkpoint.path());
            ImageConfig picture = pictures(ImageConfig.read(directory), options);
            VideoConfig video = videos(VideoConfig.read(directory), options);
            requireFitting(files, tower, picture);
            requireFitting(files, tower, video.frames());
            return new Vision(files, tower, new ImageProcessor(picture), new VideoProcessor(video));
        } catch (RuntimeException e) {
            files.close();
            throw e;
        }
    }

    /** Where the settings of the processors lie, if anywhere: with GGUF they are those of the published models. */
    private static Path directory(Path model) {
        return Files.isDirectory(model)
                ? model
                : Objects.requireNonNull(model.toAbsolutePath().getParent());
    }

    private static ImageConfig pictures(ImageConfig own, VisionOptions options) {
        Long least = options.minPixels();
        Long most = options.maxPixels();
        // One limit moves the other out of its way.
        long min = least != null ? least : own.minPixels();
        long max = most != null ? most : Math.max(own.maxPixels(), min);
        return own.withPixels(least != null ? min : Math.min(min, max), max);
    }

    private static VideoConfig videos(VideoConfig own, VisionOptions options) {
        VideoConfig config = own;
        Long most = options.videoMaxPixels();
        if (most != null) {
            config = config.withPixels(Math.min(config.frames().minPixels(), most), most);
        }
        if (options.fps() != null) {
            config = config.withFps(options.fps());
        }
        return options.maxFrames() == null ? config : config.withMaxFrames(options.maxFrames());
    }

    private static void requireFitting(VisionFiles files, VisionTower tower, ImageConfig settings) {
        if (settings.patchSize() != tower.config().patchSize()
                || settings.temporalPatchSize() != tower.config().temporalPatchSize()
                || settings.mergeSize() != Grid.MERGE) {
            throw new CheckpointException(
                    "%s: the tower has patches of %d pixels in %d frames, merged by %d, but the settings of the picture processor say %d, %d and %d. Fetch preprocessor_config.json of the same model."
                            .formatted(
                                    files.path(),
                                    tower.config().patchSize(),
                                    tower.config().temporalPatchSize(),
                                    Grid.MERGE,
                                    settings.patchSize(),
                                    settings.temporalPatchSize(),
                                    settings.mergeSize()));
        }
    }

    /** One that was decoded and waits for the tower. */
    private record Waiting(int index, String source, Patches patches, Grid grid) {}

    /**
     * Looks at pictures and videos, as far as they are not known already.
     *
     * @param media pictures and videos
     * @param source where they are found
     * @return what was seen, in the same order; fewer if the listener cancelled
     * @throws MediaException if one cannot be found or decoded
     */
    public List<Seen> see(List<ContentPart> media, MediaSource source, Listener listener) {
        Seen[] seen = new Seen[media.size()];
        List<Waiting> waiting = new ArrayList<>();
        int patches = 0;
        for (int i = 0; i < seen.length && !listener.isCancelled(); i++) {
            boolean isVideo = media.get(i) instanceof ContentPart.Video;
            MediaSource.Media found = source.find(name(media.get(i)));
            String key = (isVideo ? "video " : "image ") + key(found);
            Seen known = cache.ofSource(key);
            if (known != null) {
                seen[i] = known;
                continue;
            }
            Patches decoded = isVideo ? video(found, listener) : image(found);
            Seen same = cache.ofContent(contentKey(decoded));
            if (same != null) {
                seen[i] = same;
                cache.keep(key, same);
                continue;
            }
            Grid grid = new Grid(decoded.t(), decoded.gridHeight(), decoded.gridWidth());
            if (patches > 0 && patches + grid.patches() > TOGETHER) {
                encode(waiting, seen, listener);
                patches = 0;
            }
            waiting.add(new Waiting(i, key, decoded, grid));
            patches += grid.patches();
        }
        encode(waiting, seen, listener);
        return Stream.of(seen).takeWhile(Objects::nonNull).toList();
    }

    private static String name(ContentPart part) {
        return switch (part) {
            case ContentPart.Image image -> image.source();
            case ContentPart.Video video -> video.source();
            case ContentPart.Text text -> throw new IllegalArgumentException("text is read, not seen: " + text);
        };
    }

    private Patches image(MediaSource.Media media) {
        return switch (media) {
            case MediaSource.Stored file -> images.patches(file.path());
            case MediaSource.Bytes bytes -> images.patches(bytes.bytes(), bytes.name());
        };
    }

    private Patches video(MediaSource.Media media, Listener listener) {
        return switch (media) {
            case MediaSource.Stored file -> videos.patches(file.path(), listener::decodingVideo);
            case MediaSource.Bytes bytes -> videos.patches(bytes.bytes(), bytes.name(), listener::decodingVideo);
        };
    }

    /** Sends what waits through the tower, and empties the list. */
    private void encode(List<Waiting> waiting, Seen[] seen, Listener listener) {
        if (waiting.isEmpty() || listener.isCancelled()) {
            return;
        }
        List<Grid> grids = waiting.stream().map(Waiting::grid).toList();
        Tensor features = tower.encode(joined(waiting), grids, (done, total) -> {
            listener.encodingPictures(done, total);
            return !listener.isCancelled();
        });
        int row = 0;
        for (Waiting one : waiting) {
            int tokens = one.grid.tokens();
            if (row + tokens > features.rows()) {
                return;
            }
            // A copy of its own, so that the cache can let go of one picture and keep the next.
            Tensor own = Tensor.f32(tokens, features.columns());
            own.copyFrom(features.rows(row, tokens));
            Seen result =
                    new Seen(new EncodedPicture(contentKey(one.patches), one.grid, own), one.patches.timestamps());
            cache.keep(one.source, result);
            seen[one.index] = result;
            row += tokens;
        }
        waiting.clear();
    }

    private static Tensor joined(List<Waiting> waiting) {
        if (waiting.size() == 1) {
            return waiting.getFirst().patches.values();
        }
        long rows = waiting.stream().mapToLong(one -> one.grid.patches()).sum();
        Tensor all = Tensor.f32(rows, waiting.getFirst().patches.values().columns());
        long row = 0;
        for (Waiting one : waiting) {
            all.rows(row, one.grid.patches()).copyFrom(one.patches.values());
            row += one.grid.patches();
        }
        return all;
    }

    /** Equal pixels at other times are another video. */
    private static String contentKey(Patches patches) {
        return patches.timestamps().isEmpty() ? patches.contentKey() : patches.contentKey() + patches.timestamps();
    }

    /** Names what a source holds now: bytes by their digest, files by path, size and time of change. */
    private static String key(MediaSource.Media media) {
        return switch (media) {
            case MediaSource.Bytes bytes -> digest(bytes.bytes());
            case MediaSource.Stored file -> version(file.path());
        };
    }

    private static String version(Path path) {
        try {
            StringBuilder version = new StringBuilder(path.toAbsolutePath().toString());
            List<Path> all = List.of(path);
            if (Files.isDirectory(path)) {
                try (Stream<Path> entries = Files.list(path)) {
                    all = entries.sorted().toList();
                }
            }
            for (Path file : all) {
                version.append(' ').append(file.getFileName());
                version.append(' ').append(Files.size(file)).append(' ').append(Files.getLastModifiedTime(file));
            }
            return digest(version.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /** The tower itself. */
    public VisionTower tower() {
        return tower;
    }

    /** Bytes of what is kept of pictures seen before. */
    public long sizeBytes() {
        return cache.sizeBytes();
    }

    @Override
    public void close() {
        files.close();
    }
}
