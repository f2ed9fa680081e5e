package dev.jwen.kernel.vector;

import static dev.jwen.kernel.vector.Lanes.F;
import static dev.jwen.kernel.vector.Lanes.FLOAT;
import static dev.jwen.kernel.vector.Lanes.L;
import static dev.jwen.kernel.vector.Lanes.LE;
import static dev.jwen.kernel.vector.Lanes.RAM;

import dev.jwen.kernel.Operands;
import dev.jwen.kernel.Span;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.tensor.Tensor;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/**
 * The causal convolution with SiLU, backwards.
 *
 * <p>With c_t = Σ_j w_j x_{t-J+1+j} and σ = sigmoid(c_t), {@code dc = dOut σ (1 + c (1 - σ))},
 * {@code dx_t = Σ_j w_j dc_{t+J-1-j}} and {@code dw_j = Σ_t dc_t x_{t-J+1+j}}. A piece of work is a block of channels over
 * all spans, and each vector of channels runs through a span once, with its taps, the last inputs, the last dc and the
 * sums for the weights in registers.
 */
public final class ConvolutionGradient {
    /** Channels in a piece of work. */
    private static final int CHANNELS = 64;

    private final WorkerPool pool;

    public ConvolutionGradient(WorkerPool pool) {
        this.pool = pool;
    }

    /** The operands of one call. */
    private record Call(Tensor dOut, Tensor x, Tensor weight, Tensor dx, Tensor dWeight) {
        int taps() {
            return Math.toIntExact(weight.rows());
        }
    }

    /** See {@link dev.jwen.kernel.Gradients#convolution}. */
    public void convolution(Tensor dOut, Tensor x, Tensor weight, List<Span> spans, Tensor dx, Tensor dWeight) {
        Operands.matrix("x", x, x.rows(), x.columns());
        Operands.matrix("dOut", dOut, x.rows(), x.columns());
        Operands.matrix("dx", dx, x.rows(), x.columns());
        Operands.matrix("weight", weight, weight.rows(), x.columns());
        Operands.matrix("dWeight", dWeight, weight.rows(), x.columns());
        Operands.spans(spans, x.rows());
        Call call = new Call(dOut, x, weight, dx, dWeight);
        int channels = Math.toIntExact(x.columns());
        pool.run(Math.ceilDiv(channels, CHANNELS), 1, (worker, from, to) -> {
            int end = Math.min(channels, to * CHANNELS);
            int whole = call.taps() == 4 ? end - (end - from * CHANNELS) % L : from * CHANNELS;
            for (Span span : spans) {
                for (int c = from * CHANNELS; c < whole; c += L) {
                    fourTaps(call, span, 4L * c);
                }
                for (int c = whole; c < end; c++) {
                    channel(call, span, 4L * c);
                }
            }
        });
    }

