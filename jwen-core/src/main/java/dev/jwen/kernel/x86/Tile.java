package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Assembler.R10;
import static dev.jwen.kernel.x86.Assembler.R11;
import static dev.jwen.kernel.x86.Assembler.R12;
import static dev.jwen.kernel.x86.Assembler.R13;
import static dev.jwen.kernel.x86.Assembler.R14;
import static dev.jwen.kernel.x86.Assembler.R15;
import static dev.jwen.kernel.x86.Assembler.R8;
import static dev.jwen.kernel.x86.Assembler.R9;
import static dev.jwen.kernel.x86.Assembler.RAX;
import static dev.jwen.kernel.x86.Assembler.RBP;
import static dev.jwen.kernel.x86.Assembler.RBX;
import static dev.jwen.kernel.x86.Assembler.RCX;
import static dev.jwen.kernel.x86.Assembler.RDI;
import static dev.jwen.kernel.x86.Assembler.RDX;
import static dev.jwen.kernel.x86.Assembler.RSI;
import static dev.jwen.kernel.x86.Assembler.RSP;

import dev.jwen.kernel.x86.Assembler.Label;
import dev.jwen.kernel.x86.Assembler.Memory;

/**
 * The frame of a kernel: its arguments in registers, and how rows, tokens and the panel are addressed.
 *
 * <p>Every fourth row and every fourth token has its own pointer; the three that follow are reached with the stride as
 * index. The ten arguments, by the System V convention: rows, row stride, panel, number of blocks of a row, activations,
 * activation stride, output, output stride, number of groups of rows, factors beside the weights. Strides are in bytes. A
 * tile without rows has the sums it starts from in the place of the number of groups, their stride in the place of the row
 * stride, in the place of the rows how far the panels of a second group are behind those of the first, and in the place of
 * the factors how many tiles of tokens there are.
 */
final class Tile {
    private static final int[] ROWS = {RDI, R8, R9, R10};
    private static final int SECOND_GROUP = RDI;
    private static final int ROW_STRIDE = RSI;
    private static final int ROW_STRIDE_3 = R11;
    private static final int[] TOKENS = {RAX, RBX, RBP, R12};
    private static final int TOKEN_STRIDE = R13;
    private static final int TOKEN_STRIDE_3 = R14;
    private static final int PANEL = RDX;
    private static final int INNER = RCX;
    private static final int AHEAD = R15;
    private static final int[] SAVED = {RBX, RBP, R12, R13, R14, R15};
    private static final int CACHE_LINE = 64;
    private static final int UNPACKING_TOKENS = 7;

    /**
     * How far behind the next group memory is asked for: its last rows are read soon after the last of this one, before they
     * would be there. All is asked for again later, because a processor drops what it has no room to wait for.
     */
    private static final int BEYOND_GROUP = 12 << 10;

    private static final int BEYOND_GROUP_AGAIN = 4 << 10;

    /** Below the stack pointer, in the red zone. */
    private static final Memory BLOCKS = Memory.at(RSP, -8);

    private static final Memory FACTORS = Memory.at(RSP, -16);
    private static final Memory TILES = FACTORS;
    private static final Memory ALL_BLOCKS = Memory.at(RSP, -24);
    private static final Memory FIRST_PANEL = Memory.at(RSP, -32);
    private static final Memory ACTIVATIONS = FIRST_PANEL;
    private static final Memory ACTIVATION_STRIDE = Memory.at(RSP, -40);

    private final Assembler asm;
    private final int rows;
    private final int blockBytes;
    private final int tokens;
    private final int panels;
    private final int lines;
    private final int linesPerPanel;
    private int prefetched;

    /**
     * A tile of {@code rows} rows and {@code tokens} tokens; either may be 0.
     *
     * @param blockBytes bytes of a block, which is unpacked to {@code panels} panels
     */
    Tile(Assembler asm, int rows, int blockBytes, int panels, int tokens) {
        this.asm = asm;
        this.rows = rows;
        this.blockBytes = blockBytes;
        this.tokens = tokens;
        this.panels = panels;
        this.lines = Math.ceilDiv(rows * blockBytes, CACHE_LINE);
        // To unpack a block takes about as long as its products with seven tokens.
        this.linesPerPanel = panels == 1 ? 0 : lines * tokens / (tokens + UNPACKING_TOKENS) / panels;
    }

    /** Row {@code r} of the group, {@code offset} bytes into the current block. */
    Memory row(int r, int offset) {
        return strided(ROWS[r / 4], ROW_STRIDE, ROW_STRIDE_3, r % 4, offset);
    }

