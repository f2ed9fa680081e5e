package dev.jwen.nano;

import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Choices by seeded random numbers. */
record Draw(SplittableRandom random) {
    /** A number from {@code low} to {@code high}, both included. */
    int between(int low, int high) {
        return random.nextInt(low, high + 1);
    }

    /** True once in {@code n} times. */
    boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    <T> T of(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    /** {@code count} different elements in random order. */
    <T> List<T> some(int count, List<T> list) {
        int[] order = new int[list.size()];
        for (int i = 0; i < order.length; i++) {
            order[i] = i;
        }
        for (int i = 0; i < count; i++) {
            int other = between(i, order.length - 1);
            int index = order[other];
            order[other] = order[i];
            order[i] = index;
        }
        return IntStream.range(0, count).mapToObj(i -> list.get(order[i])).toList();
    }

    /**
     * A question as people type it: one of the wordings, perhaps all in small letters, with or without its mark at the end
     * and a polite word.
     *
     * @param wordings texts with {@code %s} where the arguments go, which are left as they are
     */
    String ask(List<String> wordings, Object... arguments) {
        String wording = of(wordings);
        if (wording.endsWith(".") && oneIn(6)) {
            wording = "Please " + wording.substring(0, 1).toLowerCase(Locale.ROOT) + wording.substring(1);
        }
        if (oneIn(3)) {
            wording = wording.toLowerCase(Locale.ROOT);
        }
        if (oneIn(4) && (wording.endsWith("?") || wording.endsWith("."))) {
            wording = wording.substring(0, wording.length() - 1).strip();
        }
        return wording.formatted(arguments);
    }
}
