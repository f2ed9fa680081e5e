package dev.jwen.chat;

/** A conversation that cannot be used; the message says where, what was expected and what was found. */
public final class ChatException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ChatException(String message) {
        super(message);
    }

    public ChatException(String message, Throwable cause) {
        super(message, cause);
    }
}
