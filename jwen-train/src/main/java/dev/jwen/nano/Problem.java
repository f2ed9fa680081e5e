package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.engine.Toolbox;
import java.nio.file.Path;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * A question, how it is answered well, and how an answer is judged.
 *
 * @param key what decides its {@link Split}; a line for each question where it asks several
 * @param demonstration the whole conversation as it should go, with the reasoning, the calls and the results of tools:
 *     the assistant's messages after the last user message are what is learned. Its tools are those of the desk
 * @param desk opens the tools to work with in a folder, which they first fill with what the problem needs; the folder is
 *     empty and theirs alone
 * @param solved judges the same conversation as the model led it, which ends with the model's answer
 */
public record Problem(
        String key, Conversation demonstration, Function<Path, Toolbox> desk, Predicate<Conversation> solved) {

    /** A problem without tools. */
    public Problem(String key, Conversation demonstration, Predicate<Conversation> solved) {
        this(key, demonstration, folder -> Toolbox.EMPTY, solved);
    }
}
