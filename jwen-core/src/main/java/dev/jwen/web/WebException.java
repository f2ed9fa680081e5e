package dev.jwen.web;

/** Something that could not be fetched; the message is one sentence for the person who gave the address. */
public final class WebException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public WebException(String message) {
        super(message);
    }

    public WebException(String message, Throwable cause) {
        super(message, cause);
    }
}
