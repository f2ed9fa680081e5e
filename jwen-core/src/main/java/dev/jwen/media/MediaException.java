package dev.jwen.media;

/** A picture or clip that cannot be used; the message is one sentence or two for the person who chose it. */
public final class MediaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public MediaException(String message) {
        super(message);
    }

    public MediaException(String message, Throwable cause) {
        super(message, cause);
    }
}
