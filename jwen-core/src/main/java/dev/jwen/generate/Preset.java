package dev.jwen.generate;

/**
 * The sampling that the makers of Qwen 3.5 recommend, by size, mode and task.
 *
 * <p>Source: the model cards. For the small models only {@link #SMALL_INSTRUCT} is confirmed by a second source.
 */
public enum Preset {
    /** From 4B, thinking, everything but code. */
    THINKING(1.0, 0.95, 20, 1.5),
    /** From 4B, thinking, precise coding. */
    THINKING_CODING(0.6, 0.95, 20, 0),
    /** From 4B, no thinking, everything but reasoning. */
    INSTRUCT(0.7, 0.8, 20, 1.5),
    /** From 4B, no thinking, reasoning. */
    INSTRUCT_REASONING(1.0, 1.0, 40, 2.0),
    /** 0.8B and 2B, thinking, everything but code. */
    SMALL_THINKING(1.0, 0.95, 20, 1.5),
    /** 0.8B and 2B, thinking, precise coding. */
    SMALL_THINKING_CODING(0.6, 0.95, 20, 0),
    /** 0.8B and 2B, no thinking. */
    SMALL_INSTRUCT(1.0, 1.0, 20, 2.0);

    /** What the answer is for. */
    public enum Task {
        GENERAL,
        CODING,
        REASONING
    }

    // The largest small model has 2.3 billion parameters, the next one 4.5.
    private static final long SMALL_BELOW = 3_000_000_000L;

    @SuppressWarnings("ImmutableEnumChecker") // a record whose collections are unmodifiable copies
    private final SamplingOptions options;

    Preset(double temperature, double topP, int topK, double presencePenalty) {
        options = SamplingOptions.builder()
                .temperature(temperature)
                .topP(topP)
                .topK(topK)
                .presencePenalty(presencePenalty)
                .build();
    }

    public SamplingOptions options() {
        return options;
    }

    /** The preset for a model with this many parameters. */
    public static Preset of(long parameters, boolean thinking, Task task) {
        boolean small = parameters < SMALL_BELOW;
        if (thinking && task == Task.CODING) {
            return small ? SMALL_THINKING_CODING : THINKING_CODING;
        }
        if (thinking) {
            return small ? SMALL_THINKING : THINKING;
        }
        if (small) {
            return SMALL_INSTRUCT;
        }
        return task == Task.REASONING ? INSTRUCT_REASONING : INSTRUCT;
    }
}
