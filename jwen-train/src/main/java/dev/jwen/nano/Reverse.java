package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Words spelled backwards. The reasoning numbers the letters, first up and then down, so that each letter is found by its
 * number: {@code 1c2a3t}, {@code 3t2a1c}.
 */
final class Reverse implements Skill {
    private static final List<String> WORDINGS = List.of(
            "Reverse %s.",
            "Reverse the word %s.",
            "Reverse the letters of %s.",
            "Spell %s backwards.",
            "Spell the word %s backwards.",
            "Write %s backwards.",
            "Write the word %s backwards.",
            "Write %s in reverse.",
            "What is %s backwards?",
            "What is %s spelled backwards?",
            "What is the reverse of %s?",
            "How do you spell %s backwards?",
            "Can you reverse %s?",
            "Turn %s around.",
            "Backwards: %s",
            "%s backwards",
            "%s in reverse");

    @Override
    public String name() {
        return "reverse";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            String word = Words.any(draw);
            String key = "reverse " + word;
            if (Split.of(key) == split) {
                return problem(key, draw.ask(WORDINGS, Words.quoted(word, draw)), word);
            }
        }
    }

    private static Problem problem(String key, String question, String word) {
        String answer = new StringBuilder(word).reverse().toString();
        StringBuilder up = new StringBuilder();
        StringBuilder down = new StringBuilder();
        for (int i = 1; i <= word.length(); i++) {
            up.append(i).append(word.charAt(i - 1));
            down.insert(0, i + word.substring(i - 1, i));
        }
        return new Problem(
                key,
                new Conversation(
                        List.of(Message.user(question), Message.assistant(answer, up + "\n" + down, List.of())),
                        List.of()),
                conversation -> Verdict.answers(conversation, answer));
    }
}
