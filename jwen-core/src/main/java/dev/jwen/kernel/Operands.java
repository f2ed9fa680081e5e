package dev.jwen.kernel;

import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * Checks at the door of every operation, so that the code inside may compute on bare addresses.
 *
 * <p>Each method throws {@link IllegalArgumentException} with the operand's name, what was expected and what was found.
 */
public final class Operands {
    private Operands() {}

    /** {@code t} must be float32 in native memory with these rows and columns. */
    public static void matrix(String name, Tensor t, long rows, long columns) {
        if (t.type() != DataType.F32 || t.rows() != rows || t.columns() != columns) {
            throw new IllegalArgumentException("%s: expected F32 [%d, %d], found %s".formatted(name, rows, columns, t));
        }
        requireNative(name, t);
    }

    /** {@code t} must be a float32 vector of this size, in any shape. */
    public static void vector(String name, Tensor t, long size) {
        if (t.type() != DataType.F32 || t.size() != size) {
            throw new IllegalArgumentException("%s: expected F32 [%d], found %s".formatted(name, size, t));
        }
        requireNative(name, t);
    }

    /** {@code t} must be a float32 vector whose size divides {@code columns}: a weight for whole rows or for heads. */
    public static void groupWeight(String name, Tensor t, long columns) {
        vector(name, t, t.columns());
        group(name, t.columns(), columns);
    }

    /** {@code size} must divide {@code columns}. */
    public static void group(String name, long size, long columns) {
        if (size < 1 || columns % size != 0) {
            throw new IllegalArgumentException(
                    "%s: rows of %d values do not divide into groups of %d".formatted(name, columns, size));
        }
    }

    /** {@code w} must be of a type that decodes to float32, with these rows and columns. */
    public static void weight(String name, Tensor w, long rows, long columns) {
        if (!w.type().isFloating() || w.rows() != rows || w.columns() != columns) {
            throw new IllegalArgumentException(
                    "%s: expected a floating type [%d, %d], found %s".formatted(name, rows, columns, w));
        }
        requireNative(name, w);
    }

    /** The operands of {@link Kernels#blockMaxima}. */
    public static void blockMaxima(Tensor x, int size, Tensor out) {
        if (size < 1) {
            throw new IllegalArgumentException("a block needs at least one value, not " + size);
        }
        matrix("x", x, x.rows(), x.columns());
        matrix("out", out, x.rows(), Math.ceilDiv(x.columns(), size));
    }

    /** The operands of {@link Kernels#gather}. */
    public static void gather(Tensor x, int[] rows, Tensor out) {
        if (out.type() != x.type() || out.rows() != rows.length || out.columns() != x.columns() || x.scale() != null) {
            throw new IllegalArgumentException("out: expected %s [%d, %d] without factors beside it, found %s"
                    .formatted(x.type(), rows.length, x.columns(), out));
        }
        if (x.type().rowGroup() > 1) {
            throw new IllegalArgumentException("x: expected rows that follow one another, found " + x);
        }
        requireNative("x", x);
        requireNative("out", out);
        rowNumbers("rows", rows, x.rows());
    }

    /** The operands of {@link Kernels#coarsen}. */
    public static void coarsen(Tensor w, Tensor copy, Tensor norms) {
        if (copy.type() != DataType.Q8_0 && copy.type() != DataType.Q5_0_R16) {
            throw new IllegalArgumentException("copy: expected Q8_0 or Q5_0_R16, found " + copy);
        }
        int group = copy.type().rowGroup();
        weight("w", w, w.rows(), w.columns());
        weight("copy", copy, Math.ceilDiv(w.rows(), group) * group, w.columns());
        matrix("norms", norms, w.rows(), 2);
    }

    /** Each of {@code rows} must be a row of a matrix with {@code limit} rows. */
    public static void rowNumbers(String name, int[] rows, long limit) {
        for (int row : rows) {
            if (row < 0 || row >= limit) {
                throw new IllegalArgumentException("%s: row %d of a matrix with %d rows".formatted(name, row, limit));
            }
        }
    }

    /** The spans must cover the rows 0 to {@code rows - 1} in order. */
    public static void spans(List<Span> spans, long rows) {
        long next = 0;
        for (Span span : spans) {
            if (span.row() != next || span.count() < 1 || span.past() < 0) {
                throw new IllegalArgumentException("spans must follow one another, found %s at row %d: %s"
                        .formatted(span, next, Arrays.toString(spans.toArray())));
            }
            next += span.count();
        }
        if (next != rows) {
            throw new IllegalArgumentException("the spans cover %d of %d rows".formatted(next, rows));
        }
    }

