package dev.jwen.kernel.x86;

import dev.jwen.kernel.RowLoops;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Calls what {@link RowLoopsWriter} and {@link ExpLoopsWriter} write. */
final class X86RowLoops implements RowLoops {
    /** Floats of a vector. */
    private final int lanes;

    private final MemorySegment addScaled;
    private final MemorySegment scale;
    private final MemorySegment maxima;
    private final MemorySegment scaleRows;
    private final MemorySegment mixRows;
    private final MemorySegment solve;
    private final MemorySegment rmsNorm;
    private final MemorySegment swiGlu;
    private final MemorySegment swiGluBack;
    private final MemorySegment sigmoidGate;
    private final MemorySegment rope;
    private final MemorySegment fourTaps;
    private final MemorySegment soften;
    private final MemorySegment softenLanes;
    private final MemorySegment exp;
    private final MemorySegment decay;
    private final MemorySegment transpose;
    private final MemorySegment fromBf16;
    private final MemorySegment toBf16;

    /** Loops that live as long as {@code arena}. */
    X86RowLoops(InstructionSet set, Arena arena) {
        lanes = set.rows();
        addScaled = MachineCode.install(new RowLoopsWriter(set).addScaled(), arena);
        scale = MachineCode.install(new RowLoopsWriter(set).scale(), arena);
        maxima = MachineCode.install(new RowLoopsWriter(set).maxima(), arena);
        scaleRows = MachineCode.install(new RowLoopsWriter(set).scaleRows(), arena);
        mixRows = MachineCode.install(new RowLoopsWriter(set).mixRows(), arena);
        solve = MachineCode.install(new RowLoopsWriter(set).solve(), arena);
        rmsNorm = MachineCode.install(new RowLoopsWriter(set).rmsNorm(), arena);
        swiGlu = MachineCode.install(new ExpLoopsWriter(set).swiGlu(), arena);
        swiGluBack = MachineCode.install(new ExpLoopsWriter(set).swiGluBack(), arena);
        sigmoidGate = MachineCode.install(new ExpLoopsWriter(set).sigmoidGate(), arena);
        rope = MachineCode.install(new RowLoopsWriter(set).rope(), arena);
        fourTaps = MachineCode.install(new ExpLoopsWriter(set).fourTaps(), arena);
        soften = MachineCode.install(new ExpLoopsWriter(set).soften(), arena);
        softenLanes = MachineCode.install(new ExpLoopsWriter(set).softenLanes(), arena);
        exp = MachineCode.install(new ExpLoopsWriter(set).exp(), arena);
        decay = MachineCode.install(new ExpLoopsWriter(set).decay(), arena);
        transpose = MachineCode.install(new RowLoopsWriter(set).transpose(), arena);
        fromBf16 = MachineCode.install(new RowLoopsWriter(set).fromBf16(), arena);
        toBf16 = MachineCode.install(new RowLoopsWriter(set).toBf16(), arena);
    }

    private static long bits(float value) {
        return Float.floatToRawIntBits(value);
    }

    @Override
    public void addScaled(long x, long y, float factor, int count) {
        MachineCode.call(addScaled, x, y, bits(factor), count / lanes, 0, 0, 0, 0, 0);
    }

    @Override
    public void scale(long x, float factor, int count, long out) {
        MachineCode.call(scale, x, bits(factor), count / lanes, out, 0, 0, 0, 0, 0);
    }

    @Override
    public void rmsNorm(long x, long weight, int count, int groups, float eps, long out, long outBytes) {
        int vectors = count / lanes;
        MachineCode.call(
                rmsNorm,
                x,
                weight,
                vectors / RowLoopsWriter.SQUARES,
                vectors % RowLoopsWriter.SQUARES,
                out,
                groups,
                bits(count),
                bits(eps),
                outBytes - (long) Float.BYTES * count);
    }

    @Override
    public void maxima(long x, int count, int blocks, long out) {
        MachineCode.call(maxima, x, count / lanes, blocks, out, 0, 0, 0, 0, 0);
    }

    @Override
    public void scaleRows(long x, long rowBytes, long factors, int rows, int count) {
        MachineCode.call(scaleRows, x, rowBytes, factors, rows, count / lanes, 0, 0, 0, 0);
    }

    @Override
    public void mixRows(long x, long y, long rowBytes, long xFactors, long yFactors, int rows, int count) {
        MachineCode.call(mixRows, x, y, rowBytes, xFactors, yFactors, rows, count / lanes, 0, 0);
    }

    @Override
    public void solve(long x, long rowBytes, long weights, long weightRowBytes, int count) {
        MachineCode.call(solve, x, rowBytes, weights, weightRowBytes, count / lanes, 0, 0, 0, 0);
    }

    @Override
    public void swiGlu(long gate, long up, int count, long out) {
        MachineCode.call(swiGlu, gate, up, count / lanes, out, 0, 0, 0, 0, 0);
    }

    @Override
    public void swiGluBack(long dy, long gate, long up, int count, long dGate, long dUp) {
        MachineCode.call(swiGluBack, dy, gate, up, count / lanes, dGate, dUp, 0, 0, 0);
    }

    @Override
    public void sigmoidGate(long x, long gate, int count) {
        MachineCode.call(sigmoidGate, x, gate, count / lanes, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void rope(long x, int headDim, int heads, int pairs, long cos, long sin) {
        MachineCode.call(rope, x, cos, sin, pairs / lanes, heads, (long) Float.BYTES * headDim, 0, 0, 0);
    }

    @Override
    public void fourTaps(long x0, long x1, long x2, long x3, long weights, long tapBytes, int count, long out) {
        MachineCode.call(fourTaps, x0, x1, x2, x3, weights, tapBytes, count / lanes, out, 0);
    }

    @Override
    public void soften(long scores, int seen, long max, long sums, long result, int count, int rows) {
        MachineCode.call(soften, scores, seen, max, sums, result, count / lanes, rows, 0, 0);
    }

    @Override
    public void softenLanes(long scores, int positions, int lanes, long max, long result, int width) {
        MachineCode.call(softenLanes, scores, positions, (long) Float.BYTES * lanes, max, result, width, 0, 0, 0);
    }

    @Override
    public void exp(long x, int count, long out) {
        MachineCode.call(exp, x, count / lanes, out, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void decay(long x, long y, long logs, float log, float factor, int count) {
        MachineCode.call(decay, x, y, logs, bits(log), bits(factor), count / lanes, 0, 0, 0);
    }

    @Override
    public void transpose(long x, long rowBytes, int count, long out, long outRowBytes) {
        for (int row = 0; row < STEP; row += lanes) {
            long from = x + rowBytes * row;
            long to = out + (long) Float.BYTES * row;
            MachineCode.call(transpose, from, rowBytes, count / lanes, to, outRowBytes, 0, 0, 0, 0);
        }
    }

    @Override
    public void fromBf16(long x, int count, long out) {
        MachineCode.call(fromBf16, x, count / lanes, out, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void toBf16(long x, int count, long out) {
        MachineCode.call(toBf16, x, count / (2 * lanes), out, 0, 0, 0, 0, 0, 0);
    }
}
