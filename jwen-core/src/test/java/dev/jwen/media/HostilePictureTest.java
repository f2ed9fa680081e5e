package dev.jwen.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class HostilePictureTest {
    private static final Path FILES = Path.of("src/test/resources/media");
    private static final ImageProcessor PROCESSOR = new ImageProcessor(ImageConfig.DEFAULT);

    static List<String> pictures() {
        return List.of(
                "baseline.jpg",
                "progressive.jpg",
                "cmyk.jpg",
                "exif6.jpg",
                "exif.png",
                "p4.png",
                "rgb16.png",
                "a.bmp",
                "a.gif",
                "anim.gif",
                "disp3.gif",
                "lossless.webp",
                "lossy.webp",
                "alpha.webp",
                "anim.webp");
    }

    @ParameterizedTest
    @MethodSource("pictures")
    void aPictureCutAnywhereIsRefusedInOneSentence(String name) throws IOException {
        byte[] whole = Files.readAllBytes(FILES.resolve(name));
        ImageDecoder.decode(whole, name);
        int step = Math.max(whole.length / 97, 1);
        for (int length = 0; length < whole.length * 9 / 10; length += step) {
            byte[] cut = Arrays.copyOf(whole, length);
            if (name.startsWith("anim.gif") || name.startsWith("disp")) {
                continue; // its first frame is whole; clips are cut in another test
            }
            assertThatExceptionOfType(MediaException.class)
                    .as("%d of %d bytes", length, whole.length)
                    .isThrownBy(() -> ImageDecoder.decode(cut, name))
                    .satisfies(e -> assertIsSentence(e.getMessage(), name));
        }
    }

    @ParameterizedTest
    @MethodSource("pictures")
    void damagedBytesNeverEscapeAsAnythingElse(String name) throws IOException {
        byte[] whole = Files.readAllBytes(FILES.resolve(name));
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(11);
        for (int round = 0; round < 200; round++) {
            byte[] damaged = whole.clone();
            for (int i = 0; i < 1 + round % 5; i++) {
                damaged[random.nextInt(round % 2 == 0 ? Math.min(64, whole.length) : whole.length)] =
                        (byte) random.nextInt();
            }
            try {
                Picture picture = ImageDecoder.decode(damaged, name);
                assertThat(picture.rgb()).hasSize(3 * picture.width() * picture.height());
            } catch (MediaException e) {
                assertIsSentence(e.getMessage(), name);
            }
        }
    }

    private static void assertIsSentence(@Nullable String message, String name) {
        assertThat(message).startsWith(name).endsWith(".").doesNotContain("\n").hasSizeLessThan(300);
    }

    @Test
    void aHeaderThatLiesIsRefusedBeforeMemoryIsTaken() throws IOException {
        refused(png(60_000, 60_000, new byte[100]), "more than 120 million");
        refused(png(Integer.MAX_VALUE, 1, new byte[100]), "more than 120 million");
        refused(png(10_000, 10_000, new byte[100]), "cannot hold them");
        refused(png(0, 10, new byte[100]), "");
        refused(patched("baseline.jpg", 0xff, 0xc0), "cannot hold them");
        byte[] gif = Files.readAllBytes(FILES.resolve("a.gif"));
        ByteBuffer.wrap(gif)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort(6, (short) 65_535)
                .putShort(8, (short) 65_535);
        refused(gif, "more than 120 million");
        byte[] bmp = Files.readAllBytes(FILES.resolve("a.bmp"));
        ByteBuffer.wrap(bmp).order(ByteOrder.LITTLE_ENDIAN).putInt(18, 9_000).putInt(22, 9_000);
        refused(bmp, "damaged or incomplete BMP");
        byte[] webp = Files.readAllBytes(FILES.resolve("lossless.webp"));
        ByteBuffer.wrap(webp).order(ByteOrder.LITTLE_ENDIAN).putInt(21, 0x0fffffff);
        refused(webp, "more than 120 million");
    }

    // The size in the frame header of a JPEG file.
    private static byte[] patched(String name, int first, int second) throws IOException {
        byte[] jpeg = Files.readAllBytes(FILES.resolve(name));
        for (int i = 0; i + 9 < jpeg.length; i++) {
            if ((jpeg[i] & 0xff) == first && (jpeg[i + 1] & 0xff) == second) {
                ByteBuffer.wrap(jpeg).putShort(i + 5, (short) 10_000).putShort(i + 7, (short) 10_000);
                return jpeg;
            }
        }
        throw new IllegalStateException("no frame header in " + name);
    }

    private static void refused(byte[] bytes, String why) {
        assertThatExceptionOfType(MediaException.class)
                .isThrownBy(() -> PROCESSOR.patches(bytes, "the picture"))
                .withMessageContaining(why)
                .satisfies(e -> assertIsSentence(e.getMessage(), "the picture"));
    }

    @Test
    void aCommentThatUnpacksToGigabytesIsNotUnpacked() throws IOException {
        ByteArrayOutputStream bomb = new ByteArrayOutputStream();
        bomb.writeBytes("Comment\0\0".getBytes(StandardCharsets.ISO_8859_1));
        byte[] buffer = new byte[1 << 16];
        try (Deflater deflater = new Deflater()) {
            deflater.setInput(new byte[2 << 20]);
            bomb.write(buffer, 0, deflater.deflate(buffer, 0, buffer.length, Deflater.SYNC_FLUSH));
            deflater.setInput(new byte[1 << 20]);
            int block = deflater.deflate(buffer, 0, buffer.length, Deflater.SYNC_FLUSH);
            for (int i = 0; i < 8_192; i++) {
                bomb.write(buffer, 0, block); // each is another megabyte
            }
        }
        byte[] png = png(8, 8, deflated(new byte[8 * 25]), chunk("zTXt", bomb.toByteArray()));
        assertThat(ImageDecoder.decode(png, "x").width()).isEqualTo(8);
    }

    @Test
    void aPictureOfOneColourDecodesHoweverWellItIsCompressed() throws IOException {
        byte[] png = png(2_000, 2_000, deflated(new byte[2_000 * 6_001]));
        assertThat(png.length).isLessThan(20_000);
        assertThat(PROCESSOR.patches(png, "black").gridWidth()).isEqualTo(124);
    }

    @Test
    void aStripIsTooNarrow() throws IOException {
        refusedAsNarrow(png(1, 20_000, deflated(new byte[20_000 * 4])));
        refusedAsNarrow(png(20_000, 1, deflated(new byte[60_001])));
    }

    private static void refusedAsNarrow(byte[] png) {
        assertThatExceptionOfType(MediaException.class)
                .isThrownBy(() -> PROCESSOR.patches(png, "strip"))
                .withMessageContaining("too narrow");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hello, I am a picture",
                "<svg xmlns='http://www.w3.org/2000/svg'/>",
                "%PDF-1.7",
                "II*\0abc",
                "\0\0\0\u0018ftypheic\0\0\0\0",
                "\0\0\0\u0018ftypisom\0\0\0\0",
                "\u0001\u0002\u0003\u0004"
            })
    void whatIsNoPictureIsNamed(String content) {
        refused(content.getBytes(StandardCharsets.ISO_8859_1), "Pictures may be PNG, JPEG, WebP, GIF or BMP.");
    }

    @Test
    void filesThatAreNotThereAreNamed(@TempDir Path directory) throws IOException {
        Path empty = Files.createFile(directory.resolve("empty.png"));
        for (Path file : List.of(empty, directory, directory.resolve("none.png"))) {
            assertThatExceptionOfType(MediaException.class)
                    .isThrownBy(() -> PROCESSOR.patches(file))
                    .satisfies(e -> assertIsSentence(e.getMessage(), file.toString()));
        }
    }

    @Test
    void dataUrlsHoldPictures() throws IOException {
        byte[] bytes = Files.readAllBytes(FILES.resolve("a.gif"));
        String base64 = java.util.Base64.getEncoder().encodeToString(bytes);
        assertThat(DataUrl.decode("data:image/gif;base64," + base64)).isEqualTo(bytes);
        assertThat(DataUrl.decode("DATA:;base64,"
                        + base64.replace("=", "").replace('+', '-').replace('/', '_')))
                .isEqualTo(bytes);
        assertThat(DataUrl.decode("data:,a%20b")).isEqualTo("a b".getBytes(StandardCharsets.UTF_8));
        for (String url : List.of("data:image/png;base64,!!!", "data:image/png", "http://a/b", "data:,%2")) {
            assertThatExceptionOfType(MediaException.class).isThrownBy(() -> DataUrl.decode(url));
        }
    }

    private static byte[] deflated(byte[] raw) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflate = new DeflaterOutputStream(out)) {
            deflate.write(raw);
        }
        return out.toByteArray();
    }

    // 8-bit RGB; every row is a filter byte and its pixels.
    private static byte[] png(int width, int height, byte[] data, byte[]... chunks) {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        png.writeBytes("\u0089PNG\r\n\u001a\n".getBytes(StandardCharsets.ISO_8859_1));
        byte[] header = {0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0};
        ByteBuffer.wrap(header).putInt(width).putInt(height);
        png.writeBytes(chunk("IHDR", header));
        for (byte[] chunk : chunks) {
            png.writeBytes(chunk);
        }
        png.writeBytes(chunk("IDAT", data));
        png.writeBytes(chunk("IEND", new byte[0]));
        return png.toByteArray();
    }

    private static byte[] chunk(String type, byte[] body) {
        ByteBuffer chunk = ByteBuffer.allocate(12 + body.length);
        chunk.putInt(body.length)
                .put(type.getBytes(StandardCharsets.ISO_8859_1))
                .put(body);
        CRC32 crc = new CRC32();
        crc.update(chunk.array(), 4, 4 + body.length);
        return chunk.putInt((int) crc.getValue()).array();
    }
}
