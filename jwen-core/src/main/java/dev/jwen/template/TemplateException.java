package dev.jwen.template;

/**
 * A template that could not be parsed or rendered; {@link #kind()} says whose fault it is.
 *
 * <p>The message starts with the place in the template ("line 3, column 7: …") except for {@link Kind#REJECTED}, whose
 * message is the template's own words and nothing else.
 */
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Why rendering ended. */
    public enum Kind {
        /** The template is not valid Jinja, or uses a part of it that is refused. */
        SYNTAX,
        /** The template called {@code raise_exception}: the conversation is not acceptable to it. */
        REJECTED,
        /** An operation failed where Python would raise too: a wrong type, an undefined value, a division by zero. */
        EVALUATION,
        /** The render went over its {@link Limits}. */
        LIMIT
    }

    private final Kind kind;
    private final String problem;
    private final int line;
    private final int column;

    private TemplateException(Kind kind, String problem, int line, int column) {
        super(line == 0 || kind == Kind.REJECTED ? problem : "line %d, column %d: %s".formatted(line, column, problem));
        this.kind = kind;
        this.problem = problem;
        this.line = line;
        this.column = column;
    }

    public Kind kind() {
        return kind;
    }

    /** The message without the place. */
    public String problem() {
        return problem;
    }

    /** Line in the template, from 1; 0 if the failure has no place in it. */
    public int line() {
        return line;
    }

    /** Column in that line, from 1; 0 if the failure has no place in the template. */
    public int column() {
        return column;
    }

    static TemplateException syntax(String problem, String source, int at) {
        return new TemplateException(Kind.SYNTAX, problem, 0, 0).located(source, at);
    }

    static TemplateException rejected(String message) {
        return new TemplateException(Kind.REJECTED, message, 0, 0);
    }

    static TemplateException evaluation(String problem) {
        return new TemplateException(Kind.EVALUATION, problem, 0, 0);
    }

    static TemplateException limit(String problem) {
        return new TemplateException(Kind.LIMIT, problem, 0, 0);
    }

    /** The same failure with its place: the line and column of character {@code at} of the source. */
    TemplateException located(String source, int at) {
        int end = Math.min(at, source.length());
        int line = 1;
        int start = 0;
        for (int i = source.indexOf('\n'); i >= 0 && i < end; i = source.indexOf('\n', i + 1)) {
            line++;
            start = i + 1;
        }
        TemplateException located = new TemplateException(kind, problem, line, end - start + 1);
        located.setStackTrace(getStackTrace());
        return located;
    }
}
