package dev.jwen.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import dev.jwen.kernel.PlainKernels;
import dev.jwen.model.Config;
import dev.jwen.model.Qwen35;
import dev.jwen.tensor.DataType;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TokenTrafficTest {
    private static final Path GOLDEN = Path.of("src/test/resources/golden");

    private static long bytes(Checkpoint checkpoint, String part) {
        return checkpoint.names().stream()
                .filter(name -> name.contains(part))
                .mapToLong(name -> checkpoint.tensor(name).sizeBytes())
                .sum();
    }

    @Test
    void ofTheExpertsOnlyTheChosenOnesAreRead() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("moe-vl/moe-vl-BF16.gguf"))) {
            Config config = Config.of(checkpoint);
            TokenTraffic traffic = TokenTraffic.of(checkpoint, config, DataType.BF16, false);
            double text = bytes(checkpoint, "") - bytes(checkpoint, "visual.") - bytes(checkpoint, "mtp.");
            double experts = bytes(checkpoint, ".mlp.experts.") - mtpExperts(checkpoint);
            double idle = experts * (config.numExperts() - config.numExpertsPerTok()) / config.numExperts();
            double table = checkpoint.has("lm_head.weight") ? bytes(checkpoint, "embed_tokens") : 0;
            assertThat(idle).isPositive();
            assertThat(traffic.weightBytes()).isCloseTo(text - idle - table, within(1.0));
            assertThat(traffic.arithmetic()).isEqualTo(Arithmetic.BF16);
        }
    }

    private static double mtpExperts(Checkpoint checkpoint) {
        return checkpoint.names().stream()
                .filter(name -> name.startsWith("mtp.") && name.contains(".mlp.experts."))
                .mapToLong(name -> checkpoint.tensor(name).sizeBytes())
                .sum();
    }

    @Test
    void aCoarseCopySavesTheDifferenceToTheStoredMatrix() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("moe-vl/moe-vl-BF16.gguf"));
                Kernels kernels = new PlainKernels(1);
                Qwen35 network = Qwen35.of(checkpoint, kernels)) {
            TokenTraffic traffic = TokenTraffic.of(checkpoint, network.config(), DataType.BF16, false);
            double values =
                    (double) network.config().vocabSize() * network.config().hiddenSize();
            double saved = values * (2 - 34 / 32.0);
            assertThat(traffic.saving((double) network.coarseSavingBytes()).decodeBytes(0))
                    .isCloseTo(traffic.decodeBytes(0) - saved, within(1.0));
        }
    }

    @Test
    void eachEarlierTokenAddsItsKeysAndValues() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("dense-256/dense-256-Q4_K_M.gguf"))) {
            Config config = Config.of(checkpoint);
            TokenTraffic halves = TokenTraffic.of(checkpoint, config, DataType.BF16, false);
            TokenTraffic floats = TokenTraffic.of(checkpoint, config, DataType.F32, true);
            long attentionLayers = config.layerTypes().stream()
                    .filter(Config.LayerType.FULL_ATTENTION::equals)
                    .count();
            double expected = 100.0 * 2 * 2 * attentionLayers * config.numKeyValueHeads() * config.headDim();
            assertThat(halves.decodeBytes(100) - halves.decodeBytes(0)).isCloseTo(expected, within(1e-6));
            assertThat(floats.decodeBytes(100) - floats.decodeBytes(0)).isCloseTo(2 * expected, within(1e-6));
            assertThat(halves.arithmetic()).isEqualTo(Arithmetic.INT8);
            assertThat(floats.arithmetic()).isEqualTo(Arithmetic.F32);
        }
    }

    @Test
    void sharesAreSpeedsTimesCosts() {
        Ceiling ceiling = new Ceiling(2, "test", 50e9, Map.of(Arithmetic.INT8, 2000e9, Arithmetic.F32, 500e9));
        TokenTraffic traffic = new TokenTraffic(0.9e9, 0.1e9, 1e6, 1e9, Arithmetic.INT8);
        assertThat(traffic.decodeShare(25, 0, 50e9)).isCloseTo(0.5, within(1e-9));
        assertThat(traffic.decodeShare(20, 1000, 50e9)).isCloseTo(0.8, within(1e-9));
        assertThat(traffic.promptShare(500, ceiling)).isCloseTo(0.25, within(1e-9));
    }
}
