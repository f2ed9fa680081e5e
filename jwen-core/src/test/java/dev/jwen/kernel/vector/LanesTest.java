package dev.jwen.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class LanesTest {
    static {
        assertThat(VectorModule.load()).isEmpty();
    }

    @Test
    void sumsAreAddedUpInOneOrderHoweverOftenTheyAreAsked() {
        SplittableRandom random = new SplittableRandom(1);
        float[] values = new float[Lanes.L];
        float last = 0;
        for (int round = 0; round < 30_000; round++) {
            if (round % 3_000 == 0) { // the same values again and again, while the compiler takes over
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) (random.nextGaussian() * Math.pow(10, random.nextInt(6)));
                }
                float[] columns = new float[4];
                for (int i = 0; i < values.length; i++) {
                    columns[i % 4] += values[i];
                }
                last = columns[0] + columns[1] + (columns[2] + columns[3]);
            }
            assertThat(Lanes.sum(FloatVector.fromArray(Lanes.F, values, 0)) == last)
                    .isTrue();
        }
    }

    @Test
    void theLargestIsFoundInEveryLane() {
        for (int lane = 0; lane < Lanes.L; lane++) {
            float[] values = new float[Lanes.L];
            Arrays.fill(values, -3);
            values[lane] = -1;
            assertThat(Lanes.max(FloatVector.fromArray(Lanes.F, values, 0))).isEqualTo(-1);
        }
    }
}