    /** Token {@code t}, {@code offset} bytes into the current record. */
    Memory token(int t, int offset) {
        return strided(TOKENS[t / 4], TOKEN_STRIDE, TOKEN_STRIDE_3, t % 4, offset);
    }

    /** Vector {@code index} of the current panel. */
    Memory panel(int index) {
        return Memory.at(PANEL, index * asm.vectorBytes());
    }

    /** The same of one of two groups of rows. Only without rows. */
    Memory panel(int group, int index) {
        int offset = index * asm.vectorBytes();
        return group == 0 ? Memory.at(PANEL, offset) : Memory.at(PANEL, SECOND_GROUP, 1, offset);
    }

    /** Reads the factors of the next 32 columns of every row. */
    void nextFactors(int dst) {
        asm.mov(INNER, FACTORS);
        asm.op(Instruction.VMOVUPS, dst, Memory.at(INNER, 0));
        asm.subConstant(FACTORS, -asm.vectorBytes());
    }

    /** Makes {@link #entry} read the table at {@code address}, until the next {@link #forPanels} or {@link #nextFactors}. */
    void turnToTable(long address) {
        asm.movLong(INNER, address);
    }

    /** Vector {@code index} of the table. */
    Memory table(int index) {
        return Memory.at(INNER, index * asm.vectorBytes());
    }

    /** For every lane an entry of four bytes of the table; the indices are in the vector register {@code indices}. */
    Memory entry(int indices) {
        return Memory.at(INNER, indices, 4, 0);
    }

    private static Memory strided(int base, int stride, int stride3, int times, int offset) {
        return switch (times) {
            case 0 -> Memory.at(base, offset);
            case 1 -> Memory.at(base, stride, 1, offset);
            case 2 -> Memory.at(base, stride, 2, offset);
            default -> Memory.at(base, stride3, 1, offset);
        };
    }

    /** Saves registers and spreads the arguments. */
    void enter() {
        for (int register : SAVED) {
            asm.push(register);
        }
        asm.store(ALL_BLOCKS, RCX);
        asm.mov(INNER, argument(9));
        asm.store(FACTORS, INNER);
        if (rows == 0) {
            asm.mov(AHEAD, argument(8));
            return;
        }
        asm.store(ACTIVATIONS, R8);
        asm.store(ACTIVATION_STRIDE, R9);
        spread(ROWS, ROW_STRIDE, ROW_STRIDE_3, rows);
    }

    /** Runs {@code body} for every group of whole rows, which follow one another, as their results do. */
    void forGroups(Runnable body) {
        Label loop = new Label();
        asm.bind(loop);
        asm.mov(TOKENS[0], ACTIVATIONS);
        asm.mov(TOKEN_STRIDE, ACTIVATION_STRIDE);
        spread(TOKENS, TOKEN_STRIDE, TOKEN_STRIDE_3, tokens);
        asm.lea(AHEAD, Memory.at(ROWS[0], ROW_STRIDE, 8, 0));
        if (rows == 16) {
            asm.lea(AHEAD, Memory.at(AHEAD, ROW_STRIDE, 8, 0));
        }
        asm.addConstant(AHEAD, BEYOND_GROUP);
        body.run();
        // The rows point behind their last blocks, at the next rows.
        asm.lea(INNER, Memory.at(ROW_STRIDE_3, rows == 16 ? ROW_STRIDE_3 : ROW_STRIDE, 4, 0));
        for (int i = 0; 4 * i < rows; i++) {
            asm.add(ROWS[i], INNER);
        }
        asm.subConstant(argument(6), -asm.vectorBytes());
        asm.subConstant(argument(8), 1);
        asm.jumpIfNotZero(loop);
    }

    /** Runs {@code body} for every tile of tokens, each of which brings its pointers to the next. Without rows. */
    void forTiles(Runnable body) {
        asm.store(FIRST_PANEL, PANEL);
        Label loop = new Label();
        asm.bind(loop);
        asm.mov(PANEL, FIRST_PANEL);
        body.run();
        asm.subConstant(TILES, 1);
        asm.jumpIfNotZero(loop);
    }

    /** Makes the next tile read records behind those at which the tokens point. */
    void passActivations() {
        asm.lea(R8, tokenAfter());
    }

    /** Makes the next tile start from sums behind those at which the tokens point. */
    void passStart() {
        asm.lea(AHEAD, tokenAfter());
    }

