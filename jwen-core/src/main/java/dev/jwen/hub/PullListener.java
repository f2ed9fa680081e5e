package dev.jwen.hub;

import java.util.List;

/** Hears how a pull goes; all calls come from the thread that pulls. */
public interface PullListener {
    /** Says nothing. */
    PullListener NONE = new PullListener() {};

    /** Another pull or removal of this model is under way and waited for. */
    default void waiting() {}

    /**
     * What will be fetched is known.
     *
     * @param paths of the files that are not in the cache
     * @param bytes still to come
     * @param present bytes of the model that are here already
     */
    default void started(List<String> paths, long bytes, long present) {}

    /** So many bytes have come in this pull; several times a second. */
    default void progress(long bytes) {}

    /** A file is complete and its checksum is right. */
    default void finished(String path, long size) {}
}
