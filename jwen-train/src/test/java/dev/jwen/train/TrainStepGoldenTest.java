package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.PlainGradients;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.model.Config;
import dev.jwen.model.ModelInput;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Loss and gradients of one batch, against an independent implementation. */
class TrainStepGoldenTest {
    private static final double BALANCE = 0.001;

    @ParameterizedTest
    @ValueSource(strings = {"dense-text", "moe-text"})
    void lossAndGradientsAreThoseOfTheReference(String model) {
        try (Golden golden = new Golden("golden/" + model + "/cases/train-step");
                Checkpoint checkpoint = Checkpoint.open(Golden.shared("golden/" + model + "/checkpoint"));
                PlainKernels kernels = new PlainKernels(2);
                PlainGradients gradients = new PlainGradients()) {
            Config config = Config.of(checkpoint);
            Parameters parameters = new Parameters(config, null);
            parameters.load(checkpoint);
            try (Network network =
                    new Network(config, null, parameters, kernels, gradients, config.vocabSize(), BALANCE)) {
                Packed batch = new Packed(documents(golden), ModelInput.Placeholders.NONE);
                double scale = 1.0 / batch.targets().length;
                float[] logProbabilities = network.train(batch, scale, 1);
                parameters.collect();

                double loss = network.balanceLoss() * (config.isMoe() ? 1 : 0);
                for (float logProbability : logProbabilities) {
                    loss -= logProbability * scale;
                }
                assertThat(loss).isCloseTo(golden.facts().get("loss").asDouble(), within(2e-5));
                int compared = 0;
                for (Map.Entry<String, JsonNode> norm :
                        golden.facts().get("grad_l2_norm").properties()) {
                    Parameter parameter = parameters.get(norm.getKey().replaceFirst("^model\\.", ""));
                    double expected = norm.getValue().asDouble();
                    assertThat(norm(parameter.gradient().toFloats()))
                            .as(norm.getKey())
                            .isCloseTo(expected, within(1e-4 * expected + 1e-6));
                    if (golden.arrays().containsKey("grad." + norm.getKey())) {
                        requireClose(
                                norm.getKey(), parameter.gradient().toFloats(), golden.floats("grad." + norm.getKey()));
                        compared++;
                    }
                }
                assertThat(compared).isGreaterThan(20);
            }
        }
    }

    private static List<Document> documents(Golden golden) {
        List<Document> documents = new ArrayList<>();
        for (int row = 0; row < 2; row++) {
            int[] labels = golden.row("labels", row);
            float[] weights = new float[labels.length];
            for (int t = 0; t < labels.length; t++) {
                weights[t] = labels[t] == -100 ? 0 : 1;
            }
            documents.add(new Document(golden.row("input_ids", row), weights, List.of()));
        }
        return documents;
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static void requireClose(String name, float[] found, float[] expected) {
        double difference = 0;
        for (int i = 0; i < expected.length; i++) {
            difference = Math.max(difference, Math.abs(found[i] - expected[i]));
        }
        assertThat(found).as(name).hasSameSizeAs(expected);
        assertThat(difference).as(name).isLessThan(1e-4 * norm(expected) + 1e-7);
    }
}
