package dev.jwen.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.util.DoubleComparator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Video files, with the machine's ffmpeg and without one. */
@Timeout(120)
class VideoFileTest {
    private static final Path FILES = Path.of("src/test/resources/media");
    private static final Ffmpeg NONE = new Ffmpeg("jwen-test-no-ffmpeg", "jwen-test-no-ffprobe");
    private static final VideoConfig SMALL = VideoConfig.DEFAULT.withPixels(4096, 262_144);

    @TempDir
    Path directory;

    private List<Path> temporary = List.of();

    @BeforeEach
    void lookAround() throws IOException {
        temporary = temporaryFiles();
    }

    @AfterEach
    void nothingIsLeftBehind() throws IOException {
        assertThat(temporaryFiles()).isEqualTo(temporary);
        assertThat(ProcessHandle.current().children().map(ProcessHandle::info)).isEmpty();
    }

    private static List<Path> temporaryFiles() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return files.filter(file -> file.getFileName().toString().matches("jwen-(ffmpeg|clip).*"))
                    .sorted()
                    .toList();
        }
    }

    private static void needsFfmpeg() {
        assumeTrue(Ffmpeg.ON_PATH.isInstalled(), "not run: needs ffmpeg");
    }

    // Frame i of the clip is one shade of grey, 10 + 6·i.
    private static int shade(Picture picture) {
        int middle = 3 * (picture.height() / 2 * picture.width() + picture.width() / 2);
        return picture.rgb()[middle] & 0xff;
    }

    private Path encoded(String name, int frames, String... options) throws IOException, InterruptedException {
        Path source = Files.createDirectories(directory.resolve("source-" + name));
        for (int i = 0; i < frames; i++) {
            byte[] grey = new byte[3 * 96 * 64];
            Arrays.fill(grey, (byte) (10 + 6 * i));
            VideoProcessorTest.writePng(new Picture(96, 64, grey), source.resolve("%03d.png".formatted(i)));
        }
        Path out = directory.resolve(name);
        List<String> command = new ArrayList<>(List.of("ffmpeg", "-v", "error", "-framerate", "10", "-i"));
        command.add(source.resolve("%03d.png").toString());
        command.addAll(List.of(options));
        command.add(out.toString());
        Process process = new ProcessBuilder(command).inheritIO().start();
        assertThat(process.waitFor()).isZero();
        return out;
    }

    private static List<Integer> shades(Clip clip, int... indices) {
        List<Integer> shades = new ArrayList<>();
        assertThat(clip.read(indices, picture -> shades.add(shade(picture)))).isTrue();
        return shades;
    }

    @ParameterizedTest
    @CsvSource({
        "a.mp4, -c:v libx264 -pix_fmt yuv420p -bf 2",
        "b.webm, -c:v libvpx -b:v 1M -auto-alt-ref 1 -lag-in-frames 10",
        "c.webm, -c:v libvpx-vp9 -b:v 1M",
        "d.mov, -c:v mjpeg -q:v 2 -pix_fmt yuvj420p",
        "e.avi, -c:v mpeg4 -q:v 2",
        "f.ts, -c:v libx264 -pix_fmt yuv420p"
    })
    void theFramesAskedForAreTheFramesGiven(String name, String options) throws Exception {
        needsFfmpeg();
        Path file = encoded(name, 30, options.split(" "));
        try (Clip clip = Ffmpeg.ON_PATH.open(file, name)) {
            assertThat(clip.frameCount()).isEqualTo(30);
            assertThat(clip.framesPerSecond()).isEqualTo(10);
            List<Integer> shades = shades(clip, 0, 7, 8, 19, 29);
            int[] expected = {10, 52, 58, 124, 184};
            for (int i = 0; i < expected.length; i++) {
                assertThat(shades.get(i)).as("%s of %s", i, shades).isBetween(expected[i] - 3, expected[i] + 3);
            }
        }
    }

    @Test
    void aVideoBecomesPatchesAndTellsOfItsProgress() throws Exception {
        needsFfmpeg();
        Path file = encoded("clip.mp4", 30, "-c:v", "libx264", "-pix_fmt", "yuv420p");
        List<Integer> progress = new ArrayList<>();

        Patches patches = new VideoProcessor(SMALL).patches(file, (done, total) -> progress.add(10 * done + total));

        assertThat(patches.t()).isEqualTo(3);
        assertThat(patches.gridHeight()).isEqualTo(4);
        assertThat(patches.gridWidth()).isEqualTo(6);
        // Frames 0 and 6, 12 and 17, 23 and 29 at 10 a second.
        assertThat(patches.timestamps())
                .usingComparatorForType(new DoubleComparator(1e-9), Double.class)
                .containsExactly(0.3, 1.45, 2.6);
        assertThat(progress).containsExactly(16, 26, 36, 46, 56, 66);
        assertThat(new VideoProcessor(SMALL).patches(Files.readAllBytes(file), "clip", Progress.NONE))
                .extracting(Patches::contentKey)
                .isEqualTo(patches.contentKey());
    }

    @Test
    void asManyFramesAreDecodedAsTheOptionsAllow() throws Exception {
        needsFfmpeg();
        Path file = encoded("long.mp4", 800, "-c:v", "libx264", "-pix_fmt", "yuv420p");
        VideoConfig all = SMALL.withFps(10);
        assertThat(new VideoProcessor(all).patches(file, Progress.NONE).t()).isEqualTo(768 / 2);
    }

    @Test
    void aNameThatLooksLikeAnOptionOrAnAddressIsAFile() throws Exception {
        needsFfmpeg();
        Path file = encoded("clip.mp4", 4, "-c:v", "libx264", "-pix_fmt", "yuv420p");
        for (String name : List.of("-version.mp4", "http:x.mp4", "a'b %03d \u00e9.mp4")) {
            Path odd = Files.copy(file, directory.resolve(name));
            assertThat(new VideoProcessor(SMALL).patches(odd, Progress.NONE).t())
                    .isEqualTo(2);
        }
    }

    @Test
    void playlistsAreNotFollowed() throws Exception {
        needsFfmpeg();
        Path clip = encoded("clip.ts", 4, "-c:v", "libx264", "-pix_fmt", "yuv420p");
        Path list = directory.resolve("list.m3u8");
        Files.writeString(list, "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + clip + "\n#EXT-X-ENDLIST\n");
        Path concat = directory.resolve("list.ffconcat");
        Files.writeString(concat, "ffconcat version 1.0\nfile clip.ts\n");
        for (Path file : List.of(list, concat)) {
            assertRefused(file, Ffmpeg.ON_PATH, "is not a video that ffmpeg can read");
        }
    }

    @Test
    void aVideoCutShortIsRefused() throws Exception {
        needsFfmpeg();
        Path file = encoded("whole.mp4", 40, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart");
        byte[] whole = Files.readAllBytes(file);
        for (int percent : List.of(5, 30, 60, 90)) {
            Path cut = directory.resolve("cut" + percent + ".mp4");
            Files.write(cut, Arrays.copyOf(whole, whole.length * percent / 100));
            assertRefused(cut, Ffmpeg.ON_PATH, "cut" + percent + ".mp4");
            assertRefused(cut, NONE, "cut" + percent + ".mp4");
        }
    }

    @Test
    void soundAloneIsNoVideo() throws Exception {
        needsFfmpeg();
        Path file = directory.resolve("sound.mp4");
        Process process = new ProcessBuilder(
                        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", file.toString())
                .inheritIO()
                .start();
        assertThat(process.waitFor()).isZero();
        assertRefused(file, Ffmpeg.ON_PATH, "has no video in it");
        assertRefused(file, NONE, "has no video in it");
    }

    @Test
    void javaDecodesOrdinaryH264LikeFfmpeg() throws IOException {
        // 12 frames with B frames, 66 x 50 in macroblocks of 16; the expected frames are ffmpeg's.
        Path file = FILES.resolve("b-frames.mp4");
        Picture expected = ImageDecoder.decode(Files.readAllBytes(FILES.resolve("b-frames.expected.png")), "expected");
        List<byte[]> frames = new ArrayList<>();
        try (Clip clip = H264Clip.open(file, "b-frames.mp4")) {
            assertThat(clip.frameCount()).isEqualTo(12);
            assertThat(clip.framesPerSecond()).isEqualTo(10);
            assertThat(clip.read(IntStream.range(0, 12).toArray(), picture -> {
                        assertThat(picture.width()).isEqualTo(expected.width());
                        frames.add(picture.rgb());
                    }))
                    .isTrue();
        }
        long off = 0;
        int size = frames.getFirst().length;
        for (int i = 0; i < 12; i++) {
            for (int k = 0; k < size; k++) {
                off += Math.abs((frames.get(i)[k] & 0xff) - (expected.rgb()[i * size + k] & 0xff));
            }
        }
        assertThat(off / (12.0 * size)).isLessThan(1.5); // chroma is spread and rounded otherwise
    }

    @Test
    void withoutFfmpegJavaTakesItsPlaceOrSaysWhatToInstall() throws IOException {
        Patches patches = new VideoProcessor(SMALL, NONE).patches(FILES.resolve("b-frames.mp4"), Progress.NONE);
        assertThat(patches.t()).isEqualTo(2);
        Path webm = directory.resolve("a.webm");
        Files.write(webm, new byte[] {0x1a, 0x45, (byte) 0xdf, (byte) 0xa3, 1, 2, 3, 4});
        assertRefused(webm, NONE, "apt install ffmpeg");
        assertRefused(FILES.resolve("temporal-direct.mp4"), NONE, "apt install ffmpeg");
        assertRefused(FILES.resolve("implicit-weights.mp4"), NONE, "apt install ffmpeg");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsNoVideoIsRefused(boolean withFfmpeg) throws IOException {
        Ffmpeg ffmpeg = withFfmpeg ? Ffmpeg.ON_PATH : NONE;
        if (withFfmpeg) {
            needsFfmpeg();
        }
        Path text = directory.resolve("text.mp4");
        Files.writeString(text, "this is no video at all, whatever its name says");
        Path boxes = directory.resolve("boxes.mp4");
        Files.write(
                boxes,
                "\0\0\0\u0018ftypisom\0\0\0\0isomiso2\u007f\u00ff\u00ff\u00ffmoov"
                        .getBytes(StandardCharsets.ISO_8859_1));
        Path empty = Files.createFile(directory.resolve("empty.mp4"));
        Path folder = Files.createDirectory(directory.resolve("folder"));
        for (Path file : List.of(text, boxes, empty, folder, directory.resolve("none.mp4"))) {
            assertRefused(file, ffmpeg, file.toString());
        }
        assertRefused(FILES.resolve("baseline.jpg"), ffmpeg, "is a picture, not a video");
    }

    @ParameterizedTest
    @ValueSource(strings = {"anim.gif", "disp3.gif", "blend.webp"})
    void anAnimationCutAnywhereIsRefused(String name) throws IOException {
        byte[] whole = Files.readAllBytes(FILES.resolve(name));
        int frames = new VideoProcessor(SMALL)
                .patches(whole, name, Progress.NONE)
                .timestamps()
                .size();
        assertThat(frames).isPositive();
        for (int length = 0; length < whole.length - 8; length += Math.max(whole.length / 50, 1)) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatExceptionOfType(MediaException.class)
                    .as("%d of %d bytes", length, whole.length)
                    .isThrownBy(() -> new VideoProcessor(SMALL, NONE).patches(cut, name, Progress.NONE))
                    .satisfies(e -> assertThat(e.getMessage()).startsWith(name).endsWith("."));
        }
    }

    private static void assertRefused(Path file, Ffmpeg ffmpeg, String why) {
        assertThatExceptionOfType(MediaException.class)
                .isThrownBy(() -> new VideoProcessor(SMALL, ffmpeg).patches(file, Progress.NONE))
                .withMessageContaining(why)
                .satisfies(e -> assertThat(e.getMessage()).endsWith(".").doesNotContain("\n"));
    }
}
