package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Time grows with the length of a text, not with its square, whatever the text is made of. */
final class TokenizerSpeedTest {
    private static final int LENGTH = 20_000;

    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean(); // not disturbed by other programs
    private final Tokenizer tiny = Tiny.open();

    @Test
    void noTextTakesQuadraticTime() {
        for (String unit : List.of(
                "a",
                "ab",
                "日",
                "日本語",
                " ",
                "\n",
                " \n",
                "!",
                "!?.",
                "7",
                "'",
                "'s",
                "<",
                "<|im_start",
                "<|im_end|>",
                "\u0301",
                "\u0301\u0316",
                "\u0345\u0301\u0316\u0334",
                "\u0f73\u0f71",
                "a\u0301",
                "\u1161",
                "\u1100\u1161\u11a8",
                "😀",
                "👩\u200d",
                "\ud834\udd65\ud834\udd6e",
                "\ud800",
                "\u00a0",
                "\t",
                "the ")) {
            String text = "x" + unit.repeat(LENGTH / unit.length());
            assertGrowsLinearly(unit, text, text + text + text + text);
        }
        String marks = "\u0301".repeat(LENGTH);
        assertGrowsLinearly(
                "blocks of marks",
                "a" + marks + marks.replace('\u0301', '\u0316'),
                "a" + marks.repeat(4) + marks.replace('\u0301', '\u0316').repeat(4));
    }

    /** Four times the text takes at most ten times as long; the square would be sixteen. The best of some runs each. */
    private void assertGrowsLinearly(String what, String text, String fourTimes) {
        double once = Double.MAX_VALUE;
        double four = Double.MAX_VALUE;
        for (int run = 0; run < 6 && (run < 2 || four > 10 * once); run++) {
            // A millisecond more each: below that, time is not that of the text.
            once = Math.min(once, time(text) + 1e6);
            four = Math.min(four, time(fourTimes) + 1e6);
        }
        assertThat(four / once).as("time for four times the text of %s", what).isLessThan(10);
    }

    private double time(String text) {
        long start = threads.getCurrentThreadCpuTime();
        tiny.encode(text);
        return threads.getCurrentThreadCpuTime() - start;
    }
}
