package dev.jwen.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Counts the cores of this machine that the process may use.
 *
 * <p>Two hardware threads of one core share its arithmetic units and caches; kernels that keep these busy gain nothing
 * from the second one, and every barrier waits for the slower of the two.
 *
 * @see <a href="https://docs.kernel.org/admin-guide/cputopology.html">How Linux exports the topology</a>
 */
final class Cores {
    private static final int MAX_PROCESSORS = 1 << 16;

    private Cores() {}

    /**
     * The cores on which the process may run, but no more than {@code processors}.
     *
     * @param system where Linux describes the processors: /sys/devices/system/cpu
     * @param status what Linux says of this process, its affinity in particular: /proc/self/status
     * @param processors hardware threads this JVM may use, as limited by containers and affinity; the answer where the
     *     system says no more
     */
    static int count(Path system, Path status, int processors) {
        try {
            BitSet allowed = allowed(status);
            Set<BitSet> cores = new HashSet<>();
            for (int cpu = allowed.nextSetBit(0); cpu >= 0; cpu = allowed.nextSetBit(cpu + 1)) {
                Path topology = system.resolve("cpu" + cpu).resolve("topology");
                Path siblings = topology.resolve("core_cpus_list");
                if (!Files.exists(siblings)) {
                    siblings = topology.resolve("thread_siblings_list"); // before Linux 5.3
                }
                if (Files.exists(siblings)) { // a processor that is switched off has no topology
                    cores.add(parse(Files.readString(siblings)));
                }
            }
            return cores.isEmpty() ? processors : Math.min(processors, cores.size());
        } catch (IOException | UncheckedIOException | IllegalArgumentException e) {
            return processors;
        }
    }

    private static BitSet allowed(Path status) throws IOException {
        try (Stream<String> lines = Files.lines(status)) {
            return parse(lines.filter(line -> line.startsWith("Cpus_allowed_list:"))
                    .map(line -> line.substring(line.indexOf(':') + 1))
                    .findFirst()
                    .orElse(""));
        }
    }

    /** The processors of a list such as {@code 0-3,8}. */
    private static BitSet parse(String list) {
        BitSet processors = new BitSet();
        for (String range : list.strip().split(",", -1)) {
            String[] ends = range.split("-", 2);
            int first = Integer.parseInt(ends[0].strip());
            int last = Integer.parseInt(ends[ends.length - 1].strip());
            if (first < 0 || last < first || last >= MAX_PROCESSORS) {
                throw new IllegalArgumentException("not a list of processors: " + list);
            }
            processors.set(first, last + 1);
        }
        return processors;
    }
}
