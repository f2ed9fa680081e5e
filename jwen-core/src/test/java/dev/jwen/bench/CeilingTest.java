package dev.jwen.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.kernel.Backends;
import dev.jwen.kernel.KernelsProvider;
import dev.jwen.kernel.PeakLoops;
import dev.jwen.kernel.PeakLoops.Arithmetic;
import dev.jwen.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CeilingTest {
    static Stream<String> backendsWithLoops() {
        return Backends.all().stream()
                .filter(provider -> provider.peakLoops().isPresent())
                .map(KernelsProvider::name);
    }

    private static PeakLoops loops(String backend) {
        return Backends.all().stream()
                .filter(provider -> provider.name().equals(backend))
                .findFirst()
                .flatMap(KernelsProvider::peakLoops)
                .orElseThrow();
    }

    @ParameterizedTest
    @MethodSource("backendsWithLoops")
    void operationsGrowWithTheRoundsAndTakeTime(String backend) {
        try (PeakLoops loops = loops(backend)) {
            for (Arithmetic arithmetic : Arithmetic.values()) {
                if (!loops.supports(arithmetic)) {
                    assertThatThrownBy(() -> loops.calculate(arithmetic, 1))
                            .isInstanceOf(UnsupportedOperationException.class);
                    continue;
                }
                long one = loops.calculate(arithmetic, 1);
                assertThat(one).isPositive();
                assertThat(loops.calculate(arithmetic, 1000)).isEqualTo(1000 * one);
                long start = System.nanoTime();
                long operations = loops.calculate(arithmetic, 100_000);
                double seconds = (System.nanoTime() - start) * 1e-9;
                // No core of today does more than 2 × 64 products of bytes in each of 6e9 cycles twice.
                assertThat(operations / seconds).isLessThan(2 * 2 * 128 * 6e9);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsWithLoops")
    void readingTakesAnySize(String backend) {
        try (PeakLoops loops = loops(backend)) {
            for (long values : List.of(0L, 1L, 1023L, 1024L, 1025L, 100_000L)) {
                loops.read(Tensor.f32(values));
            }
        }
    }
}
