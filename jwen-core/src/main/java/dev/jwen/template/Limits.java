package dev.jwen.template;

/**
 * How much one render may do before it ends with a {@link TemplateException} of kind LIMIT.
 *
 * @param maxSteps evaluated nodes, visited elements and, for every 16 of them, characters written or searched
 * @param maxDepth nesting of evaluation: expressions, statements, macro calls and nested values together
 * @param maxOutputChars UTF-16 units of the result, and of any string made on the way
 */
public record Limits(long maxSteps, int maxDepth, int maxOutputChars) {
    /** Enough for a prompt of a million tokens; a hostile template ends within about a second and 512 KiB of stack. */
    public static final Limits DEFAULT = new Limits(10_000_000, 600, 16_000_000);

    public Limits {
        if (maxSteps < 1 || maxDepth < 1 || maxOutputChars < 1) {
            throw new IllegalArgumentException("Limits must be positive: %d steps, depth %d, %d characters"
                    .formatted(maxSteps, maxDepth, maxOutputChars));
        }
    }
}
