package dev.jwen.media;

import java.util.ArrayList;
import java.util.List;

/** Which frames of a clip are kept, and when they are shown; the arithmetic is that of the published processor. */
final class FrameSampling {
    private FrameSampling() {}

    /**
     * Indices spread evenly from the first frame to the last, ascending.
     *
     * <p>As many as {@code config.fps()} gives, at least the least and at most the greatest number of the settings,
     * never more than there are.
     */
    static int[] indices(int total, double sourceFps, VideoConfig config) {
        double wanted = Math.floor(total / sourceFps * config.fps());
        int count = (int) Math.min(Math.min(Math.max(wanted, config.minFrames()), config.maxFrames()), total);
        int[] indices = new int[count];
        double step = count > 1 ? (total - 1) / (double) (count - 1) : 0;
        for (int i = 1; i < count; i++) {
            indices[i] = i == count - 1 ? total - 1 : (int) Math.rint(i * step);
        }
        return indices;
    }

    /** Seconds of each temporal step: half-way between its first and its last frame; the last frame fills up. */
    static List<Double> timestamps(int[] indices, double sourceFps, int framesPerStep) {
        List<Double> timestamps = new ArrayList<>();
        for (int first = 0; first < indices.length; first += framesPerStep) {
            int last = Math.min(first + framesPerStep, indices.length) - 1;
            timestamps.add((indices[first] / sourceFps + indices[last] / sourceFps) / 2);
        }
        return timestamps;
    }
}
