package dev.jwen.hub;

/** A model that could not be fetched, found or removed; the message is written for the person who named it. */
public final class HubException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int MAX_WORD = 200;

    public HubException(String message) {
        super(message);
    }

    public HubException(String message, Throwable cause) {
        super(message, cause);
    }

    /** A word from a server or a user, short and without control characters. */
    static String clean(String word) {
        String head = word.length() <= MAX_WORD ? word : word.substring(0, MAX_WORD) + "…";
        return head.replaceAll("\\p{Cntrl}", "?");
    }
}
