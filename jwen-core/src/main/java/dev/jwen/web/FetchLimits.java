package dev.jwen.web;

import java.time.Duration;

/**
 * How far a fetch may go.
 *
 * @param maxBytes the longest body
 * @param timeout for everything from the first connection to the last byte
 * @param maxRedirects the most redirects followed
 * @param privateAddresses whether hosts of this machine and its own network may be asked, too
 */
public record FetchLimits(long maxBytes, Duration timeout, int maxRedirects, boolean privateAddresses) {

    /** 64 MB in 30 seconds, five redirects, public hosts alone. */
    public static final FetchLimits DEFAULT = new FetchLimits(64L << 20, Duration.ofSeconds(30), 5, false);

    public FetchLimits {
        if (maxBytes < 1 || maxBytes > Integer.MAX_VALUE - 64 || timeout.toMillis() < 1 || maxRedirects < 0) {
            throw new IllegalArgumentException(
                    "a fetch of %d bytes in %s with %d redirects".formatted(maxBytes, timeout, maxRedirects));
        }
    }
}
