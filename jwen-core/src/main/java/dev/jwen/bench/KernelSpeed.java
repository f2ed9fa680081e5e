package dev.jwen.bench;

import dev.jwen.kernel.PeakLoops.Arithmetic;

/**
 * How fast one kernel did one piece of work.
 *
 * @param kernel what was computed, for example "product Q8_0"
 * @param tokens at once
 * @param seconds the median of many runs
 * @param bytes that have to come from memory; 0 where all are in caches
 * @param operations on numbers; a multiplication and an addition are two
 * @param arithmetic what the kernel could multiply with at best
 */
public record KernelSpeed(
        String kernel, int tokens, double seconds, double bytes, double operations, Arithmetic arithmetic) {

    public double bytesPerSecond() {
        return bytes / seconds;
    }

    public double operationsPerSecond() {
        return operations / seconds;
    }

    /** Part of the speed that the machine allows, 1 being all of it. */
    public double share(Ceiling ceiling) {
        return ceiling.seconds(bytes, operations, arithmetic) / seconds;
    }
}
