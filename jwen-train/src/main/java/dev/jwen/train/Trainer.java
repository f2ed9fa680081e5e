package dev.jwen.train;

import dev.jwen.checkpoint.Safetensors;
import dev.jwen.checkpoint.SafetensorsWriter;
import dev.jwen.kernel.Gradients;
import dev.jwen.kernel.Kernels;
import dev.jwen.model.Config;
import dev.jwen.model.ModelInput;
import dev.jwen.model.VisionConfig;
import dev.jwen.tensor.DataType;
import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Trains a network step by step: documents in, better weights out.
 *
 * <p>A step's loss is the weighted mean of -log p over all its targets, however its documents are packed. The same steps
 * on the same documents give the same weights, bit for bit, for any number of threads and across a stop between two steps.
 */
public final class Trainer implements AutoCloseable {
    private static final AdamW.Options ADAM = new AdamW.Options(0, 0.9, 0.95, 1e-8, 0);
    private static final double MOMENTUM = 0.95;

    /** Wider matrices learn more slowly in proportion: each weight moves as far, so their outputs would move farther. */
    private static final double FULL_RATE_INPUTS = 128;

    private final Parameters parameters;
    private final Network network;
    private final Optimizer optimizer;
    private final @Nullable Muon muon;
    private final TrainOptions options;
    private final ModelInput.Placeholders placeholders;
    private long step;

    /**
     * What a step did.
     *
     * @param step its number, from 1 on
     * @param loss mean of -log p over the targets
     * @param learningRate of AdamW
     * @param gradientNorm before clipping
     * @param tokens read
     * @param targets learned
     */
    public record Result(long step, double loss, double learningRate, double gradientNorm, int tokens, int targets) {}

    /**
     * A trainer before its first step, with weights drawn at random.
     *
     * @param vocabulary tokens that exist
     * @param seed of the weights
     */
    public Trainer(
            Config config,
            @Nullable VisionConfig vision,
            int vocabulary,
            ModelInput.Placeholders placeholders,
            Kernels kernels,
            Gradients gradients,
            TrainOptions options,
            long seed) {
        this.options = options;
        this.placeholders = placeholders;
        this.parameters = new Parameters(config, vision);
        this.parameters.initialise(new SplittableRandom(seed));
        this.network = new Network(config, vision, parameters, kernels, gradients, vocabulary, 0.001);
        AdamW.Options adam =
                new AdamW.Options(options.learningRate(), ADAM.beta1(), ADAM.beta2(), ADAM.epsilon(), options.decay());
        AdamW adamW = new AdamW(adam, Parameter::isHiddenMatrix, Trainer::rate);
        this.muon = options.muonLearningRate() == 0
                ? null
                : new Muon(
                        new Muon.Options(options.muonLearningRate(), MOMENTUM, options.decay()),
                        kernels,
                        parameter -> parts(config, parameter),
                        adamW);
        this.optimizer = muon == null ? adamW : muon;
    }

    private static double rate(Parameter parameter) {
        return parameter.isHiddenMatrix() ? Math.min(1, FULL_RATE_INPUTS / parameter.inputs()) : 1;
    }

    /** Rows of the projections that a matrix is made of. */
    private static List<Long> parts(Config config, Parameter parameter) {
        long rows = parameter.value().size() / parameter.inputs();
        String name = parameter.name();
        if (name.endsWith("in_proj_qkv.weight")) {
            long keys = (long) config.linearNumKeyHeads() * config.linearKeyHeadDim();
            return List.of(keys, keys, rows - 2 * keys);
        }
        if (name.endsWith("attn.qkv.weight")) {
            return List.of(rows / 3, rows / 3, rows / 3);
        }
        if (name.contains("experts.") && parameter.value().rank() == 3) {
            long each = name.endsWith("gate_up_proj")
                    ? parameter.value().dim(1) / 2
                    : parameter.value().dim(1);
            List<Long> parts = new ArrayList<>();
            for (long done = 0; done < rows; done += each) {
                parts.add(each);
            }
            return parts;
        }
        return List.of(rows);
    }

    /** A trainer before its first step of a network and an optimiser that are made already; it closes both. */
    Trainer(
            Parameters parameters,
            Network network,
            Optimizer optimizer,
            TrainOptions options,
            ModelInput.Placeholders placeholders) {
        this.parameters = parameters;
        this.network = network;
        this.optimizer = optimizer;
        this.muon = optimizer instanceof Muon own ? own : null;
        this.options = options;
        this.placeholders = placeholders;
    }

    /** Steps done. */
    public long step() {
        return step;
    }

    /** Number of values that are trained. */
    public long size() {
        return parameters.size();
    }

    /**
     * Bytes that training takes outside the heap at most, for documents no longer than what goes through the network
     * together: values, gradients and moments, what a batch keeps for the way back, and room for what the operations
     * work with.
     */
    public long sizeBytes() {
        return 4 * Float.BYTES * parameters.size() + network.sizeBytes(options.tokensAtOnce());
    }

    /** One step on these documents. */
    public Result step(List<Document> documents) {
        double targets = documents.stream().mapToDouble(Document::targets).sum();
        if (targets == 0) {
            throw new IllegalArgumentException("there is nothing to learn in these documents: no token is a target");
        }
        parameters.clearGradients();
        double loss = 0;
        int tokens = 0;
        int count = 0;
        double all = documents.stream().mapToDouble(Document::length).sum();
        for (Packed batch : pack(documents)) {
            float[] logProbabilities = network.train(batch, 1 / targets, batch.size() / all);
            loss += loss(batch, logProbabilities) / targets;
            tokens += batch.size();
            count += logProbabilities.length;
        }
        parameters.collect();
        double norm = norm();
        if (!Double.isFinite(norm) || !Double.isFinite(loss)) {
            throw new ArithmeticException(
                    "the loss of step %d is %s and the norm of its gradients %s: training has left the numbers; go on from the last checkpoint with a lower learning rate"
                            .formatted(step + 1, loss, norm));
        }
        if (norm > options.clip()) {
            scaleGradients((float) (options.clip() / norm));
        }
        double schedule = options.schedule().at((double) step / options.steps());
        step++;
        optimizer.step(parameters.all(), step, schedule);
        parameters.refresh();
        return new Result(step, loss, options.learningRate() * schedule, norm, tokens, count);
    }

