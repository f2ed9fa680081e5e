package dev.jwen.engine;

import dev.jwen.model.EncodedPicture;
import java.util.List;

/**
 * A picture or video as the model sees it.
 *
 * @param timestamps seconds of each frame of a video; empty for a picture
 */
public record Seen(EncodedPicture picture, List<Double> timestamps) {
    public Seen {
        timestamps = List.copyOf(timestamps);
        if (!timestamps.isEmpty() && timestamps.size() != picture.grid().t()) {
            throw new IllegalArgumentException("%d timestamps for %s".formatted(timestamps.size(), picture.grid()));
        }
    }

    public boolean isVideo() {
        return !timestamps.isEmpty();
    }
}
