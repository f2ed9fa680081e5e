package dev.jwen.model;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.KvCache;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * What a sequence remembers: the KV cache of its attention layers, the recurrent and the convolution state of its delta
 * nets.
 *
 * <p>A state only grows. Going back means continuing from an earlier {@link #fork}, which shares the KV blocks that are
 * full and copies the rest (the recurrent states: some 20 MB for the 0.8B, 190 MB for the 397B). Its memory is freed
 * when it is no longer reachable.
 */
public final class State {
    private final Config config;
    private final DataType kvType;
    private final List<LayerState> layers;

    private int length;
    private boolean interrupted;

    private sealed interface LayerState {
        LayerState fork(int length);
    }

    private record Attention(KvCache cache) implements LayerState {
        @Override
        public Attention fork(int length) {
            return new Attention(cache.fork(length));
        }
    }

    private record Delta(Tensor convolution, Tensor recurrent) implements LayerState {
        @Override
        public Delta fork(int length) {
            return new Delta(copy(convolution), copy(recurrent));
        }
    }

    private State(Config config, DataType kvType, List<LayerState> layers, int length) {
        this.config = config;
        this.kvType = kvType;
        this.layers = layers;
        this.length = length;
    }

    /**
     * The state before the first token.
     *
     * @param kvType F32 (exact) or BF16 (half the memory)
     */
    public static State empty(Config config, DataType kvType) {
        DeltaHeads heads = config.deltaHeads();
        List<LayerState> layers = new ArrayList<>();
        for (Config.LayerType type : config.layerTypes()) {
            layers.add(
                    switch (type) {
                        case FULL_ATTENTION ->
                            new Attention(new KvCache(kvType, config.numKeyValueHeads(), config.headDim()));
                        case LINEAR_ATTENTION ->
                            new Delta(
                                    Tensor.f32(config.linearConvKernelDim() - 1, heads.qkvWidth()),
                                    Tensor.f32(heads.valueHeads(), heads.keyDim(), heads.valueDim()));
                    });
        }
        return new State(config, kvType, layers, 0);
    }

    /** Tokens read so far. */
    public int length() {
        return length;
    }

    /** A state at the same point that goes its own way from here. */
    public State fork() {
        requireWhole();
        List<LayerState> copies = new ArrayList<>();
        for (LayerState layer : layers) {
            copies.add(layer.fork(length));
        }
        return new State(config, kvType, copies, length);
    }

    /** Bytes this state reaches, KV blocks that it shares with forks included. */
    public long sizeBytes() {
        long bytes = 0;
        for (LayerState layer : layers) {
            bytes += switch (layer) {
                case Attention attention -> attention.cache.sizeBytes();
                case Delta delta -> delta.convolution.sizeBytes() + delta.recurrent.sizeBytes();
            };
        }
        return bytes;
    }

    /** The KV cache of a full-attention layer. */
    public KvCache kv(int layer) {
        return ((Attention) layers.get(layer)).cache;
    }

    /** The last rows before the convolution of a delta net, (taps - 1, width). */
    public Tensor convolution(int layer) {
        return ((Delta) layers.get(layer)).convolution;
    }

    /** The recurrent state of a delta net, (Hv, K, V). */
    public Tensor recurrent(int layer) {
        return ((Delta) layers.get(layer)).recurrent;
    }

    /** Makes room for {@code count} more tokens and marks the state as half-advanced until {@link #advanced}. */
    void advance(int count) {
        requireWhole();
        interrupted = true;
        for (LayerState layer : layers) {
            if (layer instanceof Attention attention) {
                attention.cache.reserve(length + count);
            }
        }
    }

    /** Ends the step that {@link #advance} began. */
    void advanced(int count) {
        length += count;
        interrupted = false;
    }

    private void requireWhole() {
        if (interrupted) {
            throw new IllegalStateException(
                    "this state was left in the middle of a step that failed; continue from a fork made before it");
        }
    }

    private static Tensor copy(Tensor tensor) {
        Tensor copy = Tensor.f32(tensor.shape());
        copy.copyFrom(tensor);
        return copy;
    }
}
