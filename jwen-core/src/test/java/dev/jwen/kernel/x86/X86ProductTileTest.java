package dev.jwen.kernel.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.jwen.kernel.ProductTile;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The tile in both vector lengths, with rows and with columns that are runs, at depths that do and do not fill its loop. */
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
            List<ProductTile> tiles = new ArrayList<>(List.of(products.productTile()));
            for (int rows = 1; rows < tiles.getFirst().rows(); rows++) {
                tiles.add(Objects.requireNonNull(products.productTile(rows)));
            }
            for (ProductTile tile : tiles) {
                for (int depth : new int[] {1, 3, 4, 5, 8, 130, ProductTile.DEPTH}) {
                    for (boolean isFresh : new boolean[] {false, true}) {
                        check(tile, depth, false, isFresh);
                        check(tile, depth, true, isFresh);
                    }
                }
            }
            assertThat(products.productTile(tiles.getFirst().rows() + 1)).isNull();
        }
    }

    /** In the midst of matrices: what lies beside a tile is not read into it, and stays. */
    private void check(ProductTile tile, int depth, boolean byColumns, boolean isFresh) {
        Tensor a = byColumns ? uniform(depth, tile.rows() + 5) : uniform(tile.rows(), depth + 7);
        Tensor b = uniform(depth, tile.columns() + 2);
        Tensor c = uniform(tile.rows(), tile.columns() + 3);
        float[] before = c.toFloats();
        tile.add(
                a.segment().address(),
                byColumns ? Float.BYTES : a.rowBytes(),
                byColumns ? a.rowBytes() : Float.BYTES,
                b.segment().address(),
                b.rowBytes(),
                depth,
                c.segment().address(),
                c.rowBytes(),
                isFresh);
        for (int i = 0; i < tile.rows(); i++) {
            for (int j = 0; j < c.columns(); j++) {
                boolean isInside = j < tile.columns();
                double sum = isFresh && isInside ? 0 : before[(int) (i * c.columns() + j)];
                for (int k = 0; k < depth && isInside; k++) {
                    sum += (double) (byColumns ? a.get(k, i) : a.get(i, k)) * b.get(k, j);
                }
                assertThat((double) c.get(i, j))
                        .as("depth %d, by columns %s, fresh %s, row %d, column %d", depth, byColumns, isFresh, i, j)
                        .isCloseTo(sum, within(5e-5)); // 257 roundings at most of what adds up to some 64
            }
        }
    }
}
