package dev.jwen.media;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a JPEG file says before its first scan.
 *
 * @param colour how the decoded components make a colour
 * @param orientation Exif orientation, 1 to 8
 */
record JpegHeader(int width, int height, Colour colour, int orientation) {

    /** What the components are. */
    enum Colour {
        GREY,
        RGB,
        YCC,
        /** Inverted, as Adobe writes it and everybody reads it. */
        CMYK,
        /** The same with C, M and Y as luma and chroma. */
        YCCK
    }

    private static final int APP0 = 0xe0;
    private static final int APP1 = 0xe1;
    private static final int APP14 = 0xee;
    private static final int SCAN = 0xda;
    private static final int END = 0xd9;

    static JpegHeader of(byte[] bytes, String name) {
        boolean jfif = false;
        int adobe = -1;
        int orientation = Orientation.UPRIGHT;
        byte @Nullable [] frame = null;
        int at = 2;
        while (at + 4 <= bytes.length) {
            int marker = bytes[at + 1] & 0xff;
            if ((bytes[at] & 0xff) != 0xff || marker == 0xff || marker == 0) {
                at++; // fill bytes and stray data: libjpeg skips them, too
                continue;
            }
            if (marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) {
                at += 2;
                continue;
            }
            if (marker == SCAN || marker == END) {
                break;
            }
            int length = (bytes[at + 2] & 0xff) << 8 | (bytes[at + 3] & 0xff);
            int end = Math.min(at + 2 + length, bytes.length);
            byte[] body = Arrays.copyOfRange(bytes, Math.min(at + 4, end), end);
            if (isFrame(marker)) {
                frame = body;
            } else if (marker == APP0) {
                jfif |= startsWith(body, "JFIF\0");
            } else if (marker == APP14 && body.length >= 12 && startsWith(body, "Adobe")) {
                adobe = body[11] & 0xff;
            } else if (marker == APP1 && startsWith(body, "Exif\0\0")) {
                orientation = Orientation.of(Arrays.copyOfRange(body, 6, body.length));
            }
            at += 2 + Math.max(length, 2);
        }
        if (frame == null || frame.length < 6 || frame.length < 6 + 3 * (frame[5] & 0xff)) {
            throw new MediaException(name + " is a JPEG file without a picture. It is cut short or damaged.");
        }
        int height = (frame[1] & 0xff) << 8 | (frame[2] & 0xff);
        int width = (frame[3] & 0xff) << 8 | (frame[4] & 0xff);
        return new JpegHeader(width, height, colour(frame, jfif, adobe, name), orientation);
    }

    // Frame headers are C0 to CF but for the Huffman tables C4, the extension C8 and the arithmetic conditioning CC.
    private static boolean isFrame(int marker) {
        return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    }

    // The rules of libjpeg's default_decompress_parms.
    private static Colour colour(byte[] frame, boolean jfif, int adobe, String name) {
        int components = frame[5] & 0xff;
        return switch (components) {
            case 1 -> Colour.GREY;
            case 3 -> {
                boolean namedRgb = frame[6] == 'R' && frame[9] == 'G' && frame[12] == 'B';
                yield !jfif && (adobe < 0 ? namedRgb : adobe == 0) ? Colour.RGB : Colour.YCC;
            }
            case 4 -> adobe > 0 ? Colour.YCCK : Colour.CMYK;
            default ->
                throw new MediaException(
                        "%s is a JPEG file of %d components; expected 1, 3 or 4.".formatted(name, components));
        };
    }

    private static boolean startsWith(byte[] body, String text) {
        if (body.length < text.length()) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            if (body[i] != text.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
