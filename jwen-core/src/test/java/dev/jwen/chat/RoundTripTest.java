package dev.jwen.chat;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls printed by a template come back from the parser as they were. */
class RoundTripTest {
    private static final Tool TOOL = ResponseParserTest.tool("""
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
              "s": {"type": "string"}, "t": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
              "o": {"type": "object"}, "a": {"type": "array"}, "m": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}}""");

    private static final List<String> WORDS = List.of(
            "word",
            " ",
            "\n",
            "\n\n",
            "é😀",
            "\"",
            "\\",
            "{",
            "<",
            ">",
            "<b>",
            "</parameter>;",
            "\n</function>;",
            "\n<parameter=other>",
            "\n<parameter=s>",
            " <parameter=i>",
            "</tool_call>.",
            "<tool_call>",
            "None",
            "true",
            "\t",
            "\r\n",
            "</param");

    @Test
    void theTestsOwnTemplateRoundTrips() {
        assertCallsComeBack(Templates.own());
    }

    @ParameterizedTest
    @ValueSource(strings = {"chat_template-qwen3.5-thinking-default.jinja", "chat_template-qwen3.6.jinja"})
    void theQwenTemplatesRoundTrip(String template) {
        assertCallsComeBack(Templates.published(template));
    }

    private static void assertCallsComeBack(ChatTemplate template) {
        for (long seed = 0; seed < 700; seed++) {
            Random random = new Random(seed);
            List<ToolCall> calls = new ArrayList<>();
            for (int i = 1 + random.nextInt(3); i > 0; i--) {
                calls.add(new ToolCall("", "f", arguments(random)));
            }
            Message answer = Message.assistant(random.nextBoolean() ? "Look:" : "", "Why.\nSo.", calls);
            String prompt = template.render(
                            new Conversation(List.of(Message.user("q"), answer), List.of()),
                            new RenderOptions(false, null, false, Map.of()))
                    .text();
            String open = "<|im_start|>assistant\n<think>\n";
            String written =
                    prompt.substring(prompt.indexOf(open) + open.length(), prompt.length() - "<|im_end|>\n".length());
            Response response = ResponseParser.parse(written, true, List.of(TOOL), new SplittableRandom(seed));
            assertThat(response.calls())
                    .as("seed %d: %s", seed, written)
                    .extracting(ToolCall::arguments)
                    .isEqualTo(calls.stream().map(ToolCall::arguments).toList());
            assertThat(response.calls()).extracting(ToolCall::name).containsOnly("f");
            assertThat(response)
                    .extracting(Response::reasoning, Response::content, Response::cut)
                    .containsExactly("Why.\nSo.", answer.text(), Response.Cut.NOTHING);
        }
    }

    private static Map<String, @Nullable Object> arguments(Random random) {
        Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
        arguments.put("s", text(random));
        if (random.nextBoolean()) {
            arguments.put(
                    "i", random.nextBoolean() ? random.nextLong() : BigInteger.ONE.shiftLeft(70 + random.nextInt(50)));
            arguments.put(
                    "n",
                    random.nextBoolean() ? (Object) (random.nextGaussian() * 1e9) : (Object) (long) random.nextInt());
            arguments.put("b", random.nextBoolean());
        }
        if (random.nextBoolean()) {
            Map<String, @Nullable Object> nested = new LinkedHashMap<>();
            nested.put(text(random), random.nextBoolean() ? null : text(random));
            nested.put("deep", List.of(1L, 2.5, false, Map.of("x", text(random))));
            arguments.put("o", nested);
            arguments.put("a", List.of(nested, -7L));
            arguments.put("m", random.nextBoolean() ? null : (Object) 5L);
        }
        arguments.put("t", text(random));
        return arguments;
    }

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            text.append(WORDS.get(random.nextInt(WORDS.size())));
        }
        return text.toString();
    }
}
