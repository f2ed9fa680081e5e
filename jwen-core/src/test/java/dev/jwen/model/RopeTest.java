package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class RopeTest {
    private static final List<Integer> SECTION = List.of(11, 11, 10);

    private static float[][] cosAndSin(RopeParameters parameters, int time, int height, int width) {
        Tensor cos = Tensor.f32(1, parameters.rotaryDim() / 2);
        Tensor sin = Tensor.f32(1, parameters.rotaryDim() / 2);
        new Rope(parameters).fill(new int[][] {{time}, {height}, {width}}, cos, sin);
        return new float[][] {cos.toFloats(), sin.toFloats()};
    }

    @Test
    void textRotatesByPositionTimesFrequency() {
        RopeParameters plain = new RopeParameters(1e7, 64, SECTION, RopeParameters.Yarn.NONE);
        float[][] found = cosAndSin(plain, 1000, 1000, 1000);
        for (int j = 0; j < 32; j++) {
            double angle = 1000 * Math.pow(1e7, -2.0 * j / 64);
            assertThat(found[0][j]).isEqualTo((float) Math.cos(angle), within(1e-4f));
            assertThat(found[1][j]).isEqualTo((float) Math.sin(angle), within(1e-4f));
        }
    }

    @Test
    void heightAndWidthTakeEveryThirdFrequencyOfTheirSections() {
        RopeParameters plain = new RopeParameters(1e7, 64, SECTION, RopeParameters.Yarn.NONE);
        float[] cos = cosAndSin(plain, 0, 1, 2)[0];
        for (int j = 0; j < 32; j++) {
            int position = j % 3 == 1 && j < 33 ? 1 : j % 3 == 2 && j < 30 ? 2 : 0;
            double angle = position * Math.pow(1e7, -2.0 * j / 64);
            assertThat(cos[j]).as("frequency " + j).isEqualTo((float) Math.cos(angle), within(1e-6f));
        }
    }

    @Test
    void yarnKeepsFastFrequenciesDividesSlowOnesAndScalesTheMagnitude() {
        double attention = 0.1 * Math.log(4) + 1;
        RopeParameters.Yarn yarn = new RopeParameters.Yarn(4, 262_144, 32, 1, attention);
        float[][] found = cosAndSin(new RopeParameters(1e7, 64, SECTION, yarn), 1, 1, 1);
        // d(32) = 14.23 and d(1) = 21.12, so the ramp runs from 14 to 22.
        for (int j = 0; j < 32; j++) {
            double kept = Math.pow(1e7, -2.0 * j / 64);
            double ramp = Math.clamp((j - 14) / 8.0, 0, 1);
            double frequency = kept * (1 - ramp) + kept / 4 * ramp;
            assertThat(found[0][j])
                    .as("frequency " + j)
                    .isEqualTo((float) (Math.cos(frequency) * attention), within(1e-6f));
            assertThat(found[1][j])
                    .as("frequency " + j)
                    .isEqualTo((float) (Math.sin(frequency) * attention), within(1e-6f));
        }
    }
}
