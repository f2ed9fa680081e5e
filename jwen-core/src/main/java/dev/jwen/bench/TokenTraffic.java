package dev.jwen.bench;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import dev.jwen.model.Config;
import dev.jwen.model.ParameterCount;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;

/**
 * What one token costs at least: the bytes that writing it reads from memory, and the operations of reading it in a
 * prompt.
 *
 * @param weightBytes of the layers and the output matrix, of the experts only the chosen ones
 * @param stateBytes of the recurrent states, which are read and written
 * @param keyValueBytes for each earlier token
 * @param operations of the matrices of the layers; a multiplication and an addition are two
 * @param arithmetic that suits most of the weights
 */
public record TokenTraffic(
        double weightBytes, double stateBytes, double keyValueBytes, double operations, Arithmetic arithmetic) {

    /**
     * Adds up the tensors of a checkpoint.
     *
     * @param kvType in which keys and values are remembered
     * @param exact whether all arithmetic is float32
     */
    public static TokenTraffic of(Checkpoint checkpoint, Config config, DataType kvType, boolean exact) {
        double bytes = 0;
        double quantised = 0;
        double halves = 0;
        double chosen = config.isMoe() ? (double) config.numExpertsPerTok() / config.numExperts() : 1;
        String output = checkpoint.has("lm_head.weight") ? "lm_head.weight" : "embed_tokens.weight";
        for (String name : checkpoint.names()) {
            boolean isTable = name.equals("embed_tokens.weight") && !name.equals(output);
            if (name.startsWith("visual.") || name.startsWith("mtp.") || isTable) {
                continue;
            }
            Tensor tensor = checkpoint.tensor(name);
            double read = tensor.sizeBytes() * (name.contains(".mlp.experts.") ? chosen : 1);
            bytes += read;
            quantised += tensor.type().isQuantised() ? read : 0;
            halves += tensor.type() == DataType.BF16 ? read : 0;
        }
        long attentionLayers = config.layerTypes().stream()
                .filter(Config.LayerType.FULL_ATTENTION::equals)
                .count();
        long deltaLayers = config.numHiddenLayers() - attentionLayers;
        double state = 2.0 * Float.BYTES * deltaLayers * stateValues(config);
        double keyValue = 2.0 * attentionLayers * config.numKeyValueHeads() * kvType.bytes(config.headDim());
        Arithmetic arithmetic = exact || quantised + halves < bytes / 2
                ? Arithmetic.F32
                : quantised >= halves ? Arithmetic.INT8 : Arithmetic.BF16;
        double operations = 2.0 * ParameterCount.of(checkpoint, config).activeTrunk();
        return new TokenTraffic(bytes, state, keyValue, operations, arithmetic);
    }

    private static double stateValues(Config config) {
        DeltaHeads heads = config.deltaHeads();
        double recurrent = (double) heads.valueHeads() * heads.keyDim() * heads.valueDim();
        return recurrent + (double) (config.linearConvKernelDim() - 1) * heads.qkvWidth();
    }

    /** The same with so many bytes of the weights less: those that a coarse copy of the output matrix saves. */
    public TokenTraffic saving(double bytes) {
        return new TokenTraffic(weightBytes - bytes, stateBytes, keyValueBytes, operations, arithmetic);
    }

    /** Bytes that writing one token after {@code depth} others moves. */
    public double decodeBytes(double depth) {
        return weightBytes + stateBytes + keyValueBytes * depth;
    }

    /** Part of the bandwidth of reading that writing tokens at this speed uses. */
    public double decodeShare(double tokensPerSecond, double depth, double readBytesPerSecond) {
        return tokensPerSecond * decodeBytes(depth) / readBytesPerSecond;
    }

    /** Part of the arithmetic rate that reading a prompt at this speed uses, attention not counted. */
    public double promptShare(double tokensPerSecond, Ceiling ceiling) {
        return tokensPerSecond * operations / ceiling.rate(arithmetic);
    }
}
