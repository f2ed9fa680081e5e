package dev.jwen.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class SplitPatternTest {
    private static final String ALPHABET =
            "  \n\r\t\u000b\u0085\u00a0\u2028\u3000''''sStTrReEvVmMlLdDſKabzé日ก\u0301\u0e35\u0903\u20dd12²Ⅷ٣.,!?<|_-$+^`\u200b\ufeff\u180e\ufffd\0"
                    + "😀𝓗𝟘𝆷\ud834\udd65\udb40\udc41";

    @ParameterizedTest
    @EnumSource
    void theScannerIsTheRegularExpression(SplitPattern pattern) {
        long seed = 20;
        SplittableRandom random = new SplittableRandom(seed);
        int[] alphabet = ALPHABET.codePoints().toArray();
        Pattern regex = Pattern.compile(pattern.regex(), Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE);
        for (int round = 0; round < 20_000; round++) {
            StringBuilder text = new StringBuilder();
            for (int length = random.nextInt(12); length >= 0; length--) {
                text.appendCodePoint(alphabet[random.nextInt(alphabet.length)]);
            }
            assertThat(pattern.pieces(text.toString()))
                    .as("seed %d, round %d, text %s", seed, round, text)
                    .isEqualTo(matches(regex, text));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyCodePointHasTheKindThatTheRegularExpressionGivesIt(SplitPattern pattern) {
        Pattern regex = Pattern.compile(pattern.regex(), Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE);
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            if (Character.getType(c) != Character.SURROGATE) {
                String text = "a" + Character.toString(c) + Character.toString(c) + " " + Character.toString(c) + "1";
                List<String> pieces = pattern.pieces(text);
                List<String> expected = matches(regex, text);
                if (!pieces.equals(expected)) {
                    assertThat(pieces).as("U+%04X", c).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void contractionsFoldCaseAsUnicodeDoes() {
        assertThat(SplitPattern.QWEN35.pieces("'ſt 'ſ'LL'Re'vE'D'x"))
                .containsExactly("'ſ", "t", " '", "ſ", "'LL", "'Re", "'vE", "'D", "'x");
    }

    private static List<String> matches(Pattern regex, CharSequence text) {
        List<String> pieces = new ArrayList<>();
        Matcher matcher = regex.matcher(text);
        while (matcher.find()) {
            pieces.add(matcher.group());
        }
        return pieces;
    }
}
