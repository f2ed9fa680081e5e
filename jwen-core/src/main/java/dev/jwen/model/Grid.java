package dev.jwen.model;

/**
 * How a picture or a video is cut into patches: {@code t} frames (a still picture has one) of {@code height} by
 * {@code width} patches. {@value #MERGE} by {@value #MERGE} patches become one token.
 */
public record Grid(int t, int height, int width) {
    /** Patches along each side of a token. */
    public static final int MERGE = 2;

    public Grid {
        if (t < 1 || height < MERGE || width < MERGE || height % MERGE != 0 || width % MERGE != 0) {
            throw new IllegalArgumentException(
                    "a grid of %d frames of %d x %d patches; expected at least one frame and even sides"
                            .formatted(t, height, width));
        }
        Math.multiplyExact(Math.multiplyExact(height, width), t);
    }

    /** Patches of all frames. */
    public int patches() {
        return t * height * width;
    }

    /** Tokens of one frame. */
    public int frameTokens() {
        return height * width / (MERGE * MERGE);
    }

    /** Tokens of all frames. */
    public int tokens() {
        return t * frameTokens();
    }

    /** One frame of it. */
    Grid frame() {
        return new Grid(1, height, width);
    }
}
