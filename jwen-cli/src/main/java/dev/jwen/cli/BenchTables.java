package dev.jwen.cli;

import dev.jwen.bench.Ceiling;
import dev.jwen.bench.KernelSpeed;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The limits of the machine and the speeds of kernels, as tables for people and as JSON values. */
final class BenchTables {
    private BenchTables() {}

    static void ceiling(PrintWriter out, List<Ceiling> ceilings) {
        out.printf("limits of this machine (%s)%n", ceilings.getFirst().loops());
        out.printf("%-8s %14s %12s %12s %12s%n", "threads", "read, GB/s", "int8, GOPS", "BF16, GOPS", "F32, GOPS");
        for (Ceiling ceiling : ceilings) {
            out.printf(
                    "%-8d %14.1f %12s %12s %12s%n",
                    ceiling.threads(),
                    ceiling.readBytesPerSecond() / 1e9,
                    rate(ceiling, Arithmetic.INT8),
                    rate(ceiling, Arithmetic.BF16),
                    rate(ceiling, Arithmetic.F32));
        }
        out.println();
        out.flush();
    }

    private static String rate(Ceiling ceiling, Arithmetic arithmetic) {
        Double rate = ceiling.operationsPerSecond().get(arithmetic);
        return rate == null ? "-" : "%.0f".formatted(rate / 1e9);
    }

    static Map<String, Object> record(Ceiling ceiling) {
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("n_threads", ceiling.threads());
        record.put("loops", ceiling.loops());
        record.put("read_gb_per_s", ceiling.readBytesPerSecond() / 1e9);
        ceiling.operationsPerSecond()
                .forEach((arithmetic, rate) ->
                        record.put(arithmetic.name().toLowerCase(Locale.ROOT) + "_gops", rate / 1e9));
        return record;
    }

    static void kernelHeading(PrintWriter out) {
        out.printf("%-24s %6s %12s %10s %10s %10s%n", "kernel", "tokens", "µs", "GB/s", "GOPS", "of limit");
        out.flush();
    }

    static void kernel(PrintWriter out, KernelSpeed speed, Ceiling ceiling) {
        boolean fromMemory = speed.bytes() > 0;
        out.printf(
                "%-24s %6d %12.1f %10s %10.1f %10s%n",
                speed.kernel(),
                speed.tokens(),
                speed.seconds() * 1e6,
                fromMemory ? "%.1f".formatted(speed.bytesPerSecond() / 1e9) : "-",
                speed.operationsPerSecond() / 1e9,
                fromMemory ? "%.0f %%".formatted(100 * speed.share(ceiling)) : "-");
        out.flush();
    }

    static Map<String, Object> record(KernelSpeed speed, Ceiling ceiling) {
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("kernel", speed.kernel());
        record.put("n_tokens", speed.tokens());
        record.put("seconds", speed.seconds());
        record.put("gops", speed.operationsPerSecond() / 1e9);
        if (speed.bytes() > 0) {
            record.put("gb_per_s", speed.bytesPerSecond() / 1e9);
            record.put("arithmetic", speed.arithmetic().name().toLowerCase(Locale.ROOT));
            record.put("share_of_limit", speed.share(ceiling));
        }
        return record;
    }
}
