package dev.jwen.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LoadBalanceTest {
    private static final double[][] PROBABILITIES = {{0.5, 0.3, 0.1, 0.1}, {0.1, 0.2, 0.3, 0.4}, {0.7, 0.1, 0.1, 0.1}};
    private static final int[][] CHOSEN = {{0, 1}, {3, 2}, {0, 1}};

    private static LoadBalance balance(double[][] probabilities) {
        LoadBalance balance = new LoadBalance(0.01, 4);
        for (int t = 0; t < probabilities.length; t++) {
            balance.add(probabilities[t], CHOSEN[t]);
        }
        return balance;
    }

    @Test
    void theLossIsThatOfTheFormula() {
        double mean0 = 1.3 / 3;
        double mean1 = 0.6 / 3;
        double mean2 = 0.5 / 3;
        double mean3 = 0.6 / 3;
        double expected = 0.01 * 4 * (2 / 3.0 * mean0 + 2 / 3.0 * mean1 + 1 / 3.0 * mean2 + 1 / 3.0 * mean3);
        assertThat(balance(PROBABILITIES).loss()).isCloseTo(expected, within(1e-15));
    }

    @Test
    void evenUseCostsOneForEachChosenExpert() {
        LoadBalance balance = new LoadBalance(1, 4);
        double[] even = {0.25, 0.25, 0.25, 0.25};
        balance.add(even, new int[] {0, 1});
        balance.add(even, new int[] {2, 3});
        assertThat(balance.loss()).isEqualTo(2);
    }

    @Test
    void theGradientIsTheSlopeWithChoicesHeld() {
        for (int e = 0; e < 4; e++) {
            double[][] more = {PROBABILITIES[0].clone(), PROBABILITIES[1], PROBABILITIES[2]};
            more[0][e] += 1e-3;
            double slope = (balance(more).loss() - balance(PROBABILITIES).loss()) / 1e-3;
            assertThat(balance(PROBABILITIES).gradient(e)).isCloseTo(slope, within(1e-12));
        }
    }

    @Test
    void aBatchBeginsWithNothingAndCountsByItsShareOfAStep() {
        LoadBalance balance = balance(PROBABILITIES);
        double loss = balance.loss();
        double gradient = balance.gradient(1);
        balance.begin(0.25);
        assertThat(balance.loss()).isZero();
        assertThat(balance.gradient(1)).isZero();
        for (int t = 0; t < PROBABILITIES.length; t++) {
            balance.add(PROBABILITIES[t], CHOSEN[t]);
        }
        assertThat(balance.loss()).isCloseTo(loss / 4, within(1e-15));
        assertThat(balance.gradient(1)).isCloseTo(gradient / 4, within(1e-15));
    }
}
