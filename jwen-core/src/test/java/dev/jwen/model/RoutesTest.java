package dev.jwen.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.jwen.Golden;
import dev.jwen.kernel.x86.X86Products;
import dev.jwen.tensor.DataType;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Two routes, one answer: however the tokens of a sequence reach the network, its logits are the same. */
class RoutesTest {
    private static final int VOCABULARY = 353;

    static Stream<Arguments> models() {
        return Stream.of(
                        "dense-text/checkpoint-bf16-sharded",
                        "moe-vl/moe-vl-BF16.gguf",
                        "dense-256/dense-256-Q4_K_M.gguf")
                .flatMap(m -> backends().map(b -> Arguments.of(m, b)));
    }

    private static Stream<Arguments> fastModels() {
        return models().filter(arguments -> !arguments.get()[1].equals("plain"));
    }

    /** The default one where it runs, the one that serves elsewhere, and the definition. */
    private static Stream<String> backends() {
        return X86Products.obstacle() == null ? Stream.of("plain", "vector", "x86") : Stream.of("plain", "vector");
    }

    /**
     * How far two routes may be apart: back ends that round activations turn a difference in the last place of a float
     * into one step where it crosses the middle between two.
     */
    private static float bound(String backend) {
        return backend.equals("x86") ? LogitTolerances.ROUNDED_ROUTES : LogitTolerances.ROUTES;
    }

    private static TinyModel open(String model, String backend, int threads) {
        return new TinyModel(Golden.shipped(model), backend, threads);
    }

    private static int[] randomIds(long seed, int count) {
        SplittableRandom random = new SplittableRandom(seed);
        return IntStream.range(0, count).map(i -> random.nextInt(VOCABULARY)).toArray();
    }

