package dev.jwen.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class StopStringsTest {

    @Test
    void anySplitGivesTheTextBeforeTheStopStringThatIsCompleteFirst() {
        RandomGenerator random = Sampler.random(5);
        for (int round = 0; round < 20_000; round++) {
            List<String> stops = List.of(word(random, 1, 4), word(random, 1, 4), word(random, 2, 6));
            String text = word(random, 0, 20);
            StopStrings stop = new StopStrings(stops);
            StringBuilder out = new StringBuilder();
            for (int from = 0; from < text.length(); ) {
                int to = Math.min(text.length(), from + random.nextInt(4));
                out.append(stop.feed(text.substring(from, to)));
                from = to;
            }
            out.append(stop.finish());
            String expected = cut(text, stops);
            assertThat(out.toString()).as("%s in \"%s\"", stops, text).isEqualTo(expected);
            assertThat(stop.isStopped()).isEqualTo(stops.stream().anyMatch(text::contains));
        }
    }

    /** The definition: the earliest end wins, of equal ends the earliest beginning. */
    private static String cut(String text, List<String> stops) {
        int end = text.length() + 1;
        int begin = text.length();
        for (String stop : stops) {
            int at = text.indexOf(stop);
            int stopEnd = at + stop.length();
            if (at >= 0 && (stopEnd < end || (stopEnd == end && at < begin))) {
                end = stopEnd;
                begin = at;
            }
        }
        return text.substring(0, begin);
    }

    private static String word(RandomGenerator random, int min, int max) {
        StringBuilder word = new StringBuilder();
        for (int length = random.nextInt(min, max + 1); length > 0; length--) {
            word.append("ab\n".charAt(random.nextInt(3)));
        }
        return word.toString();
    }

    @Test
    void holdsBackOnlyWhatMayBecomeAStopString() {
        StopStrings stop = new StopStrings(List.of("\nUser:", "<end>"));
        assertThat(stop.feed("Hello\nUs")).isEqualTo("Hello");
        assertThat(stop.feed("a <")).isEqualTo("\nUsa ");
        assertThat(stop.feed("en")).isEmpty();
        assertThat(stop.feed("d")).isEmpty();
        assertThat(stop.isStopped()).isFalse();
        assertThat(stop.finish()).isEqualTo("<end");
    }

    @Test
    void saysWhichStopStringEndedTheTextAndIgnoresTheRest() {
        StopStrings stop = new StopStrings(List.of("bc", "abc"));
        assertThat(stop.feed("xa")).isEqualTo("x");
        assertThat(stop.feed("bcd")).isEmpty();
        assertThat(stop.matched()).isEqualTo("abc");
        assertThat(stop.feed("more")).isEmpty();
        assertThat(stop.finish()).isEmpty();
    }

    @Test
    void withoutStopStringsTextPassesAtOnce() {
        StopStrings none = new StopStrings(List.of());
        assertThat(none.feed("any\n")).isEqualTo("any\n");
        assertThat(none.isStopped()).isFalse();
        assertThat(none.matched()).isNull();
    }

    @Test
    void anEmptyStopStringIsRefused() {
        assertThatThrownBy(() -> new StopStrings(List.of("a", "")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a stop string is empty, expected at least one character");
    }
}
