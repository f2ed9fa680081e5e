package dev.jwen.train;

import dev.jwen.model.Batch;
import dev.jwen.model.ModelInput;
import dev.jwen.model.Qwen35;
import dev.jwen.model.State;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import dev.jwen.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * How well a model predicts a text.
 *
 * <p>The text is read in windows that each begin {@code stride} tokens after the last, with nothing before them. Each
 * token but the first of the text is scored once, in the first window that holds it and lets it be predicted: so all but
 * the tokens of the first window are predicted from at least {@code context - stride} tokens before them. The smaller the
 * stride, the closer to reading the text as one, and the slower.
 *
 * <p>Perplexity depends on the vocabulary. Bits a byte do not: two models with different tokenizers can be compared by them.
 *
 * @param nats the negative logarithms of the probabilities of all scored tokens, summed
 * @param tokens how many were scored
 * @param bytes of text that they stand for, in UTF-8
 */
public record Perplexity(double nats, long tokens, long bytes) {
    /** Tokens in one forward pass: as many as their logits fit in memory for. */
    private static final int MAX_LOGITS = 1 << 24;

    private static final int CHUNK = 512;

    /** The exponential of the mean of {@link #nats} over the tokens. */
    public double perplexity() {
        return Math.exp(nats / tokens);
    }

    /** {@link #nats} as bits, divided by the bytes. */
    public double bitsPerByte() {
        return nats / Math.log(2) / bytes;
    }

    /**
     * Scores a text.
     *
     * @param text is taken literally: what looks like a control token is not one
     * @param context tokens in a window, at least 2
     * @param stride from the beginning of a window to the next, 1 to {@code context - 1}
     * @param progress hears how many tokens of the text are scored
     * @throws IllegalArgumentException if the text has fewer than two tokens or a number is out of range
     */
    public static Perplexity of(
            Qwen35 network,
            Tokenizer tokenizer,
            DataType kvType,
            String text,
            int context,
            int stride,
            IntConsumer progress) {
        return of(network, tokenizer, kvType, tokenizer.encodeUntrusted(text), context, stride, progress);
    }

    /** Scores a text of these tokens, see above. */
    public static Perplexity of(
            Qwen35 network,
            Tokenizer tokenizer,
            DataType kvType,
            int[] ids,
            int context,
            int stride,
            IntConsumer progress) {
        if (ids.length < 2) {
            throw new IllegalArgumentException(
                    "the text has %d tokens; at least two are needed, as the first has nothing to be predicted from"
                            .formatted(ids.length));
        }
        if (context < 2 || stride < 1 || stride >= context) {
            throw new IllegalArgumentException(
                    "windows of %d tokens with a stride of %d: expected at least 2 tokens and a stride from 1 to one less than them"
                            .formatted(context, stride));
        }
        double nats = 0;
        int scored = 1;
        for (int from = 0; scored < ids.length; from += stride) {
            int to = Math.min(ids.length, from + context);
            int[] window = Arrays.copyOfRange(ids, from, to);
            try (State state = network.newState(kvType)) {
                nats += nats(network, state, window, scored - from, progress, scored);
            }
            scored = to;
        }
        long bytes = 0;
        for (int i = 1; i < ids.length; i++) {
            bytes += tokenizer.bytes(ids[i]).length;
        }
        return new Perplexity(nats, ids.length - 1L, bytes);
    }

    /** Of the tokens of a window from {@code first} on. */
    private static double nats(
            Qwen35 network, State state, int[] window, int first, IntConsumer progress, int scoredBefore) {
        int vocabulary = network.config().vocabSize();
        int rows = Math.clamp(MAX_LOGITS / vocabulary, 1, CHUNK);
        ModelInput input = ModelInput.text(window);
        float[] logits = new float[vocabulary];
        double nats = 0;
        // The last token predicts what is beyond the window.
        int end = window.length - 1;
        while (state.length() < end) {
            int from = state.length();
            boolean isContext = from < first - 1;
            int to = isContext ? Math.min(first - 1, from + CHUNK) : Math.min(end, from + rows);
            Batch batch = new Batch();
            batch.add(state, input, from, to, isContext ? Batch.Logits.NONE : Batch.Logits.ALL);
            Tensor predicted = network.forward(batch);
            if (!isContext) {
                for (int i = from; i < to; i++) {
                    predicted.decode(i - from, 0, vocabulary, logits, 0);
                    nats -= logProbability(logits, window[i + 1]);
                }
                progress.accept(scoredBefore + to - (first - 1));
            }
        }
        return nats;
    }

    private static double logProbability(float[] logits, int token) {
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return logits[token] - max - Math.log(sum);
    }
}
