package dev.jwen.kernel.x86;

/**
 * How a group of rows looks after unpacking, which is all that the arithmetic needs to know about a weight format.
 *
 * <p>A panel holds 32 columns of a group of rows, one row in each 32-bit lane: first {@code vectors} vectors of
 * weights, each with the next few columns of every row (4 bytes, 2 BF16 or 1 float), then the scales of the rows, then
 * their minima. Plain numbers may have a scale for 32 columns as well. With integers a weight is {@code scale · (code - offset) + minimum}, where the offset is half the range
 * of a code if there are no minima and 0 if there are.
 *
 * <p>For processors with 8-bit dot products, codes without minima sit in the upper bits of their bytes: then the offset
 * is 128 for every format, one correction serves all, and the power of two disappears in the scale. For AVX2 they sit in
 * the lower bits, so that several 16-bit products can be added without overflow, and codes of 8 bits are signed.
 *
 * @param activations what the weights are multiplied with
 * @param vectors vectors of weights in 32 columns
 * @param parts scales for each row in 32 columns: 0 (most plain numbers), 1 or 2
 * @param hasMinima whether each scale has a minimum
 * @param codeBits bits of a code, 0 for plain numbers
 */
record Packing(Activations activations, int vectors, int parts, boolean hasMinima, int codeBits) {

    static Packing integers(int codeBits, int parts, boolean hasMinima) {
        return new Packing(Activations.INT8, 8, parts, hasMinima, codeBits);
    }

    static final Packing FLOATS = new Packing(Activations.F32, 32, 0, false, 0);
    static final Packing BF16_PAIRS = new Packing(Activations.BF16, 16, 0, false, 0);
    static final Packing SCALED_BF16_PAIRS = new Packing(Activations.BF16, 16, 1, false, 0);

    boolean isInteger() {
        return codeBits > 0;
    }

    /** Index of the vector of scales for the half {@code part} of the columns. */
    int scale(int part) {
        return vectors + part;
    }

    int minimum(int part) {
        return vectors + parts + part;
    }

    /** Where a record of {@link Activations#INT8} has what the minima of the half {@code part} are multiplied with. */
    int sumOffset(int part) {
        return parts == 1 ? Activations.SUM : Activations.HALF_SUMS + 4 * part;
    }

    /** Where it has the correction of the half {@code part}. */
    int correctionOffset(int part) {
        return parts == 1 ? Activations.CORRECTION : Activations.HALF_CORRECTIONS + 4 * part;
    }

    /** Vectors of 32 columns of a group of rows. */
    int panelVectors() {
        return vectors + (hasMinima ? 2 : 1) * parts;
    }

    int panelBytes(InstructionSet set) {
        return panelVectors() * set.vectorBytes();
    }

    /** Lowest bit of a code in its byte. */
    int codeShift(InstructionSet set) {
        return set.hasDotProduct() && isInteger() && !hasMinima ? 8 - codeBits : 0;
    }

    /** Codes of 8 bits are signed where there is no instruction for unsigned ones of that size. */
    boolean isSigned(InstructionSet set) {
        return codeBits == 8 && !set.hasDotProduct();
    }

    /** Tokens that one kernel call can compute, limited by registers. */
    int maxTokens(InstructionSet set) {
        if (set.isWide()) {
            return 16;
        }
        return !isInteger() ? 12 : set.hasDotProduct() ? 6 : 4;
    }

    /** The same for two groups of rows, of which each has a register for each token and each part; 0 if there are too few. */
    int maxTokensOfTwoGroups(InstructionSet set) {
        return set.isWide() ? 12 / (1 + parts) : 0;
    }
}
