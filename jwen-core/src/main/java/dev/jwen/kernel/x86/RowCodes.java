package dev.jwen.kernel.x86;

/**
 * Takes a step of columns of a row apart for {@link RowWriter}: the scales of its blocks, and its codes as bytes in vectors of
 * which a lane has columns of one block only, see {@link Activations#code}. With 256 bits that is done for the lower eight
 * lanes, then for the upper ones.
 */
interface RowCodes {
    /** The first vector of codes. */
    int CODES = 0;

    /** Vectors of codes, from register {@link #CODES} on. */
    int vectors();

    /** The register with the factor of each lane; with 256 bits the next one has those of the upper lanes. */
    int factors();

    /** The register with the minima as {@link Activations#laneSums} has their sums; until codes are read. */
    int minima();

    /** Three registers from this one on are overwritten here, and free while codes are multiplied. */
    int scratch();

    /** Reads {@link #factors}, and of formats that have them {@link #minima}; overwrites the codes. */
    void readScales();

    /** Reads the codes of all lanes or, with 256 bits, of one half of them. */
    void readCodes(int half);
}
