package dev.jwen.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.Golden;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.kernel.Backends;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SessionTest {
    private static final SamplingOptions GREEDY =
            SamplingOptions.GREEDY.toBuilder().maxTokens(24).build();

    private Engine engine;

    @BeforeAll
    void open() {
        engine = Engine.open(
                Golden.shipped("dense-text/checkpoint-bf16-sharded"), new Engine.Options(null, 2, true, null, 600));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    private int[] prompt(String text) {
        return engine.tokenizer().encode(text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dense-text", "moe-text", "dense-256"})
    void greedyGenerationGivesTheTokensOfTheReference(String model) {
        Map<String, Golden.Array> arrays =
                Golden.arrays(Golden.shared("golden/" + model + "/cases/greedy-40.safetensors"));
        int[] reference = arrays.get("output_ids").ints();
        try (Engine opened = Engine.open(
                Golden.shared("golden/" + model + "/checkpoint"), new Engine.Options(null, 2, true, null, 0))) {
            // The reference goes on after an end token, and samples rows that pad the vocabulary; a session does
            // neither.
            int known = 0;
            while (known < reference.length
                    && !opened.stopIds().contains(reference[known])
                    && reference[known] < opened.tokenizer().vocabularySize()) {
                known++;
            }
            assertThat(known).isPositive();
            SamplingOptions options =
                    SamplingOptions.GREEDY.toBuilder().maxTokens(known).build();
            Completion completion =
                    opened.newSession().generate(arrays.get("input_ids").ints(), options, Listener.NONE);
            assertThat(completion.text()).isEqualTo(opened.tokenizer().decode(Arrays.copyOf(reference, known), true));
        }
    }

    @Test
    void aPromptThatContinuesTheLastOneIsNotReadAgainAndGivesTheSameAnswer() {
        Session session = engine.newSession();
        int[] first = prompt("<|im_start|>user\nhello there<|im_end|>\n<|im_start|>assistant\n");
        Completion one = session.generate(first, GREEDY, Listener.NONE);
        assertThat(one.cachedTokens()).isZero();
        int[] second = prompt("""
                <|im_start|>user
                hello there<|im_end|>
                <|im_start|>assistant
                something else<|im_end|>
                <|im_start|>user
                and now?<|im_end|>
                <|im_start|>assistant
                """);
        Completion two = session.generate(second, GREEDY, Listener.NONE);
        int branch = prompt("<|im_start|>user\nhello there<|im_end|>\n").length;
        assertThat(two.cachedTokens()).isGreaterThanOrEqualTo(branch);
        Completion fresh = engine.newSession().generate(second, GREEDY, Listener.NONE);
        assertThat(fresh.cachedTokens()).isZero();
        assertThat(two.text()).isEqualTo(fresh.text());
    }

    @Test
    void theListenerHearsTheTextOfTheCompletionAndTheProgressOfThePrompt() {
        StringBuilder heard = new StringBuilder();
        List<Integer> progress = new ArrayList<>();
        int[] prompt = prompt("abc ".repeat(20));
        Completion completion = engine.newSession().generate(prompt, GREEDY, new Listener() {
            @Override
            public void prompt(int read, int total) {
                assertThat(total).isEqualTo(prompt.length);
                progress.add(read);
            }

            @Override
            public void text(String piece) {
                heard.append(piece);
            }
        });
        assertThat(heard).hasToString(completion.text());
        assertThat(progress).startsWith(0).endsWith(prompt.length).isSorted();
    }

    @Test
    void theSameSeedGivesTheSameAnswerAndAnotherSeedAnother() {
        SamplingOptions options =
                SamplingOptions.builder().maxTokens(24).seed(7L).build();
        String once = engine.newSession()
                .generate(prompt("x"), options, Listener.NONE)
                .text();
        String again = engine.newSession()
                .generate(prompt("x"), options, Listener.NONE)
                .text();
        String other = engine.newSession()
                .generate(prompt("x"), options.toBuilder().seed(8L).build(), Listener.NONE)
                .text();
        assertThat(again).isEqualTo(once);
        assertThat(other).isNotEqualTo(once);
    }

    @ParameterizedTest
    @ValueSource(strings = {"plain", "vector", "x86"})
    void answersAreTheSameWithAllLogitsAndWithTheNeededOnes(String backend) {
        assumeTrue(
                Backends.all().stream()
                        .anyMatch(provider -> provider.name().equals(backend)
                                && provider.unavailable().isEmpty()),
                () -> "not run: no back end " + backend);
        Path model = Golden.shipped("dense-text/checkpoint-bf16-sharded");
        try (Engine all = Engine.open(
                        model, new Engine.Options(backend, 2, false, null, 600, true, VisionOptions.DEFAULT));
                Engine needed = Engine.open(
                        model, new Engine.Options(backend, 2, false, null, 600, false, VisionOptions.DEFAULT))) {
            assertThat(all.shortensLogits()).isFalse();
            assertThat(needed.shortensLogits()).isTrue();
            Map<Integer, Float> noEnd = new HashMap<>();
            all.stopIds().forEach(id -> noEnd.put(id, Float.NEGATIVE_INFINITY));
            SamplingOptions greedy = SamplingOptions.GREEDY.toBuilder()
                    .logitBias(noEnd)
                    .maxTokens(100)
                    .seed(3L)
                    .build();
            for (SamplingOptions options : List.of(
                    greedy,
                    greedy.toBuilder().presencePenalty(1.5).build(),
                    greedy.toBuilder().temperature(0.8).topK(5).build(),
                    greedy.toBuilder()
                            .temperature(1)
                            .topK(20)
                            .topP(0.95)
                            .repetitionPenalty(1.1)
                            .build())) {
                String expected = all.newSession()
                        .generate(prompt("hello there"), options, Listener.NONE)
                        .text();
                assertThat(needed.newSession()
                                .generate(prompt("hello there"), options, Listener.NONE)
                                .text())
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void aStopStringEndsTheAnswerBeforeItself() {
        String whole = engine.newSession()
                .generate(prompt("abc"), GREEDY, Listener.NONE)
                .text();
        assertThat(whole.length()).isGreaterThan(6);
        String stop = whole.substring(4, 6);
        SamplingOptions options = GREEDY.toBuilder().stop(List.of(stop)).build();
        Completion completion = engine.newSession().generate(prompt("abc"), options, Listener.NONE);
        assertThat(completion.finishReason()).isEqualTo(Completion.FinishReason.STOP_STRING);
        assertThat(completion.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    }

    @Test
    void anAnswerEndsAtItsLongestLengthAndAtTheEndOfTheContext() {
        Completion completion = engine.newSession()
                .generate(prompt("abc"), GREEDY.toBuilder().maxTokens(3).build(), Listener.NONE);
        assertThat(completion.tokens()).isEqualTo(3);
        assertThat(completion.finishReason()).isEqualTo(Completion.FinishReason.LENGTH);
        int[] nearlyFull = Arrays.copyOf(prompt("abc ".repeat(600)), 595);
        Map<Integer, Float> noEnd = new HashMap<>();
        engine.stopIds().forEach(id -> noEnd.put(id, Float.NEGATIVE_INFINITY));
        SamplingOptions endless = GREEDY.toBuilder().logitBias(noEnd).build();
        Completion full = engine.newSession().generate(nearlyFull, endless, Listener.NONE);
        assertThat(full.finishReason()).isEqualTo(Completion.FinishReason.CONTEXT_FULL);
        assertThat(full.tokens()).isEqualTo(5);
    }

    @Test
    void aCancelledPromptGoesOnWhereItStopped() {
        Session session = engine.newSession();
        int[] prompt = Arrays.copyOf(prompt("abc ".repeat(600)), 560);
        Completion cancelled = session.generate(prompt, GREEDY, new Listener() {
            private boolean readSome;

            @Override
            public void prompt(int read, int total) {
                readSome = read > 0;
            }

            @Override
            public boolean isCancelled() {
                return readSome;
            }
        });
        assertThat(cancelled.finishReason()).isEqualTo(Completion.FinishReason.CANCELLED);
        assertThat(cancelled.tokens()).isZero();
        Completion again = session.generate(prompt, GREEDY, Listener.NONE);
        assertThat(again.cachedTokens()).isEqualTo(256);
        assertThat(again.text())
                .isEqualTo(engine.newSession()
                        .generate(prompt, GREEDY, Listener.NONE)
                        .text());
    }

    @Test
    void promptsThatCannotBeAnsweredAreRefusedInWords() {
        Session session = engine.newSession();
        assertThatThrownBy(() -> session.generate(new int[0], GREEDY, Listener.NONE))
                .hasMessageContaining("empty");
        assertThatThrownBy(() -> session.generate(new int[600], GREEDY, Listener.NONE))
                .hasMessageContaining("600 tokens")
                .hasMessageContaining("context of 600");
    }
}
