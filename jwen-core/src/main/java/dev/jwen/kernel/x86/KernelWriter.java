package dev.jwen.kernel.x86;

import static dev.jwen.kernel.x86.Instruction.VMOVUPS_STORE;

import dev.jwen.kernel.x86.Unpacker.Panels;
import dev.jwen.tensor.DataType;

/**
 * Puts {@link Unpacker} and {@link Products} together into the kernels of a weight format. All take the arguments of
 * {@link Tile} and use those they need.
 */
final class KernelWriter {
    private final InstructionSet set;
    private final Books books;

    KernelWriter(InstructionSet set, Books books) {
        this.set = set;
        this.books = books;
    }

    /** Rows times a few tokens, straight from the stored rows. */
    byte[] direct(DataType type, Packing packing, int tokens) {
        return ImmediateProducts.supports(type, packing, set, tokens)
                ? immediate(type, packing, tokens)
                : byPanels(type, packing, tokens);
    }

    /** Each vector of codes is multiplied when it is unpacked. */
    private byte[] immediate(DataType type, Packing packing, int tokens) {
        Assembler asm = set.assembler();
        // As if for one panel: what unpacking asks memory for is spread over the products as it is.
        Tile tile = new Tile(asm, set.rows(), blockBytes(type), 1, tokens);
        ImmediateProducts products = new ImmediateProducts(asm, type, packing, tile, tokens);
        tile.enter();
        tile.forGroups(() -> {
            products.clear();
            tile.forBlocks(() -> {
                new Unpacker(asm, set, packing, tile, products).unpack(type, books);
                tile.advanceRows();
                tile.advanceTokens(panels(type) * packing.activations().recordBytes());
            });
            tile.turnToOutput();
            products.write();
        });
        tile.leave();
        return asm.finish();
    }

    /** Each block is unpacked to panels, which stay in cache. */
    private byte[] byPanels(DataType type, Packing packing, int tokens) {
        Assembler asm = set.assembler();
        Tile tile = new Tile(asm, set.rows(), blockBytes(type), panels(type), tokens);
        Products products = new Products(asm, set, packing, tile, tokens, 1);
        int panels = panels(type);
        int panelBytes = packing.panelBytes(set);
        tile.enter();
        tile.forGroups(() -> {
            products.clear();
            products.store();
            tile.forBlocks(() -> {
                unpack(asm, tile, packing, type);
                products.load();
                tile.forPanels(panels, () -> {
                    tile.prefetchDuringProducts();
                    addPanel(tile, products, packing);
                });
                tile.advancePanel(-panels * panelBytes);
                products.store();
            });
            tile.turnToOutput();
            products.write();
        });
        tile.leave();
        return asm.finish();
    }

    /** Unpacks whole rows to panels. */
    byte[] pack(DataType type, Packing packing) {
        Assembler asm = set.assembler();
        Tile tile = new Tile(asm, set.rows(), blockBytes(type), panels(type), 0);
        tile.enter();
        tile.forGroups(() -> tile.forBlocks(() -> {
            unpack(asm, tile, packing, type);
            tile.advancePanel(panels(type) * packing.panelBytes(set));
        }));
        tile.leave();
        return asm.finish();
    }

    /**
     * The panels of one or two groups of rows times tiles of so many tokens, added to the sums to start from; a block is 32
     * columns.
     */
    byte[] tile(Packing packing, int tokens, int groups) {
        Assembler asm = set.assembler();
        Tile tile = new Tile(asm, 0, 0, 1, tokens);
        Products products = new Products(asm, set, packing, tile, tokens, groups);
        tile.enter();
        tile.forTiles(() -> {
            products.clear();
            tile.turnToOutput();
            products.prefetchOutput();
            tile.turnToStart();
            products.read();
            tile.passStart();
            tile.turnToActivations();
            tile.passActivations();
            tile.forBlocks(() -> addPanel(tile, products, packing));
            tile.turnToOutput();
            products.write();
            tile.passOutput();
        });
        tile.leave();
        return asm.finish();
    }

    private void unpack(Assembler asm, Tile tile, Packing packing, DataType type) {
        Panels panels = (panel, vector, register) ->
                asm.op(VMOVUPS_STORE, register, tile.panel(panel * packing.panelVectors() + vector));
        new Unpacker(asm, set, packing, tile, panels).unpack(type, books);
        tile.advanceRows();
    }

    private static int panels(DataType type) {
        return Unpacker.blockColumns(type) / Activations.VALUES;
    }

    private static int blockBytes(DataType type) {
        return (int) type.bytes(Unpacker.blockColumns(type));
    }

    private void addPanel(Tile tile, Products products, Packing packing) {
        products.add();
        tile.advanceTokens(packing.activations().recordBytes());
        tile.advancePanel(packing.panelBytes(set));
    }
}
