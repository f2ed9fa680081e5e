package dev.jwen.template;

import dev.jwen.template.Statement.Signature;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A macro or the body of a call block: renders to text, seeing the scope it was written in. */
record Macro(String name, Signature signature, Body body, Scope closure) implements Invocable {

    @Override
    public Object invoke(Interpreter in, Arguments arguments) {
        Scope scope = Scope.of(body.names(), closure);
        Map<String, Object> keywords = new LinkedHashMap<>(arguments.keywords());
        bind(in, arguments.positional(), keywords, scope);
        if (signature.takesCaller()) {
            Object caller = keywords.remove("caller");
            scope.set(
                    "caller", caller == null || caller == None.NONE ? Undefined.because("No caller defined") : caller);
        }
        if (signature.takesKeywords()) {
            Dict rest = new Dict();
            keywords.forEach(rest::put);
            scope.set("kwargs", rest);
        } else if (!keywords.isEmpty()) {
            throw unexpected(keywords.keySet().iterator().next());
        }
        return in.capture(body.statements(), scope);
    }

    private void bind(Interpreter in, List<Object> positional, Map<String, Object> keywords, Scope scope) {
        List<String> parameters = signature.parameters();
        int given = Math.min(positional.size(), parameters.size());
        List<Integer> missing = new ArrayList<>();
        for (int i = 0; i < parameters.size(); i++) {
            Object value = i < given ? positional.get(i) : keywords.remove(parameters.get(i));
            if (value == null) {
                scope.unset(parameters.get(i));
                missing.add(i);
            } else {
                scope.set(parameters.get(i), value);
            }
        }
        // Defaults are computed in order, so that one can use the parameters before it.
        int firstDefault = parameters.size() - signature.defaults().size();
        for (int i : missing) {
            String parameter = parameters.get(i);
            scope.set(
                    parameter,
                    i < firstDefault
                            ? Undefined.because("parameter '%s' was not provided".formatted(parameter))
                            : in.evaluate(signature.defaults().get(i - firstDefault), scope));
        }
        if (signature.takesMore()) {
            scope.set("varargs", Tuple.of(positional.subList(given, positional.size())));
        } else if (positional.size() > parameters.size()) {
            throw TemplateException.evaluation(
                    "macro '%s' takes not more than %d argument(s)".formatted(name, parameters.size()));
        }
    }

    private TemplateException unexpected(String keyword) {
        return TemplateException.evaluation(
                keyword.equals("caller")
                        ? "macro '%s' was invoked with two values for the special caller argument. This is most likely a bug."
                                .formatted(name)
                        : "macro '%s' takes no keyword argument '%s'".formatted(name, keyword));
    }
}
