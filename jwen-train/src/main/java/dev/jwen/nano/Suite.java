package dev.jwen.nano;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** What jwen-nano is measured by. */
public final class Suite {
    private static final Map<String, Double> TARGETS = Map.ofEntries(
            Map.entry("addition", 0.97),
            Map.entry("subtraction", 0.97),
            Map.entry("calculator-call", 0.97),
            Map.entry("calculator-answer", 0.95),
            Map.entry("upper-case", 0.97),
            Map.entry("reverse", 0.92),
            Map.entry("letter-count", 0.85),
            Map.entry("world-one-hop", 0.90),
            Map.entry("world-two-hops", 0.80),
            Map.entry("bug-fix", 0.93),
            Map.entry("commands", 0.90),
            Map.entry("refusal", 0.90),
            Map.entry("picture-presence", 0.95),
            Map.entry("picture-place", 0.95),
            Map.entry("picture-colour", 0.95));

    private Suite() {}

    /** All skills that are measured, in the order of the table. */
    public static List<Skill> skills() {
        return Stream.of(TextSkills.all(), TalkSkills.all(), SightSkills.all())
                .flatMap(List::stream)
                .toList();
    }

    /** By the name of a skill, the share of problems that jwen-nano shall solve, 0 to 1; some skills have none. */
    public static Map<String, Double> targets() {
        return TARGETS;
    }
}
