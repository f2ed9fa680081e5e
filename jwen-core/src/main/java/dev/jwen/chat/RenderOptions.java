package dev.jwen.chat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a prompt should be like, apart from the conversation.
 *
 * @param addGenerationPrompt whether the prompt ends where the assistant's answer begins
 * @param enableThinking whether the answer begins with reasoning; null leaves it to the template
 * @param addVisionId whether pictures and videos are numbered in the text
 * @param variables more variables for the template, such as {@code preserve_thinking}; they win over the above,
 *     but not over the messages, the tools and the names of tokens
 */
public record RenderOptions(
        boolean addGenerationPrompt,
        @Nullable Boolean enableThinking,
        boolean addVisionId,
        Map<String, @Nullable Object> variables) {

    /** A prompt for the next answer, thinking as the template prefers. */
    public static final RenderOptions ANSWER = new RenderOptions(true, null, false, Map.of());

    public RenderOptions {
        variables = Json.copy(variables);
    }

    public RenderOptions withThinking(boolean thinking) {
        return new RenderOptions(addGenerationPrompt, thinking, addVisionId, variables);
    }

    /** These options with one more variable; a null value is JSON's null, not an absent variable. */
    public RenderOptions with(String variable, @Nullable Object value) {
        Map<String, @Nullable Object> more = new LinkedHashMap<>(variables);
        more.put(variable, value);
        return new RenderOptions(addGenerationPrompt, enableThinking, addVisionId, more);
    }
}
