package dev.jwen.chat;

/**
 * A token whose spelling is matched in text before anything else.
 *
 * @param text the spelling, not empty
 * @param special whether it is a control token of the model, such as {@code <|im_end|>}; {@code <think>} is not
 */
public record AddedToken(String text, boolean special) {
    public AddedToken {
        if (text.isEmpty()) {
            throw new IllegalArgumentException("An added token has an empty spelling");
        }
    }
}
