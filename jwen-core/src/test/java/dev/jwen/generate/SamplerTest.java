package dev.jwen.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.jwen.Golden;
import dev.jwen.model.Shortlist;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class SamplerTest {
    private static final History EMPTY = new History();

    @Test
    void keepsTheTokensAndProbabilitiesOfTheReference() {
        assertThat(compareWithReference(Golden.shipped("sampling"))).isGreaterThan(30);
    }

    @Test
    void keepsTheTokensAndProbabilitiesOfTheReferenceInEveryCase() {
        assertThat(compareWithReference(Golden.shared("golden/sampling"))).isEqualTo(65);
    }

    private static int compareWithReference(Path directory) {
        JsonNode json = Golden.json(directory.resolve("sampling.json"));
        Map<String, Golden.Array> arrays = Golden.arrays(directory.resolve("sampling.safetensors"));
        for (JsonNode one : json.get("cases")) {
            int row = one.get("logits").asInt();
            String name = row + "." + one.get("case").asInt();
            float[] logits = array(arrays, "logits." + row).floats();
            SamplingOptions options =
                    options(json.get("params").get(one.get("case").asInt()));
            History history = new History(array(arrays, "history." + row).ints());

            Distribution actual = distribution(options, history, logits);

            assertThat(actual.tokens())
                    .as(name)
                    .isEqualTo(array(arrays, "kept." + name).ints());
            float[] expected = array(arrays, "prob." + name).floats();
            for (int i = 0; i < expected.length; i++) {
                assertThat(actual.probabilities()[i]).as(name).isEqualTo(expected[i], within(1e-6));
            }
        }
        return json.get("cases").size();
    }

    private static Golden.Array array(Map<String, Golden.Array> arrays, String name) {
        return Objects.requireNonNull(arrays.get(name), name);
    }

    private static SamplingOptions options(JsonNode params) {
        return SamplingOptions.builder()
                .repetitionPenalty(params.path("repetition_penalty").asDouble(1))
                .temperature(params.path("temperature").asDouble(1))
                .topK(params.path("top_k").asInt(0))
                .topP(params.path("top_p").asDouble(1))
                .minP(params.path("min_p").asDouble(0))
                .build();
    }

    @Test
    void sampledFrequenciesAgreeWithTheDistribution() {
        SamplingOptions options =
                SamplingOptions.builder().temperature(2.5).topK(12).topP(0.97).build();
        Tensor logits = Tensor.f32(randomLogits(200, 5), 200);
        Sampler sampler = new Sampler(200);
        Distribution distribution = sampler.distribution(logits, 0, options, EMPTY);
        RandomGenerator random = Sampler.random(11);
        int draws = 100_000;
        int[] counts = new int[200];
        for (int i = 0; i < draws; i++) {
            counts[sampler.sample(logits, 0, options, EMPTY, random)]++;
        }
        double chiSquare = 0;
        int sampled = 0;
        for (int i = 0; i < distribution.tokens().length; i++) {
            double expected = draws * distribution.probabilities()[i];
            int count = counts[distribution.tokens()[i]];
            chiSquare += (count - expected) * (count - expected) / expected;
            sampled += count;
        }
        assertThat(sampled).as("no token outside the distribution").isEqualTo(draws);
        assertThat(distribution.tokens().length).isBetween(5, 12);
        // With at most 11 degrees of freedom, 31.3 is exceeded once in a thousand seeds.
        assertThat(chiSquare).as("seed 11").isLessThan(31.3);
    }

    @Test
    void samplingIsDrawingFromTheDistribution() {
        SamplingOptions options =
                SamplingOptions.builder().topP(0.9).minP(0.001).build();
        Sampler sampler = new Sampler(500);
        RandomGenerator one = Sampler.random(3);
        RandomGenerator other = Sampler.random(3);
        for (int seed = 0; seed < 200; seed++) {
            Tensor logits = Tensor.f32(randomLogits(500, seed), 500);
            int sampled = sampler.sample(logits, 0, options, EMPTY, one);
            int drawn = sampler.distribution(logits, 0, options, EMPTY).sample(other);
            assertThat(sampled).as("seed %d", seed).isEqualTo(drawn);
        }
    }

    @Test
    void theShortlistIsAllThatSamplingNeeds() {
        int size = 300;
        Sampler sampler = new Sampler(size);
        SplittableRandom choice = new SplittableRandom(5);
        for (int seed = 0; seed < 400; seed++) {
            float[] logits = randomLogits(size + 10, seed);
            Arrays.fill(logits, size, size + 10, 100); // padding, and larger than all
            for (int i = 0; i < 40; i++) {
                logits[choice.nextInt(size)] = logits[choice.nextInt(size)]; // ties
            }
            History history =
                    new History(choice.ints(choice.nextInt(30), 0, size + 10).toArray());
            choice.ints(choice.nextInt(30), 0, size).forEach(history::append);
            SamplingOptions options = SamplingOptions.builder()
                    .logitBias(seed % 3 == 0 ? Map.of(3, -2f, 40, Float.NEGATIVE_INFINITY, 77, 5f) : Map.of())
                    .repetitionPenalty(new double[] {1, 1.3, 0.7}[choice.nextInt(3)])
                    .presencePenalty(new double[] {0, 1.5, -1}[choice.nextInt(3)])
                    .frequencyPenalty(new double[] {0, 0.5, -0.5}[choice.nextInt(3)])
                    .temperature(choice.nextInt(3) == 0 ? 0 : 0.7)
                    .topK(1 + choice.nextInt(30))
                    .topP(choice.nextBoolean() ? 1 : 0.9)
                    .minP(choice.nextBoolean() ? 0 : 0.02)
                    .build();
            Shortlist shortlist = sampler.shortlist(options, history);
            Tensor all = Tensor.f32(logits, 1, size + 10);
            Tensor some = Tensor.f32(shortened(logits, Objects.requireNonNull(shortlist)), 1, size + 10);
            Distribution expected = sampler.distribution(all, 0, options, history);
            Distribution actual = sampler.distribution(some, 0, options, history);
            assertThat(actual.tokens()).as("seed %d, %s", seed, options).isEqualTo(expected.tokens());
            assertThat(actual.probabilities()).isEqualTo(expected.probabilities());
            assertThat(sampler.sample(some, 0, options, history, Sampler.random(seed)))
                    .isEqualTo(sampler.sample(all, 0, options, history, Sampler.random(seed)));
        }
    }

    /** As few logits as a shortlist allows. */
    private static float[] shortened(float[] logits, Shortlist shortlist) {
        float[] unchanged = Arrays.copyOf(logits, shortlist.vocabularySize());
        for (int id : shortlist.lowered()) {
            unchanged[id] = Float.NEGATIVE_INFINITY;
        }
        for (int id : shortlist.raised()) {
            unchanged[id] = Float.NEGATIVE_INFINITY;
        }
        float[] sorted = unchanged.clone();
        Arrays.sort(sorted);
        float threshold = sorted[sorted.length - shortlist.count()];
        float[] some = new float[logits.length];
        Arrays.fill(some, Float.NEGATIVE_INFINITY);
        for (int id = 0; id < unchanged.length; id++) {
            some[id] = unchanged[id] >= threshold ? logits[id] : Float.NEGATIVE_INFINITY;
        }
        for (int id : shortlist.lowered()) {
            some[id] = logits[id] >= threshold ? logits[id] : Float.NEGATIVE_INFINITY;
        }
        for (int id : shortlist.raised()) {
            some[id] = logits[id];
        }
        return some;
    }

    @Test
    void samplingFromAllTokensHasNoShortlist() {
        Sampler sampler = new Sampler(10);
        assertThat(sampler.shortlist(SamplingOptions.NEUTRAL, EMPTY)).isNull();
        assertThat(sampler.shortlist(
                        SamplingOptions.builder().topP(0.5).minP(0.1).build(), EMPTY))
                .isNull();
        assertThat(sampler.shortlist(SamplingOptions.GREEDY, EMPTY)).isNotNull();
    }

    @Test
    void oneSampledTokenTakesOneRandomNumberAndAGreedyOneNone() {
        RandomGenerator used = Sampler.random(7);
        RandomGenerator skipped = Sampler.random(7);
        Tensor logits = Tensor.f32(randomLogits(50, 1), 50);
        Sampler sampler = new Sampler(50);
        sampler.sample(logits, 0, SamplingOptions.NEUTRAL, EMPTY, used);
        sampler.sample(logits, 0, SamplingOptions.GREEDY, EMPTY, used);
        sampler.sample(logits, 0, SamplingOptions.builder().topK(1).build(), EMPTY, used);
        skipped.nextDouble();
        skipped.nextDouble();
        assertThat(used.nextLong()).isEqualTo(skipped.nextLong());
    }

    @Test
    void topPAgreesWithASortOfAllTokens() {
        for (int size : new int[] {1, 2, 3, 31, 256, 4098}) {
            for (double topP : new double[] {0, 0.1, 0.5, 0.9, 0.999}) {
                float[] logits = randomLogits(size, size);
                Distribution all = distribution(SamplingOptions.NEUTRAL, EMPTY, logits);
                Integer[] byLogit = new Integer[size];
                Arrays.setAll(byLogit, i -> i);
                Arrays.sort(byLogit, (a, b) -> Float.compare(logits[b], logits[a]));
                int count = 0;
                double mass = 0;
                do {
                    mass += all.probability(byLogit[count++]);
                } while (mass < topP && count < size);
                int[] expected = Arrays.stream(byLogit)
                        .limit(count)
                        .mapToInt(i -> i)
                        .sorted()
                        .toArray();
                SamplingOptions options = SamplingOptions.builder().topP(topP).build();
                assertThat(distribution(options, EMPTY, logits).tokens())
                        .as("size %d, topP %s", size, topP)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void topKAgreesWithASortOfAllTokens() {
        float[] logits = randomLogits(999, 2);
        float[] sorted = logits.clone();
        Arrays.sort(sorted);
        for (int k : new int[] {1, 2, 20, 500, 998, 999, 5000}) {
            float threshold = sorted[Math.max(0, 999 - k)];
            SamplingOptions options = SamplingOptions.builder().topK(k).build();
            int[] tokens = distribution(options, EMPTY, logits).tokens();
            assertThat(tokens).as("k %d", k).hasSize(Math.min(k, 999));
            assertThat(Arrays.stream(tokens)).allMatch(token -> logits[token] >= threshold);
        }
    }

    @Test
    void temperatureZeroTakesTheLowestOfTheMostLikelyTokens() {
        float[] logits = {0, 3, -1, 3};
        assertThat(sample(SamplingOptions.GREEDY, EMPTY, logits)).isEqualTo(1);
        assertThat(distribution(SamplingOptions.GREEDY, EMPTY, logits))
                .satisfies(d -> assertThat(d.tokens()).containsExactly(1))
                .satisfies(d -> assertThat(d.probability(1)).isEqualTo(1));
    }

    @Test
    void greedyFollowsThePenalties() {
        SamplingOptions options =
                SamplingOptions.GREEDY.toBuilder().presencePenalty(1.5).build();
        History history = new History();
        history.append(1);
        assertThat(sample(options, history, 2, 3, 0)).isEqualTo(0);
    }

    @Test
    void presenceAndFrequencyPenaltiesCountTheAnswerOnly() {
        SamplingOptions options = SamplingOptions.builder()
                .presencePenalty(1.5)
                .frequencyPenalty(0.25)
                .build();
        History history = new History(0, 0, 3);
        history.append(1);
        history.append(2);
        history.append(1);
        Distribution actual = distribution(options, history, 1, 2, 3, 4);
        Distribution expected = distribution(SamplingOptions.NEUTRAL, EMPTY, 1, 2 - 2, 3 - 1.75f, 4);
        assertThat(actual.probabilities()).isEqualTo(expected.probabilities());
    }

    @Test
    void repetitionPenaltyCountsPromptAndAnswerOnce() {
        SamplingOptions options = SamplingOptions.builder().repetitionPenalty(2).build();
        History history = new History(0, 0);
        history.append(1);
        history.append(1);
        Distribution actual = distribution(options, history, 1, -2, 3);
        Distribution expected = distribution(SamplingOptions.NEUTRAL, EMPTY, 0.5f, -4, 3);
        assertThat(actual.probabilities()).isEqualTo(expected.probabilities());
    }

    @Test
    void aRolledBackHistoryIsAsIfItNeverGrew() {
        SamplingOptions options = SamplingOptions.builder()
                .frequencyPenalty(1)
                .repetitionPenalty(1.1)
                .build();
        History grown = new History(1, 2);
        grown.append(0);
        grown.append(3);
        grown.truncate(3);
        History fresh = new History(1, 2);
        fresh.append(0);
        assertThat(distribution(options, grown, 1, 2, 3, 4).probabilities())
                .isEqualTo(distribution(options, fresh, 1, 2, 3, 4).probabilities());
        assertThatThrownBy(() -> grown.truncate(1)).hasMessageContaining("the prompt has 2");
    }

    @Test
    void callsLeaveNoTrace() {
        SamplingOptions all = SamplingOptions.builder()
                .logitBias(Map.of(3, 2f))
                .repetitionPenalty(1.2)
                .presencePenalty(1)
                .frequencyPenalty(0.5)
                .temperature(0.7)
                .topK(20)
                .topP(0.9)
                .minP(0.01)
                .build();
        History history = new History(1, 2, 3, 70_000, -1);
        history.append(4);
        history.append(4);
        Tensor logits = Tensor.f32(randomLogits(300, 9), 300);
        Sampler used = new Sampler(300);
        used.distribution(logits, 0, all, history);
        used.logProbabilities(logits, 0, 5, 10);
        Distribution second = used.distribution(logits, 0, all, history);
        Distribution fresh = new Sampler(300).distribution(logits, 0, all, history);
        assertThat(second.tokens()).isEqualTo(fresh.tokens());
        assertThat(second.probabilities()).isEqualTo(fresh.probabilities());
    }

    @Test
    void logitBiasShiftsAndForbids() {
        SamplingOptions options = SamplingOptions.builder()
                .logitBias(Map.of(0, 2f, 2, Float.NEGATIVE_INFINITY))
                .build();
        Distribution actual = distribution(options, EMPTY, 1, 2, 3);
        assertThat(actual.tokens()).containsExactly(0, 1);
        assertThat(actual.probability(0) / actual.probability(1)).isEqualTo(Math.E, within(1e-9));
        assertThat(actual.probability(2)).isZero();
        SamplingOptions outside =
                SamplingOptions.builder().logitBias(Map.of(3, 1f)).build();
        assertThatThrownBy(() -> distribution(outside, EMPTY, 1, 2, 3))
                .hasMessage("logitBias names token 3, but the vocabulary ends at 2");
    }

    @Test
    void rowsBeyondTheVocabularyAreNeverSampled() {
        Sampler sampler = new Sampler(3);
        Tensor logits = Tensor.f32(new float[] {9, 9, 9, 9, 9, 1, 2, 3, Float.NaN, 50}, 2, 5);
        assertThat(sampler.sample(logits, 1, SamplingOptions.GREEDY, EMPTY, Sampler.random(1)))
                .isEqualTo(2);
        assertThat(sampler.distribution(logits, 1, SamplingOptions.NEUTRAL, EMPTY)
                        .tokens())
                .containsExactly(0, 1, 2);
        assertThatThrownBy(() -> sampler.distribution(logits, 2, SamplingOptions.NEUTRAL, EMPTY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("row 2 of logits F32 [2, 5]");
        assertThatThrownBy(() -> new Sampler(6).distribution(logits, 0, SamplingOptions.NEUTRAL, EMPTY))
                .hasMessageContaining("at least 6 logits");
    }

    @Test
    void brokenLogitsAreNamed() {
        for (SamplingOptions options : new SamplingOptions[] {SamplingOptions.GREEDY, SamplingOptions.NEUTRAL}) {
            assertThatThrownBy(() -> sample(options, EMPTY, 0, Float.NaN, 1))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("token 1 is NaN");
            assertThatThrownBy(() -> sample(options, EMPTY, 0, 1, Float.POSITIVE_INFINITY))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("token 2 is Infinity");
            assertThatThrownBy(() -> sample(options, EMPTY, Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("All 2 tokens are forbidden");
        }
    }

    @Test
    void logProbabilitiesAreThoseOfTheModelBeforeAnyOption() {
        Tensor logits = Tensor.f32(new float[] {1, 3, 2, 3, Float.NEGATIVE_INFINITY}, 5);
        double logSum = Math.log(Math.exp(1) + 2 * Math.exp(3) + Math.exp(2));
        LogProbabilities actual = new Sampler(5).logProbabilities(logits, 0, 0, 3);
        assertThat(actual.chosen().logProbability()).isEqualTo(1 - logSum, within(1e-12));
        assertThat(actual.top()).extracting(LogProbabilities.Entry::token).containsExactly(1, 3, 2);
        assertThat(actual.top().get(2).logProbability()).isEqualTo(2 - logSum, within(1e-12));
        assertThat(new Sampler(5).logProbabilities(logits, 0, 0, 0).top()).isEmpty();
        assertThat(new Sampler(5).logProbabilities(logits, 0, 0, 1).top())
                .extracting(LogProbabilities.Entry::token)
                .containsExactly(1);
        assertThat(new Sampler(5).logProbabilities(logits, 0, 0, 99).top()).hasSize(5);
    }

    private static Distribution distribution(SamplingOptions options, History history, float... logits) {
        return new Sampler(logits.length).distribution(Tensor.f32(logits, logits.length), 0, options, history);
    }

    private static int sample(SamplingOptions options, History history, float... logits) {
        Tensor rows = Tensor.f32(logits, logits.length);
        return new Sampler(logits.length).sample(rows, 0, options, history, Sampler.random(1));
    }

    private static float[] randomLogits(int size, long seed) {
        RandomGenerator random = Sampler.random(seed);
        float[] logits = new float[size];
        for (int i = 0; i < size; i++) {
            logits[i] = (float) (3 * random.nextGaussian());
        }
        return logits;
    }
}
