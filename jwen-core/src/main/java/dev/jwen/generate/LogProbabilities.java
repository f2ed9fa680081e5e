package dev.jwen.generate;

import java.util.List;

/**
 * The model's own log-probability of a chosen token and of the most likely ones, before any sampling option.
 *
 * @param top the most likely tokens, best first, equal ones by id
 */
public record LogProbabilities(Entry chosen, List<Entry> top) {

    /** A token and the natural logarithm of its probability. */
    public record Entry(int token, double logProbability) {}

    public LogProbabilities {
        top = List.copyOf(top);
    }
}
