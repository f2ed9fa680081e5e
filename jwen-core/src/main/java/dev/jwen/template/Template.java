package dev.jwen.template;

import java.time.Clock;
import java.time.ZoneId;
import java.util.Map;

/**
 * A chat template: Jinja source that turns a conversation into the text a model was trained on.
 *
 * <p>Output is byte-identical to Python's Jinja2 3.1 as Hugging Face sets it up: immutable sandbox, {@code trim_blocks},
 * {@code lstrip_blocks}, {@code break} and {@code continue}, {@code tojson} as plain {@code json.dumps}, the functions
 * {@code raise_exception} and {@code strftime_now}, {@code generation} blocks (their body is rendered). Text is never
 * HTML-escaped on its own, so {@code safe} changes nothing. Templates cannot load others: {@code import},
 * {@code include}, {@code extends} and {@code block} are refused.
 *
 * <p>A parsed template is immutable and may be rendered by many threads at once.
 * {@snippet :
 *   Template template = Template.parse("{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}");
 *   String prompt = template.render(Map.of("messages", List.of(Map.of("role", "user", "content", " Hi "))));
 * }
 *
 * @see <a href="https://jinja.palletsprojects.com/en/stable/templates/">Jinja template designer documentation</a>
 */
public final class Template {
    private final String source;
    private final Body body;

    private Template(String source, Body body) {
        this.source = source;
        this.body = body;
    }

    /**
     * Reads a template.
     *
     * @throws TemplateException of kind SYNTAX, with line and column, if it is not a valid template
     */
    public static Template parse(String source) {
        String normalised = Lexer.normalise(source);
        return new Template(normalised, new Parser(normalised).template());
    }

    /** Renders with {@link Limits#DEFAULT} and the system's clock. */
    public String render(Map<String, ?> variables) {
        return render(variables, Limits.DEFAULT, Clock.system(ZoneId.systemDefault()));
    }

    /**
     * Renders the template.
     *
     * @param variables by name; values are String, Boolean, Integer, Long, BigInteger, Double, null, and Maps and
     *     Lists of these. They are copied first and never changed; the order of maps is kept.
     * @param clock what {@code strftime_now} reads, in the clock's time zone
     * @throws TemplateException of kind REJECTED with the template's own message if it refuses the conversation, of
     *     kind EVALUATION if an operation fails, of kind LIMIT if it does too much
     * @throws IllegalArgumentException if a variable holds a value of another type
     */
    public String render(Map<String, ?> variables, Limits limits, Clock clock) {
        Interpreter interpreter = new Interpreter(limits, clock);
        try {
            return interpreter.render(body, variables);
        } catch (TemplateException e) {
            throw e.located(source, interpreter.at());
        }
    }
}
