package dev.jwen.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Cutting strings apart as str.split, rsplit and partition do. */
final class Splits {
    private Splits() {}

    static Object split(Interpreter in, String text, Arguments.Bound bound, boolean fromRight) {
        String separator = bound.textOrNone(0);
        int limit = bound.integer(1, -1);
        int max = limit < 0 ? Integer.MAX_VALUE : limit;
        List<Object> parts = new ArrayList<>();
        if (separator == null) {
            if (fromRight) {
                atSpaceFromRight(text, max, parts);
            } else {
                atSpace(text, max, parts);
            }
        } else {
            if (separator.isEmpty()) {
                throw TemplateException.evaluation("empty separator");
            }
            in.budget.search(text.length(), separator.length());
            if (fromRight) {
                atLast(text, separator, max, parts);
            } else {
                atFirst(text, separator, max, parts);
            }
        }
        in.budget.steps(parts.size());
        if (fromRight) {
            Collections.reverse(parts);
        }
        return parts;
    }

    private static void atFirst(String text, String separator, int max, List<Object> parts) {
        int start = 0;
        int end = text.indexOf(separator);
        while (end >= 0 && parts.size() < max) {
            parts.add(text.substring(start, end));
            start = end + separator.length();
            end = text.indexOf(separator, start);
        }
        parts.add(text.substring(start));
    }

    private static void atLast(String text, String separator, int max, List<Object> parts) {
        int end = text.length();
        int start = text.lastIndexOf(separator);
        while (start >= 0 && parts.size() < max) {
            parts.add(text.substring(start + separator.length(), end));
            end = start;
            start = start < separator.length() ? -1 : text.lastIndexOf(separator, start - separator.length());
        }
        parts.add(text.substring(0, end));
    }

    private static void atSpace(String text, int max, List<Object> parts) {
        int i = 0;
        while (true) {
            while (i < text.length() && Text.isSpace(text.charAt(i))) {
                i++;
            }
            if (i == text.length()) {
                return;
            }
            int start = i;
            if (parts.size() == max) {
                parts.add(text.substring(start));
                return;
            }
            while (i < text.length() && !Text.isSpace(text.charAt(i))) {
                i++;
            }
            parts.add(text.substring(start, i));
        }
    }

    private static void atSpaceFromRight(String text, int max, List<Object> parts) {
        int i = text.length();
        while (true) {
            while (i > 0 && Text.isSpace(text.charAt(i - 1))) {
                i--;
            }
            if (i == 0) {
                return;
            }
            int end = i;
            if (parts.size() == max) {
                parts.add(text.substring(0, end));
                return;
            }
            while (i > 0 && !Text.isSpace(text.charAt(i - 1))) {
                i--;
            }
            parts.add(text.substring(i, end));
        }
    }

    static Object partition(Interpreter in, String text, String separator, boolean last) {
        if (separator.isEmpty()) {
            throw TemplateException.evaluation("empty separator");
        }
        in.budget.search(text.length(), separator.length());
        int i = last ? text.lastIndexOf(separator) : text.indexOf(separator);
        if (i < 0) {
            return Tuple.of(last ? List.of("", "", text) : List.of(text, "", ""));
        }
        return Tuple.of(List.of(text.substring(0, i), separator, text.substring(i + separator.length())));
    }
}
