package dev.jwen.media;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The way a camera was held, as Exif notes it: 1 to 8.
 *
 * <p>The models' processors see upright pictures: the loader in front of them applies the orientation.
 */
final class Orientation {
    /** As stored. */
    static final int UPRIGHT = 1;

    private static final int TAG = 0x112;
    private static final int ENTRY_BYTES = 12;

    private Orientation() {}

    /** Finds the orientation in Exif data, which is a TIFF header and its first directory; 1 if there is none. */
    static int of(byte[] exif) {
        ByteBuffer tiff = ByteBuffer.wrap(exif);
        if (exif.length < 14) {
            return UPRIGHT;
        }
        tiff.order(exif[0] == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long directory = Integer.toUnsignedLong(tiff.getInt(4));
        if (directory + 2 > exif.length) {
            return UPRIGHT;
        }
        int entries = Short.toUnsignedInt(tiff.getShort((int) directory));
        for (int i = 0; i < entries; i++) {
            long entry = directory + 2 + (long) i * ENTRY_BYTES;
            if (entry + ENTRY_BYTES > exif.length) {
                return UPRIGHT;
            }
            if (Short.toUnsignedInt(tiff.getShort((int) entry)) == TAG) {
                int value = Short.toUnsignedInt(tiff.getShort((int) entry + 8));
                return value >= 1 && value <= 8 ? value : UPRIGHT;
            }
        }
        return UPRIGHT;
    }

    /** The picture as it was seen. */
    static Picture apply(Picture stored, int orientation) {
        if (orientation == UPRIGHT) {
            return stored;
        }
        boolean turned = orientation >= 5;
        int width = turned ? stored.height() : stored.width();
        int height = turned ? stored.width() : stored.height();
        byte[] out = new byte[stored.rgb().length];
        int o = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int column = turned ? y : x;
                int row = turned ? x : y;
                boolean right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
                boolean bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
                int sourceColumn = right ? stored.width() - 1 - column : column;
                int sourceRow = bottom ? stored.height() - 1 - row : row;
                int s = 3 * (sourceRow * stored.width() + sourceColumn);
                out[o++] = stored.rgb()[s];
                out[o++] = stored.rgb()[s + 1];
                out[o++] = stored.rgb()[s + 2];
            }
        }
        return new Picture(width, height, out);
    }
}