    /** Makes the next tile write behind where the tokens point. */
    void passOutput() {
        asm.lea(INNER, tokenAfter());
        asm.store(argument(6), INNER);
    }

    /** Where the token after the last one would be. */
    private Memory tokenAfter() {
        int four = (tokens - 1) / 4;
        int beyond = tokens - 4 * four;
        return beyond == 4
                ? Memory.at(TOKENS[four], TOKEN_STRIDE, 4, 0)
                : strided(TOKENS[four], TOKEN_STRIDE, TOKEN_STRIDE_3, beyond, 0);
    }

    /** Points the tokens at their first records. Only without rows. */
    void turnToActivations() {
        asm.mov(TOKENS[0], R8);
        asm.mov(TOKEN_STRIDE, R9);
        spread(TOKENS, TOKEN_STRIDE, TOKEN_STRIDE_3, tokens);
    }

    /** Points the tokens at the sums to start from: without rows, the row stride and the last argument say where. */
    void turnToStart() {
        asm.mov(TOKENS[0], AHEAD);
        asm.mov(TOKEN_STRIDE, ROW_STRIDE);
        spread(TOKENS, TOKEN_STRIDE, TOKEN_STRIDE_3, tokens);
    }

    private void spread(int[] pointers, int stride, int stride3, int count) {
        asm.lea(stride3, Memory.at(stride, stride, 2, 0));
        for (int i = 1; 4 * i < count; i++) {
            asm.lea(pointers[i], Memory.at(pointers[i - 1], stride, 4, 0));
        }
    }

    /** The arguments from the seventh on lie above the return address. */
    private static Memory argument(int index) {
        return Memory.at(RSP, 8 * (SAVED.length + 1 + index - 6));
    }

    /** Runs {@code body} for every block of the rows. */
    void forBlocks(Runnable body) {
        Label loop = new Label();
        asm.mov(INNER, ALL_BLOCKS);
        asm.store(BLOCKS, INNER);
        asm.bind(loop);
        body.run();
        asm.subConstant(BLOCKS, 1);
        asm.jumpIfNotZero(loop);
    }

    /** Runs {@code body} {@code count} times. */
    void forPanels(int count, Runnable body) {
        if (count == 1) {
            body.run();
            return;
        }
        Label loop = new Label();
        asm.movConstant(INNER, count);
        asm.bind(loop);
        body.run();
        asm.subConstant(INNER, 1);
        asm.jumpIfNotZero(loop);
    }

    /** Moves the rows to their next blocks. */
    void advanceRows() {
        for (int i = 0; 4 * i < rows; i++) {
            asm.addConstant(ROWS[i], blockBytes);
        }
        asm.addConstant(AHEAD, CACHE_LINE * prefetched);
        prefetched = 0;
    }

    void advanceTokens(int bytes) {
        for (int i = 0; 4 * i < tokens; i++) {
            asm.addConstant(TOKENS[i], bytes);
        }
    }

    void advancePanel(int bytes) {
        asm.addConstant(PANEL, bytes);
    }

    /**
     * Asks for one more cache line of the rows to come, in the order of memory, until as much is asked for as a block
     * of this group holds. Called throughout a block, because a processor keeps only a few such requests at a time; and
     * when the products of a block take long, some are left for {@link #prefetchDuringProducts}.
     */
    void prefetch() {
        if (prefetched < lines - panels * linesPerPanel) {
            prefetch(prefetched);
            prefetched++;
        }
    }

    /** The part of {@link #prefetch} that belongs to the products; once for every panel. */
    void prefetchDuringProducts() {
        for (int i = 0; i < linesPerPanel; i++) {
            prefetch(i);
        }
        if (linesPerPanel > 0) {
            asm.addConstant(AHEAD, CACHE_LINE * linesPerPanel);
        }
    }

    private void prefetch(int line) {
        asm.prefetch(Memory.at(AHEAD, CACHE_LINE * line));
        asm.prefetch(Memory.at(AHEAD, CACHE_LINE * line - BEYOND_GROUP + BEYOND_GROUP_AGAIN));
    }

    /** Points the tokens at the output rows. */
    void turnToOutput() {
        asm.mov(TOKENS[0], argument(6));
        asm.mov(TOKEN_STRIDE, argument(7));
        spread(TOKENS, TOKEN_STRIDE, TOKEN_STRIDE_3, tokens);
    }

    /** Restores the registers and returns. */
    void leave() {
        asm.vzeroupper();
        for (int i = SAVED.length - 1; i >= 0; i--) {
            asm.pop(SAVED[i]);
        }
        asm.ret();
    }
}
