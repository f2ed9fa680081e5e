package dev.jwen.media;

import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;

/**
 * Decoded samples to 8-bit RGB, as Pillow converts them: alpha and colour profiles are dropped, fewer bits are spread
 * over 0..255, of 16 bits the upper 8 are kept.
 *
 * <p>Java's own conversions are not used: they apply profiles, and a gamma to grey.
 */
final class Rasters {
    private Rasters() {}

    static Picture rgb(BufferedImage image) {
        return image.getColorModel() instanceof IndexColorModel palette
                ? indexed(image.getRaster(), palette)
                : direct(image.getRaster(), image.getColorModel());
    }

    private static Picture indexed(Raster raster, IndexColorModel palette) {
        int[] colours = new int[palette.getMapSize()];
        palette.getRGBs(colours);
        int[] row = new int[raster.getWidth()];
        byte[] rgb = new byte[3 * raster.getWidth() * raster.getHeight()];
        int o = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getSamples(raster.getMinX(), raster.getMinY() + y, row.length, 1, 0, row);
            for (int index : row) {
                int colour = index < colours.length ? colours[index] : 0;
                rgb[o++] = (byte) (colour >> 16);
                rgb[o++] = (byte) (colour >> 8);
                rgb[o++] = (byte) colour;
            }
        }
        return new Picture(raster.getWidth(), raster.getHeight(), rgb);
    }

    private static Picture direct(Raster raster, ColorModel model) {
        int bands = raster.getNumBands();
        int colours = bands < 3 ? 1 : 3; // grey with or without alpha, else RGB with or without
        int[] bits = model.getComponentSize();
        int[] row = new int[bands * raster.getWidth()];
        byte[] rgb = new byte[3 * raster.getWidth() * raster.getHeight()];
        int o = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getPixels(raster.getMinX(), raster.getMinY() + y, raster.getWidth(), 1, row);
            for (int i = 0; i < row.length; i += bands) {
                for (int c = 0; c < 3; c++) {
                    int band = colours == 1 ? 0 : c;
                    rgb[o++] = (byte) eightBits(row[i + band], bits[band]);
                }
            }
        }
        return new Picture(raster.getWidth(), raster.getHeight(), rgb);
    }

    private static int eightBits(int sample, int bits) {
        if (bits == 8) {
            return sample;
        }
        return bits > 8 ? sample >> (bits - 8) : sample * 255 / ((1 << bits) - 1);
    }

    /** The components of a JPEG file as decoded, before any conversion of colours. */
    static Picture rgb(Raster raster, JpegHeader.Colour colour) {
        int bands = raster.getNumBands();
        int[] row = new int[bands * raster.getWidth()];
        byte[] rgb = new byte[3 * raster.getWidth() * raster.getHeight()];
        int o = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getPixels(0, y, raster.getWidth(), 1, row);
            for (int i = 0; i < row.length; i += bands, o += 3) {
                switch (colour) {
                    case GREY -> {
                        rgb[o] = (byte) row[i];
                        rgb[o + 1] = (byte) row[i];
                        rgb[o + 2] = (byte) row[i];
                    }
                    case RGB -> {
                        rgb[o] = (byte) row[i];
                        rgb[o + 1] = (byte) row[i + 1];
                        rgb[o + 2] = (byte) row[i + 2];
                    }
                    case YCC -> ycc(row, i, rgb, o);
                    case CMYK -> {
                        for (int c = 0; c < 3; c++) {
                            rgb[o + c] = (byte) withoutBlack(row[i + c], row[i + 3]);
                        }
                    }
                    case YCCK -> {
                        ycc(row, i, rgb, o); // the complements of C, M and Y, which are stored inverted
                        for (int c = 0; c < 3; c++) {
                            rgb[o + c] = (byte) withoutBlack(255 - (rgb[o + c] & 0xff), row[i + 3]);
                        }
                    }
                }
            }
        }
        return new Picture(raster.getWidth(), raster.getHeight(), rgb);
    }

    // Pillow's conversion: of inverted ink and inverted black, k - (255 - ink)·k/255 with its rounding.
    private static int withoutBlack(int ink, int k) {
        int product = (255 - ink) * k + 128;
        return Math.max(k - (((product >> 8) + product) >> 8), 0);
    }

    // libjpeg's integer conversion: 16 fractional bits, rounded per table.
    private static void ycc(int[] in, int i, byte[] out, int o) {
        int y = in[i];
        int cb = in[i + 1] - 128;
        int cr = in[i + 2] - 128;
        out[o] = (byte) Math.clamp(y + ((91_881 * cr + 32_768) >> 16), 0, 255);
        out[o + 1] = (byte) Math.clamp(y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16), 0, 255);
        out[o + 2] = (byte) Math.clamp(y + ((116_130 * cb + 32_768) >> 16), 0, 255);
    }
}
