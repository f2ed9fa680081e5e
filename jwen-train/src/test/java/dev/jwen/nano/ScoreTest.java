package dev.jwen.nano;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class ScoreTest {
    private static Score score(int solved, int problems) {
        return new Score("x", problems, solved, 1, List.of());
    }

    /** The interval holds exactly those rates p whose distance from the sample is at most z·√(p(1-p)/n). */
    @Test
    void theEndsOfTheIntervalSolveTheEquationThatDefinesThem() {
        for (int[] sample : new int[][] {{1, 10}, {5, 10}, {97, 100}, {486, 500}, {499, 500}, {0, 7}, {7, 7}}) {
            Score score = score(sample[0], sample[1]);
            for (double end : new double[] {score.low(), score.high()}) {
                double distance = Math.abs(score.accuracy() - end);
                double deviation = 1.959963984540054 * Math.sqrt(end * (1 - end) / score.problems());
                assertThat(distance).isCloseTo(deviation, within(1e-12));
            }
            assertThat(score.accuracy()).isBetween(score.low(), score.high());
        }
    }

    @Test
    void itAgreesWithPublishedValues() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20 by the score method without continuity correction.
        assertThat(score(81, 263).low()).isCloseTo(0.2553, within(5e-5));
        assertThat(score(81, 263).high()).isCloseTo(0.3662, within(5e-5));
        assertThat(score(0, 20).low()).isZero();
        assertThat(score(0, 20).high()).isCloseTo(0.1611, within(5e-5));
    }

    @Test
    void countsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> score(3, 2)).hasMessageContaining("3 of 2");
        assertThatThrownBy(() -> score(0, 0)).hasMessageContaining("0 of 0");
    }
}
