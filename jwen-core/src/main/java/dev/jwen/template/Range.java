package dev.jwen.template;

/** A Python range: {@code size} integers from {@code start} on. */
record Range(long start, long stop, long step, int size) {

    Object get(int index) {
        return start + index * step;
    }

    Range slice(int from, int by, int count, int to) {
        return new Range(start + from * step, start + to * step, step * by, count);
    }
}
