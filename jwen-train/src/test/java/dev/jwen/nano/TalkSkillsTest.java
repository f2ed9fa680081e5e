package dev.jwen.nano;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class TalkSkillsTest {
    @TestFactory
    List<DynamicTest> skillsAreSound() {
        return TalkSkills.all().stream()
                .map(skill -> DynamicTest.dynamicTest(skill.name(), () -> SkillChecks.sound(skill)))
                .toList();
    }

    @Test
    void aSecondCommandMakesAnAnswerWrong() {
        Skill commands = TalkSkills.all().getFirst();
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 200; i++) {
            Problem problem = commands.problem(random, Split.TRAIN);
            String answer = Sayings.answer(problem.demonstration());
            assertTrue(problem.solved().test(SkillChecks.answered(problem.demonstration(), "Well. " + answer)));
            assertFalse(
                    problem.solved().test(SkillChecks.answered(problem.demonstration(), answer + " Or `jwen dance`.")));
        }
    }

    @Test
    void factsHaveManyQuestionsAndAnswersOfTheirOwn() {
        Skill commands = TalkSkills.all().getFirst();
        Set<String> answers = new HashSet<>();
        Set<String> questions = new HashSet<>();
        for (Split split : Split.values()) {
            SplittableRandom random = new SplittableRandom(2);
            for (int i = 0; i < 20_000; i++) {
                var shown = commands.problem(random, split).demonstration();
                answers.add(Sayings.answer(shown));
                questions.add(shown.messages().getFirst().text());
            }
        }
        assertTrue(answers.size() >= 60, "answers: " + answers.size());
        assertTrue(questions.size() > 20_000, "questions: " + questions.size());
    }

    @Test
    void noQuestionHasTwoAnswersNorIsInBothSplits() {
        for (Skill skill : TalkSkills.all()) {
            Map<String, String> seen = new HashMap<>();
            for (Split split : Split.values()) {
                SplittableRandom random = new SplittableRandom(7);
                for (int i = 0; i < 10_000; i++) {
                    Problem problem = skill.problem(random, split);
                    var shown = problem.demonstration();
                    String asked = shown.messages()
                            .getFirst()
                            .text()
                            .toLowerCase(Locale.ROOT)
                            .replaceAll("[.?!]+$", "");
                    String answer = split + " " + Sayings.answer(shown).replaceAll(".*(joke|byte).*", "a joke");
                    String before = seen.put(asked, answer);
                    assertTrue(before == null || before.equals(answer), () -> asked + ": " + before + " | " + answer);
                }
            }
        }
    }

    @Test
    void refusalsAreHonestAtOnce() {
        Problem problem = TalkSkills.all().get(1).problem(new SplittableRandom(3), Split.HELD_OUT);
        assertTrue(problem.solved()
                .test(SkillChecks.answered(problem.demonstration(), "I am a very small model, so I can't do that.")));
        assertFalse(problem.solved().test(SkillChecks.answered(problem.demonstration(), "I can't do that.")));
        assertFalse(problem.solved()
                .test(SkillChecks.answered(problem.demonstration(), "In 1789. I am a very small model, so I can't.")));
    }

    @Test
    void choicesNest() {
        Set<String> seen = new HashSet<>();
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 100; i++) {
            seen.add(Sayings.expand("a {b {c|d}|e|} f", random));
        }
        assertEquals(Set.of("a b c f", "a b d f", "a e f", "a f"), seen);
    }
}
