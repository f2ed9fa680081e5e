package dev.jwen.train;

import dev.jwen.model.Config;
import dev.jwen.model.Config.LayerType;
import dev.jwen.model.Grid;
import dev.jwen.model.ModelInput;
import dev.jwen.model.RopeParameters;
import dev.jwen.model.VisionConfig;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Networks small enough to try every parameter of, with both mixers, and documents for them. */
final class Tiny {
    static final int VOCABULARY = 40;

    /** Tokens that exist; the rows above are padding. */
    static final int TOKENS = 37;

    static final int HIDDEN = 32;
    private static final int PICTURE = 36;
    static final ModelInput.Placeholders PLACEHOLDERS = new ModelInput.Placeholders(PICTURE, 35);

    private Tiny() {}

    static Config dense() {
        return config(true, VOCABULARY, HIDDEN, 48, 0);
    }

    /** Two layers, both delta nets. */
    static Config deltas() {
        LayerType delta = LayerType.LINEAR_ATTENTION;
        return config(List.of(delta, delta), true, VOCABULARY, HIDDEN, 48, 0);
    }

    /** Six experts of which two are chosen, and a head of its own. */
    static Config moe() {
        return config(false, VOCABULARY, HIDDEN, 0, 6);
    }

    static Config config(boolean tied, int vocabulary, int hidden, int intermediate, int experts) {
        LayerType delta = LayerType.LINEAR_ATTENTION;
        return config(List.of(delta, LayerType.FULL_ATTENTION, delta), tied, vocabulary, hidden, intermediate, experts);
    }

    private static Config config(
            List<LayerType> layers, boolean tied, int vocabulary, int hidden, int intermediate, int experts) {
        return new Config(
                hidden,
                layers.size(),
                vocabulary,
                tied,
                1e-6f,
                1024,
                layers,
                4,
                2,
                16,
                new RopeParameters(10_000, 8, List.of(2, 1, 1), RopeParameters.Yarn.NONE),
                2,
                4,
                8,
                12,
                4,
                false,
                intermediate,
                experts,
                experts == 0 ? 0 : 2,
                experts == 0 ? 0 : 20,
                experts == 0 ? 0 : 24,
                0);
    }

    static VisionConfig tower() {
        return tower(HIDDEN);
    }

    static VisionConfig tower(int out) {
        return new VisionConfig(2, 24, 2, 40, 3, 16, 2, 16, out, 1e-6f);
    }

    /** Parameters none of which is zero, as they would be before the first step. */
    static Parameters parameters(Config config, boolean sees, long seed) {
        Parameters parameters = new Parameters(config, sees ? tower(config.hiddenSize()) : null);
        SplittableRandom random = new SplittableRandom(seed);
        parameters.initialise(random);
        for (Parameter parameter : parameters.all()) {
            Tensor value = parameter.value();
            float[] values = value.toFloats();
            for (int i = 0; i < values.length; i++) {
                // Decays that a few tokens feel, and embeddings as small as the rest: slopes must stand out of
                // roundings.
                if (parameter.name().endsWith("dt_bias")) {
                    values[i] = -3 + 2f * i / values.length;
                } else if (parameter.name().equals("embed_tokens.weight")) {
                    values[i] /= 15;
                }
                values[i] += (float) (0.1 * random.nextGaussian());
            }
            value.copyFrom(Tensor.f32(values, value.shape()));
        }
        parameters.refresh();
        return parameters;
    }

    /** Random tokens, most of them targets, some of these counting half. */
    static Document text(SplittableRandom random, int length) {
        int[] ids = random.ints(length, 0, 35).toArray();
        float[] weights = new float[length];
        for (int t = 0; t < length; t++) {
            weights[t] = random.nextInt(4) == 0 ? 0 : random.nextInt(4) == 0 ? 0.5f : 1;
        }
        weights[length - 1] = 1;
        return new Document(ids, weights, List.of());
    }

    /** Text before, between and after random pictures of these numbers of patches high and wide. */
    static Document pictures(SplittableRandom random, int... sides) {
        List<Picture> pictures = new ArrayList<>();
        List<Integer> ids = new ArrayList<>(List.of(1, 2, 3));
        for (int i = 0; i < sides.length; i += 2) {
            Grid grid = new Grid(1, sides[i], sides[i + 1]);
            pictures.add(new Picture(grid, patches(random, grid)));
            for (int token = 0; token < grid.tokens(); token++) {
                ids.add(PICTURE);
            }
            ids.addAll(List.of(random.nextInt(35), random.nextInt(35)));
        }
        ids.addAll(List.of(random.nextInt(35), random.nextInt(35), random.nextInt(35)));
        float[] weights = new float[ids.size()];
        for (int t = ids.size() - 4; t < ids.size(); t++) {
            weights[t] = 1;
        }
        return new Document(ids.stream().mapToInt(Integer::intValue).toArray(), weights, pictures);
    }

    private static Tensor patches(SplittableRandom random, Grid grid) {
        float[] values = new float[grid.patches() * tower().patchValues()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-1, 1);
        }
        return Tensor.f32(values, grid.patches(), tower().patchValues());
    }
}
