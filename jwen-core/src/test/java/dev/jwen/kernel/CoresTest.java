package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CoresTest {
    @TempDir
    Path directory;

    private Path status = Path.of("");

    @BeforeEach
    void mayRunEverywhere() throws IOException {
        status = directory.resolve("status");
        allow("0-7");
    }

    private void allow(String list) throws IOException {
        Files.writeString(status, "Name:\tjava\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\n".formatted(list));
    }

    private void processor(int number, String file, String siblings) throws IOException {
        Path topology = directory.resolve("cpu" + number).resolve("topology");
        Files.createDirectories(topology);
        Files.writeString(topology.resolve(file), siblings + "\n");
    }

    /** Four cores; the second threads are numbered after all first ones. */
    private void fourCoresOfTwoThreads(String file) throws IOException {
        for (int i = 0; i < 8; i++) {
            processor(i, file, i % 4 + "," + (i % 4 + 4));
        }
    }

    private int count(int processors) {
        return Cores.count(directory, status, processors);
    }

    @ParameterizedTest
    @ValueSource(strings = {"core_cpus_list", "thread_siblings_list"})
    void threadsOfOneCoreCountOnce(String file) throws IOException {
        fourCoresOfTwoThreads(file);
        assertThat(count(8)).isEqualTo(4);
    }

    @Test
    void coresWithoutSiblingsAndNeighboursCountToo() throws IOException {
        for (int i = 0; i < 4; i++) {
            processor(i, "core_cpus_list", i < 2 ? "0-1" : "2-3");
        }
        processor(4, "core_cpus_list", "4");
        processor(5, "core_cpus_list", "5");
        assertThat(count(6)).isEqualTo(4);
    }

    @Test
    void onlyCoresOfTheAffinityMaskCount() throws IOException {
        fourCoresOfTwoThreads("core_cpus_list");
        allow("0,4,5");
        assertThat(count(3)).isEqualTo(2);
        allow("1-3");
        assertThat(count(3)).isEqualTo(3);
    }

    @Test
    void aQuotaOfTheContainerIsNeverExceeded() throws IOException {
        fourCoresOfTwoThreads("core_cpus_list");
        assertThat(count(3)).isEqualTo(3);
        assertThat(count(1)).isEqualTo(1);
    }

    @Test
    void processorsThatAreSwitchedOffDoNotCount() throws IOException {
        processor(0, "core_cpus_list", "0");
        processor(1, "core_cpus_list", "1");
        assertThat(count(8)).isEqualTo(2);
    }

    @Test
    void aSystemThatDoesNotSayHasACoreForEachProcessor() throws IOException {
        assertThat(count(6)).isEqualTo(6);
        assertThat(Cores.count(directory, directory.resolve("missing"), 5)).isEqualTo(5);
        fourCoresOfTwoThreads("core_cpus_list");
        Files.writeString(status, "Name:\tjava\n");
        assertThat(count(8)).isEqualTo(8);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "3-1", "-4", "0-99999999", "0,,1", "1-2-3"})
    void aListThatIsNoneIsPassedOver(String list) throws IOException {
        processor(0, "core_cpus_list", list);
        assertThat(count(2)).isEqualTo(2);
    }

    @Test
    void thisMachineHasAtLeastOneCoreAndNoMoreThanProcessors() {
        assertThat(WorkerPool.defaultThreads())
                .isBetween(1, Runtime.getRuntime().availableProcessors());
    }
}
