package dev.jwen.generate;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Cuts a stream of text before the first stop string, holding back only what may still become one.
 *
 * <p>The stop string that is complete first wins; of those complete at the same character, the longest. No character
 * of it comes out, and the output does not depend on how the text is split into pieces.
 *
 * {@snippet :
 *   StopStrings stop = new StopStrings(List.of("\nUser:"));
 *   while (!stop.isStopped() && pieces.hasNext()) {
 *       out.append(stop.feed(pieces.next()));
 *   }
 *   out.append(stop.finish());
 * }
 */
public final class StopStrings {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private @Nullable String matched;

    /** A matcher for these texts; none of them may be empty, the list may. */
    public StopStrings(List<String> stops) {
        this.stops = List.copyOf(stops);
        if (this.stops.contains("")) {
            throw new IllegalArgumentException("a stop string is empty, expected at least one character");
        }
    }

    /** Takes the next piece of text and returns what may be shown now; nothing once a stop string was found. */
    public String feed(String piece) {
        int checked = held.length();
        if (matched == null) {
            held.append(piece);
        }
        for (int end = checked + 1; end <= held.length() && matched == null; end++) {
            matched = longestEndingAt(end);
            if (matched != null) {
                held.setLength(end - matched.length());
            }
        }
        return take(matched == null ? openFrom() : held.length());
    }

    /** Ends the stream: returns the text that was held back, which became no stop string. */
    public String finish() {
        return take(held.length());
    }

    /** Whether a stop string was found. */
    public boolean isStopped() {
        return matched != null;
    }

    /** The stop string that was found, or null. */
    public @Nullable String matched() {
        return matched;
    }

    private @Nullable String longestEndingAt(int end) {
        String longest = null;
        for (String stop : stops) {
            if ((longest == null || stop.length() > longest.length())
                    && heldHas(stop, end - stop.length(), stop.length())) {
                longest = stop;
            }
        }
        return longest;
    }

    /** Where the longest tail begins that is the beginning of a stop string. */
    private int openFrom() {
        int open = held.length();
        for (String stop : stops) {
            for (int from = Math.max(0, held.length() - stop.length() + 1); from < open; from++) {
                if (heldHas(stop, from, held.length() - from)) {
                    open = from;
                }
            }
        }
        return open;
    }

    private boolean heldHas(String stop, int from, int length) {
        if (from < 0) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (held.charAt(from + i) != stop.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private String take(int end) {
        String text = held.substring(0, end);
        held.delete(0, end);
        return text;
    }
}
