package dev.jwen.engine;

import dev.jwen.generate.Sampler;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.model.ModelInput;
import dev.jwen.model.State;
import java.util.List;
import java.util.Objects;

/**
 * One stream of tokens that remembers what it has read.
 *
 * <p>Each {@link #generate} takes a whole prompt. What earlier prompts and answers of this session have in common with
 * it is not read again: the session keeps its state at the end of each answer and at the place in each prompt where the
 * last message begins, because chat templates rewrite what follows that place when the conversation goes on.
 */
public final class Session implements AutoCloseable {
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
        try (Generation generation = begin(prompt, options, listener)) {
            while (generation.completion() == null) {
                Generation.advance(engine, List.of(generation));
            }
            return Objects.requireNonNull(generation.completion());
        }
    }

    /**
     * Begins to answer a prompt; whoever calls advances the answer to its end before another begins, and closes it.
     *
     * @throws IllegalArgumentException if the prompt is empty or leaves no room in the context
     */
    Generation begin(ModelInput prompt, SamplingOptions options, Listener listener) {
        checkRoom(prompt.length());
        State known = states.longest(prompt);
        State state = known == null ? engine.network().newState(engine.kvType()) : known;
        return new Generation(
                engine, sampler, states, prompt, state, lastMessageStart(prompt.ids()), options, listener);
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
