package dev.jwen.chat;

import static dev.jwen.chat.Scanner.MORE;
import static dev.jwen.chat.Scanner.NO;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The inside of a {@code <tool_call>} block.
 *
 * <pre>
 * &lt;tool_call&gt;
 * &lt;function=NAME&gt;
 * &lt;parameter=KEY&gt;
 * VALUE
 * &lt;/parameter&gt;
 * &lt;/function&gt;
 * &lt;/tool_call&gt;
 * </pre>
 *
 * <p>A value loses one newline at each end and nothing else. Tools that write code put these very tags inside values, so
 * a tag in a value counts only where it makes sense:
 *
 * <ul>
 *   <li>{@code </parameter>} if white space and {@code <parameter=}, {@code </function>}, {@code </tool_call>},
 *       {@code <tool_call>} or the end of the answer follow;
 *   <li>{@code </function>} if white space and {@code </tool_call>} or the end follow;
 *   <li>{@code </tool_call>} at the start of a line, if white space and {@code <tool_call>} or the end follow;
 *   <li>{@code <parameter=KEY>} at the start of a line, if KEY is a parameter of the tool and was not given yet; for an
 *       unknown tool any new KEY counts.
 * </ul>
 *
 * So every missing closing tag is tolerated. Text between parameters is ignored; a block may hold several functions.
 */
final class CallParser {
    private static final String CALL = "<tool_call>";
    private static final String END_CALL = "</tool_call>";
    private static final String FUNCTION = "<function=";
    private static final String END_FUNCTION = "</function>";
    private static final String PARAMETER = "<parameter=";
    private static final String END_PARAMETER = "</parameter>";

    private enum State {
        OUTSIDE,
        BETWEEN_PARAMETERS,
        IN_VALUE,
        AFTER_FUNCTION
    }

    private final Scanner scanner;
    private final EventList events;
    private final RandomGenerator random;
    private final Map<String, Tool> tools = new HashMap<>();
    private final List<ToolCall> calls = new ArrayList<>();

    private State state = State.OUTSIDE;
    private String id = "";
    private String name = "";
    private String key = "";
    private Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    private ArgumentValue value = new ArgumentValue(ArgumentType.TEXT);
    private boolean lineStart;

    CallParser(Scanner scanner, EventList events, List<Tool> tools, RandomGenerator random) {
        this.scanner = scanner;
        this.events = events;
        this.random = random;
        tools.forEach(tool -> this.tools.putIfAbsent(tool.name(), tool));
    }

    /** Whether the scanner stands inside a call. */
    boolean isOpen() {
        return state != State.OUTSIDE;
    }

    List<ToolCall> calls() {
        return calls;
    }

    /** Where the opening of a call that starts here ends, NO or MORE. */
    int opening() {
        return scanner.name(beforeName());
    }

    /** Whether all text ended inside the name of a call. */
    boolean isCutOpening() {
        return scanner.isCutName(beforeName());
    }

    /** Begins the call whose {@link #opening} ends at {@code end}. */
    void open(int end) {
        begin(scanner.nameBetween(beforeName(), end), end);
    }

    /** Consumes something, or returns false if the next text must be awaited. */
    boolean step() {
        return switch (state) {
            case BETWEEN_PARAMETERS -> betweenParameters();
            case IN_VALUE -> inValue();
            case AFTER_FUNCTION -> afterFunction();
            case OUTSIDE -> throw new IllegalStateException("Not inside a call");
        };
    }

    /** Ends a call whose rest never came. */
    void cutOff() {
        if (state == State.IN_VALUE) {
            endValue();
        }
        if (state == State.BETWEEN_PARAMETERS) {
            end();
        }
        state = State.OUTSIDE;
    }

    /** Whether nothing but the end of the block is missing. */
    boolean isComplete() {
        return state == State.AFTER_FUNCTION;
    }

    private int beforeName() {
        return scanner.tag(scanner.blanks(scanner.tag(CALL)), FUNCTION);
    }

    private void begin(String name, int end) {
        scanner.skipTo(end);
        this.name = name;
        StringBuilder hex = new StringBuilder("call_");
        for (int i = 0; i < 24; i++) {
            hex.append(Character.forDigit(random.nextInt(16), 16));
        }
        id = hex.toString();
        arguments = new LinkedHashMap<>();
        state = State.BETWEEN_PARAMETERS;
        events.add(new Event.ToolCallStart(calls.size(), id, name));
    }

