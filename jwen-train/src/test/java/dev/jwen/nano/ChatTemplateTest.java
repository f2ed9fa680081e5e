package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.chat.AddedToken;
import dev.jwen.chat.ChatTemplate;
import dev.jwen.template.Template;
import dev.jwen.template.TemplateException;
import dev.jwen.train.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The template of jwen-nano writes conversations as that of Qwen 3.5 does. */
class ChatTemplateTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final String REFERENCE = "chat_template-qwen3.5-thinking-default.jinja";

    private static String source() {
        try (InputStream in = Objects.requireNonNull(Skill.class.getResourceAsStream("chat_template.jinja"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static final Template TEMPLATE = Template.parse(source());

    private static String outcome(Template template, Map<String, ?> variables) {
        try {
            return template.render(variables);
        } catch (TemplateException e) {
            return e.problem();
        }
    }

    @Test
    void conversationsRenderAsTransformersRendersThem() {
        int compared = 0;
        for (JsonNode node : JSON.readTree(
                        Golden.shared("golden/chat-template/chat-template.json").toFile())
                .get("cases")) {
            if (!node.get("template").asString().equals(REFERENCE)) {
                continue;
            }
            Map<String, Object> variables = variables(node);
            variables.put("tools", value(node.get("tools")));
            String expected = node.has("output")
                    ? node.get("output").asString()
                    : node.get("error").get("message").asString();
            // The entry point of transformers refuses an empty conversation before the template sees it.
            String actual = outcome(TEMPLATE, variables)
                    .replace(
                            "No messages provided.",
                            "Cannot apply chat template to an empty conversation. Provide at least one message.");
            assertThat(actual).as(node.get("name").asString()).isEqualTo(expected);
            compared++;
        }
        assertThat(compared).isGreaterThan(20);
    }

    @Test
    void conversationsRenderAsJinja2RendersThem() {
        int compared = 0;
        for (JsonNode node : JSON.readTree(
                Golden.shared("data/qwen35/template-examples.json").toFile())) {
            if (!node.get("template").asString().equals("thinking")) {
                continue;
            }
            String expected = node.has("output")
                    ? node.get("output").asString()
                    : node.get("error").asString();
            assertThat(outcome(TEMPLATE, variables(node)))
                    .as(node.get("name").asString())
                    .isEqualTo(expected.replace("TypeError: ", ""));
            compared++;
        }
        assertThat(compared).isGreaterThan(10);
    }

    private static Map<String, Object> variables(JsonNode node) {
        Map<String, Object> variables = new LinkedHashMap<>();
        node.get("kwargs").properties().forEach(entry -> variables.put(entry.getKey(), value(entry.getValue())));
        variables.put("messages", value(node.get("messages")));
        return variables;
    }

    private static @Nullable Object value(JsonNode node) {
        return JSON.treeToValue(node, Object.class);
    }

    @Test
    void anyConversationRendersAsWithTheTemplateOfQwen() throws IOException {
        Template reference = Template.parse(Files.readString(Golden.shared("data/qwen35/" + REFERENCE)));
        Random random = new Random(3);
        int refused = 0;
        for (int round = 0; round < 5_000; round++) {
            Map<String, @Nullable Object> variables = conversation(random);
            String expected = outcome(reference, variables);
            assertThat(outcome(TEMPLATE, variables)).as("%s", variables).isEqualTo(expected);
            refused += expected.contains("<|im_start|>") ? 0 : 1;
        }
        assertThat(refused).isBetween(500, 4_000); // both kinds of outcome were compared
    }

    private static Map<String, @Nullable Object> conversation(Random random) {
        List<Object> messages = new ArrayList<>();
        if (random.nextInt(3) == 0) {
            messages.add(message("system", random));
        }
        List<String> roles = List.of("user", "assistant", "tool", "assistant", "tool", "user", "assistant");
        for (int i = random.nextInt(8); i > 0; i--) {
            boolean odd = random.nextInt(60) == 0;
            messages.add(message(odd ? one(List.of("system", "developer"), random) : one(roles, random), random));
        }
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("messages", messages);
        if (random.nextBoolean()) {
            variables.put(
                    "tools",
                    one(List.of(List.of(), List.of(Map.of("name", "à/b")), List.of(Map.of("n", 1), Map.of())), random));
        }
        for (String flag : List.of("add_generation_prompt", "enable_thinking", "add_vision_id")) {
            if (random.nextBoolean()) {
                variables.put(flag, random.nextBoolean());
            }
        }
        return variables;
    }

    private static Map<String, @Nullable Object> message(String role, Random random) {
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content(random));
        if (random.nextInt(3) == 0) {
            message.put("reasoning_content", random.nextInt(4) == 0 ? null : text(random));
        }
        if (random.nextInt(2) == 0) {
            List<Object> calls = new ArrayList<>();
            for (int i = random.nextInt(3); i > 0; i--) {
                Map<String, @Nullable Object> call = new LinkedHashMap<>();
                call.put("name", "run");
                if (random.nextInt(5) > 0) {
                    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
                    arguments.put("a", text(random));
                    arguments.put("b", one(List.of(true, 1.5, 7, List.of(1, "ü"), Map.of("k", false)), random));
                    arguments.put("c", null);
                    call.put("arguments", arguments);
                }
                calls.add(random.nextBoolean() ? call : Map.of("type", "function", "function", call));
            }
            message.put("tool_calls", calls);
        }
        return message;
    }

    private static @Nullable Object content(Random random) {
        return switch (random.nextInt(20)) {
            case 0 -> null;
            case 1, 2, 3 -> {
                List<Object> parts = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    parts.add(part(random));
                }
                yield parts;
            }
            case 4 -> random.nextInt(20) == 0 ? (Object) 5 : "";
            default -> text(random);
        };
    }

    private static Object part(Random random) {
        return switch (random.nextInt(12)) {
            case 0, 1 -> Map.of("type", "image");
            case 2 -> Map.of("image_url", Map.of("url", "x"));
            case 3, 4 -> Map.of("type", "video", "video", "x.mp4");
            case 5 -> random.nextInt(5) == 0 ? Map.of("type", "audio") : Map.of("text", "");
            default -> Map.of("type", "text", "text", text(random));
        };
    }

    private static String text(Random random) {
        List<String> words =
                List.of(" ", "\n", "hello", "<think>", "</think>", "<tool_response>", "</tool_response>", "1 < 2", "é");
        if (random.nextInt(8) == 0) {
            return " <tool_response>\nr\n</tool_response>\n";
        }
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(7); i > 0; i--) {
            text.append(one(words, random));
        }
        return text.toString();
    }

    private static <T> T one(List<T> choices, Random random) {
        return choices.get(random.nextInt(choices.size()));
    }

    @Test
    void answersBeginWithThoughtUnlessToldOtherwise() {
        ChatTemplate template = ChatTemplate.of(
                source(),
                List.of(new AddedToken("<|im_start|>", true), new AddedToken("<think>", false)),
                Map.of("eos_token", "<|im_end|>"));
        assertThat(template.supportsThinking()).isTrue();
        assertThat(template.thinksByDefault()).isTrue();
        assertThat(template.supportsMedia()).isTrue();
    }
}
