package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.model.Config;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ParametersTest {
    private static final Path SHIPPED =
            Path.of("../jwen-core/src/test/resources/golden/dense-text/checkpoint-bf16-sharded");

    private static Parameters initialised(long seed) {
        Parameters parameters = new Parameters(Tiny.dense(), Tiny.tower());
        parameters.initialise(new SplittableRandom(seed));
        return parameters;
    }

    private static List<float[]> values(Parameters parameters) {
        List<float[]> values = new ArrayList<>();
        parameters.all().forEach(parameter -> values.add(parameter.value().toFloats()));
        return values;
    }

    private static double deviation(Parameters parameters, String name) {
        float[] values = parameters.get(name).value().toFloats();
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum / values.length);
    }

    @Test
    void theSameSeedGivesTheSameValues() {
        assertThat(values(initialised(5)))
                .usingElementComparator(Arrays::compare)
                .isEqualTo(values(initialised(5)))
                .isNotEqualTo(values(initialised(6)));
    }

    @Test
    void matricesStartByTheNumberOfTheirInputs() {
        Parameters parameters = initialised(5);
        double inputs = 0.8 / Math.sqrt(32);
        assertThat(deviation(parameters, "layers.0.mlp.up_proj.weight")).isCloseTo(inputs, within(0.1 * inputs));
        assertThat(deviation(parameters, "layers.1.self_attn.q_proj.weight")).isCloseTo(inputs, within(0.1 * inputs));
        double down = 0.8 / Math.sqrt(48) / Math.sqrt(2 * 3); // written to the stream by six blocks
        assertThat(deviation(parameters, "layers.2.mlp.down_proj.weight")).isCloseTo(down, within(0.1 * down));
        double tower = 0.8 / Math.sqrt(40) / Math.sqrt(2 * 2);
        assertThat(deviation(parameters, "visual.blocks.1.mlp.linear_fc2.weight"))
                .isCloseTo(tower, within(0.1 * tower));
        double patch = 0.05 / Math.sqrt(1536);
        assertThat(deviation(parameters, "visual.patch_embed.proj.weight")).isCloseTo(patch, within(0.1 * patch));
        assertThat(deviation(parameters, "embed_tokens.weight")).isCloseTo(0.3, within(0.03));
    }

    @Test
    void theTowerStartsWithWaves() {
        Parameters parameters = initialised(5);
        requireSmooth(parameters.get("visual.patch_embed.proj.weight").value().toFloats(), 1, 16);
        Tensor positions = parameters.get("visual.pos_embed.weight").value();
        int width = (int) positions.columns();
        int side = (int) Math.round(Math.sqrt((double) positions.rows()));
        requireSmooth(positions.toFloats(), width, side);
        assertThat(deviation(parameters, "visual.pos_embed.weight")).isCloseTo(0.7, within(0.15));
    }

    /** Neighbours in a row differ much less than values do: noise would differ by √2 deviations. */
    private static void requireSmooth(float[] values, int step, int side) {
        double squares = 0;
        double differences = 0;
        int pairs = 0;
        for (int i = 0; i < values.length; i++) {
            squares += (double) values[i] * values[i];
            if (i / step % side != side - 1) {
                double difference = values[i + step] - values[i];
                differences += difference * difference;
                pairs++;
            }
        }
        assertThat(Math.sqrt(differences / pairs / (squares / values.length))).isBetween(0.01, 1.1);
    }

    @Test
    void normsStartAsFactorsOfOne() {
        Parameters parameters = initialised(5);
        for (String name : List.of(
                "norm.weight",
                "layers.0.input_layernorm.weight",
                "layers.0.linear_attn.norm.weight",
                "visual.blocks.0.norm1.weight",
                "visual.merger.norm.weight")) {
            assertThat(parameters.get(name).used().toFloats()).as(name).containsOnly(1);
        }
        assertThat(parameters.get("norm.weight").value().toFloats()).containsOnly(0);
        assertThat(parameters.get("layers.1.self_attn.q_norm.weight").used().toFloats())
                .containsOnly(1.6f);
        assertThat(parameters.get("visual.blocks.0.attn.qkv.bias").value().toFloats())
                .containsOnly(0);
    }

    @Test
    void decaysAreThoseOfShortAndOfLongMemories() {
        Parameters parameters = initialised(5);
        float[] rates = parameters.get("layers.0.linear_attn.A_log").used().toFloats();
        assertThat(rates).hasSize(4);
        for (float rate : rates) {
            assertThat(rate).isBetween(-2f, -0.01f);
        }
        for (float bias : parameters.get("layers.0.linear_attn.dt_bias").value().toFloats()) {
            assertThat(Math.log1p(Math.exp(bias))).isBetween(0.00099, 0.101); // softplus
        }
    }

    @Test
    void queriesAndKeysBeginAlike() {
        Config config = Tiny.dense();
        Parameters parameters = initialised(5);
        Tensor queries = parameters.get("layers.1.self_attn.q_proj.weight").value();
        Tensor keys = parameters.get("layers.1.self_attn.k_proj.weight").value();
        int dim = config.headDim();
        int group = config.numAttentionHeads() / config.numKeyValueHeads();
        for (int head = 0; head < config.numAttentionHeads(); head++) {
            assertThat(queries.rows(2L * head * dim, dim).toFloats())
                    .isEqualTo(keys.rows((long) (head / group) * dim, dim).toFloats())
                    .isNotEqualTo(queries.rows((2L * head + 1) * dim, dim).toFloats());
        }
        Tensor delta = parameters.get("layers.0.linear_attn.in_proj_qkv.weight").value();
        long width = (long) config.deltaHeads().keyHeads() * config.deltaHeads().keyDim();
        assertThat(delta.rows(0, width).toFloats())
                .isEqualTo(delta.rows(width, width).toFloats());
    }

    @Test
    void headsOfADeltaNetReadEarlierKeysOrEarlierValues() {
        Parameters parameters = new Parameters(Tiny.deltas(), null);
        parameters.initialise(new SplittableRandom(5));
        DeltaHeads heads = Tiny.deltas().deltaHeads();
        long keys = (long) heads.keyHeads() * heads.keyDim();
        long values = (long) heads.valueHeads() * heads.valueDim();
        for (int layer = 0; layer < 2; layer++) {
            Tensor taps = parameters
                    .get("layers." + layer + ".linear_attn.conv1d.weight")
                    .value();
            requireBack(taps.rows(0, keys), heads.keyDim(), false);
            requireBack(taps.rows(keys, keys), heads.keyDim(), layer == 0);
            requireBack(taps.rows(2 * keys, values), heads.valueDim(), layer == 1);
        }
    }

    /** On average over the channels of a head, one tap is 0.5 and the others 0: that of the token itself, or of an earlier one. */
    private static void requireBack(Tensor taps, int dim, boolean isEarlier) {
        int reach = (int) taps.columns();
        for (int head = 0; head < taps.rows() / dim; head++) {
            int back = isEarlier ? head % reach : 0;
            for (int tap = 0; tap < reach; tap++) {
                double mean = 0;
                for (int channel = head * dim; channel < (head + 1) * dim; channel++) {
                    mean += taps.get(channel, tap) / dim;
                }
                assertThat(mean).isCloseTo(tap == reach - 1 - back ? 0.5 : 0, within(0.15));
            }
        }
    }

    @Test
    void theConvolutionStartsNearTheIdentityAndIsUsedTurned() {
        Parameter kernel = initialised(5).get("layers.0.linear_attn.conv1d.weight");
        int channels = Math.toIntExact(kernel.value().rows());
        double last = 0;
        for (int channel = 0; channel < channels; channel++) {
            last += kernel.value().get(channel, 3) / channels;
            for (int tap = 0; tap < 4; tap++) {
                assertThat(kernel.used().get(tap, channel))
                        .isEqualTo(kernel.value().get(channel, tap));
            }
        }
        assertThat(last).isCloseTo(0.5, within(0.05));
    }

    @Test
    void aTiedHeadIsTheTable() {
        Parameters tied = initialised(5);
        assertThat(tied.weights().lmHead()).isSameAs(tied.weights().embedTokens());
        assertThat(tied.gradients().lmHead()).isSameAs(tied.gradients().embedTokens());
        Parameters untied = new Parameters(Tiny.moe(), null);
        assertThat(untied.weights().lmHead())
                .isSameAs(untied.get("lm_head.weight").value());
    }

    @Test
    void everyTensorOfACheckpointIsAParameterByItsName() {
        try (Checkpoint checkpoint = Checkpoint.open(SHIPPED)) {
            Parameters parameters = new Parameters(Config.of(checkpoint), null);
            parameters.load(checkpoint);
            List<String> names = new ArrayList<>();
            parameters.all().forEach(parameter -> names.add(parameter.name()));
            assertThat(names).containsExactlyInAnyOrderElementsOf(checkpoint.names());
            assertThat(parameters.get("layers.0.linear_attn.A_log").value().toFloats())
                    .isEqualTo(checkpoint.tensor("layers.0.linear_attn.A_log").toFloats());
        }
    }
}
