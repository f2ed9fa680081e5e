package dev.jwen.engine;

import dev.jwen.generate.History;
import dev.jwen.generate.Sampler;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.generate.StopStrings;
import dev.jwen.model.Batch;
import dev.jwen.model.ModelInput;
import dev.jwen.model.Shortlist;
import dev.jwen.model.State;
import dev.jwen.tensor.Tensor;
import dev.jwen.tokenizer.StreamingDecoder;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * An answer in the making. It does not run the network itself: it says what it reads next and takes the logits of it, so
 * any number of answers {@linkplain #advance advance together}.
 */
final class Generation implements AutoCloseable {
    private final Engine engine;
    private final Sampler sampler;
    private final PrefixStates states;
    private final ModelInput prompt;
    private final State state;
    private final SamplingOptions options;
    private final Listener listener;
    private final History history;
    private final RandomGenerator random;
    private final StreamingDecoder decoder;
    private final StopStrings stops;
    private final StringBuilder text = new StringBuilder();
    private final long start = System.nanoTime();
    private final int branch;
    private final int cached;
    private long firstToken;
    private @Nullable Completion completion;

    /**
     * An answer of which nothing is made yet.
     *
     * @param states take the state at {@code branch} and at the end
     * @param state has read a beginning of the prompt, or nothing; this generation closes it or gives it to {@code states}
     * @param branch where conversations part from this prompt, or 0 where they do not
     */
    Generation(
            Engine engine,
            Sampler sampler,
            PrefixStates states,
            ModelInput prompt,
            State state,
            int branch,
            SamplingOptions options,
            Listener listener) {
        this.engine = engine;
        this.sampler = sampler;
        this.states = states;
        this.prompt = prompt;
        this.state = state;
        this.branch = branch;
        this.cached = state.length();
        this.options = options;
        this.listener = listener;
        this.history = new History(prompt.ids());
        this.random = Sampler.random(options.seed() == null ? System.nanoTime() : options.seed());
        this.decoder = new StreamingDecoder(engine.tokenizer(), true);
        this.stops = new StopStrings(options.stop());
        listener.prompt(cached, prompt.length());
        stopIfCancelled();
    }

    /**
     * Takes every one of these that is not finished one step further: a chunk of its prompt or a token of its answer. They
     * must belong to one engine and be different.
     */
    static void advance(Engine engine, List<Generation> generations) {
        Batch batch = new Batch();
        boolean[] asks = new boolean[generations.size()];
        for (int i = 0; i < asks.length; i++) {
            asks[i] = !generations.get(i).isFinished() && generations.get(i).addTo(batch);
        }
        if (batch.size() == 0) {
            return;
        }
        Tensor logits = engine.network().forward(batch);
        int row = 0;
        for (int i = 0; i < asks.length; i++) {
            Generation generation = generations.get(i);
            if (asks[i]) {
                generation.take(logits, row++);
            } else if (!generation.isFinished()) {
                generation.continueReading();
            }
        }
    }

    boolean isFinished() {
        return completion != null;
    }

    /** What it came to; null before its end. */
    @Nullable
    Completion completion() {
        return completion;
    }

    /** Appends what is read next; whether that gives a row of logits. */
    private boolean addTo(Batch batch) {
        int read = state.length();
        if (read < prompt.length()) {
            int part = read < branch ? branch : prompt.length();
            int to = Math.min(part, read + engine.network().promptTokens());
            boolean isLast = to == prompt.length();
            batch.add(state, prompt, read, to, isLast ? Batch.Logits.LAST : Batch.Logits.NONE);
            return isLast;
        }
        batch.add(state, new int[] {history.token(history.length() - 1)}, Batch.Logits.LAST);
        Shortlist shortlist = engine.shortensLogits() ? sampler.shortlist(options, history) : null;
        if (shortlist != null) {
            batch.shorten(shortlist);
        }
        return true;
    }

    private void continueReading() {
        listener.prompt(state.length(), prompt.length());
        if (state.length() == branch) {
            states.keep(Arrays.copyOf(prompt.ids(), branch), prompt, state.fork());
        }
        stopIfCancelled();
    }

    /** Chooses the next token. */
    private void take(Tensor logits, int row) {
        if (history.length() == prompt.length()) {
            listener.prompt(prompt.length(), prompt.length());
        }
        int token = sampler.sample(logits, row, options, history, random);
        history.append(token);
        int answered = history.length() - prompt.length();
        firstToken = answered == 1 ? System.nanoTime() : firstToken;
        if (engine.stopIds().contains(token)) {
            finish(Completion.FinishReason.STOP);
            return;
        }
        say(stops.feed(decoder.feed(token)));
        if (stops.isStopped()) {
            finish(Completion.FinishReason.STOP_STRING);
        } else if (answered >= options.maxTokens()) {
            finish(Completion.FinishReason.LENGTH);
        } else if (history.length() >= engine.contextTokens()) {
            finish(Completion.FinishReason.CONTEXT_FULL);
        } else {
            stopIfCancelled();
        }
    }

    private void stopIfCancelled() {
        if (listener.isCancelled()) {
            finish(Completion.FinishReason.CANCELLED);
        }
    }

    private void finish(Completion.FinishReason reason) {
        if (reason != Completion.FinishReason.STOP_STRING) {
            say(stops.feed(decoder.finish()) + stops.finish());
        }
        int[] tokens = new int[state.length()];
        Arrays.setAll(tokens, history::token);
        states.keep(tokens, prompt, state);
        long end = System.nanoTime();
        int answered = history.length() - prompt.length();
        long promptEnd = answered == 0 ? end : firstToken;
        completion = new Completion(
                text.toString(), reason, prompt.length(), cached, answered, promptEnd - start, end - promptEnd);
    }

    private void say(String piece) {
        if (!piece.isEmpty()) {
            text.append(piece);
            listener.text(piece);
        }
    }

    /** Gives back the memory of an answer that is not finished, and does nothing else. */
    @Override
    public void close() {
        if (completion == null) {
            state.close();
        }
    }
}
