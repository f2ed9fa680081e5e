package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/** Words and short phrases in capital letters; the reasoning spells them in small ones. */
final class UpperCase implements Skill {
    private static final List<String> WORDINGS = List.of(
            "Write %s in upper case.",
            "Write %s in uppercase.",
            "Write %s in capital letters.",
            "Write %s in capitals.",
            "Write %s in all caps.",
            "Put %s in upper case.",
            "Put %s in capital letters.",
            "Convert %s to upper case.",
            "Convert %s to uppercase.",
            "Change %s to upper case.",
            "Make %s upper case.",
            "Make %s uppercase.",
            "Turn %s into capital letters.",
            "Uppercase %s",
            "Upper case: %s",
            "Capitalize all letters of %s.",
            "In capital letters: %s",
            "What is %s in upper case?",
            "What is %s in capital letters?",
            "How do you write %s in capitals?",
            "Can you write %s in upper case?");

    @Override
    public String name() {
        return "upper-case";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            List<String> words = new ArrayList<>();
            int count = draw.oneIn(2) ? 1 : draw.between(2, 4);
            for (int i = 0; i < count; i++) {
                words.add(count == 1 ? Words.any(draw) : draw.of(Words.ENGLISH));
            }
            String phrase = String.join(" ", words);
            String key = "upper-case " + phrase;
            if (Split.of(key) == split) {
                String shown =
                        draw.oneIn(6) ? phrase.substring(0, 1).toUpperCase(Locale.ROOT) + phrase.substring(1) : phrase;
                return problem(key, draw.ask(WORDINGS, Words.quoted(shown, draw)), words);
            }
        }
    }

    private static Problem problem(String key, String question, List<String> words) {
        String answer = String.join(" ", words).toUpperCase(Locale.ROOT);
        List<String> spelled = words.stream().map(UpperCase::spelled).toList();
        return new Problem(
                key,
                new Conversation(
                        List.of(
                                Message.user(question),
                                Message.assistant(answer, String.join("\n", spelled), List.of())),
                        List.of()),
                conversation -> Verdict.answers(conversation, answer));
    }

    /** Each letter with its number, by which a network finds the next, and its capital: {@code 1wW2hH3iI}. */
    private static String spelled(String word) {
        StringBuilder spelled = new StringBuilder();
        for (int i = 0; i < word.length(); i++) {
            char letter = word.charAt(i);
            spelled.append(i + 1).append(letter).append(Character.toUpperCase(letter));
        }
        return spelled.toString();
    }
}
