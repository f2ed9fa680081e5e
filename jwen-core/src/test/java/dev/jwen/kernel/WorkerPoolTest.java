package dev.jwen.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkerPoolTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void everyItemIsDoneExactlyOnce(int threads) {
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int total : new int[] {0, 1, 2, 63, 64, 65, 1000}) {
                for (int grain : new int[] {1, 3, 64, 5000}) {
                    AtomicIntegerArray done = new AtomicIntegerArray(total);
                    pool.run(total, grain, (worker, from, to) -> {
                        assertThat(worker).isBetween(0, threads - 1);
                        assertThat(to - from).isBetween(1, grain);
                        for (int i = from; i < to; i++) {
                            done.incrementAndGet(i);
                        }
                    });
                    for (int i = 0; i < total; i++) {
                        assertThat(done.get(i)).isEqualTo(1);
                    }
                }
            }
        }
    }

    @Test
    void manyShortJobsInARowSeeEachOthersWrites() {
        int[] values = new int[256];
        try (WorkerPool pool = new WorkerPool(3)) {
            for (int round = 0; round < 20_000; round++) {
                pool.run(values.length, 32, (worker, from, to) -> {
                    for (int i = from; i < to; i++) {
                        values[i] = values[(i + 128) % 256] / 1_000_000 + values[i] + 1;
                    }
                });
            }
        }
        assertThat(values).containsOnly(20_000);
    }

    @Test
    void workersThatParkedTakePartAgain() throws InterruptedException {
        try (WorkerPool pool = new WorkerPool(2)) {
            AtomicIntegerArray byWorker = new AtomicIntegerArray(2);
            for (int round = 0; round < 5; round++) {
                Thread.sleep(5);
                pool.run(2, 1, (worker, from, to) -> {
                    byWorker.incrementAndGet(worker);
                    sleep(20);
                });
            }
            assertThat(byWorker.get(1)).as("chunks of the second worker").isPositive();
        }
    }

    @Test
    void noTwoPiecesAtOnceHaveTheSameWorker() {
        try (WorkerPool pool = new WorkerPool(4)) {
            AtomicIntegerArray inside = new AtomicIntegerArray(4);
            pool.run(200, 1, (worker, from, to) -> {
                assertThat(inside.incrementAndGet(worker)).isEqualTo(1);
                Thread.onSpinWait();
                inside.decrementAndGet(worker);
            });
        }
    }

    @Test
    void anExceptionReachesTheCallerAndThePoolWorksOn() {
        try (WorkerPool pool = new WorkerPool(3)) {
            for (int bad : new int[] {0, 5, 99}) {
                assertThatThrownBy(() -> pool.run(100, 1, (worker, from, to) -> {
                            if (from == bad) {
                                throw new ArithmeticException("item " + from);
                            }
                        }))
                        .isInstanceOf(ArithmeticException.class)
                        .hasMessage("item " + bad);
                AtomicInteger sum = new AtomicInteger();
                pool.run(100, 1, (worker, from, to) -> sum.addAndGet(from));
                assertThat(sum.get()).isEqualTo(4950);
            }
        }
    }

    @Test
    void exceptionsAfterTheFirstAreSuppressed() {
        try (WorkerPool pool = new WorkerPool(2)) {
            AtomicInteger arrived = new AtomicInteger();
            assertThatThrownBy(() -> pool.run(2, 1, (worker, from, to) -> {
                        arrived.incrementAndGet();
                        while (arrived.get() < 2) {
                            Thread.onSpinWait();
                        }
                        throw new ArithmeticException("item " + from);
                    }))
                    .isInstanceOf(ArithmeticException.class)
                    .satisfies(e -> assertThat(e.getSuppressed()).hasSize(1));
        }
    }

    @Test
    void aTaskCannotStartAJob() {
        for (int threads : new int[] {1, 2}) {
            try (WorkerPool pool = new WorkerPool(threads)) {
                assertThatThrownBy(() -> pool.run(4, 1, (worker, from, to) -> pool.run(1, 1, (w, f, t) -> {})))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("never from a task");
                pool.run(4, 1, (worker, from, to) -> {});
            }
        }
    }

    @Test
    void aClosedPoolRefusesJobsAndItsThreadsAreGone() {
        WorkerPool pool = new WorkerPool(3);
        @Nullable Thread[] seen = new Thread[3];
        pool.run(3, 1, (worker, from, to) -> {
            seen[worker] = Thread.currentThread();
            sleep(20);
        });
        pool.close();
        pool.close();
        for (int i = 1; i < 3; i++) {
            if (seen[i] != null) {
                assertThat(seen[i].getName()).isEqualTo("jwen-worker-" + i);
                assertThat(seen[i].isDaemon()).isTrue();
                assertThat(seen[i].isAlive()).isFalse();
            }
        }
        assertThatThrownBy(() -> pool.run(1, 1, (worker, from, to) -> {}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void anInterruptedCallerStillWaitsForAllPieces() {
        try (WorkerPool pool = new WorkerPool(2)) {
            AtomicInteger done = new AtomicInteger();
            Thread.currentThread().interrupt();
            pool.run(2, 1, (worker, from, to) -> {
                if (worker == 1) {
                    long end = System.nanoTime() + 5_000_000;
                    while (System.nanoTime() < end) {
                        Thread.onSpinWait();
                    }
                }
                done.incrementAndGet();
            });
            assertThat(Thread.interrupted()).as("the interrupt is kept").isTrue();
            assertThat(done.get()).isEqualTo(2);
        }
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
