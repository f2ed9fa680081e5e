package dev.jwen.engine;

/** Follows a generation while it runs. Calls come from the generating thread. */
public interface Listener {
    /** Hears nothing and never stops. */
    Listener NONE = new Listener() {};

    /** {@code done} of the {@code total} frames that a video will have are decoded. */
    default void decodingVideo(int done, int total) {}

    /** The work on {@code done} of {@code total} patches of pictures or of a video is done in the vision tower. */
    default void encodingPictures(int done, int total) {}

    /** {@code read} of {@code total} prompt tokens are read; those found in an earlier state count as read. */
    default void prompt(int read, int total) {}

    /** The next piece of text, whole characters, possibly empty pieces left out. */
    default void text(String piece) {}

    /** Asked between steps; true ends the generation with what there is. */
    default boolean isCancelled() {
        return false;
    }
}
