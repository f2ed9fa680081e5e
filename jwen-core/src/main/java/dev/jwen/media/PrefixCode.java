package dev.jwen.media;

import java.io.IOException;

/** A canonical prefix code of at most 15 bits: short codes by table, longer ones bit by bit. */
final class PrefixCode {
    private static final int MAX_LENGTH = 15;
    private static final int MOST_TABLE_BITS = 8;

    private final int[] counts = new int[MAX_LENGTH + 1];
    private final short[] symbols; // ordered by code
    private final int tableBits;
    private final int[] table; // by the next bits: length << 16 | symbol; 0 for longer codes
    private final int only;

    /** The code that spends no bits on its only symbol. */
    PrefixCode(int symbol) {
        this.symbols = new short[0];
        this.tableBits = 0;
        this.table = new int[0];
        this.only = symbol;
    }

    /**
     * @param lengths of the codes of all symbols; 0 for one that does not occur
     * @throws IOException if they leave codes over or need more than there are
     */
    PrefixCode(int[] lengths) throws IOException {
        int used = 0;
        int last = 0;
        int longest = 0;
        for (int symbol = 0; symbol < lengths.length; symbol++) {
            if (lengths[symbol] > 0) {
                counts[lengths[symbol]]++;
                used++;
                last = symbol;
                longest = Math.max(longest, lengths[symbol]);
            }
        }
        this.only = used == 1 ? last : -1;
        this.symbols = new short[used];
        this.tableBits = Math.min(longest, MOST_TABLE_BITS);
        this.table = new int[used == 1 ? 0 : 1 << tableBits];
        if (used == 1) {
            return;
        }
        int left = 1;
        int[] offsets = new int[MAX_LENGTH + 2];
        int[] codes = new int[MAX_LENGTH + 2];
        for (int length = 1; length <= MAX_LENGTH; length++) {
            left = 2 * left - counts[length];
            if (left < 0) {
                break;
            }
            offsets[length + 1] = offsets[length] + counts[length];
            codes[length + 1] = (codes[length] + counts[length]) << 1;
        }
        if (left != 0) {
            throw new IOException("a prefix code that is none");
        }
        for (int symbol = 0; symbol < lengths.length; symbol++) {
            int length = lengths[symbol];
            if (length > 0) {
                symbols[offsets[length]++] = (short) symbol;
                fill(codes[length]++, length, symbol);
            }
        }
    }

    // Codes arrive first bit lowest, so the table is indexed by reversed codes.
    private void fill(int code, int length, int symbol) {
        if (length <= tableBits) {
            int reversed = Integer.reverse(code) >>> (32 - length);
            for (int i = reversed; i < table.length; i += 1 << length) {
                table[i] = length << 16 | symbol;
            }
        }
    }

    int read(Bits bits) throws IOException {
        if (only >= 0) {
            return only;
        }
        int entry = table[bits.peek(tableBits)];
        if (entry != 0) {
            bits.skip(entry >> 16);
            return entry & 0xffff;
        }
        int code = 0;
        int first = 0;
        int index = 0;
        for (int length = 1; length <= MAX_LENGTH; length++) {
            code |= bits.read(1);
            if (code - first < counts[length]) {
                return symbols[index + code - first];
            }
            index += counts[length];
            first = (first + counts[length]) << 1;
            code <<= 1;
        }
        throw new IOException("a code that is not in its table");
    }

    /** Bits of a byte array, the lowest of each byte first. */
    static final class Bits {
        private final byte[] bytes;
        private final int end;
        private int at;
        private long window;
        private int filled;

        Bits(byte[] bytes, int start, int length) {
            this.bytes = bytes;
            this.at = start;
            this.end = start + length;
        }

        /** The next bits without taking them; zeros behind the end. */
        int peek(int count) {
            while (filled < count && at < end) {
                window |= (bytes[at++] & 0xffL) << filled;
                filled += 8;
            }
            return (int) (window & ((1L << count) - 1));
        }

        void skip(int count) throws IOException {
            if (filled < count) {
                throw new IOException("it ends too early");
            }
            window >>>= count;
            filled -= count;
        }

        int read(int count) throws IOException {
            int value = peek(count);
            skip(count);
            return value;
        }
    }
}
