package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Time grows with the length of a text, not with its square, whatever the text is made of. */
final class TokenizerSpeedTest {
    private static final int LENGTH = 100_000;

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

    /** Four times the text takes at most ten times as long; the square would be sixteen. Best of several runs. */
    private void assertGrowsLinearly(String what, String text, String fourTimes) {
        double ratio = Double.MAX_VALUE;
        for (int attempt = 0; attempt < 8 && ratio > 10; attempt++) {
            // A millisecond more each: below that, time is not that of the text.
            ratio = Math.min(ratio, (time(fourTimes) + 1e6) / (time(text) + 1e6));
        }
        assertThat(ratio).as("time for four times the text of %s", what).isLessThan(10);
    }

    private double time(String text) {
        long best = Long.MAX_VALUE;
        for (int run = 0; run < 2; run++) {
            long start = System.nanoTime();
            tiny.encode(text);
            best = Math.min(best, System.nanoTime() - start);
        }
        return best;
    }
}
