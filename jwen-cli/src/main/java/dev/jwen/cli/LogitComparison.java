package dev.jwen.cli;

import dev.jwen.checkpoint.Safetensors;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * How far the logits of one run are from those of another, which is taken for right. Its fields are the JSON that
 * scripts read.
 *
 * @param tokens rows that were compared
 * @param vocabulary logits in a row
 * @param maxDifference largest absolute difference of two logits
 * @param meanDifference mean absolute difference of two logits
 * @param argMaxAgreement share of the rows whose largest logit is at the same token; of equal ones the first counts
 * @param meanKl mean over the rows of Σ p log(p / q), in nats: p are the probabilities by the reference, q by the other
 */
record LogitComparison(
        long tokens,
        long vocabulary,
        double maxDifference,
        double meanDifference,
        double argMaxAgreement,
        double meanKl) {

    /** So many tensors are named in a message. */
    private static final int SHOWN = 3;

    /**
     * Compares the tensors {@code logits} of two safetensors files.
     *
     * @throws dev.jwen.checkpoint.CheckpointException if one of them is no safetensors file
     * @throws CommandException if there are no logits, their shapes differ, or one of them is not a number
     */
    static LogitComparison of(Path found, Path reference) {
        try (Safetensors one = Safetensors.open(found);
                Safetensors other = Safetensors.open(reference)) {
            Tensor logits = logits(one);
            Tensor expected = logits(other);
            if (logits.rows() != expected.rows() || logits.columns() != expected.columns()) {
                throw new CommandException(
                        "%s holds logits of shape %s, but %s of %s; compare runs over the same tokens"
                                .formatted(
                                        found,
                                        Arrays.toString(logits.shape()),
                                        reference,
                                        Arrays.toString(expected.shape())));
            }
            return compare(new Rows(found, logits), new Rows(reference, expected));
        }
    }

    private static Tensor logits(Safetensors file) {
        Tensor logits = file.tensors().get("logits");
        if (logits == null) {
            List<String> names = file.tensors().keySet().stream().sorted().toList();
            String some = String.join(", ", names.subList(0, Math.min(SHOWN, names.size())));
            throw new CommandException("%s holds no tensor logits, but %s%s; 'jwen logits' writes such a file"
                    .formatted(
                            file.path(),
                            some.isEmpty() ? "nothing" : some,
                            names.size() > SHOWN ? " and %,d others".formatted(names.size() - SHOWN) : ""));
        }
        if (logits.size() == 0) {
            throw new CommandException("%s: logits are empty, %s; expected [tokens, vocabulary]"
                    .formatted(file.path(), Arrays.toString(logits.shape())));
        }
        return logits;
    }

    private static LogitComparison compare(Rows found, Rows reference) {
        long rows = reference.logits.rows();
        double max = 0;
        double sum = 0;
        double kl = 0;
        long agreeing = 0;
        for (long row = 0; row < rows; row++) {
            found.read(row);
            reference.read(row);
            for (int i = 0; i < reference.values.length; i++) {
                // Equal infinities, which forbid a token in both, are no difference.
                boolean same = found.values[i] == reference.values[i];
                double difference = same ? 0 : Math.abs((double) found.values[i] - reference.values[i]);
                max = Math.max(max, difference);
                sum += difference;
            }
            kl += divergence(found, reference);
            agreeing += found.argMax == reference.argMax ? 1 : 0;
        }
        return new LogitComparison(
                rows,
                reference.values.length,
                max,
                sum / (rows * (double) reference.values.length),
                agreeing / (double) rows,
                kl / rows);
    }

    private static double divergence(Rows found, Rows reference) {
        double sum = 0;
        for (int i = 0; i < reference.values.length; i++) {
            double logP = reference.values[i] - reference.logSum;
            double p = Math.exp(logP);
            if (p > 0) {
                sum += p * (logP - (found.values[i] - found.logSum));
            }
        }
        return Math.max(0, sum); // rounding can make equal distributions differ by less than nothing
    }

    /** One row after the other of a file's logits. */
    private static final class Rows {
        private final Path path;
        private final Tensor logits;
        private final float[] values;
        private int argMax;
        private double logSum; // of the exponentials

        Rows(Path path, Tensor logits) {
            this.path = path;
            this.logits = logits;
            this.values = new float[Math.toIntExact(logits.columns())];
        }

        void read(long row) {
            logits.decode(row, 0, values.length, values, 0);
            argMax = 0;
            for (int i = 0; i < values.length; i++) {
                if (!(values[i] < Float.POSITIVE_INFINITY)) {
                    throw new CommandException("%s: the logit of token %d in row %d is %s, expected a number"
                            .formatted(path, i, row, values[i]));
                }
                argMax = values[i] > values[argMax] ? i : argMax;
            }
            double max = values[argMax];
            double sum = 0;
            for (float value : values) {
                sum += Math.exp(value - max);
            }
            logSum = max + Math.log(sum);
        }
    }
}
