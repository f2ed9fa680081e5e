package dev.jwen.model;

import java.util.List;

/**
 * How positions turn into rotations of queries and keys.
 *
 * @param theta base of the frequencies
 * @param rotaryDim values of a head that rotate, an even number
 * @param mropeSection how many of the frequencies belong to time, height and width; three numbers
 * @param yarn stretching of long contexts, or {@link Yarn#NONE}
 */
public record RopeParameters(double theta, int rotaryDim, List<Integer> mropeSection, Yarn yarn) {

    /**
     * YaRN: low frequencies are divided by {@code factor}, high ones kept, with a ramp between, and cos and sin grow by
     * {@code attentionFactor}.
     *
     * @param betaFast turns within the original length above which a frequency is kept
     * @param betaSlow turns below which it is divided in full
     * @see <a href="https://arxiv.org/abs/2309.00071">YaRN</a>, section 3
     */
    public record Yarn(
            double factor,
            int originalMaxPositionEmbeddings,
            double betaFast,
            double betaSlow,
            double attentionFactor) {
        public static final Yarn NONE = new Yarn(1, 1, 32, 1, 1);
    }

    public RopeParameters {
        mropeSection = List.copyOf(mropeSection);
    }

    /** Reads {@code rope_parameters} (or the older {@code rope_scaling}) and the fields that may stand beside it. */
    static RopeParameters of(ConfigFields config, int headDim) {
        ConfigFields rope = config.object(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
        double theta = rope.number("rope_theta", 0, config.number("rope_theta", 0, 1e7));
        double partial = rope.number("partial_rotary_factor", 0, config.number("partial_rotary_factor", 0, 0.25));
        int rotaryDim = (int) Math.round(headDim * partial);
        if (rotaryDim < 2 || rotaryDim > headDim || rotaryDim % 2 != 0) {
            throw rope.wrong(
                    "partial_rotary_factor",
                    "a factor that makes an even number of at most %d values".formatted(headDim),
                    partial);
        }
        List<Integer> section = rope.counts("mrope_section", defaultSection(rotaryDim / 2));
        if (section.size() == 4 && section.get(3) == 0) {
            section = section.subList(0, 3);
        }
        int sum = section.stream().mapToInt(Integer::intValue).sum();
        if (section.size() != 3 || sum != rotaryDim / 2) {
            throw rope.wrong("mrope_section", "three numbers with the sum " + rotaryDim / 2, section);
        }
        return new RopeParameters(theta, rotaryDim, section, yarn(rope, config));
    }

    private static List<Integer> defaultSection(int frequencies) {
        int third = frequencies / 3;
        return List.of(frequencies - 2 * third, third, third);
    }

    private static Yarn yarn(ConfigFields rope, ConfigFields config) {
        String type = rope.text("rope_type", rope.text("type", "default"));
        return switch (type) {
            case "default", "mrope" -> Yarn.NONE;
            case "yarn" -> {
                double factor = rope.number("factor", 0, 1);
                int original = rope.count(
                        "original_max_position_embeddings",
                        1,
                        1 << 30,
                        config.count("max_position_embeddings", 1, 1 << 30, 262_144));
                double attention = rope.number("attention_factor", 0, factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1);
                yield new Yarn(
                        factor, original, rope.number("beta_fast", 0, 32), rope.number("beta_slow", 0, 1), attention);
            }
            default -> throw rope.wrong("rope_type", "default or yarn", type);
        };
    }
}
