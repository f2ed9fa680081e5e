package dev.jwen.nano;

import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;

/**
 * How often a letter occurs in a word, or how many letters it has. The reasoning spells the word and counts on: {@code r},
 * then {@code s0t0r1a1w1b1e1r2r3y3} in a line of its own, so that the first letter is a token like the others.
 */
final class LetterCount implements Skill {
    private static final List<String> WORDINGS = List.of(
            "How many %1$s in %2$s?",
            "How many %1$s's in %2$s?",
            "How many %1$s's are in %2$s?",
            "How many %1$s are there in %2$s?",
            "How many %1$s's are there in the word %2$s?",
            "How many letters %1$s are in %2$s?",
            "How many times does %1$s occur in %2$s?",
            "How many times does the letter %1$s appear in %2$s?",
            "How often does %1$s occur in %2$s?",
            "How often is %1$s in %2$s?",
            "Count the %1$s in %2$s.",
            "Count the %1$s's in %2$s.",
            "Count the letter %1$s in %2$s.",
            "In %2$s, how many %1$s are there?",
            "What is the number of %1$s in %2$s?",
            "Tell me how many %1$s there are in %2$s.");

    private static final List<String> LENGTHS = List.of(
            "How many letters are in %s?",
            "How many letters are there in %s?",
            "How many letters does %s have?",
            "How many letters has the word %s?",
            "How long is the word %s?",
            "What is the number of letters in %s?",
            "Count the letters in %s.",
            "Count all letters of %s.");

    @Override
    public String name() {
        return "letter-count";
    }

    @Override
    public Problem problem(SplittableRandom random, Split split) {
        Draw draw = new Draw(random);
        while (true) {
            String word = Words.any(draw);
            boolean every = draw.oneIn(8);
            String letter = every ? "all" : letter(word, draw);
            String key = "letter-count " + word + " " + letter;
            if (Split.of(key) != split) {
                continue;
            }
            if (every) {
                int letters = word.length();
                String answer = "%s has %d letter%s".formatted(word, letters, letters == 1 ? "" : "s");
                return problem(key, draw.ask(LENGTHS, Words.quoted(word, draw)), word, letter, letters, answer);
            }
            String shown = draw.oneIn(3) ? '"' + letter + '"' : letter;
            int times = Collections.frequency(Words.spelled(word), letter);
            String answer = "%s occurs %d time%s in %s".formatted(letter, times, times == 1 ? "" : "s", word);
            return problem(key, draw.ask(WORDINGS, shown, Words.quoted(word, draw)), word, letter, times, answer);
        }
    }

    /** Mostly a letter of the word, and mostly one that repeats if there is one. */
    private static String letter(String word, Draw draw) {
        List<String> repeated = new ArrayList<>();
        for (String letter : Words.spelled(word)) {
            if (word.indexOf(letter) != word.lastIndexOf(letter)) {
                repeated.add(letter);
            }
        }
        if (draw.oneIn(6)) {
            return Character.toString((char) ('a' + draw.between(0, 25)));
        }
        return draw.of(repeated.isEmpty() || draw.oneIn(3) ? Words.spelled(word) : repeated);
    }

    /** Each letter of the word with the number of those so far that count. */
    private static Problem problem(String key, String question, String word, String letter, int number, String answer) {
        StringBuilder count = new StringBuilder(letter + "\n");
        int found = 0;
        for (String next : Words.spelled(word)) {
            found += letter.equals("all") || next.equals(letter) ? 1 : 0;
            count.append(next).append(found);
        }
        return new Problem(
                key,
                new Conversation(
                        List.of(Message.user(question), Message.assistant(answer + ".", count.toString(), List.of())),
                        List.of()),
                conversation -> Verdict.answers(conversation, answer, Integer.toString(number)));
    }
}
