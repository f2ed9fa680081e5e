package dev.jwen.nano;

import java.util.List;
import java.util.Map;

/** What jwen-nano is measured by. */
public final class Suite {
    private Suite() {}

    /** All skills that are measured, in the order of the table. */
    public static List<Skill> skills() {
        return List.of();
    }

    /** By the name of a skill, the share of problems that jwen-nano shall solve, 0 to 1. */
    public static Map<String, Double> targets() {
        return Map.of();
    }
}
