package dev.jwen.media;

import java.util.function.Consumer;

/** A source of frames. Whoever opens it closes it. */
interface Clip extends AutoCloseable {
    /** What to assume where a source does not say, as the published processor does. */
    double UNKNOWN_FPS = 24;

    int frameCount();

    double framesPerSecond();

    /**
     * Gives these frames to {@code sink}, one after the other.
     *
     * @param indices ascending, no two equal, each below {@link #frameCount()}
     * @return whether there were as many as {@link #frameCount()} said; if not, that has been corrected since, and
     *     reading may be tried once more
     * @throws MediaException if a frame cannot be had
     */
    boolean read(int[] indices, Consumer<Picture> sink);

    @Override
    void close();
}
