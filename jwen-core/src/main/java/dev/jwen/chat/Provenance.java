package dev.jwen.chat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Function;

/**
 * Tells the tokens a template prints from the same spellings typed by somebody.
 *
 * <p>A template is a program, and all it gives is text. To learn which spelling in the text is whose, the conversation is
 * rendered once as it is, and, only if its strings hold something suspect ({@link Spellings#suspects}), again with a
 * {@link Marks mark} beside each. If the second output without its marks is the first, the marks stand exactly where
 * the suspects went, and a spelling that touches a mark is not the template's. If it differs, the template looked at
 * something that a mark changed; then the suspects are tried in halves down to single ones, and those on their other
 * side. Qwen templates look only at the start and end of a message, for which the first try is right. If a suspect
 * cannot be found in any way, the prompt is refused: nothing unproven is trusted.
 */
final class Provenance {
    private static final int MAX_RENDERS = 200;

    private final Spellings spellings;
    private final Function<Marks, String> render;
    private final String plain;
    private final BitSet begins = new BitSet(); // before this character of the output something suspect begins
    private final BitSet ends = new BitSet(); // before this character something suspect ended
    private int renders;

    private Provenance(Spellings spellings, Function<Marks, String> render) {
        this.spellings = spellings;
        this.render = render;
        Marks counting = new Marks(spellings, null, new BitSet(), false);
        this.plain = render.apply(counting);
        if (counting.visited() > 0) {
            BitSet all = new BitSet();
            all.set(0, counting.visited());
            locate(all, Marks.Signs.absentFrom(plain));
        }
    }

    /**
     * The rendered prompt in pieces. Only stretches between two trusted spellings that hold an untrusted one are
     * untrusted, and they are so whole, so that a tokenizer cuts the text where it would have cut it anyway.
     *
     * @param render renders the conversation with each of its strings passed through the marks, in the same order
     *     every time
     */
    static List<PromptPiece> pieces(Spellings spellings, Function<Marks, String> render) {
        return new Provenance(spellings, render).pieces();
    }

    private void locate(BitSet suspects, Marks.Signs signs) {
        if (found(suspects, signs, false)) {
            return;
        }
        if (suspects.cardinality() == 1) {
            if (!found(suspects, signs, true)) {
                throw new ChatException(
                        "The chat template depends on text in the conversation that spells a token of the"
                                + " model in a way that cannot be told from the template's own; remove such text");
            }
            return;
        }
        BitSet upper = (BitSet) suspects.clone();
        int middle = suspects.nextSetBit(0);
        for (int i = suspects.cardinality() / 2; i > 0; i--) {
            upper.clear(middle);
            middle = suspects.nextSetBit(middle + 1);
        }
        BitSet lower = (BitSet) suspects.clone();
        lower.andNot(upper);
        locate(lower, signs);
        locate(upper, signs);
    }

    /** Renders with these suspects marked; takes over the places of the marks if nothing else changed. */
    private boolean found(BitSet suspects, Marks.Signs signs, boolean otherSide) {
        if (++renders > MAX_RENDERS) {
            throw new ChatException(
                    "The chat template depends on too many texts in the conversation that spell tokens of"
                            + " the model; remove such texts");
        }
        String marked = render.apply(new Marks(spellings, signs, suspects, otherSide));
        BitSet beginning = new BitSet();
        BitSet ended = new BitSet();
        int at = 0;
        int i = 0;
        while (i < marked.length()) {
            if (marked.startsWith(signs.before(), i)) {
                beginning.set(at);
                i += signs.before().length();
            } else if (marked.startsWith(signs.after(), i)) {
                ended.set(at);
                i += signs.after().length();
            } else if (at == plain.length() || marked.charAt(i++) != plain.charAt(at++)) {
                return false;
            }
        }
        if (at != plain.length()) {
            return false;
        }
        begins.or(beginning);
        ends.or(ended);
        return true;
    }

    private boolean isTrusted(Spellings.Match match) {
        int begin = begins.nextSetBit(match.start());
        int end = ends.nextSetBit(match.start() + 1);
        return (begin < 0 || begin >= match.end()) && (end < 0 || end > match.end());
    }

    private List<PromptPiece> pieces() {
        List<PromptPiece> pieces = new ArrayList<>();
        int done = 0; // pieces reach to here
        int stretch = 0; // the end of the last trusted spelling
        boolean trusted = true; // the stretch so far
        int from = 0;
        for (Spellings.Match match = spellings.next(plain, 0); match != null; match = spellings.next(plain, from)) {
            if (!isTrusted(match)) {
                trusted = false;
                from = match.start() + 1;
                continue;
            }
            if (!trusted) {
                add(pieces, done, stretch, true);
                add(pieces, stretch, match.start(), false);
                done = match.start();
            }
            trusted = true;
            stretch = match.end();
            from = match.end();
        }
        add(pieces, done, trusted ? plain.length() : stretch, true);
        add(pieces, trusted ? plain.length() : stretch, plain.length(), false);
        return pieces;
    }

    private void add(List<PromptPiece> pieces, int from, int to, boolean trusted) {
        if (from < to) {
            pieces.add(new PromptPiece(plain.substring(from, to), trusted));
        }
    }
}
