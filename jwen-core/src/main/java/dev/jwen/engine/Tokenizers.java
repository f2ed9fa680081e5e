package dev.jwen.engine;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.tokenizer.Tokenizer;

/** Opens the tokenizer that belongs to a checkpoint, wherever it is kept. */
public final class Tokenizers {
    private Tokenizers() {}

    /**
     * The tokenizer of {@code checkpoint}.
     *
     * @throws CheckpointException if it has none
     */
    public static Tokenizer of(Checkpoint checkpoint) {
        return switch (checkpoint.tokenizerSource()) {
            case Checkpoint.TokenizerSource.Directory directory -> Tokenizer.open(directory.path());
            case Checkpoint.TokenizerSource.Embedded lists ->
                Tokenizer.of(lists.tokens(), lists.types(), lists.merges(), lists.pattern());
            case null ->
                throw new CheckpointException(
                        "%s has no tokenizer; put tokenizer.json (or vocab.json and merges.txt) of the original model beside the weights."
                                .formatted(checkpoint.path()));
        };
    }
}
