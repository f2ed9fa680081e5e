package dev.jwen.tools;

/** Why a call cannot be carried out, in one sentence for the model. */
final class ToolException extends RuntimeException {
    private static final long serialVersionUID = 1;

    ToolException(String message) {
        super(message, null, false, false);
    }
}
