package dev.jwen.template;

import dev.jwen.template.Expression.ArgumentList;
import dev.jwen.template.Expression.Comparison;
import dev.jwen.template.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Parses expressions by precedence climbing, with Jinja's order of binding.
 *
 * <p>From loose to tight: {@code if else}, {@code or}, {@code and}, {@code not}, comparisons and {@code in}, + and -,
 * {@code ~}, * / // %, {@code **} (to the left, unlike Python), unary + and -, then attributes, subscripts and calls.
 * Filters and tests apply to a whole operand with its sign: {@code -1|abs} is 1.
 */
final class ExpressionParser {
    /** Far more than people write, and little enough for any thread's stack. */
    private static final int MAX_NESTING = 500;

    private static final int OR = 1;
    private static final int AND = 2;
    private static final int NOT = 3;
    private static final int COMPARE = 4;
    private static final int SUM = 5;
    private static final int CONCAT = 6;
    private static final int PRODUCT = 7;
    private static final int POWER = 8;
    private static final Set<String> AFTER_TEST = Set.of("else", "or", "and");

    private final Tokens tokens;
    private final List<Token> unknown = new ArrayList<>();
    private final List<Names> scopes = new ArrayList<>();
    private Names names = new Names(null);
    private int nesting;

    ExpressionParser(Tokens tokens) {
        this.tokens = tokens;
        scopes.add(names);
    }

    /** The names of the scope being parsed. */
    Names names() {
        return names;
    }

    Names openScope() {
        names = new Names(names);
        scopes.add(names);
        return names;
    }

    /** Goes on in this scope, which was opened before. */
    void scope(Names scope) {
        names = scope;
    }

    /** To be called at the end of the template. */
    void finish() {
        if (!unknown.isEmpty()) {
            Token name = unknown.getFirst();
            throw tokens.fail(name.text(), name.at());
        }
        scopes.forEach(Names::settle);
    }

    /** Counts a level of nesting; the bound keeps the parser's own recursion small. */
    void enter() {
        enter(1);
    }

    /** Counts a level that weighs as many levels of expressions on the stack. */
    void enter(int weight) {
        nesting += weight;
        if (nesting > MAX_NESTING) {
            throw tokens.fail("more than %d levels of nesting".formatted(MAX_NESTING));
        }
    }

    void leave() {
        leave(1);
    }

    void leave(int weight) {
        nesting -= weight;
    }

    /** One expression, or a tuple where commas follow it, up to the end of the tag or one of the given names. */
    Expression tuple(boolean conditionals, String... ends) {
        List<Expression> items = new ArrayList<>();
        boolean tuple = false;
        while (!atTupleEnd(ends)) {
            items.add(conditionals ? expression() : operators(OR));
            if (!tokens.isOperator(",")) {
                break;
            }
            tokens.next();
            tuple = true;
        }
        if (items.isEmpty()) {
            throw tokens.fail("Expected an expression, got '%s'"
                    .formatted(tokens.current().description()));
        }
        return tuple ? new Expression.TupleOf(items) : items.getFirst();
    }

    private boolean atTupleEnd(String... ends) {
        if (tokens.is(Kind.VARIABLE_END) || tokens.is(Kind.BLOCK_END) || tokens.isOperator(")")) {
            return true;
        }
        for (String end : ends) {
            if (tokens.isName(end)) {
                return true;
            }
        }
        return false;
    }

    Expression expression() {
        enter();
        int unknownBefore = unknown.size();
        Expression value = operators(OR);
        while (tokens.skipName("if")) {
            Expression test = operators(OR);
            Expression otherwise = tokens.skipName("else") ? expression() : null;
            value = new Expression.Conditional(test, value, otherwise);
            // A choice may avoid a filter that does not exist; then it fails only when it gets there.
            unknown.subList(unknownBefore, unknown.size()).clear();
        }
        leave();
        return value;
    }

    /** Operands joined by operators that bind at least as tightly as {@code level}. */
    private Expression operators(int level) {
        enter();
        Expression left = level <= NOT && tokens.skipName("not") ? new Expression.Not(operators(NOT)) : unary(true);
        for (int next = levelHere(); next >= level; next = levelHere()) {
            left = switch (next) {
                case COMPARE -> comparisons(left);
                case CONCAT -> concat(left);
                default -> {
                    String operator = tokens.next().text();
                    Expression right = operators(next + 1);
                    yield switch (next) {
                        case OR -> new Expression.Or(left, right);
                        case AND -> new Expression.And(left, right);
                        default -> new Expression.Binary(operator, left, right);
                    };
                }
            };
        }
        leave();
        return left;
    }

