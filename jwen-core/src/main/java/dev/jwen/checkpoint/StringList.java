package dev.jwen.checkpoint;

import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.RandomAccess;

/** Strings that lie one after another as in a GGUF file, eight bytes of length before each; decoded when asked for. */
final class StringList extends AbstractList<String> implements RandomAccess {
    private final byte[] bytes;
    private final int[] ends; // of each string in bytes

    StringList(byte[] bytes, int[] ends) {
        this.bytes = bytes;
        this.ends = ends;
    }

    @Override
    public String get(int index) {
        int begin = (index == 0 ? 0 : ends[index - 1]) + Long.BYTES;
        return new String(bytes, begin, ends[index] - begin, StandardCharsets.UTF_8);
    }

    @Override
    public int size() {
        return ends.length;
    }
}
