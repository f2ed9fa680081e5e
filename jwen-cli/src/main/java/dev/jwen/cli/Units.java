package dev.jwen.cli;

import java.time.Duration;
import java.util.Locale;

/** Numbers as people read them, always with a decimal point. */
public final class Units {
    private static final String[] BYTES = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    private static final String[] COUNTS = {"", " K", " M", " B", " T"};

    private Units() {}

    /** A size in powers of 1,024, for example {@code 1.5 GiB}; below 1 KiB exact. */
    public static String bytes(long bytes) {
        double value = bytes;
        int unit = 0;
        while (Math.abs(value) >= 1023.95 && unit < BYTES.length - 1) {
            value /= 1024;
            unit++;
        }
        return unit == 0 ? bytes + " B" : oneDecimal(value) + " " + BYTES[unit];
    }

    /** A count in thousands, for example {@code 752.4 M} parameters; below 1,000 exact. */
    public static String count(long count) {
        double value = count;
        int unit = 0;
        while (Math.abs(value) >= 999.95 && unit < COUNTS.length - 1) {
            value /= 1000;
            unit++;
        }
        return unit == 0 ? Long.toString(count) : oneDecimal(value) + COUNTS[unit];
    }

    /** A number of things: {@code 1 token}, {@code 1,024 tokens}. */
    public static String counted(long count, String thing) {
        return String.format(Locale.ROOT, "%,d %s%s", count, thing, count == 1 ? "" : "s");
    }

    /** A speed, for example {@code 41.7 tokens/s}; 0 where no time has passed. */
    public static String tokensPerSecond(long tokens, Duration time) {
        double seconds = time.toNanos() / 1e9;
        return oneDecimal(seconds > 0 ? tokens / seconds : 0) + " tokens/s";
    }

    /** A time: {@code 85 ms}, {@code 4.2 s}, {@code 3 min 07 s}, {@code 2 h 05 min}. */
    public static String time(Duration time) {
        if (time.compareTo(Duration.ofSeconds(1)) < 0) {
            return time.toMillis() + " ms";
        }
        if (time.compareTo(Duration.ofMillis(59_950)) < 0) {
            return oneDecimal(time.toMillis() / 1e3) + " s";
        }
        Duration rounded = Duration.ofSeconds(Math.round(time.toMillis() / 1e3));
        if (rounded.toHours() == 0) {
            return String.format(Locale.ROOT, "%d min %02d s", rounded.toMinutes(), rounded.toSecondsPart());
        }
        return String.format(Locale.ROOT, "%d h %02d min", rounded.toHours(), rounded.toMinutesPart());
    }

    private static String oneDecimal(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
