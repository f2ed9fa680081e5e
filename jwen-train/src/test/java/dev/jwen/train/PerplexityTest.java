package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.engine.Engine;
import dev.jwen.model.Batch;
import dev.jwen.model.State;
import dev.jwen.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PerplexityTest {
    private static final String TEXT = "The model reads a text, größer als ein window of it: <|im_end|> is text too.";

    private Engine engine;

    @BeforeAll
    void open() {
        engine = Engine.open(
                Path.of("../jwen-core/src/test/resources/golden/dense-text/checkpoint-bf16-sharded"),
                new Engine.Options("plain", 1, true, null, 0));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    private Perplexity perplexity(int context, int stride) {
        return Perplexity.of(
                engine.network(), engine.tokenizer(), engine.kvType(), TEXT, context, stride, scored -> {});
    }

    /** The same by the definition: a state of its own for every token, which reads what its window holds before it. */
    private double nats(int[] ids, int context, int stride) {
        double nats = 0;
        for (int token = 1; token < ids.length; token++) {
            int from = 0;
            while (from + context <= token) {
                from += stride;
            }
            Batch batch = new Batch();
            try (State state = engine.network().newState(engine.kvType())) {
                batch.add(state, Arrays.copyOfRange(ids, from, token), Batch.Logits.LAST);
                Tensor logits = engine.network().forward(batch);
                int vocabulary = Math.toIntExact(logits.columns());
                float[] row = new float[vocabulary];
                logits.decode(0, 0, vocabulary, row, 0);
                double sum = 0;
                for (float logit : row) {
                    sum += Math.exp(logit);
                }
                nats += Math.log(sum) - row[ids[token]];
            }
        }
        return nats;
    }

    @Test
    void everyTokenIsScoredOnceFromWhatItsFirstWindowHolds() {
        int[] ids = engine.tokenizer().encodeUntrusted(TEXT);
        assertThat(ids.length).isGreaterThan(40);
        for (int[] window : new int[][] {{1000, 500}, {ids.length, 1}, {16, 5}, {16, 15}, {2, 1}, {17, 16}}) {
            Perplexity result = perplexity(window[0], window[1]);
            assertThat(result.tokens()).isEqualTo(ids.length - 1);
            assertThat(result.nats())
                    .as("windows of %d, stride %d", window[0], window[1])
                    .isCloseTo(nats(ids, window[0], window[1]), within(1e-2));
        }
    }

    @Test
    void bitsAreCountedByTheBytesOfTheText() {
        Perplexity result = perplexity(1000, 500);
        int[] ids = engine.tokenizer().encodeUntrusted(TEXT);
        int first = engine.tokenizer().bytes(ids[0]).length;
        assertThat(result.bytes()).isEqualTo(TEXT.getBytes(StandardCharsets.UTF_8).length - first);
        assertThat(result.bitsPerByte() * result.bytes())
                .isCloseTo(Math.log(result.perplexity()) / Math.log(2) * result.tokens(), within(1e-6));
    }

    @Test
    void progressEndsWithAllTokens() {
        List<Integer> scored = new ArrayList<>();
        Perplexity.of(engine.network(), engine.tokenizer(), engine.kvType(), TEXT, 16, 8, scored::add);
        assertThat(scored).isSorted().last().isEqualTo(engine.tokenizer().encodeUntrusted(TEXT).length);
    }

    @Test
    void whatCannotBeScoredIsRefused() {
        assertThatThrownBy(() ->
                        Perplexity.of(engine.network(), engine.tokenizer(), engine.kvType(), "a", 16, 8, scored -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 tokens");
        assertThatThrownBy(() -> perplexity(16, 16)).hasMessageContaining("stride of 16");
        assertThatThrownBy(() -> perplexity(1, 1)).hasMessageContaining("windows of 1");
    }
}
