package dev.jwen.hub;

/**
 * How a pull uses the network.
 *
 * @param connections at once
 * @param segmentBytes the largest part of a file that is asked for at once
 */
public record PullOptions(int connections, long segmentBytes) {
    // Each segment costs a redirect, and hubs count those; a connection that is cut loses nothing.
    /** Eight connections, 64 MiB at once. */
    public static final PullOptions DEFAULT = new PullOptions(8, 64L << 20);

    public PullOptions {
        if (connections < 1 || connections > 64 || segmentBytes < 1) {
            throw new IllegalArgumentException(
                    "connections must be between 1 and 64 and segments positive, found %d and %d"
                            .formatted(connections, segmentBytes));
        }
    }
}
