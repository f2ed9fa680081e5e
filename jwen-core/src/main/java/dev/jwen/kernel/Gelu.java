package dev.jwen.kernel;

/**
 * The two forms of the Gaussian error linear unit: x times the probability that a standard normal variable is below x.
 *
 * @see <a href="https://arxiv.org/abs/1606.08415">Gaussian Error Linear Units</a>
 */
public enum Gelu {
    /** {@code x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))}. */
    TANH,
    /** {@code x/2 · (1 + erf(x/√2))}. */
    ERF;

    /** From here on erf is 1 in double precision. */
    private static final double LARGEST = 6;

    /** The definition, in double precision. */
    double of(double x) {
        return switch (this) {
            case TANH -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case ERF -> x / 2 * (1 + erf(x / Math.sqrt(2)));
        };
    }

    /** The derivative, in double precision. */
    double slope(double x) {
        return switch (this) {
            case TANH -> {
                double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
                double tanh = Math.tanh(inner);
                double innerSlope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
                yield (1 + tanh) / 2 + x / 2 * (1 - tanh * tanh) * innerSlope;
            }
            case ERF -> (1 + erf(x / Math.sqrt(2))) / 2 + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
        };
    }

    /** {@code erf(x) = 2/√π · exp(-x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1))}: all terms of one sign. */
    private static double erf(double x) {
        if (Double.isNaN(x) || Math.abs(x) >= LARGEST) {
            return Double.isNaN(x) ? x : Math.signum(x);
        }
        double term = x;
        double sum = x;
        for (int n = 1; Math.abs(term) > Math.ulp(sum); n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }
}
