package dev.jwen.template;

import java.util.function.Supplier;

/**
 * The value of what is not there: prints as nothing, is false and empty, and fails on any other use.
 *
 * @param problem what to say on failure
 */
record Undefined(Supplier<String> problem) {

    static Undefined because(String problem) {
        return new Undefined(() -> problem);
    }

    static Undefined name(String name) {
        return new Undefined(() -> Printer.quote(name) + " is undefined");
    }

    static Undefined attribute(Object object, String name) {
        return new Undefined(
                () -> "%s has no attribute %s".formatted(Printer.quote(typeOf(object)), Printer.quote(name)));
    }

    static Undefined element(Object object, Object key) {
        return new Undefined(() -> "%s has no element %s".formatted(typeOf(object), key));
    }

    static Undefined unsafe(Object object, String name) {
        return new Undefined(() -> "access to attribute %s of %s object is unsafe."
                .formatted(Printer.quote(name), Printer.quote(Values.typeName(object))));
    }

    private static String typeOf(Object object) {
        return object == None.NONE ? "None" : Values.typeName(object) + " object";
    }

    TemplateException failure() {
        return TemplateException.evaluation(problem.get());
    }
}
