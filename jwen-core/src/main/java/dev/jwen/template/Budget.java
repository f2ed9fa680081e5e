package dev.jwen.template;

/** What one render has left of its {@link Limits}. */
final class Budget {
    private final Limits limits;
    private long steps;
    private int depth;

    Budget(Limits limits) {
        this.limits = limits;
        this.steps = limits.maxSteps();
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        steps -= count;
        if (steps < 0) {
            throw TemplateException.limit(
                    "the template does not come to an end: more than %d steps".formatted(limits.maxSteps()));
        }
    }

    void enter() {
        if (++depth > limits.maxDepth()) {
            throw TemplateException.limit("nested too deeply: more than %d levels".formatted(limits.maxDepth()));
        }
    }

    void leave() {
        depth--;
    }

    /** To be called before a string of this many characters is made or read through. */
    void characters(long count) {
        length(count);
        steps(count >> 4);
    }

    /** To be called before one string is looked for in another; the worst case compares all with all. */
    void search(long text, long sought) {
        characters(text);
        steps((text * sought) >> 8);
    }

    /** Refuses a string of this many characters. */
    void length(long count) {
        if (count > limits.maxOutputChars()) {
            throw TemplateException.limit("text too long: more than %d characters".formatted(limits.maxOutputChars()));
        }
    }

    /** Appends to a text that may become the result. */
    void append(StringBuilder out, String text) {
        length((long) out.length() + text.length());
        steps(text.length() >> 4);
        out.append(text);
    }
}
