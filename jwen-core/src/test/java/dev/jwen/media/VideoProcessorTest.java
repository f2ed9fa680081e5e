package dev.jwen.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.jwen.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class VideoProcessorTest {
    private static final Path FILES = Path.of("src/test/resources/media");
    private static final VideoConfig SMALL = VideoConfig.DEFAULT.withPixels(4096, 262_144);

    @Test
    void framesAreSampledAndTimedAsTheReferenceDoes() {
        JsonNode table = Golden.json(Golden.shipped("vision-processor/resize-table.json"))
                .get("frame_sampling");
        for (JsonNode entry : table) {
            VideoConfig config = new VideoConfig(
                    ImageConfig.DEFAULT,
                    entry.get("sample_fps").asDouble(),
                    entry.get("min_frames").asInt(),
                    entry.get("max_frames").asInt());
            double fps = entry.get("video_fps").asDouble();

            int[] indices = FrameSampling.indices(entry.get("total_frames").asInt(), fps, config);

            assertThat(indices.length)
                    .as(entry.toString())
                    .isEqualTo(entry.get("n").asInt());
            List<Integer> expected = new ArrayList<>();
            entry.get("indices").forEach(index -> expected.add(index.asInt()));
            assertThat(Arrays.stream(indices).limit(expected.size()).boxed().toList())
                    .as(entry.toString())
                    .isEqualTo(expected);
            List<String> times = new ArrayList<>();
            entry.get("timestamps").forEach(time -> times.add(time.asString()));
            assertThat(FrameSampling.timestamps(indices, fps, 2).stream()
                            .limit(times.size())
                            .map(VideoProcessorTest::oneDecimal)
                            .toList())
                    .as(entry.toString())
                    .isEqualTo(times);
        }
        assertThat(table.size()).isEqualTo(30);
    }

    private static String oneDecimal(double seconds) {
        return new java.math.BigDecimal(seconds)
                .setScale(1, java.math.RoundingMode.HALF_EVEN)
                .toString();
    }

    @Test
    void patchesOfAClipAreThoseOfTheReference() {
        Map<String, Golden.Array> golden =
                Golden.arrays(Golden.shared("golden/dense-vl/cases").resolve("vl-video.safetensors"));
        VideoConfig config = VideoConfig.read(Golden.shared("golden/dense-vl/checkpoint"));

        Patches patches = new VideoProcessor(config).patches(frames(), 2);

        assertThat(List.of((long) patches.t(), (long) patches.gridHeight(), (long) patches.gridWidth()))
                .isEqualTo(Arrays.stream(array(golden, "video_grid_thw").longs())
                        .boxed()
                        .toList());
        assertThat(patches.values().toFloats())
                .isEqualTo(array(golden, "pixel_values_videos").floats());
        assertThat(patches.timestamps()).containsExactly(0.25, 1.25, 2.25, 3.0);
    }

    @Test
    void aFolderOfFramesIsTheSameClip(@TempDir Path directory) throws IOException {
        List<Picture> frames = frames();
        for (int i = 0; i < frames.size(); i++) {
            writePng(frames.get(i), directory.resolve("frame" + (8 + i) + ".png")); // 8, 9, 10: not in order of letters
        }
        Files.writeString(directory.resolve("notes.txt"), "not a frame");
        VideoProcessor processor = new VideoProcessor(SMALL);
        List<Integer> progress = new ArrayList<>();

        Patches patches = processor.patches(directory, (done, total) -> progress.add(10 * done + total));

        assertThat(patches.contentKey()).isEqualTo(processor.patches(frames, 2).contentKey());
        assertThat(patches.timestamps()).containsExactly(0.25, 1.25, 2.25, 3.0);
        assertThat(progress).containsExactly(17, 27, 37, 47, 57, 67, 77);
    }

    @ParameterizedTest
    @ValueSource(strings = {"disp0.gif", "disp1.gif", "disp2.gif", "disp3.gif", "blend.webp", "half.webp", "anim.gif"})
    void animationsAreDrawnAsTheReferenceDrawsThem(String name) throws IOException {
        byte[] bytes = Files.readAllBytes(FILES.resolve(name));
        Picture all = ImageDecoder.decode(
                Files.readAllBytes(FILES.resolve(name.replace('.', '-') + ".frames.png")), "expected");
        List<byte[]> frames = new ArrayList<>();
        try (Clip clip = ImageFormat.of(bytes, name) == ImageFormat.GIF
                ? GifFile.open(bytes, name)
                : WebpFile.of(bytes, name).open()) {
            int[] indices =
                    java.util.stream.IntStream.range(0, clip.frameCount()).toArray();
            assertThat(clip.read(indices, picture -> frames.add(picture.rgb()))).isTrue();
        }
        assertThat(frames).hasSize(all.height() / 31);
        for (int i = 0; i < frames.size(); i++) {
            int bytesOfFrame = 3 * 45 * 31;
            assertThat(frames.get(i))
                    .as("frame %d", i)
                    .isEqualTo(Arrays.copyOfRange(all.rgb(), i * bytesOfFrame, (i + 1) * bytesOfFrame));
        }
    }

    @Test
    void framesOfDifferentSizesAreRefused() {
        Picture small = new Picture(40, 40, new byte[4800]);
        Picture large = new Picture(40, 48, new byte[5760]);
        assertThatExceptionOfType(MediaException.class)
                .isThrownBy(() -> new VideoProcessor(SMALL).patches(List.of(small, large), 2))
                .withMessageContaining("frame 2 is 40 x 48 and the first 40 x 40");
    }

    static List<Picture> frames() {
        Golden.Array golden =
                array(Golden.arrays(Golden.shipped("vision-processor/video-frames.safetensors")), "frames_rgb");
        int height = (int) golden.shape()[1];
        int width = (int) golden.shape()[2];
        int size = 3 * width * height;
        List<Picture> frames = new ArrayList<>();
        for (int i = 0; i < golden.shape()[0]; i++) {
            frames.add(new Picture(width, height, Arrays.copyOfRange(golden.bytes(), i * size, (i + 1) * size)));
        }
        return frames;
    }

    static void writePng(Picture picture, Path file) throws IOException {
        java.awt.image.BufferedImage image = new java.awt.image.BufferedImage(
                picture.width(), picture.height(), java.awt.image.BufferedImage.TYPE_INT_RGB);
        byte[] rgb = picture.rgb();
        for (int i = 0; i < rgb.length / 3; i++) {
            int value = (rgb[3 * i] & 0xff) << 16 | (rgb[3 * i + 1] & 0xff) << 8 | (rgb[3 * i + 2] & 0xff);
            image.setRGB(i % picture.width(), i / picture.width(), value);
        }
        javax.imageio.ImageIO.write(image, "png", file.toFile());
    }

    private static Golden.Array array(Map<String, Golden.Array> golden, String name) {
        return Objects.requireNonNull(golden.get(name), name);
    }
}
