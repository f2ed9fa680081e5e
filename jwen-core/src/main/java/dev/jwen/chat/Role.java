package dev.jwen.chat;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Who says a message. {@code DEVELOPER} is the newer OpenAI word for {@code SYSTEM}; no Qwen template knows it. */
public enum Role {
    SYSTEM,
    DEVELOPER,
    USER,
    ASSISTANT,
    TOOL;

    /** The name in JSON and in templates: lower case. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether the message instructs the model rather than takes part in the conversation. */
    boolean instructs() {
        return this == SYSTEM || this == DEVELOPER;
    }

    /** The role of that name in JSON, or null. */
    static @Nullable Role of(String wireName) {
        for (Role role : values()) {
            if (role.wireName().equals(wireName)) {
                return role;
            }
        }
        return null;
    }
}
