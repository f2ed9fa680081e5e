package dev.jwen.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a template computes; {@code at} is the offset in the source. */
sealed interface Expression {
    /** The text rendered by the block whose filters are being applied. No name of a template has a blank in it. */
    Name CAPTURED = new Name("captured text");

    record Constant(Object value) implements Expression {}

    record Name(String name) implements Expression {}

    record ListOf(List<Expression> items) implements Expression {}

    record TupleOf(List<Expression> items) implements Expression {}

    record DictOf(List<Expression> keys, List<Expression> values) implements Expression {}

    record Not(Expression operand) implements Expression {}

    record Sign(boolean negative, Expression operand) implements Expression {}

    /** {@code operator} is one of + - * / // % **. */
    record Binary(String operator, Expression left, Expression right) implements Expression {}

    record And(Expression left, Expression right) implements Expression {}

    record Or(Expression left, Expression right) implements Expression {}

    /** A chain of comparisons, each with the operand before it. */
    record Compare(Expression first, List<Comparison> rest) implements Expression {}

    /** {@code operator} is one of == != &lt; &lt;= &gt; &gt;= in, not in. */
    record Comparison(String operator, Expression operand) {}

    record Concat(List<Expression> parts) implements Expression {}

    record Conditional(
            Expression test, Expression value, @Nullable Expression otherwise) implements Expression {}

    record Attribute(Expression object, String name) implements Expression {}

    record Item(Expression object, Expression key) implements Expression {}

    record Slice(
            Expression object,
            @Nullable Expression start,
            @Nullable Expression stop,
            @Nullable Expression step) implements Expression {}

    record Call(Expression callee, ArgumentList arguments, int at) implements Expression {}

    record Filter(Expression value, String name, ArgumentList arguments, int at) implements Expression {}

    record Test(Expression value, String name, ArgumentList arguments, int at) implements Expression {}

    /** Arguments as written, with the operands of {@code *} and {@code **}. */
    record ArgumentList(
            List<Expression> positional,
            Map<String, Expression> keywords,
            @Nullable Expression more,
            @Nullable Expression moreKeywords) {
        static final ArgumentList NONE = new ArgumentList(List.of(), Map.of(), null, null);
    }
}
