package dev.jwen.kernel;

/**
 * The heads of a gated delta net.
 *
 * @param keyHeads Hk
 * @param valueHeads Hv, a multiple of Hk
 * @param keyDim width of a query or key
 * @param valueDim width of a value
 * @param tiled true: value head n is served by key head n mod Hk (GGUF); false: by n / (Hv / Hk) (safetensors)
 */
public record DeltaHeads(int keyHeads, int valueHeads, int keyDim, int valueDim, boolean tiled) {
    public DeltaHeads {
        if (keyHeads < 1 || valueHeads < keyHeads || valueHeads % keyHeads != 0) {
            throw new IllegalArgumentException(
                    "%d value heads are not a multiple of %d key heads".formatted(valueHeads, keyHeads));
        }
    }

    /** The key head that serves value head {@code n}. */
    public int keyHeadOf(int n) {
        return tiled ? n % keyHeads : n / (valueHeads / keyHeads);
    }

    /** Width of one row of queries, keys and values together: 2·Hk·keyDim + Hv·valueDim. */
    public int qkvWidth() {
        return 2 * keyHeads * keyDim + valueHeads * valueDim;
    }
}
