package dev.jwen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private final TestTerminal terminal = new TestTerminal(24);
    private long now;

    private Progress progress(Screen screen, long total) {
        return new Progress(screen, terminal.writer(), "Loading", total, Units::bytes, () -> now);
    }

    @Test
    void showsShareAmountSpeedAndTimeLeftInOneLineAndRemovesIt() {
        try (Progress progress = progress(Screen.terminal(Map.of("TERM", "xterm"), 100, 24), 4L << 30)) {
            now += 2_000_000_000L;
            progress.update(1L << 30);
            assertThat(terminal.rows())
                    .containsExactly(
                            "Loading  25 % ━━━━━━──────────────────  1.0 GiB of 4.0 GiB  512.0 MiB/s  6.0 s left");
            now += 50_000_000;
            int written = terminal.written().length();
            progress.update(2L << 30);
            assertThat(terminal.written()).as("at most ten times a second").hasSize(written);
            now += 2_000_000_000L;
            progress.update(4L << 30);
            assertThat(terminal.rows().getFirst()).startsWith("Loading 100 %").doesNotContain("left");
        }
        assertThat(terminal.rows()).containsExactly("");
    }

    @Test
    void theBarGivesWayToTheNumbers() {
        try (Progress progress = progress(Screen.terminal(Map.of("TERM", "xterm"), 70, 24), 4L << 30)) {
            now += 2_000_000_000L;
            progress.update(1L << 30);
            assertThat(terminal.rows())
                    .containsExactly("Loading  25 % ━━────────  1.0 GiB of 4.0 GiB  512.0 MiB/s  6.0 s left");
        }
    }

    @Test
    void withoutATotalOnlyTheAmountIsShown() {
        try (Progress progress = progress(Screen.terminal(Map.of("TERM", "xterm"), 80, 24), 0)) {
            now += 1_000_000_000L;
            progress.update(2048);
            assertThat(terminal.rows()).containsExactly("Loading  2.0 KiB  2.0 KiB/s");
        }
    }

    @Test
    void theLineIsCutToTheWidth() {
        try (Progress progress = progress(Screen.terminal(Map.of("TERM", "xterm"), 20, 24), 10)) {
            progress.update(5);
            assertThat(terminal.rows().getFirst()).hasSize(19);
        }
    }

    @Test
    void pipesAndDumbTerminalsStaySilent() {
        for (Screen screen : new Screen[] {Screen.pipe(), Screen.terminal(Map.of("TERM", "dumb"), 80, 24)}) {
            try (Progress progress = progress(screen, 10)) {
                progress.update(5);
            }
        }
        assertThat(terminal.written()).isEmpty();
    }

    @Test
    void unitsChangeAtTheirBorders() {
        assertThat(Units.bytes(0)).isEqualTo("0 B");
        assertThat(Units.bytes(1023)).isEqualTo("1023 B");
        assertThat(Units.bytes(1536)).isEqualTo("1.5 KiB");
        assertThat(Units.bytes((1L << 20) - 1)).isEqualTo("1.0 MiB");
        assertThat(Units.bytes(Long.MAX_VALUE)).isEqualTo("8.0 EiB");
        assertThat(Units.count(999)).isEqualTo("999");
        assertThat(Units.count(248_320)).isEqualTo("248.3 K");
        assertThat(Units.count(999_999)).isEqualTo("1.0 M");
        assertThat(Units.count(752_393_024)).isEqualTo("752.4 M");
        assertThat(Units.tokensPerSecond(100, Duration.ofMillis(2_400))).isEqualTo("41.7 tokens/s");
        assertThat(Units.tokensPerSecond(100, Duration.ZERO)).isEqualTo("0.0 tokens/s");
        assertThat(Units.time(Duration.ofMillis(999))).isEqualTo("999 ms");
        assertThat(Units.time(Duration.ofMillis(4_210))).isEqualTo("4.2 s");
        assertThat(Units.time(Duration.ofMillis(59_960))).isEqualTo("1 min 00 s");
        assertThat(Units.time(Duration.ofSeconds(187))).isEqualTo("3 min 07 s");
        assertThat(Units.time(Duration.ofMinutes(125))).isEqualTo("2 h 05 min");
    }
}
