package dev.jwen.generate;

import dev.jwen.model.Shortlist;
import dev.jwen.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.random.RandomGenerator.SplittableGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the next token of a sequence from one row of logits.
 *
 * <p>The steps, in this order: logit bias; repetition penalty on every token of the history; presence and frequency
 * penalty on the tokens of the answer; temperature; top-k; top-p; min-p; and the draw from what is left. Top-k keeps
 * all tokens equal to the k-th. Where top-p cuts between equal tokens, the higher ids stay. Greedy choice takes the
 * lowest of equal ids. Logits are float32; probabilities are computed in float64.
 *
 * <p>The embedding matrix has more rows than the tokenizer has tokens; only the first {@code vocabularySize} logits
 * are read. A logit of negative infinity forbids its token.
 *
 * <p>A sampler keeps no state between calls but its buffers (20 bytes per token of the vocabulary), so one serves all
 * sequences of a thread. Its buffers are reused from token to token. Not thread-safe.
 *
 * {@snippet :
 *   Sampler sampler = new Sampler(tokenizer.size());
 *   RandomGenerator random = Sampler.random(42);
 *   History history = new History(prompt);
 *   int token = sampler.sample(logits, 0, options, history, random);
 *   history.append(token);
 * }
 */
public final class Sampler {
    private final int vocabularySize;

    // By token id.
    private final float[] logits;
    private final double[] weights; // probabilities up to a common factor: the most likely token has 1
    private final int[] occurrences; // all zero between calls

    // The tokens still in question: kept[0] to kept[keptCount - 1], ascending.
    private final int[] kept;
    private int keptCount;

    private float[] largest = new float[0];

    /**
     * A sampler for a vocabulary.
     *
     * @param vocabularySize number of tokens the tokenizer can decode
     */
    public Sampler(int vocabularySize) {
        if (vocabularySize <= 0) {
            throw new IllegalArgumentException("vocabularySize is %d, expected at least 1".formatted(vocabularySize));
        }
        this.vocabularySize = vocabularySize;
        logits = new float[vocabularySize];
        weights = new double[vocabularySize];
        occurrences = new int[vocabularySize];
        kept = new int[vocabularySize];
    }

    /**
     * The random numbers that belong to a seed. Each sampled token takes one {@code nextDouble}, a greedy one takes
     * none, so the seed and the number of sampled tokens tell the state. Split it for several answers to one prompt.
     */
    public static SplittableGenerator random(long seed) {
        return RandomGeneratorFactory.<SplittableGenerator>of("L64X128MixRandom")
                .create(seed);
    }

    /**
     * Chooses a token.
     *
     * @param rows logits (rows, columns), at least as many columns as the vocabulary has tokens
     * @param history the tokens before the one to choose; those outside the vocabulary are ignored
     * @throws ArithmeticException if a logit is NaN or positive infinity, or all are negative infinity
     */
    public int sample(Tensor rows, long row, SamplingOptions options, History history, RandomGenerator random) {
        float max = readAndPenalise(rows, row, options, history);
        if (options.isGreedy()) {
            return indexOf(max);
        }
        keep(options, max);
        double left = random.nextDouble() * keptWeight();
        for (int i = 0; i < keptCount; i++) {
            left -= weights[kept[i]];
            if (left < 0) {
                return kept[i];
            }
        }
        return kept[keptCount - 1]; // reached by rounding alone
    }

    /**
     * The logits that {@link #sample} needs for these options: with them and negative infinity for all others it chooses
     * the same token. Null if it needs all of them.
     */
    public @Nullable Shortlist shortlist(SamplingOptions options, History history) {
        if (!options.isGreedy() && options.topK() == 0) {
            return null;
        }
        Set<Integer> lowered = new HashSet<>();
        Set<Integer> raised = new HashSet<>();
        options.logitBias().forEach((id, bias) -> (bias > 0 ? raised : lowered).add(id));
        if (options.repetitionPenalty() != 1) {
            addTokens(history, 0, options.repetitionPenalty() > 1 ? lowered : raised);
        }
        if (options.presencePenalty() != 0 || options.frequencyPenalty() != 0) {
            boolean lowers = options.presencePenalty() >= 0 && options.frequencyPenalty() >= 0;
            addTokens(history, history.promptLength(), lowers ? lowered : raised);
        }
        lowered.removeAll(raised);
        return new Shortlist(options.isGreedy() ? 1 : options.topK(), ids(lowered), ids(raised), vocabularySize);
    }

