package dev.jwen.kernel.vector;

import dev.jwen.kernel.DeltaHeads;
import dev.jwen.kernel.Experts;
import dev.jwen.kernel.Gelu;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.MatrixProducts;
import dev.jwen.kernel.ProductTile;
import dev.jwen.kernel.RowLoops;
import dev.jwen.kernel.Scratch;
import dev.jwen.kernel.ScratchStack;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The kernels in the Vector API.
 *
 * <p>Weights of every format are multiplied as float32 with float32 activations, so results differ from the definition
 * by rounding only, except for products that are left to another room. Results do not depend on the number of threads: every element is computed by one worker in a fixed
 * order.
 */
public final class VectorKernels implements Kernels {
    private final WorkerPool pool;
    private final @Nullable MatrixProducts products;
    private final ScratchStack scratch = new ScratchStack();
    private final VectorMatmul matmul;
    private final VectorRows rows;
    private final VectorAttention attention;
    private final VectorDelta delta;
    private final VectorExperts experts;
    private final VectorVision vision;
    private final VectorFrames frames;

    public VectorKernels(int threads) {
        this(new WorkerPool(threads), null);
    }

    /** Kernels that leave products to {@code products} where those support the weight; closes them and the pool. */
    public VectorKernels(WorkerPool pool, @Nullable MatrixProducts products) {
        this(pool, products, null);
    }

    private VectorKernels(WorkerPool pool, @Nullable MatrixProducts products, @Nullable FloatProduct packed) {
        this.pool = pool;
        this.products = products;
        matmul = new VectorMatmul(pool, products, packed);
        RowLoops loops = products == null ? null : products.rowLoops();
        rows = new VectorRows(pool, loops);
        ProductTile tile = products == null ? null : products.productTile(Tiles.OTHER_ROWS);
        attention = new VectorAttention(pool, products, loops, tile);
        delta = new VectorDelta(pool, products, loops, tile);
        experts = new VectorExperts(pool, matmul, rows, scratch);
        vision = new VectorVision(pool);
        frames = new VectorFrames(pool, loops, tile);
    }

    /**
     * Kernels for training, where batches are large and weights float32: these are packed for each product. How the sums
     * of a token are rounded then depends on whether there are many beside it, which generation does not want.
     */
    static VectorKernels forTraining(WorkerPool pool, @Nullable MatrixProducts products) {
        return new VectorKernels(pool, products, new FloatProduct(pool, products));
    }

    @Override
    public String name() {
        return products == null ? "vector" : products.name();
    }

    @Override
    public int threads() {
        return pool.threads();
    }

    @Override
    public Scratch scratch() {
        return scratch.open();
    }

    @Override
    public void embed(Tensor table, int[] ids, Tensor out) {
        rows.embed(table, ids, out);
    }

    @Override
    public void blockMaxima(Tensor x, int size, Tensor out) {
        rows.blockMaxima(x, size, out);
    }

    @Override
    public void gather(Tensor x, int[] rowNumbers, Tensor out) {
        rows.gather(x, rowNumbers, out);
    }

    @Override
    public void copy(Tensor x, Tensor out) {
        rows.copy(x, out);
    }

    @Override
    public void add(Tensor x, Tensor y) {
        rows.add(x, y);
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
        rows.rmsNorm(x, weight, eps, out);
    }

    @Override
    public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
        rows.addRmsNorm(x, y, weight, eps, out);
    }

    @Override
    public void matmul(Tensor x, Tensor w, Tensor out) {
        matmul.multiply(x, w, out);
    }

    @Override
    public void matmul(Tensor x, List<Tensor> weights, List<Tensor> outs) {
        matmul.multiply(x, weights, outs);
    }

    @Override
    public void asMultiplied(Tensor x, Tensor w, Tensor out) {
        matmul.asMultiplied(x, w, out);
    }

    @Override
    public boolean keepsUpWithMemory(DataType type, long columns) {
        return matmul.keepsUpWithMemory(type, columns) || Kernels.super.keepsUpWithMemory(type, columns);
    }

    @Override
    public void coarsen(Tensor w, Tensor copy, Tensor norms) {
        rows.coarsen(w, copy, norms, products == null ? null : products.coarseRows(w.type(), copy.type()));
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor out) {
        rows.swiGlu(gate, up, out);
    }

    @Override
    public void experts(Tensor x, Tensor routerLogits, Experts weights, int k, Tensor out) {
        experts.mix(x, routerLogits, weights, k, out);
    }

    @Override
    public void addGated(Tensor x, Tensor y, Tensor gate) {
        rows.addGated(x, y, gate);
    }

    @Override
    public void sigmoidGate(Tensor x, Tensor gate) {
        rows.sigmoidGate(x, gate);
    }

    @Override
    public void splitQueryAndGate(Tensor queryAndGate, int headDim, Tensor q, Tensor gate) {
        rows.splitQueryAndGate(queryAndGate, headDim, q, gate);
    }

    @Override
    public void rope(Tensor x, int headDim, Tensor cos, Tensor sin) {
        rows.rope(x, headDim, cos, sin);
    }

    @Override
    public void attention(Tensor q, Tensor k, Tensor v, List<Span> spans, List<KvCache> caches, Tensor out) {
        attention.attend(q, k, v, spans, caches, out);
    }

    @Override
    public void convolution(Tensor x, Tensor weight, List<Span> spans, List<Tensor> states, Tensor out) {
        rows.convolution(x, weight, spans, states, out);
    }

    @Override
    public void gatedDelta(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            List<Tensor> states,
            Tensor out) {
        delta.advance(heads, qkv, a, b, rate, dtBias, spans, states, out);
    }

    @Override
    public void gatedNorm(Tensor x, Tensor z, Tensor weight, float eps, Tensor out) {
        rows.gatedNorm(x, z, weight, eps, out);
    }

    @Override
    public void scatter(Tensor from, int[] at, Tensor x) {
        vision.scatter(from, at, x);
    }

    @Override
    public void addBias(Tensor x, Tensor bias) {
        vision.addBias(x, bias);
    }

    @Override
    public void biasGelu(Tensor x, Tensor bias, Gelu form) {
        vision.biasGelu(x, bias, form);
    }

    @Override
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor out) {
        vision.layerNorm(x, weight, bias, eps, out);
    }

    @Override
    public void frameAttention(Tensor q, Tensor k, Tensor v, int headDim, List<Span> spans, Tensor out) {
        frames.attend(q, k, v, headDim, spans, out);
    }

    @Override
    public void close() {
        pool.close();
        if (products != null) {
            products.close();
        }
        scratch.close();
    }
}
