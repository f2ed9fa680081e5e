package dev.jwen.nano;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/** What every skill promises that is asked in one message and answered in one. */
final class SkillChecks {
    private static final int PROBLEMS = 200;

    private SkillChecks() {}

    /**
     * Demonstrations pass and silence fails, the same numbers give the same problem, no key is in both splits, and other
     * answers of the skill are told apart.
     */
    static void sound(Skill skill) {
        Set<String> keys = new HashSet<>();
        for (Split split : Split.values()) {
            SplittableRandom random = new SplittableRandom(5);
            SplittableRandom again = new SplittableRandom(5);
            Set<String> here = new HashSet<>();
            Problem before = skill.problem(new SplittableRandom(6), split);
            for (int i = 0; i < PROBLEMS; i++) {
                Problem problem = skill.problem(random, split);
                Conversation shown = problem.demonstration();
                if (i < 40) {
                    Problem twin = skill.problem(again, split);
                    assertEquals(shown, twin.demonstration());
                    assertEquals(problem.key(), twin.key());
                }
                problem.key().lines().forEach(key -> assertEquals(split, Split.of(key), key));
                assertTrue(problem.solved().test(shown), shown::toJson);
                assertTrue(shown.messages().stream().map(Message::text).allMatch(SkillChecks::isAscii), shown::toJson);
                assertFalse(problem.solved().test(answered(shown, "")), problem.key());
                String other = Sayings.answer(before.demonstration());
                // Another answer fails, unless it was as right, as it then is both ways.
                assertEquals(
                        before.solved().test(shown),
                        problem.solved().test(answered(shown, other)),
                        () -> "%s, answered %s"
                                .formatted(shown.messages().getLast().text(), other));
                before = problem;
                problem.key().lines().forEach(here::add);
            }
            assertTrue(here.stream().noneMatch(keys::contains), "a key in both splits");
            keys.addAll(here);
        }
    }

    static Conversation answered(Conversation shown, String answer) {
        return new Conversation(
                List.of(shown.messages().getFirst(), Message.assistant(answer, "", List.of())), shown.tools());
    }

    private static boolean isAscii(String text) {
        return text.chars().allMatch(c -> c < 128);
    }
}
