package dev.jwen.chat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Marks put into the strings of a conversation to find them again in what a template makes of it.
 *
 * <p>A mark is two private-use characters, of which the plain output holds no such pair, so it is always found and
 * never confused with text. It stands directly before or directly after a suspect stretch and never inside, so that a
 * template which looks for the stretch still finds it. The strings must be visited in the same order each time.
 */
final class Marks {
    /** Two strings that do not occur in a text, nor in it after any number of them were inserted. */
    record Signs(String before, String after) {
        private static final char FIRST = '\uE000';
        private static final char LAST = '\uF8FF';

        static Signs absentFrom(String text) {
            for (char lead = FIRST; lead <= LAST; lead++) {
                BitSet followers = new BitSet();
                followers.set(lead);
                for (int i = text.indexOf(lead); i >= 0 && i + 1 < text.length(); i = text.indexOf(lead, i + 1)) {
                    followers.set(text.charAt(i + 1));
                }
                int before = followers.nextClearBit(FIRST);
                int after = followers.nextClearBit(before + 1);
                if (after <= LAST) {
                    return new Signs("" + lead + (char) before, "" + lead + (char) after);
                }
            }
            throw new ChatException("The conversation holds every pair of private-use characters; leave some out");
        }
    }

    private record Insertion(int at, String sign) {}

    private final Spellings spellings;
    private final @Nullable Signs signs;
    private final BitSet chosen;
    private final boolean otherSide;
    private int visited;

    /**
     * @param signs what to insert; null only counts
     * @param chosen which suspects to mark, by the order in which they are visited
     * @param otherSide whether to mark the side that is not the usual one
     */
    Marks(Spellings spellings, @Nullable Signs signs, BitSet chosen, boolean otherSide) {
        this.spellings = spellings;
        this.signs = signs;
        this.chosen = chosen;
        this.otherSide = otherSide;
    }

    /** How many suspects have been visited. */
    int visited() {
        return visited;
    }

    /** The string with marks at the chosen suspects in it. */
    String mark(String text, boolean byModel) {
        List<Insertion> insertions = new ArrayList<>();
        int firstText = -1;
        for (Spellings.Suspect suspect : spellings.suspects(text, byModel)) {
            if (signs != null && chosen.get(visited)) {
                firstText = firstText < 0 ? text.indexOf(History.strip(text)) : firstText;
                // What opens a text is marked at its end: templates ask what a message starts with.
                boolean after = (suspect.start() <= firstText) != otherSide;
                insertions.add(
                        after
                                ? new Insertion(suspect.end(), signs.after())
                                : new Insertion(suspect.start(), signs.before()));
            }
            visited++;
        }
        if (insertions.isEmpty()) {
            return text;
        }
        insertions.sort(Comparator.comparingInt(Insertion::at));
        StringBuilder marked = new StringBuilder();
        int done = 0;
        for (Insertion insertion : insertions) {
            marked.append(text, done, insertion.at()).append(insertion.sign());
            done = insertion.at();
        }
        return marked.append(text, done, text.length()).toString();
    }
}