    private static void addTokens(History history, int from, Set<Integer> ids) {
        for (int i = from; i < history.length(); i++) {
            ids.add(history.token(i));
        }
    }

    private int[] ids(Set<Integer> ids) {
        return ids.stream()
                .mapToInt(Integer::intValue)
                .filter(id -> id >= 0 && id < vocabularySize)
                .toArray();
    }

    /**
     * The distribution that {@link #sample} draws from; for greedy options it holds one token.
     *
     * @throws ArithmeticException as {@link #sample} does
     */
    public Distribution distribution(Tensor rows, long row, SamplingOptions options, History history) {
        float max = readAndPenalise(rows, row, options, history);
        if (options.isGreedy()) {
            return new Distribution(new int[] {indexOf(max)}, new double[] {1});
        }
        keep(options, max);
        double sum = keptWeight();
        double[] probabilities = new double[keptCount];
        for (int i = 0; i < keptCount; i++) {
            probabilities[i] = weights[kept[i]] / sum;
        }
        return new Distribution(Arrays.copyOf(kept, keptCount), probabilities);
    }

    /**
     * The model's own log-probabilities: of {@code chosen} and of the {@code topCount} most likely tokens, regardless
     * of any option.
     *
     * @throws ArithmeticException as {@link #sample} does
     */
    public LogProbabilities logProbabilities(Tensor rows, long row, int chosen, int topCount) {
        read(rows, row);
        float max = max();
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp((double) logit - max);
        }
        double logSum = max + Math.log(sum);
        float threshold = nthLargest(topCount);
        List<LogProbabilities.Entry> top = new ArrayList<>();
        for (int id = 0; id < vocabularySize && topCount > 0; id++) {
            if (logits[id] >= threshold) {
                top.add(new LogProbabilities.Entry(id, logits[id] - logSum));
            }
        }
        top.sort((a, b) -> Double.compare(b.logProbability(), a.logProbability()));
        return new LogProbabilities(
                new LogProbabilities.Entry(chosen, logits[chosen] - logSum),
                top.subList(0, Math.min(topCount, top.size())));
    }

    private float readAndPenalise(Tensor rows, long row, SamplingOptions options, History history) {
        read(rows, row);
        addBias(options.logitBias());
        if (options.repetitionPenalty() != 1) {
            penaliseRepetition((float) options.repetitionPenalty(), history);
        }
        if (options.presencePenalty() != 0 || options.frequencyPenalty() != 0) {
            penaliseOccurrence(options.presencePenalty(), options.frequencyPenalty(), history);
        }
        return max();
    }

    private void read(Tensor rows, long row) {
        if (rows.columns() < vocabularySize || row < 0 || row >= rows.rows()) {
            throw new IllegalArgumentException(
                    "row %d of logits %s is not a row of at least %d logits".formatted(row, rows, vocabularySize));
        }
        rows.decode(row, 0, vocabularySize, logits, 0);
    }

    private void addBias(Map<Integer, Float> logitBias) {
        for (Map.Entry<Integer, Float> entry : logitBias.entrySet()) {
            if (entry.getKey() >= vocabularySize) {
                throw new IllegalArgumentException("logitBias names token %d, but the vocabulary ends at %d"
                        .formatted(entry.getKey(), vocabularySize - 1));
            }
            logits[entry.getKey()] += entry.getValue();
        }
    }

    private void penaliseRepetition(float penalty, History history) {
        countOccurrences(history, 0);
        for (int i = 0; i < history.length(); i++) {
            int id = history.token(i);
            if (takeOccurrences(id) > 0) {
                logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
            }
        }
    }

    private void penaliseOccurrence(double presence, double frequency, History history) {
        countOccurrences(history, history.promptLength());
        for (int i = history.promptLength(); i < history.length(); i++) {
            int id = history.token(i);
            int times = takeOccurrences(id);
            if (times > 0) {
                logits[id] -= (float) (presence + frequency * times);
            }
        }
    }

    private void countOccurrences(History history, int from) {
        for (int i = from; i < history.length(); i++) {
            int id = history.token(i);
            if (id >= 0 && id < vocabularySize) {
                occurrences[id]++;
            }
        }
    }

    /** The count of a token when asked for the first time, then 0: each token is penalised once. */
    private int takeOccurrences(int id) {
        if (id < 0 || id >= vocabularySize) {
            return 0;
        }
        int times = occurrences[id];
        occurrences[id] = 0;
        return times;
    }

    private float max() {
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit); // NaN if any is
        }
        if (max == Float.NEGATIVE_INFINITY) {
            throw new ArithmeticException(
                    "All %d tokens are forbidden: every logit is -Infinity. Relax the logit bias or the constraint."
                            .formatted(vocabularySize));
        }
        if (!Float.isFinite(max)) {
            throw new ArithmeticException(
                    "The logit of token %d is %s, expected a number. A weight is broken or a sum overflowed; compare the checkpoint with its published checksum."
                            .formatted(indexOf(max), max));
        }
        return max;
    }

    private int indexOf(float value) {
        int id = 0;
        while (Float.compare(logits[id], value) != 0) {
            id++;
        }
        return id;
    }

    private void keep(SamplingOptions options, float max) {
        keepTop(options.topK() == 0 ? vocabularySize : options.topK());
        weigh(options.temperature(), max);
        if (options.topP() < 1) {
            keepMass(options.topP());
        }
        if (options.minP() > 0) {
            keepFrom(options.minP());
        }
    }

    private void keepTop(int count) {
        float threshold = nthLargest(count);
        keptCount = 0;
        for (int id = 0; id < vocabularySize; id++) {
            if (logits[id] >= threshold) {
                kept[keptCount++] = id;
            }
        }
    }

    private void weigh(double temperature, float max) {
        // Rounded to float32 as the reference does: at low temperatures the rounding shows in the sixth digit.
        float divisor = (float) temperature;
        double largestExponent = max / divisor;
        for (int i = 0; i < keptCount; i++) {
            weights[kept[i]] = Math.exp(logits[kept[i]] / divisor - largestExponent);
        }
        keepFrom(Double.MIN_NORMAL); // forbidden tokens, and those whose probability underflows
    }

    private void keepFrom(double weight) {
        int count = 0;
        for (int i = 0; i < keptCount; i++) {
            if (weights[kept[i]] >= weight) {
                kept[count++] = kept[i];
            }
        }
        keptCount = count;
    }

    /** Heap sort, stopped when the tokens taken from the heap weigh enough. */
    private void keepMass(double topP) {
        double enough = topP * keptWeight();
        for (int i = keptCount / 2 - 1; i >= 0; i--) {
            siftDown(i, keptCount);
        }
        int rest = keptCount;
        double mass = 0;
        do {
            int best = kept[0];
            kept[0] = kept[--rest];
            siftDown(0, rest);
            kept[rest] = best;
            mass += weights[best];
        } while (mass < enough && rest > 0);
        System.arraycopy(kept, rest, kept, 0, keptCount - rest);
        keptCount -= rest;
        Arrays.sort(kept, 0, keptCount);
    }

    private void siftDown(int index, int size) {
        int id = kept[index];
        int parent = index;
        for (int child = 2 * parent + 1; child < size; child = 2 * parent + 1) {
            if (child + 1 < size && isBetter(kept[child + 1], kept[child])) {
                child++;
            }
            if (!isBetter(kept[child], id)) {
                break;
            }
            kept[parent] = kept[child];
            parent = child;
        }
        if (parent < size) {
            kept[parent] = id;
        }
    }

    private boolean isBetter(int a, int b) {
        return logits[a] > logits[b] || (logits[a] == logits[b] && a > b);
    }

    private double keptWeight() {
        double sum = 0;
        for (int i = 0; i < keptCount; i++) {
            sum += weights[kept[i]];
        }
        return sum;
    }

    /** The n-th largest logit; the heap {@code largest} holds the n largest so far, smallest first. */
    private float nthLargest(int n) {
        if (n <= 0 || n >= vocabularySize) {
            return Float.NEGATIVE_INFINITY;
        }
        if (largest.length < n) {
            largest = new float[n];
        }
        Arrays.fill(largest, 0, n, Float.NEGATIVE_INFINITY);
        for (float logit : logits) {
            if (logit > largest[0]) {
                replaceSmallest(logit, n);
            }
        }
        return largest[0];
    }

    private void replaceSmallest(float logit, int size) {
        int parent = 0;
        for (int child = 1; child < size; child = 2 * parent + 1) {
            if (child + 1 < size && largest[child + 1] < largest[child]) {
                child++;
            }
            if (largest[child] >= logit) {
                break;
            }
            largest[parent] = largest[child];
            parent = child;
        }
        largest[parent] = logit;
    }
}
