package dev.jwen.chat;

import java.util.List;
import java.util.stream.Collectors;

/**
 * A rendered conversation, ready to be encoded.
 *
 * @param pieces in order; joined they are the template's output, byte for byte
 * @param media pictures and videos in the order of their placeholder tokens in the trusted pieces
 * @param thinking whether the prompt ends inside the reasoning, which {@link ResponseParser} needs to know
 */
public record Prompt(List<PromptPiece> pieces, List<ContentPart> media, boolean thinking) {
    public Prompt {
        pieces = List.copyOf(pieces);
        media = List.copyOf(media);
    }

    public String text() {
        return pieces.stream().map(PromptPiece::text).collect(Collectors.joining());
    }
}
