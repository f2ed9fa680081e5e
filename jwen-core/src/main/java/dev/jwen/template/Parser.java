package dev.jwen.template;

import dev.jwen.template.Statement.Branch;
import dev.jwen.template.Statement.Signature;
import dev.jwen.template.Statement.Target;
import dev.jwen.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** Parses a template into statements. */
final class Parser {
    private static final int STATEMENT_WEIGHT = 4;
    private static final Set<String> CONSTANTS = Set.of("true", "false", "none", "True", "False", "None");

    private final Tokens tokens;
    private final ExpressionParser expressions;
    private int loops; // that break and continue could end
    private int enclosingLoops; // seen from inside macros too

    Parser(String source) {
        this.tokens = new Tokens(source);
        this.expressions = new ExpressionParser(tokens);
    }

    Body template() {
        Names names = expressions.names();
        List<Statement> statements = statements();
        expressions.finish();
        return new Body(statements, names);
    }

    /** Statements up to the end of the template or to one of these tags, whose name becomes the current token. */
    private List<Statement> statements(String... ends) {
        List<Statement> statements = new ArrayList<>();
        while (!tokens.is(Kind.END)) {
            Token token = tokens.next();
            switch (token.kind()) {
                case DATA -> statements.add(new Statement.Text(token.text()));
                case VARIABLE_BEGIN -> {
                    statements.add(new Statement.Output(expressions.tuple(true), token.at()));
                    tokens.expect(Kind.VARIABLE_END);
                }
                default -> { // a block, as only these three stand outside tags
                    if (atOneOf(ends)) {
                        return statements;
                    }
                    statement(statements, ends);
                    tokens.expect(Kind.BLOCK_END);
                }
            }
        }
        if (ends.length > 0) {
            throw tokens.fail(
                    "Unexpected end of template. Jinja was looking for the following tags: " + listed(ends) + ".");
        }
        return statements;
    }

    private boolean atOneOf(String... names) {
        for (String name : names) {
            if (tokens.isName(name)) {
                return true;
            }
        }
        return false;
    }

    private static String listed(String... ends) {
        return "'" + String.join("' or '", ends) + "'";
    }

    private void statement(List<Statement> into, String... ends) {
        expressions.enter(STATEMENT_WEIGHT);
        Token tag = tokens.current();
        if (tag.kind() != Kind.NAME) {
            throw tokens.fail("tag name expected");
        }
        tokens.next();
        int at = tag.at();
        switch (tag.text()) {
            case "if" -> into.add(ifStatement(at));
            case "for" -> into.add(forStatement(at));
            case "set" -> into.add(set(at));
            case "macro" -> into.add(macro());
            case "call" -> into.add(callBlock(at));
            case "filter" -> into.add(filterBlock(at));
            case "with" -> into.add(with(at));
            case "do" -> into.add(new Statement.Do(expressions.tuple(true), at));
            case "print" -> print(into, at);
            case "generation" -> into.add(new Statement.Group(callable(() -> block("endgeneration"))));
            case "autoescape" -> {
                expressions.expression();
                into.add(new Statement.Group(block("endautoescape")));
            }
            case "break", "continue" -> {
                if (loops == 0) {
                    throw tokens.fail("'%s' outside loop".formatted(tag.text()), at);
                }
                into.add(tag.text().equals("break") ? new Statement.Break() : new Statement.Continue());
            }
            case "import", "from", "include", "extends", "block" ->
                throw tokens.fail("'%s' is not available: a chat template stands alone".formatted(tag.text()), at);
            default ->
                throw tokens.fail(
                        "Encountered unknown tag '%s'.".formatted(tag.text())
                                + (ends.length == 0
                                        ? ""
                                        : " Jinja was looking for the following tags: " + listed(ends) + "."),
                        at);
        }
        expressions.leave(STATEMENT_WEIGHT);
    }

    /** What stands after the head of a tag, up to one of the end tags; the current token is then the end tag's name. */
    private List<Statement> branch(String... ends) {
        tokens.skipOperator(":");
        tokens.expect(Kind.BLOCK_END);
        return statements(ends);
    }

    /** A body in a scope of its own, up to and including the name of its end tag. */
    private Body block(String end) {
        Names outer = expressions.names();
        Body body = block(expressions.openScope(), end);
        expressions.scope(outer);
        return body;
    }

