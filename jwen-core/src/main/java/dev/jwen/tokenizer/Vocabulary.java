package dev.jwen.tokenizer;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The tokens that merging can build: bytes by id, and id by bytes. */
final class Vocabulary {
    /** The bytes of an id that stands for nothing. */
    static final byte[] NONE = {};

    private final byte[][] tokens;
    private final int[] slots; // open addressing by bytes: id + 1, or 0 where free

    /**
     * Reads tokens written in the byte alphabet.
     *
     * @param source what to call the vocabulary in errors
     * @param written by id; null where an id stands for nothing or for an added token
     */
    Vocabulary(String source, List<@Nullable String> written) {
        tokens = new byte[written.size()][];
        slots = new int[Integer.highestOneBit(Math.max(8, tokens.length)) * 4];
        for (int id = 0; id < tokens.length; id++) {
            String token = written.get(id);
            tokens[id] = token == null ? NONE : bytes(source, token, id);
            if (token != null) {
                insert(source, token, id);
            }
        }
    }

    private static byte[] bytes(String source, String token, int id) {
        byte[] bytes = new byte[token.length()];
        if (bytes.length == 0 || ByteAlphabet.write(token, 0, bytes.length, bytes, 0) < 0) {
            throw new TokenizerException(
                    "%s: token %d is \"%s\", expected one or more characters of the byte alphabet. Only byte-level BPE is supported."
                            .formatted(source, id, Quote.of(token)));
        }
        return bytes;
    }

    private void insert(String source, String token, int id) {
        int slot = slot(tokens[id], 0, tokens[id].length);
        if (slots[slot] != 0) {
            throw new TokenizerException("%s: token \"%s\" has the ids %d and %d, expected one"
                    .formatted(source, Quote.of(token), slots[slot] - 1, id));
        }
        slots[slot] = id + 1;
    }

    /** One more than the highest id. */
    int size() {
        return tokens.length;
    }

    /** The bytes by id, {@link #NONE} where an id stands for nothing here; not a copy. */
    byte[][] tokens() {
        return tokens;
    }

    /** The id of the token with these bytes, or -1. */
    int find(byte[] bytes, int from, int to) {
        return slots[slot(bytes, from, to)] - 1;
    }

    private int slot(byte[] bytes, int from, int to) {
        int hash = 0;
        for (int i = from; i < to; i++) {
            hash = 31 * hash + bytes[i];
        }
        hash *= 0x9E3779B9;
        int slot = (hash ^ (hash >>> 15)) & (slots.length - 1);
        while (slots[slot] != 0) {
            byte[] found = tokens[slots[slot] - 1];
            if (Arrays.equals(found, 0, found.length, bytes, from, to)) {
                return slot;
            }
            slot = (slot + 1) & (slots.length - 1);
        }
        return slot;
    }
}
