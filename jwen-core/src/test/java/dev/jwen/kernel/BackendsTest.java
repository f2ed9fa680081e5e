package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class BackendsTest {

    @Test
    void thePlainKernelsAreAlwaysThereUnderBothNames() {
        for (String name : new String[] {"plain", "scalar"}) {
            try (Kernels kernels = Backends.open(name, 1)) {
                assertThat(kernels.name()).isEqualTo("plain");
            }
        }
    }

    @Test
    void theDefaultIsTheBestThatRunsHere() {
        String best = Backends.all().stream()
                .filter(provider -> provider.unavailable().isEmpty())
                .findFirst()
                .orElseThrow()
                .name();
        try (Kernels kernels = Backends.open(null, 2)) {
            assertThat(kernels.name()).isEqualTo(System.getProperty(Backends.PROPERTY, best));
            assertThat(kernels.threads()).isEqualTo(2);
        }
    }

    @Test
    void exactArithmeticIsFloat32UnlessABackEndIsNamed() {
        String best = Backends.all().stream()
                .filter(provider -> provider.unavailable().isEmpty() && provider.isExact())
                .findFirst()
                .orElseThrow()
                .name();
        try (Kernels kernels = Backends.open(null, 1, true)) {
            assertThat(kernels.name()).isEqualTo(System.getProperty(Backends.PROPERTY, best));
        }
        try (Kernels kernels = Backends.open("plain", 1, true)) {
            assertThat(kernels.name()).isEqualTo("plain");
        }
        assertThat(Backends.all().stream().filter(p -> !p.isExact()).map(KernelsProvider::name))
                .containsExactly("x86");
    }

    @Test
    void anUnknownNameListsWhatThereIs() {
        assertThatThrownBy(() -> Backends.open("abacus", 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"abacus\"")
                .hasMessageContaining("plain");
    }

    @Test
    void thePropertyDecidesWhereTheCallerDoesNot() {
        String before = System.setProperty(Backends.PROPERTY, "scalar");
        try (Kernels kernels = Backends.open(null, 1)) {
            assertThat(kernels.name()).isEqualTo("plain");
        } finally {
            if (before == null) {
                System.clearProperty(Backends.PROPERTY);
            } else {
                System.setProperty(Backends.PROPERTY, before);
            }
        }
    }
}