    private Body block(Names names, String end) {
        List<Statement> statements = branch(end);
        tokens.next();
        return new Body(statements, names);
    }

    /** Parses what becomes a function: no break in it reaches a loop around it. */
    private Body callable(Supplier<Body> body) {
        int outer = loops;
        loops = 0;
        Body parsed = body.get();
        loops = outer;
        return parsed;
    }

    private Statement ifStatement(int at) {
        List<Branch> branches = new ArrayList<>();
        List<Statement> otherwise = List.of();
        Expression test = condition();
        int testAt = at;
        while (true) {
            branches.add(new Branch(test, maybe("elif", "else", "endif"), testAt));
            Token next = tokens.next();
            if (next.isName("elif")) {
                testAt = next.at();
                test = condition();
            } else {
                if (next.isName("else")) {
                    otherwise = maybe("endif");
                    tokens.next();
                }
                return new Statement.If(branches, otherwise);
            }
        }
    }

    private Expression condition() {
        expressions.names().branch(true);
        Expression test = expressions.tuple(false);
        expressions.names().branch(false);
        return test;
    }

    private List<Statement> maybe(String... ends) {
        expressions.names().branch(true);
        List<Statement> statements = branch(ends);
        expressions.names().branch(false);
        return statements;
    }

    private Statement forStatement(int at) {
        Names outer = expressions.names();
        Target target = target(false);
        tokens.expectName("in");
        Expression iterable = expressions.tuple(false, "recursive");
        Expression filter = null;
        if (tokens.skipName("if")) {
            declareParameters(expressions.openScope(), target);
            filter = expressions.expression();
            expressions.scope(outer);
        }
        boolean recursive = tokens.skipName("recursive");
        Names names = expressions.openScope();
        names.parameter("loop");
        declareParameters(names, target);
        loops++;
        enclosingLoops++;
        refuseLoop(target, at);
        Body body = new Body(branch("endfor", "else"), names);
        loops--;
        enclosingLoops--;
        expressions.scope(outer);
        boolean hasElse = tokens.next().isName("else");
        Body otherwise = hasElse ? block("endfor") : new Body(List.of(), new Names(null));
        return new Statement.For(target, iterable, filter, recursive, body, otherwise, at);
    }

    private Statement set(int at) {
        Target target = target(true);
        if (tokens.skipOperator("=")) {
            Expression value = expressions.tuple(true);
            store(target, at);
            return new Statement.Assign(target, value, at);
        }
        store(target, at);
        Expression value = expressions.filters(Expression.CAPTURED);
        return new Statement.AssignBlock(target, value, block("endset"), at);
    }

    private Statement macro() {
        Token name = tokens.expect(Kind.NAME);
        refuseConstant(name);
        Names outer = expressions.names();
        outer.store(name.text());
        Names names = expressions.openScope();
        List<Expression> defaults = new ArrayList<>();
        List<String> parameters = parameters(names, defaults);
        Body body = callable(() -> block(names, "endmacro"));
        expressions.scope(outer);
        return new Statement.MacroDefinition(name.text(), signature(parameters, defaults, names), body);
    }

    private Statement callBlock(int at) {
        Names outer = expressions.names();
        Names names = expressions.openScope();
        List<Expression> defaults = new ArrayList<>();
        List<String> parameters = tokens.isOperator("(") ? parameters(names, defaults) : List.of();
        expressions.scope(outer);
        if (!(expressions.expression() instanceof Expression.Call call)) {
            throw tokens.fail("expected call", at);
        }
        expressions.scope(names);
        Body body = callable(() -> block(names, "endcall"));
        expressions.scope(outer);
        return new Statement.CallBlock(signature(parameters, defaults, names), body, call, at);
    }