    @ParameterizedTest
    @MethodSource("models")
    void aPromptInChunksOfAnySizeGivesTheLogitsOfTheWhole(String model, String backend) {
        int[] ids = randomIds(1, 150);
        try (TinyModel tiny = open(model, backend, 2)) {
            List<float[]> whole = tiny.read(ids);
            for (int chunk : new int[] {1, 2, 3, 7, 31, 63, 64, 65, 128, 149}) {
                int[] pieces = IntStream.iterate(0, at -> at < ids.length, at -> at + chunk)
                        .map(at -> Math.min(chunk, ids.length - at))
                        .toArray();
                List<float[]> rows = tiny.read(tiny.newState(), ids, pieces);
                assertThat(TinyModel.maxDifference(rows, whole))
                        .as("chunks of " + chunk)
                        .isLessThan(bound(backend));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void aSequenceInABatchWithOthersGivesTheLogitsItHasAlone(String model, String backend) {
        int[][] prompts = {randomIds(2, 70), randomIds(3, 1), randomIds(4, 33), randomIds(5, 129)};
        try (TinyModel tiny = open(model, backend, 2)) {
            List<List<float[]>> alone = new ArrayList<>();
            for (int[] prompt : prompts) {
                alone.add(tiny.read(prompt));
            }
            // Every sequence moves at its own pace, so that prompt chunks and decode steps meet in one batch.
            int[] pace = {17, 1, 5, 40};
            State[] states = new State[prompts.length];
            List<List<float[]>> together = new ArrayList<>();
            for (int s = 0; s < prompts.length; s++) {
                states[s] = tiny.newState();
                together.add(new ArrayList<>());
            }
            while (advanceAll(tiny, prompts, pace, states, together)) {
                // until every prompt is read
            }
            for (int s = 0; s < prompts.length; s++) {
                assertThat(TinyModel.maxDifference(together.get(s), alone.get(s)))
                        .as("sequence " + s)
                        .isLessThan(bound(backend));
            }
        }
    }

    private static boolean advanceAll(
            TinyModel tiny, int[][] prompts, int[] pace, State[] states, List<List<float[]>> together) {
        Batch batch = new Batch();
        List<Integer> owners = new ArrayList<>();
        for (int s = 0; s < prompts.length; s++) {
            int from = states[s].length();
            int to = Math.min(from + pace[s], prompts[s].length);
            if (to > from) {
                batch.add(states[s], Arrays.copyOfRange(prompts[s], from, to), Batch.Logits.ALL);
                owners.addAll(java.util.Collections.nCopies(to - from, s));
            }
        }
        if (owners.isEmpty()) {
            return false;
        }
        List<float[]> rows = TinyModel.rows(tiny.network.forward(batch));
        for (int i = 0; i < rows.size(); i++) {
            together.get(owners.get(i)).add(rows.get(i));
        }
        return true;
    }

    @ParameterizedTest
    @MethodSource("models")
    void aForkContinuesAsTheOriginalWouldAndLeavesItAlone(String model, String backend) {
        int[] start = randomIds(6, 77);
        int[] left = randomIds(7, 40);
        int[] right = randomIds(8, 40);
        try (TinyModel tiny = open(model, backend, 2)) {
            State state = tiny.newState();
            tiny.read(state, start, start.length);
            State fork = state.fork();
            State again = fork.fork();
            List<float[]> first = tiny.read(state, left, left.length);
            List<float[]> other = tiny.read(fork, right, right.length);
            assertThat(TinyModel.maxDifference(tiny.read(again, left, left.length), first))
                    .isZero();
            State fresh = tiny.newState();
            tiny.read(fresh, start, start.length);
            assertThat(TinyModel.maxDifference(tiny.read(fresh, right, right.length), other))
                    .isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void theNumberOfThreadsDoesNotChangeABit(String model, String backend) {
        int[] ids = randomIds(9, 90);
        try (TinyModel one = open(model, backend, 1);
                TinyModel three = open(model, backend, 3)) {
            assertThat(TinyModel.maxDifference(
                            three.read(three.newState(), ids, 80, 1, 9), one.read(one.newState(), ids, 80, 1, 9)))
                    .isZero();
        }
    }

    /** Where two tokens are as probable as the bound allows, either may come; from there on the answers differ. */
    @ParameterizedTest
    @MethodSource("fastModels")
    void theMostProbableTokensAreTheSameByEveryRoute(String model, String backend) {
        int[] prompt = randomIds(14, 70);
        List<float[]> whole = new ArrayList<>();
        int[] tokens;
        try (TinyModel tiny = open(model, backend, 2)) {
            tokens = greedy(tiny, prompt, 30, whole, 70);
            for (int[] pieces : new int[][] {{69, 1}, {7, 7, 7, 49}, {33, 32, 4, 1}}) {
                List<float[]> rows = new ArrayList<>();
                assertSameTokens(tokens, whole, greedy(tiny, prompt, 30, rows, pieces), bound(backend));
            }
        }
        for (int threads : new int[] {1, 3}) {
            try (TinyModel tiny = open(model, backend, threads)) {
                assertThat(greedy(tiny, prompt, 30, new ArrayList<>(), 70)).isEqualTo(tokens);
            }
        }
    }

    /** Reads the prompt in pieces, then writes {@code count} tokens; {@code rows} are the logits they were chosen from. */
    private static int[] greedy(TinyModel tiny, int[] prompt, int count, List<float[]> rows, int... pieces) {
        int[] tokens = new int[count];
        try (State state = tiny.newState()) {
            rows.add(tiny.read(state, prompt, pieces).getLast());
            for (int i = 0; i < count; i++) {
                tokens[i] = TinyModel.argMax(rows.getLast());
                rows.addAll(tiny.read(state, new int[] {tokens[i]}, 1));
            }
        }
        return tokens;
    }

    private static void assertSameTokens(int[] expected, List<float[]> rows, int[] found, float bound) {
        int first = Arrays.mismatch(expected, found);
        if (first >= 0) {
            float lead = rows.get(first)[expected[first]] - rows.get(first)[found[first]];
            assertThat(lead).as("lead of token %d of the answer", first).isLessThan(2 * bound);
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void aSmallerCacheMovesTheLogitsLittle(String model, String backend) {
        int[] ids = randomIds(10, 90);
        try (TinyModel tiny = open(model, backend, 2)) {
            List<float[]> exact = tiny.read(ids);
            assertThat(meanDifference(exact, tiny.read(tiny.network.newState(DataType.BF16), ids, ids.length)))
                    .isLessThan(LogitTolerances.BF16_CACHE_MEAN)
                    .isPositive();
            assertThat(meanDifference(exact, tiny.read(tiny.network.newState(DataType.Q8_0), ids, ids.length)))
                    .isLessThan(LogitTolerances.Q8_CACHE_MEAN)
                    .isPositive();
        }
    }

    private static double meanDifference(List<float[]> rows, List<float[]> others) {
        double sum = 0;
        long count = 0;
        for (int r = 0; r < rows.size(); r++) {
            for (int i = 0; i < rows.get(r).length; i++) {
                sum += Math.abs(rows.get(r)[i] - others.get(r)[i]);
                count++;
            }
        }
        return sum / count;
    }

    @ParameterizedTest
    @MethodSource("models")
    void aForkOfAQuantisedCacheContinuesAsTheOriginalWould(String model, String backend) {
        int[] start = randomIds(12, 77);
        int[] next = randomIds(13, 9);
        try (TinyModel tiny = open(model, backend, 2);
                State state = tiny.network.newState(DataType.Q8_0)) {
            tiny.read(state, start, start.length);
            try (State fork = state.fork()) {
                List<float[]> first = tiny.read(state, next, next.length);
                assertThat(TinyModel.maxDifference(tiny.read(fork, next, next.length), first))
                        .isZero();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void onlyTheRowsAskedForGetLogits(String model, String backend) {
        int[] ids = randomIds(11, 20);
        try (TinyModel tiny = open(model, backend, 2)) {
            List<float[]> all = tiny.read(ids);
            State state = tiny.newState();
            Batch silent = new Batch();
            silent.add(state, Arrays.copyOf(ids, 12), Batch.Logits.NONE);
            assertThat(tiny.network.forward(silent).rows()).isZero();
            Batch last = new Batch();
            last.add(state, Arrays.copyOfRange(ids, 12, 20), Batch.Logits.LAST);
            List<float[]> rows = TinyModel.rows(tiny.network.forward(last));
            assertThat(rows).hasSize(1);
            assertThat(TinyModel.maxDifference(rows, all.subList(19, 20))).isLessThan(bound(backend));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"dense-text/checkpoint-bf16-sharded", "moe-vl/moe-vl-BF16.gguf"})
    void aDecodeStepAllocatesAFewObjectsAndNoArraysOfActivations(String model) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (TinyModel tiny = open(model, "vector", 1)) {
            // Until its loops are compiled, the Vector API boxes every vector.
            for (int i = 0; i < 60; i++) {
                decode(tiny, 100);
            }
            long least = Long.MAX_VALUE;
            for (int round = 0; round < 5; round++) { // the compiler may still be at work during some
                long before = threads.getCurrentThreadAllocatedBytes();
                decode(tiny, 100);
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            long bytesPerLayer = least / 100 / tiny.network.config().numHiddenLayers();
            assertThat(bytesPerLayer).isLessThan(16_384);
        }
    }

    private static void decode(TinyModel tiny, int steps) {
        try (State state = tiny.newState()) {
            for (int i = 0; i < steps; i++) {
                Batch batch = new Batch();
                batch.add(state, new int[] {i}, Batch.Logits.LAST);
                tiny.network.forward(batch);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void aWrongBatchIsRefusedAndTheStateIsUnharmed(String model, String backend) {
        try (TinyModel tiny = open(model, backend, 1)) {
            State state = tiny.newState();
            Batch batch = new Batch();
            assertThatThrownBy(() -> tiny.network.forward(new Batch())).hasMessageContaining("empty");
            assertThatThrownBy(() -> batch.add(state, new int[0], Batch.Logits.ALL))
                    .hasMessageContaining("at least one token");
            batch.add(state, new int[] {5, 400}, Batch.Logits.ALL);
            assertThatThrownBy(() -> batch.add(state, new int[] {1}, Batch.Logits.ALL))
                    .hasMessageContaining("already in this batch");
            assertThatThrownBy(() -> tiny.network.forward(batch))
                    .hasMessageContaining("400")
                    .hasMessageContaining("368");
            assertThat(state.length()).isZero();
            assertThat(tiny.read(state, new int[] {5, 6}, 2)).hasSize(2);
        }
    }
}
