package dev.jwen.nano;

/** Which problems the model may learn from. A problem belongs to one split for ever, by its key. */
public enum Split {
    TRAIN,
    HELD_OUT;

    /** One problem in so many is held out. */
    private static final int SHARE = 8;

    /**
     * The split of a problem.
     *
     * @param key what is asked, apart from the words it is asked in: two problems with one answer to learn by heart have
     *     one key
     */
    public static Split of(String key) {
        // String.hashCode is specified, but keys that differ in a digit would lie side by side.
        int hash = key.hashCode() * 0x9e3779b9;
        hash ^= hash >>> 15;
        hash *= 0x85ebca6b;
        hash ^= hash >>> 13;
        return Integer.remainderUnsigned(hash, SHARE) == 0 ? HELD_OUT : TRAIN;
    }
}