    /** Mean of -log p over the targets of documents, which are not learned from. */
    public double loss(List<Document> documents) {
        double targets = documents.stream().mapToDouble(Document::targets).sum();
        double loss = 0;
        for (Packed batch : pack(documents)) {
            float[] logProbabilities = network.evaluate(batch);
            loss += loss(batch, logProbabilities) / targets;
        }
        return loss;
    }

    /** Sum of -log p over the targets of a batch, by their weights. */
    private static double loss(Packed batch, float[] logProbabilities) {
        double loss = 0;
        for (int i = 0; i < logProbabilities.length; i++) {
            loss -= batch.targetWeights()[i] * logProbabilities[i];
        }
        return loss;
    }

    private List<Packed> pack(List<Document> documents) {
        List<Document> byLength = new ArrayList<>(documents);
        byLength.sort(Comparator.comparingInt(Document::length).reversed());
        List<Packed> batches = new ArrayList<>();
        List<Document> batch = new ArrayList<>();
        int size = 0;
        for (Document document : byLength) {
            if (!batch.isEmpty() && size + document.length() > options.tokensAtOnce()) {
                batches.add(new Packed(batch, placeholders));
                batch = new ArrayList<>();
                size = 0;
            }
            batch.add(document);
            size += document.length();
        }
        batches.add(new Packed(batch, placeholders));
        return batches;
    }

    private double norm() {
        // Threads take parameters; the sum is in their order.
        double[] squares =
                parameters.all().parallelStream().mapToDouble(Trainer::squares).toArray();
        double sum = 0;
        for (double square : squares) {
            sum += square;
        }
        return Math.sqrt(sum);
    }

    private static double squares(Parameter parameter) {
        double sum = 0;
        for (float value : parameter.gradient().toFloats()) {
            sum += (double) value * value;
        }
        return sum;
    }

    private void scaleGradients(float factor) {
        parameters.all().parallelStream().forEach(parameter -> {
            float[] values = parameter.gradient().toFloats();
            for (int i = 0; i < values.length; i++) {
                values[i] *= factor;
            }
            parameter
                    .gradient()
                    .copyFrom(Tensor.f32(values, parameter.gradient().shape()));
        });
    }

    /** The weights by the names of {@link dev.jwen.checkpoint.Checkpoint}, float32, as they are now. */
    public Map<String, Tensor> weights() {
        Map<String, Tensor> weights = new LinkedHashMap<>();
        parameters.all().forEach(parameter -> weights.put(parameter.name(), parameter.value()));
        return weights;
    }

    /** Writes all that is needed to go on into one file, which is at all times either what it was before or complete. */
    public void save(Path file) {
        Map<String, Tensor> all = new LinkedHashMap<>(weights());
        optimizer.memory().forEach((name, tensor) -> all.put("optimizer." + name, tensor));
        SafetensorsWriter.write(file, all, Map.of("step", Long.toString(step)));
    }

    /**
     * Goes on where {@link #save} was called.
     *
     * @throws IllegalArgumentException if the file is of another network or optimiser
     */
    public void restore(Path file) {
        try (Safetensors saved = Safetensors.open(file)) {
            Map<String, Tensor> memory = new LinkedHashMap<>();
            saved.tensors().forEach((name, tensor) -> {
                if (name.startsWith("optimizer.")) {
                    memory.put(name.substring("optimizer.".length()), tensor);
                }
            });
            long saidStep = savedStep(file, saved);
            for (Parameter parameter : parameters.all()) {
                Tensor tensor = saved.tensors().get(parameter.name());
                if (tensor == null
                        || tensor.type() != DataType.F32
                        || tensor.size() != parameter.value().size()) {
                    throw new IllegalArgumentException(
                            "%s: tensor %s is %s, expected %s. The checkpoint is of another network; begin anew or name the right one."
                                    .formatted(file, parameter.name(), tensor == null ? "missing" : tensor, parameter));
                }
                parameter.value().copyFrom(tensor);
            }
            restoreOptimizer(file, saidStep, memory);
            step = saidStep;
        }
        parameters.refresh();
    }

    private static long savedStep(Path file, Safetensors saved) {
        String said = saved.metadata().get("step");
        if (said == null || !said.matches("\\d{1,18}")) {
            throw new IllegalArgumentException(
                    "%s: this is no state of a training, which says how many steps were done; found %s. Name the state file, or begin anew."
                            .formatted(file, said == null ? "nothing" : said));
        }
        return Long.parseLong(said);
    }

    private void restoreOptimizer(Path file, long saidStep, Map<String, Tensor> memory) {
        if (saidStep == 0) {
            return; // nothing to remember yet
        }
        try {
            optimizer.restore(parameters.all(), memory);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "%s: %s. The training was begun with other options; go on with those, or begin anew."
                            .formatted(file, e.getMessage()),
                    e);
        }
    }

    /** Frees the memory of the network; kernels and gradients belong to whoever opened them. */
    @Override
    public void close() {
        if (muon != null) {
            muon.close();
        }
        network.close();
    }
}
