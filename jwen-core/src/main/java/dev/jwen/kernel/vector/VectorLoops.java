package dev.jwen.kernel.vector;

import dev.jwen.kernel.PeakLoops;
import dev.jwen.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** The loops in the Vector API, which multiplies float32 alone. They are at their limit after a few calls. */
final class VectorLoops implements PeakLoops {
    private static final int SUMS = 8;

    /** Keeps the compiler from dropping what nobody asks for. */
    private final AtomicLong sink = new AtomicLong();

    @Override
    public String name() {
        return "Vector API, " + Lanes.F.vectorBitSize() + " bits";
    }

    @Override
    public boolean supports(Arithmetic arithmetic) {
        return arithmetic == Arithmetic.F32;
    }

    @Override
    public long calculate(Arithmetic arithmetic, int rounds) {
        if (!supports(arithmetic)) {
            throw new UnsupportedOperationException("the Vector API does not multiply " + arithmetic);
        }
        FloatVector left = FloatVector.broadcast(Lanes.F, 0.5f);
        FloatVector right = FloatVector.broadcast(Lanes.F, 0.25f);
        FloatVector a = left;
        FloatVector b = left;
        FloatVector c = left;
        FloatVector d = left;
        FloatVector e = left;
        FloatVector f = left;
        FloatVector g = left;
        FloatVector h = left;
        for (int i = 0; i < rounds; i++) {
            a = a.fma(left, right);
            b = b.fma(left, right);
            c = c.fma(left, right);
            d = d.fma(left, right);
            e = e.fma(left, right);
            f = f.fma(left, right);
            g = g.fma(left, right);
            h = h.fma(left, right);
        }
        FloatVector all = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h);
        sink.addAndGet((long) all.reduceLanes(VectorOperators.ADD));
        return 2L * rounds * SUMS * Lanes.L;
    }

    @Override
    public void read(Tensor memory) {
        MemorySegment segment = memory.segment();
        IntVector a = IntVector.zero(Lanes.I);
        IntVector b = a;
        IntVector c = a;
        IntVector d = a;
        long step = 4 * Lanes.BYTES;
        for (long at = 0; at + step <= segment.byteSize(); at += step) {
            a = a.or(IntVector.fromMemorySegment(Lanes.I, segment, at, Lanes.LE));
            b = b.or(IntVector.fromMemorySegment(Lanes.I, segment, at + Lanes.BYTES, Lanes.LE));
            c = c.or(IntVector.fromMemorySegment(Lanes.I, segment, at + 2 * Lanes.BYTES, Lanes.LE));
            d = d.or(IntVector.fromMemorySegment(Lanes.I, segment, at + 3 * Lanes.BYTES, Lanes.LE));
        }
        sink.addAndGet(a.or(b).or(c.or(d)).reduceLanes(VectorOperators.OR));
    }

    @Override
    public void close() {}
}
