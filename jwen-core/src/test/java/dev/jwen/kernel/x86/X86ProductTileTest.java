package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.ProductTile;
import dev.jwen.tensor.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The tile in both vector lengths and both packings of its rows, at depths that do and do not fill its loop. */
class X86ProductTileTest {
    private final SplittableRandom random = new SplittableRandom(20261125);

    private Tensor uniform(int rows, int columns) {
        Tensor x = Tensor.f32(rows, columns);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                x.set(i, j, (float) random.nextDouble(-1, 1));
            }
        }
        return x;
    }

    @ParameterizedTest
    @EnumSource(
            value = InstructionSet.class,
            names = {"AVX2", "AVX512"})
    void addsTheProduct(InstructionSet set) {
        assumeTrue(X86Products.obstacle() == null, () -> "not run: " + X86Products.obstacle());
        assumeTrue(set.isSupportedBy(CpuFeatures.detect()), () -> "not run: this processor has no " + set);
        try (X86Products products = new X86Products(set)) {
            ProductTile tile = products.productTile();
            for (int depth : new int[] {1, 3, 4, 5, 8, 130, ProductTile.DEPTH}) {
                check(tile, depth, false);
                check(tile, depth, true);
            }
        }
    }

    private void check(ProductTile tile, int depth, boolean byColumns) {
        Tensor a = byColumns ? uniform(depth, tile.rows()) : uniform(tile.rows(), ProductTile.ROW_BYTES / Float.BYTES);
        Tensor b = uniform(depth, tile.columns());
        // What lies behind a row of the tile stays.
        Tensor c = uniform(tile.rows(), tile.columns() + 3);
        float[] before = c.toFloats();
        tile.add(
                a.segment().address(),
                byColumns,
                b.segment().address(),
                depth,
                c.segment().address(),
                c.rowBytes());
        for (int i = 0; i < tile.rows(); i++) {
            for (int j = 0; j < c.columns(); j++) {
                double sum = before[(int) (i * c.columns() + j)];
                for (int k = 0; k < depth && j < tile.columns(); k++) {
                    sum += (double) (byColumns ? a.get(k, i) : a.get(i, k)) * b.get(k, j);
                }
                assertThat((double) c.get(i, j))
                        .as("depth %d, by columns %s, row %d, column %d", depth, byColumns, i, j)
                        .isCloseTo(sum, within(1e-5));
            }
        }
    }
}
