package dev.jwen.template;

/** Anything a template can call. */
interface Invocable {
    Object invoke(Interpreter in, Arguments arguments);

    /** A function or method of the engine itself. */
    record Routine(String name, Invocable action) implements Invocable {
        @Override
        public Object invoke(Interpreter in, Arguments arguments) {
            return action.invoke(in, arguments);
        }
    }
}
