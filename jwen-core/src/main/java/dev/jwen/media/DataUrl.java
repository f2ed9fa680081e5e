package dev.jwen.media;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Locale;

/** Media written out in text: {@code data:image/png;base64,iVBOR…}. */
public final class DataUrl {
    private static final String SCHEME = "data:";
    private static final int SHOWN = 40;

    private DataUrl() {}

    /** Whether this is written as a data URL. */
    public static boolean matches(String url) {
        return url.regionMatches(true, 0, SCHEME, 0, SCHEME.length());
    }

    /**
     * The bytes of a data URL. The media type is not looked at: files say themselves what they are.
     *
     * @throws MediaException if it is none, or its text is not base64 or percent-encoded
     */
    public static byte[] decode(String url) {
        int comma = url.indexOf(',');
        if (!matches(url) || comma < 0) {
            throw new MediaException("'%s' is not a data URL; expected data:TYPE;base64,BYTES.".formatted(shown(url)));
        }
        String text = url.substring(comma + 1);
        try {
            return url.substring(0, comma).toLowerCase(Locale.ROOT).endsWith(";base64")
                    ? base64(text)
                    : percentDecoded(text);
        } catch (IllegalArgumentException e) {
            throw new MediaException(
                    "the data URL '%s' is damaged: its bytes cannot be decoded.".formatted(shown(url)), e);
        }
    }

    // Senders break lines, use the URL-safe alphabet and leave out the padding.
    private static byte[] base64(String text) {
        String plain = (text.contains("%") ? new String(percentDecoded(text), StandardCharsets.ISO_8859_1) : text)
                .replace('-', '+')
                .replace('_', '/');
        return Base64.getDecoder().decode(plain.replaceAll("[\\s=]+", ""));
    }

    private static byte[] percentDecoded(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length());
        byte[] raw = text.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < raw.length; i++) {
            if (raw[i] == '%') {
                if (i + 2 >= raw.length) {
                    throw new IllegalArgumentException("a percent sign needs two digits");
                }
                bytes.write(Integer.parseInt(new String(raw, i + 1, 2, StandardCharsets.ISO_8859_1), 16));
                i += 2;
            } else {
                bytes.write(raw[i]);
            }
        }
        return bytes.toByteArray();
    }

    private static String shown(String url) {
        return url.length() > SHOWN ? url.substring(0, SHOWN) + "…" : url;
    }
}