    /** How tightly the operator here binds; 0 if there is none. */
    private int levelHere() {
        Token token = tokens.current();
        if (token.kind() == Kind.NAME) {
            return switch (token.text()) {
                case "or" -> OR;
                case "and" -> AND;
                case "in" -> COMPARE;
                case "not" -> tokens.following().isName("in") ? COMPARE : 0;
                default -> 0;
            };
        }
        if (token.kind() != Kind.OPERATOR) {
            return 0;
        }
        return switch (token.text()) {
            case "==", "!=", "<", "<=", ">", ">=" -> COMPARE;
            case "+", "-" -> SUM;
            case "~" -> CONCAT;
            case "*", "/", "//", "%" -> PRODUCT;
            case "**" -> POWER;
            default -> 0;
        };
    }

    private Expression comparisons(Expression first) {
        List<Comparison> rest = new ArrayList<>();
        while (levelHere() == COMPARE) {
            String operator = tokens.next().text();
            if (operator.equals("not")) {
                tokens.next();
                operator = "not in";
            }
            rest.add(new Comparison(operator, operators(SUM)));
        }
        return new Expression.Compare(first, rest);
    }

    private Expression concat(Expression first) {
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (tokens.skipOperator("~")) {
            parts.add(operators(PRODUCT));
        }
        return new Expression.Concat(parts);
    }

    private Expression unary(boolean filters) {
        enter();
        Expression operand;
        if (tokens.isOperator("-") || tokens.isOperator("+")) {
            boolean negative = tokens.next().text().equals("-");
            operand = new Expression.Sign(negative, unary(false));
        } else {
            operand = primary();
        }
        operand = postfix(operand);
        while (filters) {
            if (tokens.isOperator("|")) {
                operand = filters(operand);
            } else if (tokens.isName("is")) {
                operand = test(operand);
            } else if (tokens.isOperator("(")) {
                operand = call(operand);
            } else {
                break;
            }
        }
        leave();
        return operand;
    }

