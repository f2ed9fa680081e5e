package dev.jwen.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a template does; {@code at} is the offset in the source. */
sealed interface Statement {

    /** Template text as it stands. */
    record Text(String text) implements Statement {}

    record Output(Expression value, int at) implements Statement {}

    record If(List<Branch> branches, List<Statement> otherwise) implements Statement {}

    record Branch(Expression test, List<Statement> statements, int at) {}

    record For(
            Target target,
            Expression iterable,
            @Nullable Expression filter,
            boolean recursive,
            Body body,
            Body otherwise,
            int at)
            implements Statement {}

    record Assign(Target target, Expression value, int at) implements Statement {}

    /** Assigns the text its body renders, after the filters of {@code value}, which starts from {@link Expression#CAPTURED}. */
    record AssignBlock(Target target, Expression value, Body body, int at) implements Statement {}

    record MacroDefinition(String name, Signature signature, Body body) implements Statement {}

    /** Calls a macro with this block's body as its {@code caller}. */
    record CallBlock(Signature signature, Body body, Expression.Call call, int at) implements Statement {}

    /** Writes its body after the filters of {@code value}, which starts from {@link Expression#CAPTURED}. */
    record FilterBlock(Expression value, Body body, int at) implements Statement {}

    record With(List<Target> targets, List<Expression> values, Body body, int at) implements Statement {}

    /** A body with its own names and no other effect: autoescape and generation blocks. */
    record Group(Body body) implements Statement {}

    record Do(Expression value, int at) implements Statement {}

    record Break() implements Statement {}

    record Continue() implements Statement {}

    /** Parameters of a macro; the last {@code defaults.size()} of them have defaults. */
    record Signature(
            List<String> parameters,
            List<Expression> defaults,
            boolean takesCaller,
            boolean takesKeywords,
            boolean takesMore) {}

    /** Where an assignment goes. */
    sealed interface Target {
        record Name(String name) implements Target {}

        record Attribute(String namespace, String attribute) implements Target {}

        record Unpack(List<Target> targets) implements Target {}
    }
}
