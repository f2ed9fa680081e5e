package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    @Test
    void constantIsAlwaysOne() {
        assertThat(List.of(Schedule.constant().at(0), Schedule.constant().at(1)))
                .containsOnly(1.0);
    }

    @Test
    void linearRisesAndFalls() {
        Schedule schedule = Schedule.linear(0.2);
        assertThat(schedule.at(0)).isZero();
        assertThat(schedule.at(0.1)).isEqualTo(0.5);
        assertThat(schedule.at(0.2)).isEqualTo(1);
        assertThat(schedule.at(0.6)).isCloseTo(0.5, within(1e-12));
        assertThat(schedule.at(1)).isZero();
        assertThat(schedule.at(1.1)).isZero();
        assertThat(Schedule.linear(0).at(0)).isEqualTo(1);
    }

    @Test
    void cosineFallsToItsLastValue() {
        Schedule schedule = Schedule.cosine(0.2, 0.1);
        assertThat(schedule.at(0)).isZero();
        assertThat(schedule.at(0.2)).isEqualTo(1);
        assertThat(schedule.at(0.6)).isCloseTo(0.55, within(1e-12));
        assertThat(schedule.at(1)).isCloseTo(0.1, within(1e-12));
        assertThat(schedule.at(2)).isCloseTo(0.1, within(1e-12));
        assertThat(Schedule.cosine(0, 0.1).at(0)).isEqualTo(1);
    }

    @Test
    void trapezoidStaysAtOneBetweenItsSlopes() {
        Schedule schedule = Schedule.trapezoid(0.1, 0.4);
        assertThat(schedule.at(0)).isZero();
        assertThat(schedule.at(0.05)).isCloseTo(0.5, within(1e-12));
        for (double done = 0.1; done <= 0.6; done += 0.05) {
            assertThat(schedule.at(done)).isCloseTo(1, within(1e-12));
        }
        assertThat(schedule.at(0.8)).isCloseTo(0.5, within(1e-12));
        assertThat(schedule.at(1)).isZero();
        assertThat(schedule.at(1.5)).isZero();
        assertThat(Schedule.trapezoid(0, 0.4).at(0)).isEqualTo(1);
    }
}
