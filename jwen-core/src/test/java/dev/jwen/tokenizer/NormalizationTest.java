package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.text.Normalizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class NormalizationTest {
    private static final int[] MARKS = IntStream.rangeClosed(0x300, Character.MAX_CODE_POINT)
            .filter(c -> Character.getType(c) == Character.NON_SPACING_MARK
                    || Character.getType(c) == Character.COMBINING_SPACING_MARK
                    || Character.getType(c) == Character.ENCLOSING_MARK)
            .toArray();

    @Test
    void longRunsOfMarksNormalizeAsTheJdkDoes() {
        long seed = 7;
        SplittableRandom random = new SplittableRandom(seed);
        int[] bases = "aé日 \u09c7\u1100ạ".codePoints().toArray();
        for (int round = 0; round < 60; round++) {
            StringBuilder text = new StringBuilder();
            int kinds = 1 + random.nextInt(random.nextBoolean() ? 5 : MARKS.length);
            int first = random.nextInt(MARKS.length - kinds + 1);
            for (int run = 0; run < 4; run++) {
                text.appendCodePoint(bases[random.nextInt(bases.length)]);
                for (int length = random.nextInt(600); length > 0; length--) {
                    text.appendCodePoint(MARKS[first + random.nextInt(kinds)]);
                }
            }
            assertThat(Normalization.nfc(text.toString()))
                    .as("seed %d, round %d", seed, round)
                    .isEqualTo(Normalizer.normalize(text, Normalizer.Form.NFC));
        }
    }

    @Test
    void onlyMarksAreEverReordered() {
        BitSet marks = new BitSet();
        Arrays.stream(MARKS).forEach(marks::set);
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            if (!marks.get(c) && Character.getType(c) != Character.SURROGATE) {
                String other = Character.toString(c);
                boolean stays = !decompose(other + '\u0334').startsWith("\u0334")
                        && decompose('\u0345' + other).startsWith("\u0345");
                if (!stays) {
                    fail("U+%04X", c);
                }
            }
        }
    }

    private static String decompose(String text) {
        return Normalizer.normalize(text, Normalizer.Form.NFD);
    }

    @Test
    void halvesOfPairsAreReplacedAndPairsAreNot() {
        assertThat(Normalization.wellFormed("a\ud83d\ude00\ud83d")).isEqualTo("a😀\ufffd");
        assertThat(Normalization.wellFormed("\ude00\ud83d")).isEqualTo("\ufffd\ufffd");
    }
}
