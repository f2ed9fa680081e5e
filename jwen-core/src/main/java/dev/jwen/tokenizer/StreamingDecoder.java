package dev.jwen.tokenizer;

/**
 * Turns token ids into text as they come, never splitting a character.
 *
 * <p>A token may end in the middle of a character; its first bytes are held back until the rest has come. All texts
 * together are exactly {@link Tokenizer#decode(int[], boolean)} of all ids, and no text ends in half of a surrogate
 * pair. Bytes that are not UTF-8 become U+FFFD, one for each longest start of a character that was cut off.
 *
 * {@snippet :
 * StreamingDecoder decoder = new StreamingDecoder(tokenizer, true);
 * for (int id : ids) {
 *     out.print(decoder.feed(id));
 * }
 * out.print(decoder.finish());
 * }
 *
 * One stream of tokens has one decoder; it is not for several threads at once.
 */
public final class StreamingDecoder {
    private final Tokenizer tokenizer;
    private final boolean skipSpecial;
    private final StringBuilder text = new StringBuilder();

    private int partial; // bits of the character so far
    private int missing; // bytes that it still needs
    private int lowest; // the next byte must be in lowest..highest
    private int highest;

    /** @param skipSpecial whether special tokens give no text */
    public StreamingDecoder(Tokenizer tokenizer, boolean skipSpecial) {
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
    }

    /**
     * Takes the next token and returns the text that is now certain, often empty.
     *
     * @throws IllegalArgumentException if the id is negative
     */
    public String feed(int id) {
        appendToken(id);
        return take();
    }

    /** Ends the stream: returns U+FFFD if a character was cut off, otherwise nothing. Ready for another stream. */
    public String finish() {
        cutOff();
        return take();
    }

    /** Takes the next token and keeps the text. */
    void appendToken(int id) {
        byte[] bytes = tokenizer.sharedBytes(id);
        if (skipSpecial && tokenizer.isSpecial(id)) {
            return;
        }
        for (byte b : bytes) {
            appendByte(b & 0xff);
        }
    }

    private String take() {
        String taken = text.toString();
        text.setLength(0);
        return taken;
    }

    private void appendByte(int b) {
        if (missing > 0 && b >= lowest && b <= highest) {
            partial = partial << 6 | (b & 0x3f);
            lowest = 0x80;
            highest = 0xbf;
            if (--missing == 0) {
                text.appendCodePoint(partial);
            }
            return;
        }
        cutOff();
        if (b < 0x80) {
            text.append((char) b);
        } else if (b < 0xc2 || b > 0xf4) {
            text.append('\uFFFD');
        } else {
            start(b);
        }
    }

    /** Begins a character of two to four bytes. The second byte's range keeps out overlong forms and surrogates. */
    private void start(int b) {
        missing = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
        partial = b & (0x3f >> missing);
        lowest = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        highest = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    }

    private void cutOff() {
        if (missing > 0) {
            text.append('\uFFFD');
            missing = 0;
        }
    }
}
