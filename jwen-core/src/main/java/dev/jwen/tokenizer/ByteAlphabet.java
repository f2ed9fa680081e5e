package dev.jwen.tokenizer;

import java.util.Arrays;

/**
 * The printable alphabet in which vocabulary files write bytes, the one GPT-2 introduced.
 *
 * <p>Bytes 33-126, 161-172 and 174-255 are the characters with the same number; the other 68, in order, are the
 * characters from U+0100 upward. A space is thus U+0120 (Ġ) and a newline U+010A (Ċ).
 */
public final class ByteAlphabet {
    private static final int SIZE = 0x100 + 68;
    private static final short[] BYTE_OF = new short[SIZE];
    private static final char[] CHARACTER_OF = new char[0x100];

    static {
        Arrays.fill(BYTE_OF, (short) -1);
        char next = 0x100;
        for (int b = 0; b < 0x100; b++) {
            boolean printable = (b >= 33 && b <= 126) || (b >= 161 && b != 173);
            CHARACTER_OF[b] = printable ? (char) b : next++;
            BYTE_OF[CHARACTER_OF[b]] = (short) b;
        }
    }

    private ByteAlphabet() {}

    /** The character that stands for a byte (0 to 255). */
    public static char characterOf(int b) {
        return CHARACTER_OF[b];
    }

    /** The byte (0 to 255) that a character stands for, or -1 if it is not in the alphabet. */
    static int byteOf(char c) {
        return c < SIZE ? BYTE_OF[c] : -1;
    }

    /**
     * Writes the bytes of characters {@code from} to {@code to} of a token.
     *
     * @param target has room for them at {@code at}
     * @return the position after the last byte, or -1 if a character is not in the alphabet
     */
    static int write(String token, int from, int to, byte[] target, int at) {
        for (int i = from; i < to; i++) {
            int b = byteOf(token.charAt(i));
            if (b < 0) {
                return -1;
            }
            target[at + i - from] = (byte) b;
        }
        return at + to - from;
    }
}