    private void end() {
        events.arguments(calls.size(), arguments.isEmpty() ? "{}" : "}");
        ToolCall call = new ToolCall(id, name, arguments);
        events.add(new Event.ToolCallEnd(calls.size(), call));
        calls.add(call);
    }

    private boolean betweenParameters() {
        scanner.run();
        if (!scanner.atTag()) {
            return false;
        }
        int keyAt = scanner.tag(PARAMETER);
        int parameter = scanner.name(keyAt);
        int endFunction = scanner.tag(END_FUNCTION);
        int endCall = scanner.tag(END_CALL);
        int opening = opening();
        if (parameter >= 0) {
            beginValue(scanner.nameBetween(keyAt, parameter), parameter);
        } else if (endFunction >= 0) {
            end();
            scanner.skipTo(endFunction);
            state = State.AFTER_FUNCTION;
        } else if (endCall >= 0) {
            end();
            scanner.skipTo(endCall);
            state = State.OUTSIDE;
        } else if (opening >= 0) {
            end();
            open(opening);
        } else if (parameter == MORE || endFunction == MORE || endCall == MORE || opening == MORE) {
            return false;
        } else {
            scanner.skipTo(scanner.at() + 1);
        }
        return true;
    }

    private boolean afterFunction() {
        scanner.skipBlanks();
        if (scanner.at() == scanner.end()) {
            return false;
        }
        int nameAt = scanner.tag(FUNCTION);
        int function = scanner.name(nameAt);
        int endCall = scanner.tag(END_CALL);
        if (function >= 0) {
            begin(scanner.nameBetween(nameAt, function), function);
        } else if (function == MORE || endCall == MORE) {
            return false;
        } else {
            boolean cutOff = endCall < 0 && scanner.followed(scanner.at(), END_CALL) >= 0;
            scanner.skipTo(cutOff ? scanner.end() : Math.max(endCall, scanner.at()));
            state = State.OUTSIDE;
        }
        return true;
    }

    private void beginValue(String key, int end) {
        scanner.skipTo(end);
        this.key = key;
        value = new ArgumentValue(type(key));
        lineStart = true;
        events.arguments(calls.size(), (arguments.isEmpty() ? "{" : ", ") + Json.write(key) + ": ");
        state = State.IN_VALUE;
    }

    private ArgumentType type(String key) {
        Tool tool = tools.get(name);
        return tool == null ? ArgumentType.TEXT : ArgumentType.of(tool.parameters(), key);
    }

    private void endValue() {
        events.arguments(calls.size(), value.end());
        arguments.put(key, value.value());
        state = State.BETWEEN_PARAMETERS;
    }

    private boolean inValue() {
        addToValue(scanner.run());
        if (!scanner.atTag()) {
            return false;
        }
        int endParameter = scanner.tag(END_PARAMETER);
        int parameterEnds = scanner.followed(endParameter, PARAMETER, END_FUNCTION, END_CALL, CALL);
        int functionEnds = scanner.followed(scanner.tag(END_FUNCTION), END_CALL);
        int callEnds = lineStart ? scanner.followed(scanner.tag(END_CALL), CALL) : NO;
        int next = lineStart ? nextParameter() : NO;
        if (parameterEnds >= 0) {
            endValue();
            scanner.skipTo(endParameter);
        } else if (functionEnds >= 0 || callEnds >= 0 || next >= 0) {
            endValue(); // the tag itself is for betweenParameters
        } else if (parameterEnds == MORE || functionEnds == MORE || callEnds == MORE || next == MORE) {
            return false;
        } else {
            addToValue(scanner.take(scanner.at() + 1));
        }
        return true;
    }

    private void addToValue(String text) {
        if (!text.isEmpty()) {
            events.arguments(calls.size(), value.add(text));
            lineStart = text.endsWith("\n");
        }
    }

    /** Whether a parameter starts here although the value before it was not closed. */
    private int nextParameter() {
        int keyAt = scanner.tag(PARAMETER);
        int end = scanner.name(keyAt);
        if (end < 0) {
            return end;
        }
        String next = scanner.nameBetween(keyAt, end);
        Tool tool = tools.get(name);
        boolean known = tool == null || ArgumentType.isDeclared(tool.parameters(), next);
        return known && !next.equals(key) && !arguments.containsKey(next) ? end : NO;
    }
}
