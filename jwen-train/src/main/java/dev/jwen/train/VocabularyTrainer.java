package dev.jwen.train;

import dev.jwen.tokenizer.Normalization;
import dev.jwen.tokenizer.SplitPattern;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntConsumer;

/**
 * Makes the vocabulary of a Qwen 3.5 tokenizer from texts: byte-level byte-pair encoding.
 *
 * {@snippet :
 * VocabularyTrainer trainer = new VocabularyTrainer();
 * corpus.forEach(trainer::add);
 * TrainedVocabulary vocabulary = trainer.train(2_048, done -> {});
 * vocabulary.write(checkpointDirectory);
 * }
 *
 * <p>A text is taken apart as the tokenizer does it: added tokens such as {@code <|im_end|>} are cut out, the rest is
 * normalized to form C, split into pieces and written as bytes. A vocabulary begins with the 256 bytes, in the order of
 * the characters that stand for them in tokenizer.json. Then the two neighbours that occur most often within pieces are
 * joined to a new token, wherever they stand, until the vocabulary is full. Among pairs that occur equally often the
 * one whose left token is older wins, then the one whose right token is older; so texts in another order give the same
 * vocabulary. In {@code aaa} the pair {@code aa} occurs twice.
 *
 * <p>A pair that occurs once is not joined, nor is one that would spell a token that is there already: there is one rule
 * for every token of several bytes, as in the published vocabulary. Digits stay single, since a digit is a piece.
 *
 * <p>Not for several threads at once.
 *
 * @see <a href="https://arxiv.org/abs/1508.07909">Neural Machine Translation of Rare Words with Subword Units</a>,
 *     section 3.2
 */
public final class VocabularyTrainer {
    /** The smallest vocabulary: the bytes and the added tokens. */
    public static final int SMALLEST = 256 + AddedTokens.ALL.size();

    private final Map<String, Long> pieces = new HashMap<>(); // with how often each occurs

    /** Counts the pieces of a text. A lone surrogate counts as U+FFFD. */
    public void add(String text) {
        AddedTokens.PATTERN
                .splitAsStream(Normalization.wellFormed(text))
                .flatMap(part -> SplitPattern.QWEN35.pieces(Normalization.nfc(part)).stream())
                .forEach(piece -> pieces.merge(piece, 1L, Long::sum));
    }

    /**
     * Joins pairs until the vocabulary is full or no pair occurs twice. More texts may be added afterwards, to train
     * again with all of them.
     *
     * @param vocabularySize all ids together: 256 bytes, joined pairs and the 33 added tokens
     * @param joined told the number of pairs joined so far
     * @return at most as large as asked for
     * @throws IllegalArgumentException if the size is below {@link #SMALLEST}
     */
    public TrainedVocabulary train(int vocabularySize, IntConsumer joined) {
        if (vocabularySize < SMALLEST) {
            throw new IllegalArgumentException(
                    "a vocabulary of %d tokens is too small: the 256 bytes and the %d added tokens are already %d"
                            .formatted(vocabularySize, AddedTokens.ALL.size(), SMALLEST));
        }
        PairMerging merging = new PairMerging(pieces);
        int pairs = vocabularySize - SMALLEST;
        for (int done = 0; done < pairs && merging.joinMostFrequent(); ) {
            joined.accept(++done);
        }
        return new TrainedVocabulary(merging.tokens(), merging.rules());
    }
}
