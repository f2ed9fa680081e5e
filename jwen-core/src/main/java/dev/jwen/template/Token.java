package dev.jwen.template;

/**
 * One word of a template.
 *
 * @param text the characters, for OPERATOR the operator itself; for DATA and STRING the final text
 * @param value the number of an INTEGER or FLOAT, else the text
 * @param at offset in the source
 */
record Token(Kind kind, String text, Object value, int at) {
    enum Kind {
        DATA,
        VARIABLE_BEGIN,
        VARIABLE_END,
        BLOCK_BEGIN,
        BLOCK_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    Token(Kind kind, String text, int at) {
        this(kind, text, text, at);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    /** How an error message calls it. */
    String description() {
        return switch (kind) {
            case DATA -> "template text";
            case VARIABLE_BEGIN -> "begin of print statement";
            case VARIABLE_END -> "end of print statement";
            case BLOCK_BEGIN -> "begin of statement block";
            case BLOCK_END -> "end of statement block";
            case NAME, INTEGER, FLOAT, OPERATOR -> text;
            case STRING -> "a string";
            case END -> "end of template";
        };
    }
}
