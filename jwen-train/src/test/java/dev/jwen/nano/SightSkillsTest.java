package dev.jwen.nano;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class SightSkillsTest {
    @TestFactory
    List<DynamicTest> skillsAreSound() {
        List<Skill> skills = new ArrayList<>(SightSkills.all());
        skills.add(SightSkills.first());
        skills.add(SightSkills.several());
        return skills.stream()
                .map(skill -> DynamicTest.dynamicTest(skill.name(), () -> SkillChecks.sound(skill)))
                .toList();
    }

    @Test
    void picturesAreReadableAndMostHaveTheUsualSize() throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        int usual = 0;
        for (int i = 0; i < 40; i++) {
            Problem problem = SightSkills.all().get(i % 6).problem(random, Split.TRAIN);
            String url = problem.demonstration().messages().getFirst().content().stream()
                    .filter(ContentPart.Image.class::isInstance)
                    .map(part -> ((ContentPart.Image) part).source())
                    .findFirst()
                    .orElseThrow();
            byte[] png = Base64.getDecoder().decode(url.substring(url.indexOf(',') + 1));
            var picture = ImageIO.read(new ByteArrayInputStream(png));
            assertTrue(picture.getWidth() >= 96 && picture.getWidth() <= 400, () -> "width " + picture.getWidth());
            assertTrue(picture.getHeight() >= 96 && picture.getHeight() <= 400, () -> "height " + picture.getHeight());
            usual += picture.getWidth() == 192 && picture.getHeight() == 192 ? 1 : 0;
        }
        assertTrue(usual >= 20 && usual < 40, "usual sizes: " + usual);
    }

    @Test
    void halfOfTheAnswersToPresenceAreYes() {
        SplittableRandom random = new SplittableRandom(2);
        int yes = 0;
        for (int i = 0; i < 400; i++) {
            Problem problem = SightSkills.all().getFirst().problem(random, Split.HELD_OUT);
            yes += Sayings.answer(problem.demonstration()).equals("Yes.") ? 1 : 0;
        }
        assertTrue(yes > 160 && yes < 240, "yes: " + yes);
    }

    @Test
    void severalQuestionsAreAnsweredInTheirOrder() {
        Problem problem = SightSkills.several().problem(new SplittableRandom(5), Split.TRAIN);
        String answer = Sayings.answer(problem.demonstration());
        String[] answers = answer.split("(?<=[.]) ", -1);
        assertEquals(problem.key().lines().count(), answers.length);
        assertTrue(problem.solved().test(led(problem, answer.toLowerCase(Locale.ROOT))));
        assertFalse(problem.solved().test(led(problem, answers[0])));
        assertFalse(problem.solved().test(led(problem, answer + " " + answers[0])));
    }

    @Test
    void presenceIsThoughtOfAsAPlace() {
        SplittableRandom random = new SplittableRandom(6);
        for (int i = 0; i < 100; i++) {
            Message answer = SightSkills.all()
                    .getFirst()
                    .problem(random, Split.TRAIN)
                    .demonstration()
                    .messages()
                    .getLast();
            boolean nowhere = Objects.requireNonNull(answer.reasoning()).endsWith(": nowhere.");
            assertEquals(nowhere ? "No." : "Yes.", answer.text());
        }
    }

    @Test
    void otherWordsMaySayTheSameButNothingMayBeAdded() {
        Problem problem = SightSkills.first().problem(new SplittableRandom(3), Split.TRAIN);
        String colour = Sayings.answer(problem.demonstration()).replace(".", "");
        assertTrue(problem.solved().test(led(problem, "It looks " + colour + " to me")));
        assertFalse(problem.solved().test(led(problem, colour + " or not red, nor blue")));
        assertFalse(problem.solved().test(led(problem, "red, orange, yellow, green, blue, purple, black, white")));
        assertFalse(problem.solved().test(led(problem, "")));
        assertFalse(problem.solved().test(led(problem, "I do not know.")));
    }

    @Test
    void descriptionsAreSetsOfFacts() {
        SplittableRandom random = new SplittableRandom(4);
        Problem problem;
        String answer;
        do {
            problem = SightSkills.all().getLast().problem(random, Split.TRAIN);
            answer = Sayings.answer(problem.demonstration());
        } while (!answer.contains(" and ") || answer.contains(","));
        String[] parts = answer.substring(0, answer.length() - 1).split(" and ", -1);
        assertTrue(problem.solved().test(led(problem, parts[1] + ". There is also " + parts[0] + ".")));
        assertFalse(problem.solved().test(led(problem, parts[0])));
        assertFalse(problem.solved().test(led(problem, answer + " " + parts[0] + ".")));
        assertEquals(2, problem.demonstration().messages().size());
    }

    private static Conversation led(Problem problem, String answer) {
        return new Conversation(
                List.of(problem.demonstration().messages().getFirst(), Message.assistant(answer, null, List.of())),
                List.of());
    }
}
