package dev.jwen.train;

/** What the learning rate is multiplied with as training goes on, in shares of the whole from 0 to 1. */
@FunctionalInterface
public interface Schedule {
    /** The factor after {@code done} of the whole. */
    double at(double done);

    /** Always 1. */
    static Schedule constant() {
        return done -> 1;
    }

    /** From 1 down to 0 in a straight line. */
    static Schedule linear(double warmUp) {
        return done -> done < warmUp ? done / warmUp : Math.max(0, (1 - done) / (1 - warmUp));
    }

    /** From 1 down to {@code last} along half a wave. */
    static Schedule cosine(double warmUp, double last) {
        return done -> done < warmUp
                ? done / warmUp
                : last + (1 - last) * (1 + Math.cos(Math.PI * Math.min(1, (done - warmUp) / (1 - warmUp)))) / 2;
    }

    /** Up, then 1, then down to 0 in a straight line over the last {@code decay} of the whole ("WSD"). */
    static Schedule trapezoid(double warmUp, double decay) {
        return done -> Math.max(0, Math.min(1, Math.min(warmUp == 0 ? 1 : done / warmUp, (1 - done) / decay)));
    }
}
