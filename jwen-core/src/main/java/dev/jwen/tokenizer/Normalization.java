package dev.jwen.tokenizer;

import java.text.Normalizer;
import java.text.Normalizer.Form;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Unicode normalization form C in linear time.
 *
 * <p>The JDK's normalizer sorts the combining marks after a letter by insertion, which takes time quadratic in their
 * number: 40,000 marks in the worst order take seconds. Long runs of marks are therefore put into canonical order
 * first, which changes no normal form. The combining classes that define this order are not in the JDK's API, but
 * normalizing two marks shows which of them has the higher class.
 */
public final class Normalization {
    /** Insertion is fast enough up to here. */
    private static final int LONG_RUN = 200;

    private static final char REPLACEMENT = '\uFFFD';
    private static final int LOWEST_CLASS = 0x334; // combining class 1
    private static final int HIGHEST_CLASS = 0x345; // combining class 240

    private Normalization() {}

    /** The text with U+FFFD for every surrogate that is not half of a pair. */
    public static String wellFormed(String text) {
        for (int at = 0; at < text.length(); at++) {
            if (Character.isSurrogate(text.charAt(at))) {
                return text.codePoints()
                        .map(c -> Character.getType(c) == Character.SURROGATE ? REPLACEMENT : c)
                        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                        .toString();
            }
        }
        return text;
    }

    /** The normalization form C of well-formed text. */
    public static String nfc(String text) {
        if (isBelowMarks(text)) {
            return text;
        }
        String ordered = orderLongRuns(text);
        return Normalizer.isNormalized(ordered, Form.NFC) ? ordered : Normalizer.normalize(ordered, Form.NFC);
    }

    /** Whether all characters are below the first combining mark; such text is in every composed form. */
    private static boolean isBelowMarks(String text) {
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) >= 0x300) {
                return false;
            }
        }
        return true;
    }

    private static String orderLongRuns(String text) {
        StringBuilder ordered = new StringBuilder();
        int copied = 0;
        int start = 0; // of the run of marks that ends at the current position
        for (int at = 0; at <= text.length(); ) {
            int codePoint = at < text.length() ? text.codePointAt(at) : ' ';
            int after = at + Character.charCount(codePoint);
            if (codePoint < 0x300 || !isMark(codePoint)) {
                if (at - start > LONG_RUN) {
                    ordered.append(text, copied, start).append(order(text.substring(start, at)));
                    copied = at;
                }
                start = after;
            }
            at = after;
        }
        return copied == 0 ? text : ordered.append(text, copied, text.length()).toString();
    }

    /** Everything with a combining class other than 0 is among these. */
    private static boolean isMark(int codePoint) {
        int type = Character.getType(codePoint);
        return type == Character.NON_SPACING_MARK
                || type == Character.COMBINING_SPACING_MARK
                || type == Character.ENCLOSING_MARK;
    }

    /** The canonical decomposition of a run of marks. */
    private static StringBuilder order(String run) {
        Map<Integer, String> decompositions = new HashMap<>();
        StringBuilder decomposed = new StringBuilder();
        run.codePoints()
                .forEach(c -> decomposed.append(
                        decompositions.computeIfAbsent(c, mark -> decompose(Character.toString(mark)))));
        int[] marks = decomposed.codePoints().toArray();
        int[] ranks = ranks(marks);
        StringBuilder ordered = new StringBuilder();
        for (int from = 0, to; from < marks.length; from = to + 1) {
            to = from;
            while (to < marks.length && ranks[to] >= 0) {
                to++;
            }
            appendByRank(marks, ranks, from, to, ordered);
            if (to < marks.length) {
                ordered.appendCodePoint(marks[to]);
            }
        }
        return ordered;
    }

    private static void appendByRank(int[] marks, int[] ranks, int from, int to, StringBuilder ordered) {
        long[] keys = new long[to - from];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = (long) ranks[from + i] << 32 | i;
        }
        Arrays.sort(keys);
        for (long key : keys) {
            ordered.appendCodePoint(marks[from + (int) key]);
        }
    }

    /** The order of each mark's combining class among those present, or -1 where the class is 0. */
    private static int[] ranks(int[] marks) {
        List<Integer> sorted = Arrays.stream(marks)
                .distinct()
                .filter(mark -> swaps(mark, LOWEST_CLASS) || swaps(HIGHEST_CLASS, mark))
                .boxed()
                .sorted((a, b) -> swaps(a, b) ? 1 : swaps(b, a) ? -1 : 0)
                .toList();
        Map<Integer, Integer> ranks = new HashMap<>();
        int rank = 0;
        for (int i = 0; i < sorted.size(); i++) {
            rank += i > 0 && swaps(sorted.get(i), sorted.get(i - 1)) ? 1 : 0;
            ranks.put(sorted.get(i), rank);
        }
        return Arrays.stream(marks).map(mark -> ranks.getOrDefault(mark, -1)).toArray();
    }

    /** Whether the first mark has a higher combining class than the second, and neither has class 0. */
    private static boolean swaps(int first, int second) {
        String a = Character.toString(first);
        String b = Character.toString(second);
        return first != second && decompose(a + b).equals(b + a);
    }

    private static String decompose(String text) {
        return Normalizer.normalize(text, Form.NFD);
    }
}
