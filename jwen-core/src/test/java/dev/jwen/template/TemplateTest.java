package dev.jwen.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.Golden;
import dev.jwen.template.TemplateException.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class TemplateTest {

    /** A template with its variables and what the reference made of them. */
    record Case(String name, String source, Map<String, Object> variables, JsonNode expected) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Case> ownCases() {
        JsonNode golden = Golden.json(Golden.shipped("template/cases.json"));
        Map<String, Object> variables = Oracle.variables(golden.get("variables"));
        return golden.get("cases").valueStream().map(node -> {
            String source = node.get("template").asString();
            return new Case(source, source, variables, node);
        });
    }

    @ParameterizedTest
    @MethodSource("ownCases")
    void everyFeatureDoesWhatJinja2Does(Case golden) {
        JsonNode expected = golden.expected();
        if (expected.has("output")) {
            assertThat(Template.parse(golden.source()).render(golden.variables()))
                    .isEqualTo(expected.get("output").asString());
            return;
        }
        assertThatThrownBy(() -> Template.parse(golden.source()).render(golden.variables()))
                .isInstanceOfSatisfying(TemplateException.class, e -> {
                    assertThat(e.kind())
                            .isEqualTo(Kind.valueOf(expected.get("error").asString()));
                    if (e.kind() != Kind.SYNTAX) {
                        assertThat(e.problem())
                                .isEqualTo(expected.get("message").asString());
                    }
                });
    }

    static String qwenTemplate(String file) {
        try {
            return Files.readString(Golden.shared("data/qwen35/" + file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void conversationsRenderAsTransformersRendersThem() {
        JsonNode golden = Golden.json(Golden.shared("golden/chat-template/chat-template.json"));
        int compared = 0;
        for (JsonNode node : golden.get("cases")) {
            Map<String, Object> variables = Oracle.variables(node.get("kwargs"));
            variables.put("messages", Oracle.value(node.get("messages")));
            variables.put("tools", Oracle.value(node.get("tools")));
            String expected = node.has("output")
                    ? node.get("output").asString()
                    : node.get("error").get("message").asString();
            // The entry point of transformers refuses an empty conversation before the template sees it.
            String actual = outcome(node.get("template").asString(), variables)
                    .replace(
                            "No messages provided.",
                            "Cannot apply chat template to an empty conversation. Provide at least one message.");
            assertThat(actual).as(node.get("name").asString()).isEqualTo(expected);
            compared++;
        }
        assertThat(compared).isEqualTo(43);
    }

    @Test
    void conversationsRenderAsJinja2RendersThem() {
        Map<String, String> files = Map.of(
                "thinking", "chat_template-qwen3.5-thinking-default.jinja",
                "nothinking", "chat_template-qwen3.5-nothinking-default.jinja",
                "qwen3.6", "chat_template-qwen3.6.jinja");
        for (JsonNode node : Golden.json(Golden.shared("data/qwen35/template-examples.json"))) {
            Map<String, Object> variables = Oracle.variables(node.get("kwargs"));
            variables.put("messages", Oracle.value(node.get("messages")));
            String expected = node.has("output")
                    ? node.get("output").asString()
                    : node.get("error").asString();
            String actual = outcome(files.getOrDefault(node.get("template").asString(), ""), variables);
            assertThat(actual).as(node.get("name").asString()).isEqualTo(expected.replace("TypeError: ", ""));
        }
    }

    private static String outcome(String file, Map<String, Object> variables) {
        try {
            return Template.parse(qwenTemplate(file)).render(variables);
        } catch (TemplateException e) {
            return e.problem();
        }
    }

    @Test
    void refusalByTheTemplateIsToldFromAFailure() {
        TemplateException refusal = failure("a\n{{ raise_exception('Roles must alternate.') }}", Map.of());
        assertThat(refusal).hasMessage("Roles must alternate.");
        assertThat(refusal.kind()).isEqualTo(Kind.REJECTED);
        assertThat(refusal.line()).isEqualTo(2);
        assertThat(failure("{{ 1 + none }}", Map.of()).kind()).isEqualTo(Kind.EVALUATION);
    }

    @Test
    void errorsSayWhere() {
        assertThat(failure("one\n  {{ two three }}", Map.of()))
                .hasMessageStartingWith("line 2, column 10: expected token");
        assertThat(failure("one\n\n  {{ x.y.z }}", Map.of("x", Map.of())))
                .hasMessage("line 3, column 3: 'dict object' has no attribute 'y'");
        assertThat(failure("{% include 'other' %}", Map.of()).kind()).isEqualTo(Kind.SYNTAX);
    }

    static TemplateException failure(String source, Map<String, ?> variables) {
        try {
            String output = Template.parse(source).render(variables);
            throw new AssertionError("rendered: " + output);
        } catch (TemplateException e) {
            return e;
        }
    }

    @Test
    void theExampleOfTheDocumentationRenders() {
        Template template = Template.parse("{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}");
        assertThat(template.render(Map.of("messages", List.of(Map.of("role", "user", "content", " Hi ")))))
                .isEqualTo("user: Hi\n");
    }

    @Test
    void timeComesFromTheClockPassedIn() {
        Clock clock = Clock.fixed(Instant.parse("2026-03-07T04:05:06.789Z"), ZoneOffset.UTC);
        String format =
                "%d %B %Y|%Y-%m-%d %H:%M:%S|%a %A %b %y %j %p %I %f|%-d %e %-m|%c|%x %X|%U %W %V %G %u %w|%%|%Z%z|%F %T %R %D";
        assertThat(Template.parse("{{ strftime_now(f) }}").render(Map.of("f", format), Limits.DEFAULT, clock))
                .isEqualTo(
                        "07 March 2026|2026-03-07 04:05:06|Sat Saturday Mar 26 066 AM 04 789000|7  7 3|"
                                + "Sat Mar  7 04:05:06 2026|03/07/26 04:05:06|09 09 10 2026 6 6|%||2026-03-07 04:05:06 04:05 03/07/26");
    }

    @Test
    void variablesAreNotChangedAndOtherTypesAreRefused() {
        Map<String, Object> dict = new HashMap<>(Map.of("a", new ArrayList<>(List.of(1, 2L, 2.5))));
        assertThat(Template.parse("{{ d }}{% set d = 1 %}{{ d }}").render(Map.of("d", dict)))
                .isEqualTo("{'a': [1, 2, 2.5]}1");
        assertThat(dict).isEqualTo(Map.of("a", List.of(1, 2L, 2.5)));
        assertThatThrownBy(() -> Template.parse("x").render(Map.of("o", new StringBuilder())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("java.lang.StringBuilder");
    }

    @Test
    void oneTemplateRendersInManyThreads() throws Exception {
        Template template =
                Template.parse("{% set ns = namespace(n=0) %}{% for i in range(k) %}{% set ns.n = ns.n + i %}"
                        + "{% endfor %}{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(ns.n) }}");
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<String>> results = new ArrayList<>();
            for (int k = 0; k < 400; k++) {
                int size = k;
                results.add(threads.submit(() -> template.render(Map.of("k", size))));
            }
            for (int k = 0; k < results.size(); k++) {
                assertThat(results.get(k).get()).isEqualTo("<" + k * (k - 1) / 2 + ">");
            }
        }
    }
}
