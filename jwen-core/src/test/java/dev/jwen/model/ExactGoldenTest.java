package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.jwen.Golden;
import dev.jwen.engine.Engine;
import dev.jwen.tensor.DataType;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An engine that is asked to be exact holds every reference within the bounds of float32, whatever the weights are. */
class ExactGoldenTest {
    private static final Engine.Options EXACT = new Engine.Options(null, 2, true, null, 0);

    static Stream<GoldenTest.Case> shared() {
        return GoldenTest.shared();
    }

    static Stream<GoldenTest.Case> shipped() {
        return QuantisedGoldenTest.shipped();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shared")
    void logitsOfOnePassAgree(GoldenTest.Case golden) {
        check(
                golden,
                Golden.shared("golden/" + golden.model()),
                Golden.shared("golden/" + golden.file() + ".safetensors"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shipped")
    void logitsOfTheShippedModelsAgree(GoldenTest.Case golden) {
        check(golden, Golden.shipped(golden.model()), Golden.shipped(golden.file() + ".safetensors"));
    }

    private static void check(GoldenTest.Case golden, Path model, Path file) {
        Map<String, Golden.Array> arrays = Golden.arrays(file);
        Golden.Array expected = arrays.get(golden.logits());
        try (Engine engine = Engine.open(model, EXACT)) {
            assertThat(engine.kvType()).isEqualTo(DataType.F32);
            Batch batch = new Batch();
            batch.add(
                    engine.network().newState(engine.kvType()),
                    arrays.get("input_ids").ints(),
                    Batch.Logits.ALL);
            List<float[]> rows = TinyModel.rows(engine.network().forward(batch));
            int known = Math.toIntExact(expected.shape()[0]);
            List<float[]> last = rows.subList(rows.size() - known, rows.size());
            assertThat(TinyModel.maxDifference(last, expected.floats())).isLessThan(golden.bound());
        }
    }
}
