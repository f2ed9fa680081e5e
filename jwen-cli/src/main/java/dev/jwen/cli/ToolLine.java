package dev.jwen.cli;

import dev.jwen.chat.ToolCall;
import java.util.List;
import java.util.stream.Collectors;

/** What a tool was called with and what it gave, in one line: the model reads more, a person wants to see that it was. */
final class ToolLine {
    private static final int MAX_CHARACTERS = 240;

    private ToolLine() {}

    /** For example {@code ▸ calculator 12 * 34 = 408}; without control characters. */
    static String of(ToolCall call, String result) {
        return "▸ " + part(call.name()) + " " + part(arguments(call)) + outcome(call, result);
    }

    private static String arguments(ToolCall call) {
        return call.arguments().size() == 1
                ? String.valueOf(call.arguments().values().iterator().next())
                : call.arguments().entrySet().stream()
                        .map(argument -> argument.getKey() + ": " + argument.getValue())
                        .collect(Collectors.joining(", "));
    }

    private static String outcome(ToolCall call, String result) {
        List<String> lines = result.strip().lines().toList();
        if (lines.isEmpty()) {
            return "";
        }
        boolean isValue = call.name().equals(Tools.CALCULATOR) && !result.startsWith("Error");
        String more = lines.size() == 1 ? "" : " … (%,d lines)".formatted(lines.size());
        return (isValue ? " = " : " → ") + part(lines.getFirst()) + more;
    }

    private static String part(String text) {
        String line = Printable.text(text).replaceAll("\\s+", " ").strip();
        return line.length() <= MAX_CHARACTERS
                ? line
                : line.substring(0, line.offsetByCodePoints(0, line.codePointCount(0, MAX_CHARACTERS))) + "…";
    }
}
