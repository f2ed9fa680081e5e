package dev.jwen.media;

/** Planes of luma and quarter-size chroma to RGB, as video players convert them. */
final class Yuv {
    private Yuv() {}

    /**
     * Converts a decoded frame of JCodec, whose samples are stored minus 128.
     *
     * @param full whether samples use 0..255, else luma 16..235 and chroma 16..240
     * @param bt709 whether the colours are those of high definition, else of standard definition
     */
    static Picture rgb(org.jcodec.common.model.Picture yuv, boolean full, boolean bt709) {
        double red = bt709 ? 0.2126 : 0.299;
        double blue = bt709 ? 0.0722 : 0.114;
        double green = 1 - red - blue;
        double lumaScale = full ? 1 : 255 / 219.0;
        double chromaScale = full ? 1 : 255 / 224.0;
        int black = full ? 0 : 16;
        double redOfV = 2 * (1 - red) * chromaScale;
        double blueOfU = 2 * (1 - blue) * chromaScale;
        double greenOfU = -blueOfU * blue / green;
        double greenOfV = -redOfV * red / green;
        int width = yuv.getWidth();
        int height = yuv.getHeight();
        byte[] lumas = yuv.getPlaneData(0);
        byte[] us = yuv.getPlaneData(1);
        byte[] vs = yuv.getPlaneData(2);
        int lumaStride = yuv.getPlaneWidth(0);
        int chromaStride = yuv.getPlaneWidth(1);
        byte[] rgb = new byte[3 * width * height];
        int o = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double luma = (lumas[y * lumaStride + x] + 128 - black) * lumaScale;
                int u = us[y / 2 * chromaStride + x / 2];
                int v = vs[y / 2 * chromaStride + x / 2];
                rgb[o++] = rounded(luma + redOfV * v);
                rgb[o++] = rounded(luma + greenOfU * u + greenOfV * v);
                rgb[o++] = rounded(luma + blueOfU * u);
            }
        }
        return new Picture(width, height, rgb);
    }

    private static byte rounded(double value) {
        return (byte) Math.clamp((long) (value + 0.5), 0, 255);
    }
}
