package dev.jwen.media;

/** Told how far the decoding of a clip has come, on the thread that decodes. */
@FunctionalInterface
public interface Progress {

    /** Nobody wants to know. */
    Progress NONE = (done, total) -> {};

    /**
     * One more frame is ready.
     *
     * @param done frames decoded and resized so far
     * @param total frames that will be kept
     */
    void frames(int done, int total);
}
