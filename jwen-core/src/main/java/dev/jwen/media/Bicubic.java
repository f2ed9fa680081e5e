package dev.jwen.media;

import java.util.Arrays;

/**
 * Resizes 8-bit pictures with an antialiased bicubic filter, bit for bit as torchvision does on the CPU.
 *
 * <p>The filter is Keys' cubic with a = -1/2, widened by in/out when shrinking. Its weights are normalised per output
 * pixel and rounded to 16-bit fixed point, with as many fractional bits as the largest weight of the pass leaves. Rows
 * are resized first, rounded to 8 bits, then columns. (Pillow is the same with 22 fractional bits, so the two differ
 * by 1 in a few values of a thousand.)
 *
 * @see <a href="https://doi.org/10.1109/TASSP.1981.1163711">Keys, Cubic convolution interpolation</a>
 */
final class Bicubic {
    private static final double A = -0.5;
    private static final int RADIUS = 2;
    private static final int CHANNELS = 3;

    private Bicubic() {}

    static Picture resize(Picture picture, Size size) {
        Picture wide = picture.width() == size.width() ? picture : resizeRows(picture, size.width());
        return wide.height() == size.height() ? wide : resizeColumns(wide, size.height());
    }

    private static Picture resizeRows(Picture in, int width) {
        Taps taps = Taps.of(in.width(), width);
        byte[] source = in.rgb();
        byte[] out = new byte[CHANNELS * width * in.height()];
        int half = 1 << (taps.bits - 1);
        for (int y = 0, o = 0; y < in.height(); y++) {
            int row = CHANNELS * in.width() * y;
            for (int x = 0; x < width; x++) {
                int from = taps.start[x];
                int s = row + CHANNELS * from;
                int r = half;
                int g = half;
                int b = half;
                for (int k = 0, w = x * taps.most; k < taps.count[x]; k++, w++, s += CHANNELS) {
                    int weight = taps.weights[w];
                    r += weight * (source[s] & 0xff);
                    g += weight * (source[s + 1] & 0xff);
                    b += weight * (source[s + 2] & 0xff);
                }
                out[o++] = clamped(r >> taps.bits);
                out[o++] = clamped(g >> taps.bits);
                out[o++] = clamped(b >> taps.bits);
            }
        }
        return new Picture(width, in.height(), out);
    }

    private static Picture resizeColumns(Picture in, int height) {
        Taps taps = Taps.of(in.height(), height);
        int stride = CHANNELS * in.width();
        byte[] out = new byte[stride * height];
        int[] sums = new int[stride];
        for (int y = 0; y < height; y++) {
            Arrays.fill(sums, 1 << (taps.bits - 1));
            for (int k = 0; k < taps.count[y]; k++) {
                add(sums, taps.weights[y * taps.most + k], in.rgb(), (taps.start[y] + k) * stride);
            }
            for (int i = 0; i < stride; i++) {
                out[y * stride + i] = clamped(sums[i] >> taps.bits);
            }
        }
        return new Picture(in.width(), height, out);
    }

    // Kept apart so that the JIT makes vector code of it.
    private static void add(int[] sums, int weight, byte[] source, int offset) {
        for (int i = 0; i < sums.length; i++) {
            sums[i] += weight * (source[offset + i] & 0xff);
        }
    }

    private static byte clamped(int value) {
        return (byte) Math.clamp(value, 0, 255);
    }

    /**
     * The weights of one direction.
     *
     * @param start first input of each output
     * @param count inputs of each output
     * @param most row length of {@code weights}
     * @param weights (outputs, most), times 2^bits
     */
    @SuppressWarnings("ArrayRecordComponent") // tables, never compared
    private record Taps(int[] start, int[] count, int most, int[] weights, int bits) {

        static Taps of(int in, int out) {
            double scale = in / (double) out;
            double widening = Math.max(scale, 1);
            double support = RADIUS * widening;
            int most = (int) Math.ceil(support) * 2 + 1;
            int[] start = new int[out];
            int[] count = new int[out];
            double[] exact = new double[Math.multiplyExact(out, most)];
            double largest = 0;
            for (int i = 0; i < out; i++) {
                double centre = scale * (i + 0.5);
                start[i] = Math.max((int) (centre - support + 0.5), 0);
                count[i] = Math.min((int) (centre + support + 0.5), in) - start[i];
                double sum = 0;
                for (int k = 0; k < count[i]; k++) {
                    double weight = cubic((start[i] + k - centre + 0.5) / widening);
                    exact[i * most + k] = weight;
                    sum += weight;
                }
                for (int k = i * most; k < i * most + count[i]; k++) {
                    exact[k] /= sum;
                    largest = Math.max(largest, exact[k]);
                }
            }
            int bits = 0;
            while (bits < 22 && (int) (0.5 + largest * (1 << (bits + 1))) < 1 << 15) {
                bits++;
            }
            int[] weights = new int[exact.length];
            for (int i = 0; i < weights.length; i++) {
                double scaled = exact[i] * (1 << bits);
                weights[i] = (int) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
            }
            return new Taps(start, count, most, weights, bits);
        }

        private static double cubic(double at) {
            double x = Math.abs(at);
            if (x < 1) {
                return ((A + 2) * x - (A + 3)) * x * x + 1;
            }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
        }
    }
}
