package dev.jwen.media;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** The kinds of picture that can be decoded, told apart by their first bytes: names and media types lie. */
enum ImageFormat {
    PNG,
    JPEG,
    WEBP,
    GIF,
    BMP;

    private static final int ENOUGH = 16;

    /** The format of a file, or a sentence that says what it looks like instead. */
    static ImageFormat of(byte[] bytes, String name) {
        if (bytes.length == 0) {
            throw new MediaException(name + " is empty.");
        }
        String head = head(bytes);
        if (head.startsWith("\u0089PNG\r\n\u001a\n")) {
            return PNG;
        }
        if (head.startsWith("\u00ff\u00d8\u00ff")) {
            return JPEG;
        }
        if (isWebp(head)) {
            return WEBP;
        }
        if (head.startsWith("GIF87a") || head.startsWith("GIF89a")) {
            return GIF;
        }
        if (head.startsWith("BM")) {
            return BMP;
        }
        throw new MediaException(
                "%s is %s. Pictures may be PNG, JPEG, WebP, GIF or BMP.".formatted(name, looksLike(head)));
    }

    /** Whether a file is one of the two formats that hold pictures as well as clips. */
    static boolean isAnimatable(byte[] head) {
        String text = head(head);
        return text.startsWith("GIF8") || isWebp(text);
    }

    /** Whether a file is in one of the formats that hold a single picture. */
    static boolean isStill(byte[] head) {
        String text = head(head);
        return text.startsWith("\u0089PNG") || text.startsWith("\u00ff\u00d8\u00ff") || text.startsWith("BM");
    }

    private static boolean isWebp(String head) {
        return head.startsWith("RIFF") && head.startsWith("WEBP", 8);
    }

    private static String head(byte[] bytes) {
        return new String(bytes, 0, Math.min(bytes.length, ENOUGH), StandardCharsets.ISO_8859_1);
    }

    private static String looksLike(String head) {
        if (head.startsWith("ftyp", 4)) {
            String brand = head.length() >= 12 ? head.substring(8, 12) : "";
            return List.of("heic", "heix", "mif1", "hevc", "msf1").contains(brand)
                    ? "a HEIC picture, which has to be converted first"
                    : brand.startsWith("avi") ? "an AVIF picture, which has to be converted first" : "a video";
        }
        if (head.startsWith("II*") || head.startsWith("MM\0*")) {
            return "a TIFF picture, which has to be converted first";
        }
        if (head.startsWith("%PDF")) {
            return "a PDF document, whose pages have to be made pictures first";
        }
        if (head.stripLeading().startsWith("<")) {
            return "text, perhaps SVG or HTML";
        }
        return head.chars().allMatch(c -> (c >= ' ' && c < 127) || "\n\r\t".indexOf(c) >= 0)
                ? "text"
                : "in no format that is known here";
    }
}
