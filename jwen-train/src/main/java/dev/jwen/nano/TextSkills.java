package dev.jwen.nano;

import java.util.List;

/** The skills of text: arithmetic, letters, small worlds and small programs. */
public final class TextSkills {
    private TextSkills() {}

    /** All of them, in the order of tables. */
    public static List<Skill> all() {
        return List.of(
                new Sums(true),
                new Sums(false),
                new CalculatorSkill(true),
                new CalculatorSkill(false),
                new UpperCase(),
                new Reverse(),
                new LetterCount(),
                World.oneHop(),
                World.twoHops(),
                new BugFix());
    }
}
