package dev.jwen.tokenizer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What tokenizer files say, whatever their format, before it is checked as a whole.
 *
 * @param source what to call it in errors
 * @param tokens by id, in the byte alphabet; null where the id is that of an added token, or of nothing
 * @param merges by rank, each "left right"
 */
record Definition(
        String source,
        List<@Nullable String> tokens,
        List<AddedTokens.Token> added,
        List<String> merges,
        SplitPattern pattern) {}
