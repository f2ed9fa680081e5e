package dev.jwen.nano;

import java.util.List;

/**
 * How many problems of a skill a model solved.
 *
 * @param skill its name
 * @param problems how many were asked
 * @param solved how many of them were solved
 * @param seconds what asking took
 * @param failures the first few problems that were not solved
 */
public record Score(String skill, int problems, int solved, double seconds, List<Trial> failures) {
    /** The standard normal deviate that 95 % lie within. */
    private static final double Z = 1.959963984540054;

    public Score {
        if (problems < 1 || solved < 0 || solved > problems) {
            throw new IllegalArgumentException(
                    "%s: %d of %d problems solved; expected at least one problem and no more solved than asked"
                            .formatted(skill, solved, problems));
        }
        failures = List.copyOf(failures);
    }

    /** The share of problems that were solved, 0 to 1. */
    public double accuracy() {
        return (double) solved / problems;
    }

    /**
     * The lower end of the 95 % interval by Wilson, 0 to 1: the smallest true rate from which what was seen is not
     * further than 95 % of samples are. Unlike the normal approximation it holds for few problems and near 0 and 1.
     *
     * @see <a href="https://doi.org/10.1080/01621459.1927.10502953">Probable inference, the law of succession, and
     *     statistical inference</a>
     */
    public double low() {
        return solved == 0 ? 0 : Math.max(0, centre() - halfWidth());
    }

    /** The upper end of the interval, see {@link #low}. */
    public double high() {
        return solved == problems ? 1 : Math.min(1, centre() + halfWidth());
    }

    private double centre() {
        return (solved + Z * Z / 2) / (problems + Z * Z);
    }

    private double halfWidth() {
        double p = accuracy();
        return Z * Math.sqrt(problems * p * (1 - p) + Z * Z / 4) / (problems + Z * Z);
    }
}