    private Expression primary() {
        Token token = tokens.next();
        return switch (token.kind()) {
            case NAME -> name(token.text());
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (tokens.is(Kind.STRING)) {
                    text.append(tokens.next().text());
                }
                yield new Expression.Constant(text.toString());
            }
            case INTEGER, FLOAT -> new Expression.Constant(token.value());
            case OPERATOR -> bracket(token);
            default -> throw tokens.fail("unexpected '%s'".formatted(token.description()), token.at());
        };
    }

    private Expression name(String name) {
        return switch (name) {
            case "true", "True" -> new Expression.Constant(true);
            case "false", "False" -> new Expression.Constant(false);
            case "none", "None" -> new Expression.Constant(None.NONE);
            default -> {
                names.load(name);
                yield new Expression.Name(name);
            }
        };
    }

    private Expression bracket(Token open) {
        return switch (open.text()) {
            case "(" -> {
                Expression inner = tokens.isOperator(")") ? new Expression.TupleOf(List.of()) : tuple(true);
                tokens.expectOperator(")");
                yield inner;
            }
            case "[" -> list();
            case "{" -> dict();
            default -> throw tokens.fail("unexpected '%s'".formatted(open.text()), open.at());
        };
    }

    private Expression list() {
        List<Expression> items = new ArrayList<>();
        while (!tokens.isOperator("]")) {
            items.add(expression());
            if (!tokens.isOperator("]")) {
                tokens.expectOperator(",");
            }
        }
        tokens.next();
        return new Expression.ListOf(items);
    }

    private Expression dict() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.isOperator("}")) {
            keys.add(expression());
            tokens.expectOperator(":");
            values.add(expression());
            if (!tokens.isOperator("}")) {
                tokens.expectOperator(",");
            }
        }
        tokens.next();
        return new Expression.DictOf(keys, values);
    }

    private Expression postfix(Expression object) {
        Expression result = object;
        while (true) {
            if (tokens.isOperator(".")) {
                result = attribute(result);
            } else if (tokens.isOperator("[")) {
                result = subscript(result);
            } else if (tokens.isOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    private Expression attribute(Expression object) {
        tokens.next();
        Token name = tokens.next();
        return switch (name.kind()) {
            case NAME -> new Expression.Attribute(object, name.text());
            case INTEGER -> new Expression.Item(object, new Expression.Constant(name.value()));
            default -> throw tokens.fail("expected name or number", name.at());
        };
    }

    private Expression subscript(Expression object) {
        tokens.next();
        if (tokens.skipOperator("]")) {
            return new Expression.Item(object, new Expression.TupleOf(List.of()));
        }
        Expression start = tokens.isOperator(":") ? null : expression();
        Expression result;
        if (start != null && !tokens.isOperator(":")) {
            result = new Expression.Item(object, tokens.isOperator(",") ? tupleKey(start) : start);
        } else {
            tokens.next();
            Expression stop = tokens.isOperator(":") ? null : sliceBound();
            Expression step = tokens.skipOperator(":") ? sliceBound() : null;
            result = new Expression.Slice(object, start, stop, step);
        }
        tokens.expectOperator("]");
        return result;
    }

    private @Nullable Expression sliceBound() {
        return tokens.isOperator("]") ? null : expression();
    }

    private Expression tupleKey(Expression first) {
        List<Expression> items = new ArrayList<>(List.of(first));
        while (tokens.skipOperator(",")) {
            items.add(expression());
        }
        return new Expression.TupleOf(items);
    }

    Expression.Call call(Expression callee) {
        int at = tokens.current().at();
        return new Expression.Call(callee, arguments(), at);
    }

    private ArgumentList arguments() {
        int at = tokens.current().at();
        tokens.expectOperator("(");
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> keywords = new LinkedHashMap<>();
        Expression more = null;
        Expression moreKeywords = null;
        boolean legal = true;
        while (!tokens.isOperator(")")) {
            if (tokens.skipOperator("*")) {
                legal = more == null && moreKeywords == null;
                more = expression();
            } else if (tokens.skipOperator("**")) {
                legal = moreKeywords == null;
                moreKeywords = expression();
            } else if (tokens.is(Kind.NAME) && tokens.following().isOperator("=")) {
                String name = tokens.next().text();
                tokens.next();
                legal = moreKeywords == null && keywords.put(name, expression()) == null;
            } else {
                legal = more == null && moreKeywords == null && keywords.isEmpty();
                positional.add(expression());
            }
            if (!legal) {
                throw tokens.fail("invalid syntax for function call expression", at);
            }
            if (!tokens.isOperator(")")) {
                tokens.expectOperator(",");
            }
        }
        tokens.next();
        return new ArgumentList(positional, keywords, more, moreKeywords);
    }

    /** The filters that follow, each applied to what stands before it. */
    Expression filters(Expression value) {
        Expression result = value;
        while (tokens.skipOperator("|")) {
            result = filter(result);
        }
        return result;
    }

    /** The filter whose name stands here. */
    Expression filter(Expression value) {
        Token name = tokens.current();
        String filter = dottedName("filter", Filters::exists);
        ArgumentList arguments = tokens.isOperator("(") ? arguments() : ArgumentList.NONE;
        return new Expression.Filter(value, filter, arguments, name.at());
    }

    private String dottedName(String kind, Predicate<String> exists) {
        Token first = tokens.expect(Kind.NAME);
        StringBuilder name = new StringBuilder(first.text());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expect(Kind.NAME).text());
        }
        if (!exists.test(name.toString()) && !names.inBranch()) {
            unknown.add(new Token(Kind.NAME, "No %s named '%s'.".formatted(kind, name), first.at()));
        }
        return name.toString();
    }

    private Expression test(Expression value) {
        tokens.next();
        boolean negated = tokens.skipName("not");
        Token name = tokens.current();
        String test = dottedName("test", Tests::exists);
        ArgumentList arguments = ArgumentList.NONE;
        if (tokens.isOperator("(")) {
            arguments = arguments();
        } else if (startsTestArgument()) {
            if (tokens.isName("is")) {
                throw tokens.fail("You cannot chain multiple tests with is");
            }
            arguments = new ArgumentList(List.of(postfix(primary())), Map.of(), null, null);
        }
        Expression result = new Expression.Test(value, test, arguments, name.at());
        return negated ? new Expression.Not(result) : result;
    }

    private boolean startsTestArgument() {
        Token token = tokens.current();
        return switch (token.kind()) {
            case NAME -> !AFTER_TEST.contains(token.text());
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }
}
