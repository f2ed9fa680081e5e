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
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * One stream of tokens that remembers what it has read.
 *
 * <p>Each {@link #generate} takes a whole prompt. What earlier prompts and answers of this session have in common with
 * it is not read again: the session keeps its state at the end of each answer and at the place in each prompt where the
 * last message begins, because chat templates rewrite what follows that place when the conversation goes on.
 */
public final class Session implements AutoCloseable {
    /** Prompt tokens in one forward pass: enough to keep the arithmetic units busy, few enough to stop in between. */
    private static final int CHUNK = 512;

    /** Earlier states kept: two for each of the last turns. */
    private static final int KEPT_STATES = 6;

    private final Engine engine;
    private final PrefixStates states = new PrefixStates(KEPT_STATES);
    private final Sampler sampler;
    private final int messageStart;

    Session(Engine engine) {
        this.engine = engine;
        this.sampler = new Sampler(engine.tokenizer().vocabularySize());
        this.messageStart = engine.tokenizer().id("<|im_start|>").orElse(-1);
    }

    /**
     * Reads a prompt and answers it.
     *
     * @throws IllegalArgumentException if the prompt is empty or leaves no room in the context
     */
    public Completion generate(int[] prompt, SamplingOptions options, Listener listener) {
        return generate(ModelInput.text(prompt), options, listener);
    }

    /**
     * Reads a prompt with pictures and answers it.
     *
     * @throws IllegalArgumentException if the prompt is empty or leaves no room in the context
     */
    public Completion generate(ModelInput prompt, SamplingOptions options, Listener listener) {
        checkRoom(prompt.length());
        long start = System.nanoTime();
        State known = states.longest(prompt);
        State state = known == null ? engine.network().newState(engine.kvType()) : known;
        try {
            return generate(prompt, state, start, options, listener);
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
    }

    private Completion generate(
            ModelInput prompt, State state, long start, SamplingOptions options, Listener listener) {
        int cached = state.length();
        int[] ids = prompt.ids();
        listener.prompt(cached, ids.length);
        int branch = lastMessageStart(ids);
        boolean whole = read(prompt, branch, state, Batch.Logits.NONE, listener) != null;
        if (whole && branch > cached) {
            states.keep(Arrays.copyOf(ids, branch), prompt, state.fork());
        }
        Tensor logits = whole ? read(prompt, ids.length, state, Batch.Logits.LAST, listener) : null;
        if (logits == null) {
            keep(ids, prompt, state);
            long nanos = System.nanoTime() - start;
            return new Completion("", Completion.FinishReason.CANCELLED, ids.length, cached, 0, nanos, 0);
        }
        return decode(prompt, cached, start, state, logits, options, listener);
    }

    /** Forgets everything that was read. */
    public void clear() {
        states.close();
    }

    /** Gives back the memory of everything that was read. */
    @Override
    public void close() {
        clear();
    }

    /** Bytes of the states that are kept. */
    public long sizeBytes() {
        return states.sizeBytes();
    }

    /** Reads the prompt up to {@code end} in chunks; the last logits, or null when the listener cancelled. */
    private @Nullable Tensor read(ModelInput prompt, int end, State state, Batch.Logits asked, Listener listener) {
        Tensor logits = NOTHING;
        while (state.length() < end) {
            if (listener.isCancelled()) {
                return null;
            }
            int from = state.length();
            int to = Math.min(end, from + CHUNK);
            Batch batch = new Batch();
            batch.add(state, prompt, from, to, to == end ? asked : Batch.Logits.NONE);
            logits = engine.network().forward(batch);
            listener.prompt(to, prompt.length());
        }
        return logits;
    }

    private static final Tensor NOTHING = Tensor.f32(0, 0);

    private Completion decode(
            ModelInput prompt,
            int cached,
            long start,
            State state,
            Tensor firstLogits,
            SamplingOptions options,
            Listener listener) {
        History history = new History(prompt.ids());
        RandomGenerator random = Sampler.random(options.seed() == null ? System.nanoTime() : options.seed());
        StreamingDecoder decoder = new StreamingDecoder(engine.tokenizer(), true);
        StopStrings stops = new StopStrings(options.stop());
        StringBuilder text = new StringBuilder();
        Tensor logits = firstLogits;
        long firstToken = 0;
        Completion.FinishReason reason = null;
        while (reason == null) {
            int token = sampler.sample(logits, 0, options, history, random);
            history.append(token);
            int answered = history.length() - prompt.length();
            firstToken = answered == 1 ? System.nanoTime() : firstToken;
            if (engine.stopIds().contains(token)) {
                reason = Completion.FinishReason.STOP;
                break;
            }
            say(stops.feed(decoder.feed(token)), text, listener);
            if (stops.isStopped()) {
                reason = Completion.FinishReason.STOP_STRING;
            } else if (answered >= options.maxTokens()) {
                reason = Completion.FinishReason.LENGTH;
            } else if (history.length() >= engine.contextTokens()) {
                reason = Completion.FinishReason.CONTEXT_FULL;
            } else if (listener.isCancelled()) {
                reason = Completion.FinishReason.CANCELLED;
            } else {
                Batch batch = new Batch();
                batch.add(state, new int[] {token}, Batch.Logits.LAST);
                Shortlist shortlist = engine.shortensLogits() ? sampler.shortlist(options, history) : null;
                if (shortlist != null) {
                    batch.shorten(shortlist);
                }
                logits = engine.network().forward(batch);
            }
        }
        if (reason != Completion.FinishReason.STOP_STRING) {
            say(stops.feed(decoder.finish()) + stops.finish(), text, listener);
        }
        keep(tokens(history), prompt, state);
        return new Completion(
                text.toString(),
                reason,
                prompt.length(),
                cached,
                history.length() - prompt.length(),
                firstToken - start,
                System.nanoTime() - firstToken);
    }

    private static void say(String piece, StringBuilder text, Listener listener) {
        if (!piece.isEmpty()) {
            text.append(piece);
            listener.text(piece);
        }
    }

    /** Keeps the state, which has read a beginning of {@code tokens}. */
    private void keep(int[] tokens, ModelInput prompt, State state) {
        states.keep(Arrays.copyOf(tokens, state.length()), prompt, state);
    }

    private static int[] tokens(History history) {
        int[] tokens = new int[history.length()];
        Arrays.setAll(tokens, history::token);
        return tokens;
    }

    /** Where the last message of a chat prompt begins, or 0 when there is no such place. */
    private int lastMessageStart(int[] prompt) {
        int at = prompt.length - 1;
        while (at > 0 && prompt[at] != messageStart) {
            at--;
        }
        return at;
    }

    private void checkRoom(int length) {
        if (length == 0) {
            throw new IllegalArgumentException("the prompt is empty; give the model at least one token to continue");
        }
        if (length >= engine.contextTokens()) {
            throw new IllegalArgumentException(
                    "the prompt has %d tokens, which leaves no room for an answer in a context of %d; shorten it or raise the context"
                            .formatted(length, engine.contextTokens()));
        }
    }
}
