package dev.jwen.chat;

/**
 * A stretch of a prompt.
 *
 * @param text not empty
 * @param trusted whether spellings of added tokens in the text are tokens; where false they were typed by someone and
 *     must be encoded as ordinary text
 */
public record PromptPiece(String text, boolean trusted) {}
