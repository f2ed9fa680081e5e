package dev.jwen.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory in pages of any size behaves like memory. */
class PagesTest {
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 100, (2 << 20) - 1, 2 << 20, (5 << 20) + 3})
    void zerosAreZerosOfTheArena(long bytes) {
        MemorySegment memory;
        try (Arena arena = Arena.ofShared()) {
            memory = Pages.zeros(bytes, arena);
            assertThat(memory.byteSize()).isEqualTo(bytes);
            assertThat(memory.address() % 64).isZero();
            assertThat(memory.mismatch(MemorySegment.ofArray(new byte[(int) bytes])))
                    .isEqualTo(-1);
            memory.fill((byte) 1);
        }
        assertThatThrownBy(() -> memory.asSlice(0, 0).fill((byte) 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void twoRunsOfMemoryShareNothing() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment first = Pages.zeros(3 << 20, arena);
            Pages.zeros(3 << 20, arena).fill((byte) 1);
            assertThat(first.get(ValueLayout.JAVA_BYTE, (3 << 20) - 1)).isZero();
            assertThat(first.get(ValueLayout.JAVA_BYTE, 0)).isZero();
        }
    }

    @Test
    void aFileThatIsLoadedHoldsWhatWasWritten(@TempDir Path directory) throws IOException {
        byte[] bytes = new byte[(5 << 20) + 17];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 31);
        }
        Path file = Files.write(directory.resolve("file"), bytes);
        try (Arena arena = Arena.ofShared();
                FileChannel channel = FileChannel.open(file)) {
            MemorySegment mapped = channel.map(MapMode.READ_ONLY, 0, bytes.length, arena);
            Pages.preferHuge(mapped.asSlice(5000));
            Pages.load(mapped.asSlice(100, 4 << 20));
            Pages.load(mapped.asSlice(bytes.length));
            assertThat(mapped.mismatch(MemorySegment.ofArray(bytes))).isEqualTo(-1);
        }
    }
}