    private List<String> parameters(Names names, List<Expression> defaults) {
        List<String> parameters = new ArrayList<>();
        tokens.expectOperator("(");
        while (!tokens.isOperator(")")) {
            Token name = tokens.expect(Kind.NAME);
            refuseConstant(name);
            names.parameter(name.text());
            if (tokens.skipOperator("=")) {
                defaults.add(expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw tokens.fail("non-default argument follows default argument");
            }
            if (parameters.contains(name.text())) {
                throw tokens.fail("duplicate argument '%s'".formatted(name.text()), name.at());
            }
            parameters.add(name.text());
            if (!tokens.isOperator(")")) {
                tokens.expectOperator(",");
            }
        }
        tokens.next();
        return parameters;
    }

    private static Signature signature(List<String> parameters, List<Expression> defaults, Names names) {
        return new Signature(
                parameters,
                defaults,
                names.reads("caller") && !parameters.contains("caller"),
                names.reads("kwargs") && !parameters.contains("kwargs"),
                names.reads("varargs") && !parameters.contains("varargs"));
    }

    private Statement filterBlock(int at) {
        Expression value = expressions.filters(expressions.filter(Expression.CAPTURED));
        return new Statement.FilterBlock(value, block("endfilter"), at);
    }

    private Statement with(int at) {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.is(Kind.BLOCK_END)) {
            if (!targets.isEmpty()) {
                tokens.expectOperator(",");
            }
            targets.add(target(false));
            tokens.expectOperator("=");
            values.add(expressions.expression());
        }
        Names outer = expressions.names();
        Names names = expressions.openScope();
        targets.forEach(target -> declareParameters(names, target));
        Body body = block(names, "endwith");
        expressions.scope(outer);
        return new Statement.With(targets, values, body, at);
    }

    private void print(List<Statement> into, int at) {
        while (!tokens.is(Kind.BLOCK_END)) {
            into.add(new Statement.Output(expressions.expression(), at));
            if (!tokens.is(Kind.BLOCK_END)) {
                tokens.expectOperator(",");
            }
        }
    }

    /** One or more assignment targets; two or more, or one with a comma, take a sequence apart. */
    private Target target(boolean attributes) {
        List<Target> targets = new ArrayList<>();
        targets.add(singleTarget(attributes));
        boolean unpack = false;
        while (tokens.skipOperator(",")) {
            unpack = true;
            if (tokens.isName("in") || tokens.is(Kind.BLOCK_END) || tokens.isOperator(")")) {
                break;
            }
            targets.add(singleTarget(attributes));
        }
        return unpack ? new Target.Unpack(targets) : targets.getFirst();
    }

    private Target singleTarget(boolean attributes) {
        if (tokens.skipOperator("(")) {
            expressions.enter();
            Target inner = tokens.isOperator(")") ? new Target.Unpack(List.of()) : target(false);
            tokens.expectOperator(")");
            expressions.leave();
            return inner;
        }
        Token name = tokens.next();
        if (name.kind() != Kind.NAME) {
            throw tokens.fail("can't assign to '%s'".formatted(name.description()), name.at());
        }
        refuseConstant(name);
        if (attributes && tokens.skipOperator(".")) {
            expressions.names().load(name.text());
            return new Target.Attribute(name.text(), tokens.expect(Kind.NAME).text());
        }
        return new Target.Name(name.text());
    }

    private void refuseConstant(Token name) {
        if (CONSTANTS.contains(name.text())) {
            throw tokens.fail("can't assign to '%s'".formatted(name.text()), name.at());
        }
    }

    private void store(Target target, int at) {
        if (enclosingLoops > 0) {
            refuseLoop(target, at);
        }
        switch (target) {
            case Target.Name name -> expressions.names().store(name.name());
            case Target.Unpack unpack -> unpack.targets().forEach(inner -> store(inner, at));
            case Target.Attribute ignored -> {
                // the namespace was noted as read
            }
        }
    }

    private void refuseLoop(Target target, int at) {
        switch (target) {
            case Target.Name name -> {
                if (name.name().equals("loop")) {
                    throw tokens.fail("Can't assign to special loop variable in for-loop target", at);
                }
            }
            case Target.Unpack unpack -> unpack.targets().forEach(inner -> refuseLoop(inner, at));
            case Target.Attribute ignored -> {
                // loop.x is no variable
            }
        }
    }

    private static void declareParameters(Names names, Target target) {
        switch (target) {
            case Target.Name name -> names.parameter(name.name());
            case Target.Unpack unpack -> unpack.targets().forEach(inner -> declareParameters(names, inner));
            case Target.Attribute ignored -> {
                // not a variable
            }
        }
    }
}