    /** The operands of {@link Kernels#rope}; returns the number of pairs. */
    public static int rope(Tensor x, int headDim, Tensor cos, Tensor sin) {
        matrix("x", x, x.rows(), x.columns());
        group("x", headDim, x.columns());
        matrix("cos", cos, x.rows(), cos.columns());
        matrix("sin", sin, x.rows(), cos.columns());
        int pairs = Math.toIntExact(cos.columns());
        if (2 * pairs > headDim) {
            throw new IllegalArgumentException("cannot rotate %d pairs in a head of %d".formatted(pairs, headDim));
        }
        return pairs;
    }

    /** The operands of {@link Kernels#attention}. */
    public static void attention(Tensor q, Tensor k, Tensor v, List<Span> spans, List<KvCache> caches, Tensor out) {
        perSpan("caches", spans, caches);
        long keyWidth = (long) caches.getFirst().heads() * caches.getFirst().headDim();
        for (int i = 0; i < caches.size(); i++) {
            KvCache cache = caches.get(i);
            if ((long) cache.heads() * cache.headDim() != keyWidth
                    || cache.headDim() != caches.getFirst().headDim()
                    || cache.capacity() < spans.get(i).past() + spans.get(i).count()) {
                throw new IllegalArgumentException(
                        "cache %d: expected room for %s in heads like those of cache 0, found %d heads of %d with room for %d"
                                .formatted(i, spans.get(i), cache.heads(), cache.headDim(), cache.capacity()));
            }
        }
        group("q", keyWidth, q.columns());
        matrix("q", q, q.rows(), q.columns());
        matrix("k", k, q.rows(), keyWidth);
        matrix("v", v, q.rows(), keyWidth);
        matrix("out", out, q.rows(), q.columns());
        spans(spans, q.rows());
    }

    /** The operands of {@link Kernels#scatter}. */
    public static void scatter(Tensor rows, int[] at, Tensor x) {
        matrix("x", x, x.rows(), x.columns());
        matrix("rows", rows, at.length, x.columns());
        rowNumbers("at", at, x.rows());
    }

    /** The operands of {@link Kernels#layerNorm}. */
    public static void layerNorm(Tensor x, Tensor weight, Tensor bias, Tensor out) {
        matrix("x", x, x.rows(), x.columns());
        vector("weight", weight, x.columns());
        vector("bias", bias, x.columns());
        matrix("out", out, x.rows(), x.columns());
    }

    /** The operands of {@link Kernels#frameAttention}. */
    public static void frameAttention(Tensor q, Tensor k, Tensor v, int headDim, List<Span> frames, Tensor out) {
        group("q", headDim, q.columns());
        matrix("q", q, q.rows(), q.columns());
        matrix("k", k, q.rows(), q.columns());
        matrix("v", v, q.rows(), q.columns());
        matrix("out", out, q.rows(), q.columns());
        spans(frames, q.rows());
        for (Span frame : frames) {
            if (frame.past() != 0) {
                throw new IllegalArgumentException("a frame has no past, found " + frame);
            }
        }
    }

    /** The operands of {@link Kernels#convolution}. */
    public static void convolution(Tensor x, Tensor weight, List<Span> spans, List<Tensor> states, Tensor out) {
        matrix("x", x, x.rows(), x.columns());
        matrix("out", out, x.rows(), x.columns());
        matrix("weight", weight, weight.rows(), x.columns());
        spans(spans, x.rows());
        perSpan("states", spans, states);
        for (int i = 0; i < states.size(); i++) {
            matrix("state", states.get(i), weight.rows() - 1, x.columns());
        }
    }

    /** The operands of {@link Kernels#gatedDelta}. */
    public static void gatedDelta(
            DeltaHeads heads,
            Tensor qkv,
            Tensor a,
            Tensor b,
            Tensor rate,
            Tensor dtBias,
            List<Span> spans,
            List<Tensor> states,
            Tensor out) {
        matrix("qkv", qkv, qkv.rows(), heads.qkvWidth());
        matrix("a", a, qkv.rows(), heads.valueHeads());
        matrix("b", b, qkv.rows(), heads.valueHeads());
        vector("rate", rate, heads.valueHeads());
        vector("dtBias", dtBias, heads.valueHeads());
        matrix("out", out, qkv.rows(), (long) heads.valueHeads() * heads.valueDim());
        spans(spans, qkv.rows());
        perSpan("states", spans, states);
        for (int i = 0; i < states.size(); i++) {
            matrix("state", states.get(i), (long) heads.valueHeads() * heads.keyDim(), heads.valueDim());
        }
    }

    private static void perSpan(String name, List<Span> spans, List<?> perSpan) {
        if (spans.isEmpty() || perSpan.size() != spans.size()) {
            throw new IllegalArgumentException(
                    "%s: expected one for each of %d spans, found %d".formatted(name, spans.size(), perSpan.size()));
        }
    }

    private static void requireNative(String name, Tensor t) {
        if (!t.segment().isNative()) {
            throw new IllegalArgumentException(name + ": the memory of a tensor in a kernel must be off the heap");
        }
    }
}
