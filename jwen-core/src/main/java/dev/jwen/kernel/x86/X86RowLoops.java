package dev.jwen.kernel.x86;

import dev.jwen.kernel.RowLoops;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Calls what {@link RowLoopsWriter} writes. */
final class X86RowLoops implements RowLoops {
    private final MemorySegment addScaled;
    private final MemorySegment scale;
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
    X86RowLoops(Arena arena) {
        addScaled = MachineCode.install(RowLoopsWriter.addScaled(), arena);
        scale = MachineCode.install(RowLoopsWriter.scale(), arena);
        scaleRows = MachineCode.install(RowLoopsWriter.scaleRows(), arena);
        mixRows = MachineCode.install(RowLoopsWriter.mixRows(), arena);
        solve = MachineCode.install(RowLoopsWriter.solve(), arena);
        rmsNorm = MachineCode.install(RowLoopsWriter.rmsNorm(), arena);
        swiGlu = MachineCode.install(RowLoopsWriter.swiGlu(), arena);
        swiGluBack = MachineCode.install(RowLoopsWriter.swiGluBack(), arena);
        sigmoidGate = MachineCode.install(RowLoopsWriter.sigmoidGate(), arena);
        rope = MachineCode.install(RowLoopsWriter.rope(), arena);
        fourTaps = MachineCode.install(RowLoopsWriter.fourTaps(), arena);
        soften = MachineCode.install(RowLoopsWriter.soften(), arena);
        softenLanes = MachineCode.install(RowLoopsWriter.softenLanes(), arena);
        exp = MachineCode.install(RowLoopsWriter.exp(), arena);
        decay = MachineCode.install(RowLoopsWriter.decay(), arena);
        transpose = MachineCode.install(RowLoopsWriter.transpose(), arena);
        fromBf16 = MachineCode.install(RowLoopsWriter.fromBf16(), arena);
        toBf16 = MachineCode.install(RowLoopsWriter.toBf16(), arena);
    }

    private static long bits(float value) {
        return Float.floatToRawIntBits(value);
    }

    @Override
    public void addScaled(long x, long y, float factor, int count) {
        MachineCode.call(addScaled, x, y, bits(factor), count / STEP, 0, 0, 0, 0, 0);
    }

    @Override
    public void scale(long x, float factor, int count, long out) {
        MachineCode.call(scale, x, bits(factor), count / STEP, out, 0, 0, 0, 0, 0);
    }

    @Override
    public void rmsNorm(long x, long weight, int count, int groups, float eps, long out, long outBytes) {
        int vectors = count / STEP;
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
    public void scaleRows(long x, long rowBytes, long factors, int rows, int count) {
        MachineCode.call(scaleRows, x, rowBytes, factors, rows, count / STEP, 0, 0, 0, 0);
    }

    @Override
    public void mixRows(long x, long y, long rowBytes, long xFactors, long yFactors, int rows, int count) {
        MachineCode.call(mixRows, x, y, rowBytes, xFactors, yFactors, rows, count / STEP, 0, 0);
    }

    @Override
    public void solve(long x, long rowBytes, long weights, long weightRowBytes, int count) {
        MachineCode.call(solve, x, rowBytes, weights, weightRowBytes, count / STEP, 0, 0, 0, 0);
    }

    @Override
    public void swiGlu(long gate, long up, int count, long out) {
        MachineCode.call(swiGlu, gate, up, count / STEP, out, 0, 0, 0, 0, 0);
    }

    @Override
    public void swiGluBack(long dy, long gate, long up, int count, long dGate, long dUp) {
        MachineCode.call(swiGluBack, dy, gate, up, count / STEP, dGate, dUp, 0, 0, 0);
    }

    @Override
    public void sigmoidGate(long x, long gate, int count) {
        MachineCode.call(sigmoidGate, x, gate, count / STEP, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void rope(long x, int headDim, int heads, int pairs, long cos, long sin) {
        MachineCode.call(rope, x, cos, sin, pairs / STEP, heads, (long) Float.BYTES * headDim, 0, 0, 0);
    }

    @Override
    public void fourTaps(long x0, long x1, long x2, long x3, long weights, long tapBytes, int count, long out) {
        MachineCode.call(fourTaps, x0, x1, x2, x3, weights, tapBytes, count / STEP, out, 0);
    }

    @Override
    public void soften(long scores, int seen, long max, long sums, long result, int count, int rows) {
        MachineCode.call(soften, scores, seen, max, sums, result, count / STEP, rows, 0, 0);
    }

    @Override
    public void softenLanes(long scores, int positions, int lanes, long max, long result, int width) {
        MachineCode.call(softenLanes, scores, positions, (long) Float.BYTES * lanes, max, result, width, 0, 0, 0);
    }

    @Override
    public void exp(long x, int count, long out) {
        MachineCode.call(exp, x, count / STEP, out, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void decay(long x, long y, long logs, float log, float factor, int count) {
        MachineCode.call(decay, x, y, logs, bits(log), bits(factor), count / STEP, 0, 0, 0);
    }

    @Override
    public void transpose(long x, long rowBytes, int count, long out, long outRowBytes) {
        MachineCode.call(transpose, x, rowBytes, count / STEP, out, outRowBytes, 0, 0, 0, 0);
    }

    @Override
    public void fromBf16(long x, int count, long out) {
        MachineCode.call(fromBf16, x, count / STEP, out, 0, 0, 0, 0, 0, 0);
    }

    @Override
    public void toBf16(long x, int count, long out) {
        MachineCode.call(toBf16, x, count / (2 * STEP), out, 0, 0, 0, 0, 0, 0);
    }
}
