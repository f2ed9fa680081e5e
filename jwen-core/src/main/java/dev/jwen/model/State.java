package dev.jwen.model;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.KvCache;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.MemoryPool;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * What a sequence remembers: the KV cache of its attention layers, the recurrent and the convolution state of its delta
 * nets.
 *
 * <p>A state only grows. Going back means continuing from an earlier {@link #fork}, which shares the KV blocks that are
 * full and copies the rest (the recurrent states: some 20 MB for the 0.8B, 190 MB for the 397B). Closing a state gives
 * its memory back to the pool it came from.
 */
public final class State implements AutoCloseable {
    private final MemoryPool pool;
    private final List<LayerState> layers;

    private int length;
    private int nextPosition;
    private boolean interrupted;
    private boolean closed;

    private sealed interface LayerState {
        LayerState fork(MemoryPool pool, int length);

        void giveTo(MemoryPool pool);
    }

    private record Attention(KvCache cache) implements LayerState {
        @Override
        public Attention fork(MemoryPool pool, int length) {
            return new Attention(cache.fork(length));
        }

        @Override
        public void giveTo(MemoryPool pool) {
            cache.close();
        }
    }

    private record Delta(Tensor convolution, Tensor recurrent) implements LayerState {
        @Override
        public Delta fork(MemoryPool pool, int length) {
            return new Delta(copy(pool, convolution), copy(pool, recurrent));
        }

        @Override
        public void giveTo(MemoryPool pool) {
            pool.give(convolution);
            pool.give(recurrent);
        }

        private static Tensor copy(MemoryPool pool, Tensor tensor) {
            Tensor copy = pool.take(tensor.type(), tensor.shape());
            copy.copyFrom(tensor);
            return copy;
        }
    }

    private State(MemoryPool pool, List<LayerState> layers, int length, int nextPosition) {
        this.pool = pool;
        this.layers = layers;
        this.length = length;
        this.nextPosition = nextPosition;
    }

    /**
     * The state before the first token.
     *
     * @param pool where its memory comes from
     * @param kvType F32 (exact), BF16 (half the memory) or Q8_0 (a little more than a quarter), see {@link KvCache}
     */
    public static State empty(Config config, MemoryPool pool, DataType kvType) {
        DeltaHeads heads = config.deltaHeads();
        List<LayerState> layers = new ArrayList<>();
        for (Config.LayerType type : config.layerTypes()) {
            layers.add(
                    switch (type) {
                        case FULL_ATTENTION ->
                            new Attention(new KvCache(pool, kvType, config.numKeyValueHeads(), config.headDim()));
                        case LINEAR_ATTENTION ->
                            new Delta(
                                    pool.take(DataType.F32, config.linearConvKernelDim() - 1, heads.qkvWidth()),
                                    pool.take(DataType.F32, heads.valueHeads(), heads.keyDim(), heads.valueDim()));
                    });
        }
        return new State(pool, layers, 0, 0);
    }

    /** Tokens read so far. */
    public int length() {
        return length;
    }

    /** The position of the next text token: the length, or less after pictures, whose tokens share positions. */
    public int nextPosition() {
        return nextPosition;
    }

    /** A state at the same point that goes its own way from here. */
    public State fork() {
        requireWhole();
        List<LayerState> copies = new ArrayList<>();
        for (LayerState layer : layers) {
            copies.add(layer.fork(pool, length));
        }
        return new State(pool, copies, length, nextPosition);
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
    void advanced(int count, int nextPosition) {
        length += count;
        this.nextPosition = nextPosition;
        interrupted = false;
    }

    /** Gives the memory back; the state must not be used afterwards. Closing again does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            layers.forEach(layer -> layer.giveTo(pool));
        }
    }

    private void requireWhole() {
        if (closed) {
            throw new IllegalStateException("this state was closed");
        }
        if (interrupted) {
            throw new IllegalStateException(
                    "this state was left in the middle of a step that failed; continue from a fork made before it");
        }
    }
}
