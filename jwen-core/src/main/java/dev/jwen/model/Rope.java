package dev.jwen.model;

import dev.jwen.tensor.Tensor;

/**
 * The angles by which queries and keys are rotated at each position.
 *
 * <p>Every token has three positions (time, height, width), equal for text. Frequency j follows the height when
 * {@code j % 3 == 1} and the width when {@code j % 3 == 2}, as far as their sections reach, else the time: the sections
 * are interleaved over the frequencies, the rotated pairs are not.
 */
public final class Rope {
    private final float[] inverseFrequency;
    /** By frequency: 0 time, 1 height, 2 width. */
    private final int[] axis;

    private final float magnitude;

    public Rope(RopeParameters parameters) {
        int pairs = parameters.rotaryDim() / 2;
        inverseFrequency = new float[pairs];
        axis = new int[pairs];
        for (int j = 0; j < pairs; j++) {
            inverseFrequency[j] = (float) stretched(parameters, j);
            int candidate = j % 3;
            boolean inSection =
                    candidate != 0 && j < 3 * parameters.mropeSection().get(candidate);
            axis[j] = inSection ? candidate : 0;
        }
        magnitude = (float) parameters.yarn().attentionFactor();
    }

    private static double stretched(RopeParameters parameters, int j) {
        int dim = parameters.rotaryDim();
        double frequency = Math.pow(parameters.theta(), -2.0 * j / dim);
        RopeParameters.Yarn yarn = parameters.yarn();
        if (yarn.factor() == 1) {
            return frequency;
        }
        double low = Math.max(0, Math.floor(turnsAt(parameters, yarn.betaFast())));
        double high = Math.min(dim - 1, Math.ceil(turnsAt(parameters, yarn.betaSlow())));
        double ramp = Math.clamp((j - low) / Math.max(high - low, 0.001), 0, 1);
        return frequency * ((1 - ramp) + ramp / yarn.factor());
    }

    /** The (fractional) frequency index that makes {@code turns} full turns within the original context length. */
    private static double turnsAt(RopeParameters parameters, double turns) {
        double length = parameters.yarn().originalMaxPositionEmbeddings();
        return parameters.rotaryDim() * Math.log(length / (turns * 2 * Math.PI)) / (2 * Math.log(parameters.theta()));
    }

    /**
     * Fills the cosines and sines of every token.
     *
     * @param positions by axis, then token
     * @param cos (T, rotaryDim / 2)
     * @param sin (T, rotaryDim / 2)
     */
    public void fill(int[][] positions, Tensor cos, Tensor sin) {
        int tokens = Math.toIntExact(cos.rows());
        for (int t = 0; t < tokens; t++) {
            for (int j = 0; j < axis.length; j++) {
                // The reference multiplies in float32; a double product would differ at far positions.
                float angle = positions[axis[j]][t] * inverseFrequency[j];
                cos.set(t, j, (float) Math.cos(angle) * magnitude);
                sin.set(t, j, (float) Math.sin(angle) * magnitude);
            }
        }
    }
}
