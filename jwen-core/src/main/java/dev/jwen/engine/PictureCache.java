package dev.jwen.engine;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What was seen last, so that a conversation about a picture does not look at it again with every turn.
 *
 * <p>Pictures are kept by their content, up to a number of bytes, those not asked for the longest going first. Beside
 * them is remembered which content a source had, so that a known picture need not even be decoded.
 */
final class PictureCache {
    private static final int SOURCES = 4096;

    private final long capacityBytes;
    private final Map<String, Seen> byContent = new LinkedHashMap<>(16, 0.75f, true);
    private final Map<String, String> contentOf = new LinkedHashMap<>(16, 0.75f, true);
    private long sizeBytes;

    PictureCache(long capacityBytes) {
        this.capacityBytes = capacityBytes;
    }

    /** What a source was found to hold, if that is still kept. */
    @Nullable
    Seen ofSource(String source) {
        String content = contentOf.get(source);
        return content == null ? null : byContent.get(content);
    }

    @Nullable
    Seen ofContent(String content) {
        return byContent.get(content);
    }

    void keep(String source, Seen seen) {
        contentOf.put(source, seen.picture().key());
        trim(contentOf, SOURCES);
        Seen before = byContent.put(seen.picture().key(), seen);
        sizeBytes += bytes(seen) - (before == null ? 0 : bytes(before));
        while (sizeBytes > capacityBytes && byContent.size() > 1) {
            String oldest = byContent.keySet().iterator().next();
            Seen dropped = byContent.remove(oldest);
            sizeBytes -= dropped == null ? 0 : bytes(dropped);
        }
    }

    private static void trim(Map<String, String> map, int most) {
        while (map.size() > most) {
            map.remove(map.keySet().iterator().next());
        }
    }

    private static long bytes(Seen seen) {
        return seen.picture().features().sizeBytes();
    }

    long sizeBytes() {
        return sizeBytes;
    }
}
