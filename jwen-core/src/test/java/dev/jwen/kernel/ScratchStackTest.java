package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.jwen.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ScratchStackTest {
    private final ScratchStack stack = new ScratchStack();

    @AfterEach
    void close() {
        stack.close();
    }

    @Test
    void tensorsOfOpenFramesDoNotOverlap() {
        try (Scratch outer = stack.open()) {
            Tensor a = filled(outer.f32(3, 5), 1);
            Tensor large = filled(outer.f32(1000, 1000), 2);
            try (Scratch inner = stack.open()) {
                filled(inner.f32(7, 3), 3);
                filled(inner.f32(2000, 1000), 4);
            }
            Tensor b = filled(outer.f32(1, 1), 5);
            assertThat(a.toFloats()).containsOnly(1);
            assertThat(large.toFloats()).containsOnly(2);
            assertThat(b.toFloats()).containsOnly(5);
        }
    }

    @Test
    void tensorsStartAtCacheLines() {
        try (Scratch scratch = stack.open()) {
            for (int size : new int[] {1, 15, 16, 17, 100_000, 1_000_000}) {
                assertThat(scratch.f32(1, size).segment().address() % 64).isZero();
            }
        }
    }

    @Test
    void theSameShapesGiveTheSameTensors() {
        Tensor[] first = step();
        Tensor[] second = step();
        for (int i = 0; i < first.length; i++) {
            assertThat(second[i]).isSameAs(first[i]);
        }
    }

    @Test
    void otherShapesInBetweenAreHarmless() {
        step();
        try (Scratch scratch = stack.open()) {
            assertThat(scratch.f32(2, 2).shape()).containsExactly(2, 2);
            assertThat(scratch.f32(3, 1).shape()).containsExactly(3, 1);
        }
        assertThat(step()[1].shape()).containsExactly(4, 8);
    }

    @Test
    void aClosedFrameGivesNothing() {
        Scratch scratch = stack.open();
        scratch.close();
        scratch.close();
        assertThatThrownBy(() -> scratch.f32(1, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void framesCloseFromTheInsideOut() {
        Scratch outer = stack.open();
        Scratch inner = stack.open();
        assertThatThrownBy(() -> outer.f32(1, 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(outer::close).isInstanceOf(IllegalStateException.class);
        inner.close();
        outer.f32(1, 1);
        outer.close();
    }

    private Tensor[] step() {
        try (Scratch outer = stack.open()) {
            Tensor a = outer.f32(4, 16);
            try (Scratch inner = stack.open()) {
                return new Tensor[] {a, inner.f32(4, 8), inner.f32(300, 3000), inner.f32(5, 5)};
            }
        }
    }

    private static Tensor filled(Tensor tensor, float value) {
        for (int r = 0; r < tensor.rows(); r++) {
            for (int c = 0; c < tensor.columns(); c++) {
                tensor.set(r, c, value);
            }
        }
        return tensor;
    }
}
