package dev.jwen.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import dev.jwen.chat.Response.Cut;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseParserTest {
    static final List<Tool> TOOLS = List.of(tool("""
                    {"type": "function", "function": {"name": "write_file", "parameters": {"type": "object", "properties": {
                      "path": {"type": "string"}, "content": {"type": "string"}, "mode": {"type": ["string", "null"]}}}}}"""), tool("""
                    {"type": "function", "function": {"name": "f", "parameters": {"type": "object",
                      "$defs": {"Point": {"type": "object"}, "Loop": {"$ref": "#/$defs/Loop"}},
                      "properties": {
                        "s": {"type": "string"}, "e": {"enum": ["a", "b"]}, "i": {"type": "integer"}, "u": {"type": "uint32"},
                        "n": {"type": "number"}, "b": {"type": "boolean"}, "o": {"type": "object"}, "a": {"type": "array"},
                        "any": {"anyOf": [{"type": "null"}, {"type": "integer"}]}, "one": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                        "ns": {"type": "string", "nullable": true}, "p": {"$ref": "#/$defs/Point"}, "all": {"allOf": [{"$ref": "#/$defs/Point"}]},
                        "loop": {"$ref": "#/$defs/Loop"}, "odd": 7, "none": {"type": [null]}}}}}"""));

    static final List<String> OUTPUTS = List.of(
            "",
            "\n",
            "Just thinking",
            "I think.\n</think>\n\nHello *world*.\n",
            "<think>\nagain</think>\n\n\nHi",
            "<think><think>x</think>y</think>z",
            "mention <tool_call> only\n</think>\n\nand <tool_call>\nhere < too",
            "a\n\n\nb\n\n</think>\n\n\n\nc\n\n\nd\n\n",
            "why\n\n<tool_call>\n<function=f>\n</function>\n</tool_call>",
            "x</think>\n\nSure.\n\n<tool_call>\n<function=write_file>\n<parameter=path>\na b.txt\n</parameter>\n<parameter=content>\n"
                    + "\nline <b>1</b>\n\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=f>\n<parameter=i>\n7\n</parameter>"
                    + "\n</function>\n</tool_call>\n\nDone.\n",
            "</think><tool_call>\n<function=write_file>\n<parameter=content>\nif (s.equals(\"</parameter>\") || t == \"</function>\") {\n"
                    + "<parameter=x>\n<parameter=content>\n</tool_call> }\n<parameter=path>\np\n</parameter></function></tool_call>",
            "</think><tool_call><function=f><parameter=s>no newline</parameter><parameter=b>TRUE<parameter=i>\n5\n</function>\n</tool_call>",
            "</think><tool_call>\n<function=f>\n<parameter=o>\n{'a': [True, None, (1, 2.5)], \"b\": 'it\\'s'}\n</parameter>\n<parameter=a>\n[1, \n",
            "</think><tool_call>\n<function=unknown>\n<parameter=k>\nv\n<parameter=l>\nw\n</function>\n<function=f>\n</function>\n</tool_call>x",
            "</think>a<tool_call>\n<function=f>\n<parameter=s>\nx\n</tool_call>\n<tool_call>\n<function=f>\n<parameter=s>\ny\n</tool_call>",
            "</think>a<tool_call>\n<function=f>\njunk <parameter=\n> <parameter=s>\nx\n</parameter>\nmore junk\n<tool_call>\n<function=g>\n",
            "</think>a\n<tool_call>\n<function=no_na",
            "</think>a\n<tool_call>\n<func",
            "</think>😀<tool_call><function=write_file><parameter=mode>\nNonesuch 😀\n</parameter><parameter=path>\n\"q\\uote\"\t\n</parameter>"
                    + "</function></tool_c",
            "</think><tool_call>\n<function=write_file>\n<parameter=mode>\nnull\n</parameter>\n<parameter=path>\nnull\n</parameter></function>  ",
            "<tool_call>\n<function=f>\n</function></think>b");

    static Tool tool(String json) {
        return Conversation.fromJson("{\"messages\": [], \"tools\": [" + json + "]}")
                .tools()
                .getFirst();
    }

    /** Events with neighbours joined, then the response: all that a caller can see. */
    static List<Object> seen(List<String> pieces, boolean thinking) {
        ResponseParser parser = new ResponseParser(thinking, TOOLS, new SplittableRandom(7));
        List<Event> events = new ArrayList<>();
        pieces.forEach(piece -> events.addAll(parser.feed(piece)));
        events.addAll(parser.finish());
        List<Object> joined = new ArrayList<>();
        for (Event event : events) {
            Object last = joined.isEmpty() ? null : joined.getLast();
            Event both = last instanceof Event before ? both(before, event) : null;
            if (both != null) {
                joined.removeLast();
            }
            joined.add(both != null ? both : event);
        }
        joined.add(parser.response());
        return joined;
    }

    private static @Nullable Event both(Event a, Event b) {
        if (a instanceof Event.Thinking x && b instanceof Event.Thinking y) {
            return new Event.Thinking(x.text() + y.text());
        }
        if (a instanceof Event.Text x && b instanceof Event.Text y) {
            return new Event.Text(x.text() + y.text());
        }
        if (a instanceof Event.ToolCallArguments x
                && b instanceof Event.ToolCallArguments y
                && x.index() == y.index()) {
            return new Event.ToolCallArguments(x.index(), x.json() + y.json());
        }
        return null;
    }

    static Response parse(String text, boolean thinking) {
        return ResponseParser.parse(text, thinking, TOOLS, new SplittableRandom(7));
    }

    /** The arguments of the only call. */
    private static Map<String, @Nullable Object> arguments(String call) {
        Response response = parse(call, false);
        assertThat(response.calls()).hasSize(1);
        return response.calls().getFirst().arguments();
    }

    private static @Nullable Object argument(String key, String value) {
        return arguments("<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + value
                        + "\n</parameter>\n</function>\n</tool_call>")
                .get(key);
    }

    @ParameterizedTest
    @FieldSource("OUTPUTS")
    void everySplitInThreeGivesTheSameEvents(String text) {
        for (boolean thinking : new boolean[] {true, false}) {
            List<Object> whole = seen(List.of(text), thinking);
            assertThat(seen(text.chars().mapToObj(Character::toString).toList(), thinking))
                    .isEqualTo(whole);
            int step = 1 + text.length() / 30; // all splits of short texts, a sample of those of long ones
            for (int i = 0; i <= text.length(); i++) {
                for (int j = i; j <= text.length(); j += step) {
                    List<String> pieces = List.of(text.substring(0, i), text.substring(i, j), text.substring(j));
                    if (!seen(pieces, thinking).equals(whole)) {
                        assertThat(seen(pieces, thinking)).as("%s", pieces).isEqualTo(whole);
                    }
                }
            }
        }
    }

    @Test
    void randomSplitsOfRandomSoupGiveTheSameEvents() {
        List<String> words = List.of(
                "<think>",
                "</think>",
                "<tool_call>",
                "</tool_call>",
                "<function=f>",
                "<function=",
                "</function>",
                "<parameter=s>",
                "<parameter=i>",
                "<parameter=zz>",
                "</parameter>",
                "\n",
                "\n\n",
                " ",
                "<",
                ">",
                "</",
                "12",
                "null",
                "word",
                "é😀",
                "\n".repeat(70),
                "x".repeat(300));
        for (long seed = 0; seed < 3000; seed++) {
            Random random = new Random(seed);
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(40); i >= 0; i--) {
                text.append(words.get(random.nextInt(words.size())));
            }
            List<String> pieces = new ArrayList<>();
            for (int at = 0; at < text.length(); ) {
                int end = Math.min(text.length(), at + 1 + random.nextInt(12));
                pieces.add(text.substring(at, end));
                at = end;
            }
            assertThat(seen(pieces, seed % 2 == 0))
                    .as("seed %d: %s", seed, text)
                    .isEqualTo(seen(List.of(text.toString()), seed % 2 == 0));
        }
    }

    @ParameterizedTest
    @FieldSource("OUTPUTS")
    void eventsAddUpToTheResponse(String text) {
        List<Object> seen = seen(List.of(text), true);
        Response response = (Response) seen.getLast();
        StringBuilder reasoning = new StringBuilder();
        StringBuilder content = new StringBuilder();
        Map<Integer, String> json = new LinkedHashMap<>();
        List<ToolCall> calls = new ArrayList<>();
        for (Object event : seen.subList(0, seen.size() - 1)) {
            switch ((Event) event) {
                case Event.Thinking t -> reasoning.append(t.text());
                case Event.Text t -> content.append(t.text());
                case Event.ToolCallStart start -> {
                    assertThat(start.index()).isEqualTo(calls.size());
                    assertThat(start.id()).matches("call_[0-9a-f]{24}");
                    assertThat(start.name()).isNotEmpty();
                }
                case Event.ToolCallArguments t -> json.merge(t.index(), t.json(), String::concat);
                case Event.ToolCallEnd end -> {
                    assertThat(end.index()).isEqualTo(calls.size());
                    ToolCall call = end.call();
                    calls.add(call);
                    Object parsed = Json.parse(json.getOrDefault(end.index(), ""));
                    assertThat(new ToolCall(call.id(), call.name(), ToolCall.named(parsed)))
                            .isEqualTo(call);
                }
                case Event.ToolResult result -> throw new AssertionError("a parser runs no tools: " + result);
            }
        }
        assertThat(new Response(reasoning.toString(), content.toString(), calls, response.cut()))
                .isEqualTo(response);
    }

    @Test
    void theFirstClosingTagEndsTheReasoning() {
        assertThat(parse("Hm.\n</think>\n\nA</think>B", true))
                .isEqualTo(new Response("Hm.", "A</think>B", List.of(), Cut.NOTHING));
        assertThat(parse("<think>\nHm.</think>A", true)).isEqualTo(new Response("Hm.", "A", List.of(), Cut.NOTHING));
        assertThat(parse("Hm.\n", true)).isEqualTo(new Response("Hm.\n", "", List.of(), Cut.THINKING));
    }

    @Test
    void withoutThinkingEverythingIsAnswer() {
        assertThat(parse("<think>a</think>b", false))
                .isEqualTo(new Response("", "<think>a</think>b", List.of(), Cut.NOTHING));
        assertThat(parse("\n\n  indented\n", false))
                .isEqualTo(new Response("", "  indented\n", List.of(), Cut.NOTHING));
    }

    @Test
    void anOpenedCallEndsTheReasoningButAMentionDoesNot() {
        Response response =
                parse("Call <tool_call> now.\n<tool_call>\n\n<function=f>\n</function>\n</tool_call>", true);
        assertThat(response.reasoning()).isEqualTo("Call <tool_call> now.");
        assertThat(response.content()).isEmpty();
        assertThat(response.calls()).hasSize(1);
        assertThat(parse("say <tool_call>", true).cut()).isEqualTo(Cut.THINKING);
        assertThat(parse("<tool_call>{\"name\": \"f\"}</tool_call>", false).content())
                .isEqualTo("<tool_call>{\"name\": \"f\"}</tool_call>");
    }

    @Test
    void contentAroundCallsIsKept() {
        String call = "<tool_call>\n<function=f>\n</function>\n</tool_call>";
        Response response = parse("One.\n\n" + call + "\n" + call + "\n \nTwo.\n", false);
        assertThat(response.content()).isEqualTo("One.\n\nTwo.\n");
        assertThat(response.calls()).hasSize(2);
        assertThat(parse(call + "\nOnly after", false).content()).isEqualTo("Only after");
        assertThat(parse("\n\n" + call, false).content()).isEmpty();
    }

    @Test
    void aValueLosesOneNewlineAtEachEnd() {
        assertThat(argument("s", "")).isEqualTo("");
        assertThat(argument("s", "\n")).isEqualTo("\n");
        assertThat(argument("s", "\n a \n\n")).isEqualTo("\n a \n\n");
        assertThat(arguments("<tool_call><function=f><parameter=s>\n</parameter></function></tool_call>"))
                .isEqualTo(Map.of("s", ""));
        assertThat(arguments("<tool_call><function=f><parameter=s> a </parameter></function></tool_call>"))
                .isEqualTo(Map.of("s", " a "));
    }

    @Test
    void valuesAreConvertedByTheSchemaAndNeverFail() {
        assertThat(argument("s", "5")).isEqualTo("5");
        assertThat(argument("s", "null")).isEqualTo("null");
        assertThat(argument("e", "null")).isEqualTo("null");
        assertThat(argument("undeclared", "true")).isEqualTo("true");
        assertThat(argument("i", " 42 ")).isEqualTo(42L);
        assertThat(argument("i", "-3.0")).isEqualTo(-3L);
        assertThat(argument("i", "12345678901234567890")).isEqualTo(new java.math.BigInteger("12345678901234567890"));
        assertThat(argument("i", "4.5x")).isEqualTo("4.5x");
        assertThat(argument("i", "9".repeat(5000))).isEqualTo("9".repeat(5000));
        assertThat(argument("i", "NULL")).isNull();
        assertThat(argument("u", "7")).isEqualTo(7L);
        assertThat(argument("n", "2.5")).isEqualTo(2.5);
        assertThat(argument("n", "1e-07")).isEqualTo(1e-7);
        assertThat(argument("n", "1e+22")).isEqualTo(1e22);
        assertThat(argument("n", "3.0")).isEqualTo(3L);
        assertThat(argument("n", "1e999")).isEqualTo("1e999");
        assertThat(argument("n", "NaN")).isEqualTo("NaN");
        assertThat(argument("b", "True")).isEqualTo(true);
        assertThat(argument("b", "no")).isEqualTo(false);
        assertThat(argument("any", "None")).isNull();
        assertThat(argument("any", "5")).isEqualTo(5L);
        assertThat(argument("one", "None")).isNull();
        assertThat(argument("one", "Nonesense")).isEqualTo("Nonesense");
        assertThat(argument("ns", "null")).isNull();
        assertThat(argument("o", "{\"a\": 1.0}")).isEqualTo(Map.of("a", 1.0));
        assertThat(argument("a", "[1, 'x', None,]")).isEqualTo(java.util.Arrays.asList(1L, "x", null));
        assertThat(argument("a", "(1, 2)")).isEqualTo(List.of(1L, 2L));
        assertThat(argument("a", "[1, 2")).isEqualTo("[1, 2");
        assertThat(argument("a", "[".repeat(100_000))).isEqualTo("[".repeat(100_000));
        assertThat(argument("p", "{'x': .5, 'y': (1,), 'z': (2)}"))
                .isEqualTo(Map.of("x", 0.5, "y", List.of(1L), "z", 2L));
        assertThat(argument("all", "{}")).isEqualTo(Map.of());
        assertThat(argument("loop", "{}")).isEqualTo("{}");
        assertThat(argument("odd", "1")).isEqualTo("1");
        assertThat(argument("none", "1")).isEqualTo("1");
    }

    @Test
    void pythonLiteralsAreReadAsPythonWould() {
        assertThat(PythonLiteral.parse("'\\x41\\u00e9\\U0001F600\\n\\'\\101\\q'"))
                .isEqualTo("Aé😀\n'A\\q");
        assertThat(PythonLiteral.parse("{1: True, None: \"a'b\"}")).isEqualTo(Map.of("1", true, "None", "a'b"));
        for (String bad : List.of(
                "'a", "{1}", "[1 2]", "{[1]: 2}", "foo()", "1 1", "'\\xg0'", "'\\U99999999'", "", "[", "'a\nb'")) {
            assertThat(PythonLiteral.parse(bad)).as(bad).isNull();
        }
    }

    @Test
    void tagsInsideCodeDoNotEndTheValue() {
        String code =
                "<config>\n  <parameter>x</parameter>\n</config>\ns = \"</function>\";\n<parameter=content>\n<parameter=other>\n"
                        + "</tool_call>\n</function> // end\nlast </parameter> line";
        assertThat(arguments(
                        "<tool_call>\n<function=write_file>\n<parameter=path>\np\n</parameter>\n<parameter=content>\n"
                                + code + "\n</parameter>\n</function>\n</tool_call>"))
                .isEqualTo(Map.of("path", "p", "content", code));
    }

    @Test
    void missingClosingTagsAreTolerated() {
        Map<String, Object> both = Map.of("path", "p", "content", "c");
        for (String body : List.of(
                "<parameter=path>\np\n<parameter=content>\nc\n</parameter>\n</function>\n</tool_call>",
                "<parameter=path>\np\n</parameter>\n<parameter=content>\nc\n</function>\n</tool_call>",
                "<parameter=path>\np\n</parameter>\n<parameter=content>\nc\n</tool_call>",
                "<parameter=path>\np\n</parameter>\n<parameter=content>\nc\n</parameter>\n</tool_call>",
                "<parameter=path>\np\n</parameter>\n<parameter=content>\nc\n</parameter>\n</function>",
                "<parameter=path>\np\n</parameter>\n<parameter=content>\nc")) {
            assertThat(arguments("<tool_call>\n<function=write_file>\n" + body))
                    .as(body)
                    .isEqualTo(both);
        }
        Response two = parse(
                "<tool_call>\n<function=f>\n<parameter=s>\nx\n</tool_call>\n<tool_call>\n<function=f>\n<parameter=i>\n1\n</parameter>\n"
                        + "<tool_call>\n<function=f>\n</function>\n<function=f>\n</function>\n</tool_call>\nend",
                false);
        assertThat(two.calls())
                .extracting(ToolCall::arguments)
                .isEqualTo(List.of(Map.of("s", "x"), Map.of("i", 1L), Map.of(), Map.of()));
        assertThat(two.content()).isEqualTo("end");
    }

    @Test
    void theResponseSaysWhereItBrokeOff() {
        assertThat(parse("a<tool_call>\n<function=f>\n<parameter=s>\nhal", false)
                        .cut())
                .isEqualTo(Cut.CALL);
        assertThat(parse("a<tool_call>\n<function=f>\n<parameter=s>\nhal", false)
                        .calls()
                        .getFirst()
                        .arguments())
                .isEqualTo(Map.of("s", "hal"));
        assertThat(parse("why<tool_call>\n<function=f", true)).isEqualTo(new Response("why", "", List.of(), Cut.CALL));
        assertThat(parse("a<tool_call>\n<function=f>\n</function>", false).cut())
                .isEqualTo(Cut.NOTHING);
        assertThat(parse("a<tool_call>\n<function=f>\n</function>\n</tool_", false))
                .extracting(Response::content, Response::cut)
                .containsExactly("a", Cut.NOTHING);
        assertThat(parse("a <", false)).isEqualTo(new Response("", "a <", List.of(), Cut.NOTHING));
    }

    @Test
    void theNameAndTextArgumentsAppearWhileTheyArrive() {
        ResponseParser parser = new ResponseParser(false, TOOLS, new SplittableRandom(7));
        assertThat(parser.feed("<tool_call>\n<function=write_file")).isEmpty();
        assertThat(parser.feed(">"))
                .singleElement()
                .isInstanceOfSatisfying(
                        Event.ToolCallStart.class,
                        start -> assertThat(start.name()).isEqualTo("write_file"));
        assertThat(parser.feed("\n<parameter=path>\nsrc/\"A\"\n"))
                .isEqualTo(List.of(new Event.ToolCallArguments(0, "{\"path\": \"src/\\\"A\\\"")));
        assertThat(parser.feed("</param")).isEmpty();
        assertThat(parser.feed("s x")).isEqualTo(List.of(new Event.ToolCallArguments(0, "\\n</params x")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x",
                "<",
                "\n",
                "a\n<",
                "<tool_call>",
                "</think",
                "<tool_call> <function=",
                "\n</parameter>\n",
                "\n<parameter=s"
            })
    void timeIsLinearAndLittleIsHeldBack(String unit) {
        String text = unit.repeat(1_000_000 / unit.length());
        for (String prefix : List.of("", "<tool_call>\n<function=write_file>\n<parameter=content>\n")) {
            assertTimeout(Duration.ofSeconds(20), () -> {
                boolean leadingNewlines = unit.equals("\n") && prefix.isEmpty(); // these are dropped, not held
                assertThat(mostHeldBack(prefix, text)).isLessThan(leadingNewlines ? text.length() + 1 : 1000);
            });
            assertThat(parse(prefix + text, true).cut()).isNotNull();
        }
    }

    private static int mostHeldBack(String prefix, String text) {
        ResponseParser parser = new ResponseParser(false, TOOLS, new SplittableRandom(7));
        parser.feed(prefix);
        int seen = 0;
        int most = 0;
        for (int i = 0; i < text.length(); i += 31) {
            for (Event event : parser.feed(text.substring(i, Math.min(i + 31, text.length())))) {
                seen += switch (event) {
                    case Event.Text t -> t.text().length();
                    case Event.ToolCallArguments t -> t.json().length();
                    default -> 0;
                };
            }
            most = Math.max(most, i - seen);
        }
        parser.finish();
        return most;
    }

    @Test
    void callIdsComeFromTheGivenRandomGenerator() {
        String call = "<tool_call>\n<function=f>\n</function>\n</tool_call>";
        List<ToolCall> calls = parse(call + call, false).calls();
        assertThat(calls).isEqualTo(parse(call + call, false).calls());
        assertThat(calls.get(0).id()).isNotEqualTo(calls.get(1).id());
    }

    @Test
    void aFinishedParserTakesNoMore() {
        ResponseParser parser = new ResponseParser(false, List.of(), new SplittableRandom(7));
        assertThatThrownBy(parser::response).isInstanceOf(IllegalStateException.class);
        assertThat(parser.finish()).isEqualTo(Collections.emptyList());
        assertThat(parser.finish()).isEqualTo(Collections.emptyList());
        assertThatThrownBy(() -> parser.feed("x")).isInstanceOf(IllegalStateException.class);
    }
}
