package dev.jwen.tokenizer;

/** Tokenizer files that cannot be used; the message says which, what was expected and what was found. */
public final class TokenizerException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public TokenizerException(String message) {
        super(message);
    }

    public TokenizerException(String message, Throwable cause) {
        super(message, cause);
    }
}
