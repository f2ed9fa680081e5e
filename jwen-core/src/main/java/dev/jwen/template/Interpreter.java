package dev.jwen.template;

import dev.jwen.template.Expression.ArgumentList;
import dev.jwen.template.Expression.Comparison;
import dev.jwen.template.Statement.Branch;
import dev.jwen.template.Statement.Target;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One render: walks the statements and expressions of a template. */
final class Interpreter {
    /** How a run of statements ended. */
    private enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    private static final int LOOP_ROUND = 4; // steps that a scope and its variables are worth

    final Budget budget;
    final Values values;
    final Printer printer;
    final Formatting formatting;
    final Arithmetic arithmetic;
    final Clock clock;
    private int at;

    Interpreter(Limits limits, Clock clock) {
        this.budget = new Budget(limits);
        this.values = new Values(budget);
        this.printer = new Printer(budget);
        this.formatting = new Formatting(this);
        this.arithmetic = new Arithmetic(budget, formatting);
        this.clock = clock;
    }

    /** Offset in the source of what is being rendered. */
    int at() {
        return at;
    }

    String render(Body body, Map<String, ?> variables) {
        Scope context = new Scope(Globals.SCOPE);
        variables.forEach((name, value) -> context.set(name, values.fromJava(value)));
        return capture(body.statements(), Scope.of(body.names(), context));
    }

    String capture(List<Statement> statements, Scope scope) {
        StringBuilder out = new StringBuilder();
        run(statements, scope, out);
        return out.toString();
    }

    private Flow run(List<Statement> statements, Scope scope, StringBuilder out) {
        budget.enter();
        Flow flow = Flow.NEXT;
        for (int i = 0; i < statements.size() && flow == Flow.NEXT; i++) {
            budget.step();
            flow = run(statements.get(i), scope, out);
        }
        budget.leave();
        return flow;
    }

