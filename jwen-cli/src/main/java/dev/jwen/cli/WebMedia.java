package dev.jwen.cli;

import dev.jwen.engine.MediaSource;
import dev.jwen.web.FetchLimits;
import dev.jwen.web.Fetcher;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Files of this machine, and http addresses of public hosts; what was fetched lately is not fetched again. */
final class WebMedia implements MediaSource {
    private static final long KEPT_BYTES = 128L << 20;

    private final Fetcher fetcher = new Fetcher(FetchLimits.DEFAULT);
    /** By address, the oldest first. */
    private final Map<String, Bytes> fetched = new LinkedHashMap<>();

    @Override
    public Media find(String source) {
        String lower = source.toLowerCase(Locale.ROOT);
        if (!lower.startsWith("http:") && !lower.startsWith("https:")) {
            return FILES.find(source);
        }
        Bytes known = fetched.get(source);
        if (known != null) {
            return known;
        }
        Bytes bytes = new Bytes(fetcher.fetch(source), source);
        fetched.put(source, bytes);
        while (size() > KEPT_BYTES) {
            fetched.remove(fetched.keySet().iterator().next());
        }
        return bytes;
    }

    private long size() {
        return fetched.values().stream()
                .mapToLong(bytes -> bytes.bytes().length)
                .sum();
    }
}
