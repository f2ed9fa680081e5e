package dev.jwen.media;

/**
 * Where and how one picture of an animation is drawn.
 *
 * @param x left edge on the canvas
 * @param y upper edge on the canvas
 * @param delayMillis how long it is shown
 * @param disposal what happens to its rectangle before the next one is drawn
 * @param blend whether its alpha is mixed with what is there; else it replaces it
 */
record AnimationFrame(int x, int y, int width, int height, int delayMillis, Disposal disposal, boolean blend) {

    enum Disposal {
        KEEP,
        CLEAR,
        RESTORE
    }
}
