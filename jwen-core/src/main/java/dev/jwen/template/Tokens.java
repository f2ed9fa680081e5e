package dev.jwen.template;

import dev.jwen.template.Token.Kind;
import java.util.List;

/** The tokens of a template and how far the parser has come. */
final class Tokens {
    private final String source;
    private final List<Token> tokens;
    private int index;

    Tokens(String source) {
        this.source = source;
        this.tokens = new Lexer(source).tokens();
    }

    Token current() {
        return tokens.get(index);
    }

    Token following() {
        return tokens.get(Math.min(index + 1, tokens.size() - 1));
    }

    boolean is(Kind kind) {
        return current().kind() == kind;
    }

    boolean isOperator(String operator) {
        return current().isOperator(operator);
    }

    boolean isName(String name) {
        return current().isName(name);
    }

    /** The current token, moving on to the one after it. The last one, END, stays. */
    Token next() {
        Token token = current();
        if (index < tokens.size() - 1) {
            index++;
        }
        return token;
    }

    boolean skipOperator(String operator) {
        boolean found = isOperator(operator);
        if (found) {
            next();
        }
        return found;
    }

    boolean skipName(String name) {
        boolean found = isName(name);
        if (found) {
            next();
        }
        return found;
    }

    Token expect(Kind kind) {
        if (!is(kind)) {
            throw expected(kind == Kind.NAME ? "name" : new Token(kind, "", 0).description());
        }
        return next();
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw expected(operator);
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw expected(name);
        }
    }

    private TemplateException expected(String what) {
        return is(Kind.END)
                ? fail("unexpected end of template, expected '%s'.".formatted(what))
                : fail("expected token '%s', got '%s'".formatted(what, current().description()));
    }

    TemplateException fail(String problem) {
        return fail(problem, current().at());
    }

    TemplateException fail(String problem, int at) {
        return TemplateException.syntax(problem, source, at);
    }
}
