package dev.jwen.media;

import java.util.List;
import java.util.function.Consumer;

/** Frames that lie in memory. */
record FrameList(List<Picture> frames, double framesPerSecond) implements Clip {

    @Override
    public int frameCount() {
        return frames.size();
    }

    @Override
    public boolean read(int[] indices, Consumer<Picture> sink) {
        for (int index : indices) {
            sink.accept(frames.get(index));
        }
        return true;
    }

    @Override
    public void close() {}
}
