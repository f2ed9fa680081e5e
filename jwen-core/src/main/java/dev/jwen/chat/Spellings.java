package dev.jwen.chat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The spellings of a model's added tokens, and where text holds them. */
final class Spellings {
    /** A spelling in a text. */
    record Match(AddedToken token, int start, int end) {}

    /**
     * A stretch of somebody's text that is a spelling, or could become one together with what a template prints beside
     * it.
     */
    record Suspect(int start, int end) {}

    private static final String BRACKETS = "<>|/";

    private final List<AddedToken> longestFirst;
    private final String firstChars;

    Spellings(List<AddedToken> tokens) {
        longestFirst = tokens.stream()
                .sorted(Comparator.comparingInt(
                                (AddedToken token) -> token.text().length())
                        .reversed())
                .toList();
        StringBuilder first = new StringBuilder();
        tokens.forEach(token -> first.append(token.text().charAt(0)));
        firstChars = first.chars().distinct().mapToObj(Character::toString).collect(Collectors.joining());
    }

    /** The first spelling at or after {@code from}, the longest where several start; null if there is none. */
    @Nullable
    Match next(String text, int from) {
        for (int i = from; i < text.length(); i++) {
            if (firstChars.indexOf(text.charAt(i)) < 0) {
                continue;
            }
            for (AddedToken token : longestFirst) {
                if (text.startsWith(token.text(), i)) {
                    return new Match(token, i, i + token.text().length());
                }
            }
        }
        return null;
    }

    /**
     * The stretches of one message string that must not become tokens, in order of their start: every spelling, and
     * at the ends of the stripped text what could be the rest of one, or the name inside its brackets.
     *
     * @param byModel whether the model wrote the text, which may use the tokens that are not special
     */
    List<Suspect> suspects(String text, boolean byModel) {
        List<Suspect> suspects = new ArrayList<>();
        for (Match match = next(text, 0); match != null; match = next(text, match.end())) {
            if (match.token().special() || !byModel) {
                suspects.add(new Suspect(match.start(), match.end()));
            }
        }
        String stripped = History.strip(text);
        int start = text.indexOf(stripped);
        int end = start + stripped.length();
        int head = 0;
        int tail = 0;
        for (AddedToken token : longestFirst) {
            if (!stripped.isEmpty() && (token.special() || !byModel)) {
                head = Math.max(head, headOf(stripped, token.text()));
                tail = Math.max(tail, tailOf(stripped, token.text()));
            }
        }
        if (head > 0) {
            suspects.addFirst(new Suspect(start, start + head));
        }
        if (tail > 0) {
            suspects.add(new Suspect(end - tail, end));
        }
        return suspects;
    }

    /** How many characters at the start of the text end a spelling that began before, or are the name inside one. */
    private static int headOf(String text, String spelling) {
        for (int i = 1; i < spelling.length(); i++) {
            int rest = spelling.length() - i;
            if (text.regionMatches(0, spelling, i, rest)) {
                return rest;
            }
        }
        int at = text.length() < spelling.length() ? spelling.indexOf(text) : -1;
        boolean isName = at > 0
                && bracketsOnly(spelling, 0, at)
                && bracketsOnly(spelling, at + text.length(), spelling.length());
        return isName ? text.length() : 0;
    }

    /** How many characters at the end of the text begin a spelling. */
    private static int tailOf(String text, String spelling) {
        for (int length = spelling.length() - 1; length > 0; length--) {
            if (text.regionMatches(text.length() - length, spelling, 0, length)) {
                return length;
            }
        }
        return 0;
    }

    private static boolean bracketsOnly(String text, int from, int to) {
        return text.substring(from, to).chars().allMatch(c -> BRACKETS.indexOf(c) >= 0);
    }
}