    /** One vector of channels of one span. */
    private static void fourTaps(Call call, Span span, long channel) {
        long row = call.x.rowBytes();
        long in = Lanes.address(call.x, span.row()) + channel;
        long toOut = Lanes.address(call.dOut, span.row()) + channel;
        long toIn = Lanes.address(call.dx, span.row()) + channel;
        long weight = Lanes.address(call.weight, 0) + channel;
        long toWeight = Lanes.address(call.dWeight, 0) + channel;
        FloatVector w0 = FloatVector.fromMemorySegment(F, RAM, weight, LE);
        FloatVector w1 = FloatVector.fromMemorySegment(F, RAM, weight + row, LE);
        FloatVector w2 = FloatVector.fromMemorySegment(F, RAM, weight + 2 * row, LE);
        FloatVector w3 = FloatVector.fromMemorySegment(F, RAM, weight + 3 * row, LE);
        FloatVector dw0 = FloatVector.fromMemorySegment(F, RAM, toWeight, LE);
        FloatVector dw1 = FloatVector.fromMemorySegment(F, RAM, toWeight + row, LE);
        FloatVector dw2 = FloatVector.fromMemorySegment(F, RAM, toWeight + 2 * row, LE);
        FloatVector dw3 = FloatVector.fromMemorySegment(F, RAM, toWeight + 3 * row, LE);
        FloatVector zero = FloatVector.zero(F);
        FloatVector one = FloatVector.broadcast(F, 1f);
        // The last inputs, and what the last dc add to the gradients of the inputs 3, 2 and 1 before this one.
        FloatVector x0 = zero;
        FloatVector x1 = zero;
        FloatVector x2 = zero;
        FloatVector dx0 = zero;
        FloatVector dx1 = zero;
        FloatVector dx2 = zero;
        for (int t = 0; t < span.count(); t++) {
            FloatVector x3 = FloatVector.fromMemorySegment(F, RAM, in + t * row, LE);
            FloatVector c = x3.fma(w3, x2.fma(w2, x1.fma(w1, x0.mul(w0))));
            FloatVector open = Exp.sigmoid(c);
            FloatVector slope = one.sub(open).fma(c, one).mul(open);
            FloatVector dc =
                    FloatVector.fromMemorySegment(F, RAM, toOut + t * row, LE).mul(slope);
            dw0 = dc.fma(x0, dw0);
            dw1 = dc.fma(x1, dw1);
            dw2 = dc.fma(x2, dw2);
            dw3 = dc.fma(x3, dw3);
            FloatVector done = dc.fma(w0, dx0);
            if (t >= 3) {
                done.intoMemorySegment(RAM, toIn + (t - 3) * row, LE);
            }
            dx0 = dc.fma(w1, dx1);
            dx1 = dc.fma(w2, dx2);
            dx2 = dc.mul(w3);
            x0 = x1;
            x1 = x2;
            x2 = x3;
        }
        int last = span.count() - 1;
        dx2.intoMemorySegment(RAM, toIn + last * row, LE);
        if (last >= 1) {
            dx1.intoMemorySegment(RAM, toIn + (last - 1) * row, LE);
        }
        if (last >= 2) {
            dx0.intoMemorySegment(RAM, toIn + (last - 2) * row, LE);
        }
        dw0.intoMemorySegment(RAM, toWeight, LE);
        dw1.intoMemorySegment(RAM, toWeight + row, LE);
        dw2.intoMemorySegment(RAM, toWeight + 2 * row, LE);
        dw3.intoMemorySegment(RAM, toWeight + 3 * row, LE);
    }

    /** One channel of one span, with any number of taps. */
    private static void channel(Call call, Span span, long channel) {
        int taps = call.taps();
        long row = call.x.rowBytes();
        long in = Lanes.address(call.x, span.row()) + channel;
        long toOut = Lanes.address(call.dOut, span.row()) + channel;
        long toIn = Lanes.address(call.dx, span.row()) + channel;
        long weight = Lanes.address(call.weight, 0) + channel;
        long toWeight = Lanes.address(call.dWeight, 0) + channel;
        for (int t = 0; t < span.count(); t++) {
            int first = Math.max(0, taps - 1 - t); // the taps before it lie before the span
            long oldest = in + (t - taps + 1) * row;
            float c = 0;
            for (int j = first; j < taps; j++) {
                c = Math.fma(RAM.get(FLOAT, weight + j * row), RAM.get(FLOAT, oldest + j * row), c);
            }
            float open = Exp.sigmoid(c);
            float dc = RAM.get(FLOAT, toOut + t * row) * open * (1 + c * (1 - open));
            RAM.set(FLOAT, toIn + t * row, 0);
            for (int j = first; j < taps; j++) {
                long to = toIn + (t - taps + 1 + j) * row;
                RAM.set(FLOAT, to, Math.fma(RAM.get(FLOAT, weight + j * row), dc, RAM.get(FLOAT, to)));
                long at = toWeight + j * row;
                RAM.set(FLOAT, at, Math.fma(RAM.get(FLOAT, oldest + j * row), dc, RAM.get(FLOAT, at)));
            }
        }
    }
}
