package dev.jwen.nano;

import dev.jwen.chat.ContentPart;
import dev.jwen.chat.Conversation;
import dev.jwen.chat.Message;
import dev.jwen.chat.Role;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/** How people ask and how the model answers: one question, one short answer. */
final class Sayings {
    /** How questions begin; what begins otherwise ends without a question mark. */
    private static final Pattern QUESTION = Pattern.compile(
            "(and |so |now |well |hi |hey |hello )*(who|what|which|where|when|why|how|is|are|am|do|does|did|can|could|may|will|was|were|would|should|must|have|in what|in which|by who|aren.t)(m|.s|s|ver)?\\b.*",
            Pattern.DOTALL);

    private Sayings() {}

    /** A conversation of one question and one answer; {@code reasoning} is empty where it needs no thought. */
    static Conversation exchange(List<ContentPart> question, String reasoning, String answer) {
        return new Conversation(
                List.of(Message.user(question), Message.assistant(answer, reasoning, List.of())), List.of());
    }

    /** What the model said last, "" if it did not speak or called a tool. */
    static String answer(Conversation conversation) {
        Message last = conversation.messages().getLast();
        return last.role() == Role.ASSISTANT && last.toolCalls().isEmpty()
                ? last.text().strip()
                : "";
    }

    static <T> T pick(List<T> from, SplittableRandom random) {
        return from.get(random.nextInt(from.size()));
    }

    /**
     * Chooses among {@code {one|another|}} in a pattern, inner braces first.
     *
     * @throws IllegalArgumentException if braces do not match
     */
    static String expand(String pattern, SplittableRandom random) {
        StringBuilder text = new StringBuilder(pattern);
        int close;
        while ((close = text.indexOf("}")) >= 0) {
            int open = text.lastIndexOf("{", close);
            if (open < 0) {
                throw new IllegalArgumentException("A } without its { in: " + pattern);
            }
            String[] choices = text.substring(open + 1, close).split("\\|", -1);
            text.replace(open, close + 1, choices[random.nextInt(choices.length)]);
        }
        if (text.indexOf("{") >= 0) {
            throw new IllegalArgumentException("A { without its } in: " + pattern);
        }
        return text.toString().replaceAll(" {2,}", " ").replace(" 's ", "'s ").strip();
    }

    static String capital(String words) {
        return Character.toUpperCase(words.charAt(0)) + words.substring(1);
    }

    /** The text as somebody types it: with or without capitals and marks at the end, sometimes with a slip. */
    static String typed(String text, SplittableRandom random) {
        boolean question = QUESTION.matcher(text).matches();
        String typed = text;
        if (random.nextInt(12) == 0) {
            typed = slip(typed, random);
        }
        int style = random.nextInt(20);
        if (style < 9) {
            typed = capital(typed);
        } else if (style < 13) {
            typed = typed.toLowerCase(Locale.ROOT);
        } else if (style == 13) {
            typed = typed.toUpperCase(Locale.ROOT);
        }
        int mark = random.nextInt(20);
        if (mark < 10) {
            return typed + (question ? "?" : ".");
        }
        return mark == 10 ? typed + (question ? "??" : "!") : typed;
    }

    /** One letter doubled, dropped or exchanged with its neighbour, in a word of five letters or more. */
    private static String slip(String text, SplittableRandom random) {
        String[] words = text.split(" ", -1);
        int at = random.nextInt(words.length);
        String word = words[at];
        if (word.length() < 5 || !word.chars().allMatch(Character::isLetter)) {
            return text;
        }
        int letter = random.nextInt(1, word.length() - 1);
        String before = word.substring(0, letter);
        String after = word.substring(letter + 1);
        words[at] = switch (random.nextInt(3)) {
            case 0 -> before + word.charAt(letter) + word.charAt(letter) + after;
            case 1 -> before + after;
            default -> before + after.charAt(0) + word.charAt(letter) + after.substring(1);
        };
        return String.join(" ", words);
    }
}
