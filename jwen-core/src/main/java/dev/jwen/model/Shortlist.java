package dev.jwen.model;

/**
 * Which logits of a row a sampler needs: those that can be among the largest once it has changed some of them. The others
 * may come as negative infinity.
 *
 * <p>The largest are counted among the ids whose logit the sampler leaves alone, so that no change can push one of them
 * out of the list.
 *
 * @param count how many of the largest are needed, with all that equal the last of them; at least 1
 * @param lowered ids whose logit may become smaller: needed if they could be among the largest as they are
 * @param raised ids whose logit may become larger: needed in any case
 * @param vocabularySize ids from here on pad the matrix and are never needed
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared
public record Shortlist(int count, int[] lowered, int[] raised, int vocabularySize) {

    private static final int[] NONE = {};

    public Shortlist {
        if (count < 1 || vocabularySize < 1) {
            throw new IllegalArgumentException(
                    "a shortlist of %d logits from a vocabulary of %d; expected at least 1 each"
                            .formatted(count, vocabularySize));
        }
    }

    /** The {@code count} largest logits of {@code vocabularySize}. */
    public static Shortlist largest(int count, int vocabularySize) {
        return new Shortlist(count, NONE, NONE, vocabularySize);
    }
}