    private Flow run(Statement statement, Scope scope, StringBuilder out) {
        switch (statement) {
            case Statement.Text text -> budget.append(out, text.text());
            case Statement.Output output -> {
                at = output.at();
                budget.append(out, printer.str(evaluate(output.value(), scope)));
            }
            case Statement.If choice -> {
                return choose(choice, scope, out);
            }
            case Statement.For loop -> {
                at = loop.at();
                return loop(loop, evaluate(loop.iterable(), scope), scope, 0, out);
            }
            case Statement.Assign assign -> {
                at = assign.at();
                assign(assign.target(), evaluate(assign.value(), scope), scope);
            }
            case Statement.AssignBlock block -> {
                Scope inner = Scope.of(block.body().names(), scope);
                return captured(
                        block.body(), block.value(), block.at(), inner, value -> assign(block.target(), value, scope));
            }
            case Statement.FilterBlock block -> {
                Scope inner = Scope.of(block.body().names(), scope);
                return captured(
                        block.body(),
                        block.value(),
                        block.at(),
                        inner,
                        value -> budget.append(out, printer.str(value)));
            }
            case Statement.MacroDefinition macro ->
                scope.set(macro.name(), new Macro(macro.name(), macro.signature(), macro.body(), scope));
            case Statement.CallBlock block -> budget.append(out, printer.str(call(block, scope)));
            case Statement.With with -> {
                return with(with, scope, out);
            }
            case Statement.Group group -> {
                return run(group.body().statements(), Scope.of(group.body().names(), scope), out);
            }
            case Statement.Do action -> {
                at = action.at();
                evaluate(action.value(), scope);
            }
            case Statement.Break ignored -> {
                return Flow.BREAK;
            }
            case Statement.Continue ignored -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.NEXT;
    }

    private Flow choose(Statement.If choice, Scope scope, StringBuilder out) {
        for (Branch branch : choice.branches()) {
            at = branch.at();
            if (Values.truth(evaluate(branch.test(), scope))) {
                return run(branch.statements(), scope, out);
            }
        }
        return run(choice.otherwise(), scope, out);
    }

    /** What to do with the text of a block once its filters have been applied. */
    private interface Use {
        void accept(Object value);
    }

    private Flow captured(Body body, Expression filters, int where, Scope scope, Use use) {
        StringBuilder text = new StringBuilder();
        Flow flow = run(body.statements(), scope, text);
        if (flow == Flow.NEXT) { // a break out of the block drops what it wrote
            at = where;
            scope.set(Expression.CAPTURED.name(), text.toString());
            use.accept(evaluate(filters, scope));
        }
        return flow;
    }

    private Object call(Statement.CallBlock block, Scope scope) {
        at = block.at();
        Object callee = evaluate(block.call().callee(), scope);
        Arguments arguments = arguments(block.call().arguments(), scope);
        Map<String, Object> keywords = new LinkedHashMap<>(arguments.keywords());
        keywords.put("caller", new Macro("caller", block.signature(), block.body(), scope));
        return invoke(callee, new Arguments(arguments.positional(), keywords));
    }

    private Flow with(Statement.With with, Scope scope, StringBuilder out) {
        at = with.at();
        Scope inner = Scope.of(with.body().names(), scope);
        for (int i = 0; i < with.targets().size(); i++) {
            assign(with.targets().get(i), evaluate(with.values().get(i), scope), inner);
        }
        return run(with.body().statements(), inner, out);
    }

    private Flow loop(Statement.For statement, Object iterable, Scope scope, int depth, StringBuilder out) {
        boolean filtered = statement.filter() != null;
        Iterator<Object> items = values.iterate(iterable);
        Loop loop = new Loop(
                filtered ? filtered(statement, items, scope) : items,
                filtered ? -1 : Values.size(iterable),
                depth,
                statement.recursive() ? (inner, level) -> recurse(statement, inner, scope, level) : null);
        boolean completed = false;
        Flow flow = Flow.NEXT;
        for (Object item = loop.advance();
                item != null && flow != Flow.BREAK;
                item = flow == Flow.BREAK ? null : loop.advance()) {
            budget.steps(LOOP_ROUND);
            Scope inner = Scope.of(statement.body().names(), scope);
            inner.set("loop", loop);
            assign(statement.target(), item, inner);
            flow = run(statement.body().statements(), inner, out);
            completed |= flow == Flow.NEXT;
        }
        // As Jinja has it, the else branch runs unless some round reached the end of the body.
        return completed
                ? Flow.NEXT
                : run(
                        statement.otherwise().statements(),
                        Scope.of(statement.otherwise().names(), scope),
                        out);
    }

    private String recurse(Statement.For statement, Object items, Scope scope, int depth) {
        budget.enter();
        StringBuilder out = new StringBuilder();
        loop(statement, items, scope, depth, out);
        budget.leave();
        return out.toString();
    }

    /** The items that pass the loop's own if, tested only when the loop asks for the next one. */
    private Iterator<Object> filtered(Statement.For statement, Iterator<Object> items, Scope scope) {
        Expression filter = Objects.requireNonNull(statement.filter());
        return new Lookahead(() -> {
            while (items.hasNext()) {
                Scope inner = new Scope(scope);
                assign(statement.target(), items.next(), inner);
                if (Values.truth(evaluate(filter, inner))) {
                    return assigned(statement.target(), inner);
                }
            }
            return null;
        });
    }

    private static Object assigned(Target target, Scope scope) {
        return switch (target) {
            case Target.Name name -> scope.get(name.name());
            case Target.Unpack unpack ->
                Tuple.of(unpack.targets().stream()
                        .map(inner -> assigned(inner, scope))
                        .toList());
            case Target.Attribute ignored -> None.NONE; // not among a loop's targets
        };
    }

    private void assign(Target target, Object value, Scope scope) {
        switch (target) {
            case Target.Name name -> scope.set(name.name(), value);
            case Target.Attribute attribute -> {
                if (!(scope.get(attribute.namespace()) instanceof Namespace namespace)) {
                    throw TemplateException.evaluation("cannot assign attribute on non-namespace object");
                }
                namespace.attributes().put(attribute.attribute(), value);
            }
            case Target.Unpack unpack -> {
                List<Target> targets = unpack.targets();
                List<Object> items = unpacked(value, targets.size());
                for (int i = 0; i < targets.size(); i++) {
                    assign(targets.get(i), items.get(i), scope);
                }
            }
        }
    }

    private List<Object> unpacked(Object value, int count) {
        if (!(value instanceof Generator) && !(value instanceof Undefined) && Values.size(value) < 0) {
            throw TemplateException.evaluation(
                    "cannot unpack non-iterable %s object".formatted(Values.typeName(value)));
        }
        List<Object> items = values.list(value);
        if (items.size() != count) {
            throw TemplateException.evaluation(
                    items.size() > count
                            ? "too many values to unpack (expected %d)".formatted(count)
                            : "not enough values to unpack (expected %d, got %d)".formatted(count, items.size()));
        }
        return items;
    }

    Object evaluate(Expression expression, Scope scope) {
        budget.step();
        budget.enter();
        Object value = switch (expression) {
            case Expression.Constant constant -> constant.value();
            case Expression.Name name -> scope.get(name.name());
            case Expression.Attribute attribute -> attribute(evaluate(attribute.object(), scope), attribute.name());
            case Expression.Item item -> item(evaluate(item.object(), scope), evaluate(item.key(), scope));
            case Expression.Slice slice -> slice(slice, scope);
            case Expression.Call call -> call(call, scope);
            case Expression.Filter filter -> filter(filter, scope);
            case Expression.Test test -> test(test, scope);
            case Expression.Binary binary -> binary(binary, scope);
            case Expression.Concat concat -> concat(concat, scope);
            case Expression.Compare compare -> compare(compare, scope);
            case Expression.And and -> {
                Object left = evaluate(and.left(), scope);
                yield Values.truth(left) ? evaluate(and.right(), scope) : left;
            }
            case Expression.Or or -> {
                Object left = evaluate(or.left(), scope);
                yield Values.truth(left) ? left : evaluate(or.right(), scope);
            }
            case Expression.Not not -> !Values.truth(evaluate(not.operand(), scope));
            case Expression.Sign sign -> Arithmetic.signed(sign.negative(), evaluate(sign.operand(), scope));
            case Expression.Conditional choice -> conditional(choice, scope);
            case Expression.ListOf list -> all(list.items(), scope);
            case Expression.TupleOf tuple -> Tuple.of(all(tuple.items(), scope));
            case Expression.DictOf dict -> dict(dict, scope);
        };
        budget.leave();
        return value;
    }

    private List<Object> all(List<Expression> expressions, Scope scope) {
        List<Object> all = new ArrayList<>(expressions.size());
        for (Expression expression : expressions) {
            all.add(evaluate(expression, scope));
        }
        return all;
    }

    private Object dict(Expression.DictOf expression, Scope scope) {
        Dict dict = new Dict();
        for (int i = 0; i < expression.keys().size(); i++) {
            Object key = evaluate(expression.keys().get(i), scope);
            values.put(dict, key, evaluate(expression.values().get(i), scope));
        }
        return dict;
    }

    private Object binary(Expression.Binary binary, Scope scope) {
        Object left = evaluate(binary.left(), scope);
        return arithmetic.binary(binary.operator(), left, evaluate(binary.right(), scope));
    }

    private Object concat(Expression.Concat concat, Scope scope) {
        StringBuilder text = new StringBuilder();
        for (Object part : all(concat.parts(), scope)) {
            budget.append(text, printer.str(part));
        }
        return text.toString();
    }

    private Object compare(Expression.Compare compare, Scope scope) {
        Object left = evaluate(compare.first(), scope);
        for (Comparison comparison : compare.rest()) {
            Object right = evaluate(comparison.operand(), scope);
            if (!holds(comparison.operator(), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    boolean holds(String operator, Object left, Object right) {
        return switch (operator) {
            case "==" -> values.equal(left, right);
            case "!=" -> !values.equal(left, right);
            case "in" -> values.contains(right, left);
            case "not in" -> !values.contains(right, left);
            default -> values.ordered(operator, left, right);
        };
    }

    private Object conditional(Expression.Conditional choice, Scope scope) {
        if (Values.truth(evaluate(choice.test(), scope))) {
            return evaluate(choice.value(), scope);
        }
        return choice.otherwise() == null
                ? Undefined.because("the inline if-expression evaluated to false and no else section was defined.")
                : evaluate(choice.otherwise(), scope);
    }

    /** {@code object.name}: an attribute, or else the item of that name. */
    Object attribute(Object object, String name) {
        Object found = Attributes.find(object, name);
        if (found == null && object instanceof Dict dict) {
            found = dict.get(name);
        }
        return found == null ? Undefined.attribute(object, name) : found;
    }

    /** {@code object[key]}: an item, or else the attribute of that name. */
    Object item(Object object, Object key) {
        Object found = Attributes.item(this, object, key);
        if (found == null && key instanceof String name) {
            found = Attributes.find(object, name);
            return found == null ? Undefined.attribute(object, name) : found;
        }
        return found == null ? Undefined.element(object, printer.repr(key)) : found;
    }

    private Object slice(Expression.Slice slice, Scope scope) {
        Object object = evaluate(slice.object(), scope);
        return Slices.slice(
                budget, object, bound(slice.start(), scope), bound(slice.stop(), scope), bound(slice.step(), scope));
    }

    private @Nullable Long bound(@Nullable Expression expression, Scope scope) {
        Object value = expression == null ? None.NONE : evaluate(expression, scope);
        return value == None.NONE ? null : (Long) Slices.bound(value);
    }

    private Object call(Expression.Call call, Scope scope) {
        Object callee = evaluate(call.callee(), scope);
        Arguments arguments = arguments(call.arguments(), scope);
        at = call.at();
        return invoke(callee, arguments);
    }

    private Object invoke(Object callee, Arguments arguments) {
        if (callee instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (!(callee instanceof Invocable invocable)) {
            throw TemplateException.evaluation("'%s' object is not callable".formatted(Values.typeName(callee)));
        }
        budget.enter();
        Object result = invocable.invoke(this, arguments);
        budget.leave();
        return result;
    }

    private Object filter(Expression.Filter filter, Scope scope) {
        Object value = evaluate(filter.value(), scope);
        Arguments arguments = arguments(filter.arguments(), scope);
        at = filter.at();
        if (!Filters.exists(filter.name())) {
            throw TemplateException.evaluation("No filter named '%s' found.".formatted(filter.name()));
        }
        return Filters.apply(this, filter.name(), value, arguments);
    }

    private Object test(Expression.Test test, Scope scope) {
        Object value = evaluate(test.value(), scope);
        Arguments arguments = arguments(test.arguments(), scope);
        at = test.at();
        if (!Tests.exists(test.name())) {
            throw TemplateException.evaluation("No test named '%s' found.".formatted(test.name()));
        }
        return Tests.apply(this, test.name(), value, arguments);
    }

    private Arguments arguments(ArgumentList list, Scope scope) {
        List<Object> positional = all(list.positional(), scope);
        Map<String, Object> keywords = new LinkedHashMap<>();
        list.keywords().forEach((name, value) -> keywords.put(name, evaluate(value, scope)));
        if (list.more() != null) {
            positional.addAll(values.list(evaluate(list.more(), scope)));
        }
        if (list.moreKeywords() != null) {
            Arguments.addKeywords(keywords, evaluate(list.moreKeywords(), scope));
        }
        return new Arguments(positional, keywords);
    }
}
