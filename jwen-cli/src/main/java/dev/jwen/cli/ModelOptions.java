package dev.jwen.cli;

import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.engine.Engine;
import dev.jwen.engine.VisionOptions;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.model.Qwen35;
import dev.jwen.model.State;
import dev.jwen.tensor.DataType;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Which model, and how it is computed. */
final class ModelOptions {
    /** Of the command that has these options. */
    @Spec(Spec.Target.MIXEE)
    @Nullable
    CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = Models.DESCRIPTION + Models.BY_DEFAULT)
    @Nullable
    String model;

    /** Lets the engine choose, see {@link Engine.Options}. */
    private static final int DEFAULT_THREADS = 0;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Threads that compute; by default one for each core.")
    @Nullable
    Integer threads;

    @Option(
            names = "--kernels",
            paramLabel = "NAME",
            arity = "0..1",
            fallbackValue = "",
            description =
                    "The back end that computes: x86, vector or plain. By default the fastest that this machine runs.")
    @Nullable
    String kernels;

    @Option(
            names = "--exact",
            description =
                    "Float32 activations and cache: slower, for comparing implementations. With --kernels x86, the cache alone is float32.")
    boolean exact;

    @Option(
            names = "--kv",
            paramLabel = "TYPE",
            description =
                    "What keys and values are kept in: f32, bf16 or q8_0 (8 bits, about half of bf16: for long contexts). By default bf16; f32 with --exact.")
    @Nullable
    String kv;

    @Option(
            names = "--full-logits",
            description =
                    "Compute every logit of every token. By default greedy and top-k sampling rule out most of them by a smaller copy of the output matrix, where that is stored in 8 bits or more: same answers, sooner, for memory beside the weights.")
    boolean fullLogits;

    @Option(
            names = {"-c", "--context"},
            paramLabel = "TOKENS",
            description = "Longest conversation; by default what the model was made for.")
    int context;

    @Option(
            names = {"-v", "--verbose"},
            description = "Say on standard error what was chosen, and why.")
    void setVerbose(boolean verbose) {
        if (verbose) {
            // Read when the first line is logged.
            System.setProperty("org.slf4j.simpleLogger.log.dev.jwen", "debug");
        }
    }

    private @Nullable Path found;

    /** Opens the engine; whoever calls closes it. */
    Engine open(VisionFlags vision) {
        checkContext();
        return Engine.open(path(), options(vision.options()));
    }

    private void checkContext() {
        if (context < 0) {
            throw new CommandException("--context must be a positive number of tokens, found " + context);
        }
    }

    private Engine.Options options(VisionOptions vision) {
        return new Engine.Options(kernels(), threads(), exact, kvType(), context, fullLogits, vision);
    }

    private @Nullable DataType kvType() {
        return switch (kv == null ? "" : kv.toLowerCase(Locale.ROOT)) {
            case "" -> null;
            case "f32" -> DataType.F32;
            case "bf16" -> DataType.BF16;
            case "q8_0" -> DataType.Q8_0;
            default -> throw new CommandException("--kv must be f32, bf16 or q8_0, found " + kv);
        };
    }

    /** A network without tokenizer and template, for work on token ids. */
    record Network(Checkpoint checkpoint, Kernels kernels, Qwen35 network, DataType kvType) implements AutoCloseable {
        State newState() {
            return network.newState(kvType);
        }

        @Override
        public void close() {
            network.close();
            kernels.close();
            checkpoint.close();
        }
    }

    /** Opens the network alone; whoever calls closes it. */
    Network openNetwork() {
        checkContext();
        Checkpoint checkpoint = Checkpoint.open(path());
        Kernels opened = null;
        try {
            opened = openKernels();
            return new Network(
                    checkpoint,
                    opened,
                    Qwen35.of(checkpoint, opened),
                    options(VisionOptions.DEFAULT).cacheType());
        } catch (RuntimeException e) {
            if (opened != null) {
                opened.close();
            }
            checkpoint.close();
            throw e;
        }
    }

    /** Opens the chosen kernels alone; whoever calls closes them. */
    Kernels openKernels() {
        int chosen = threads();
        return Backends.open(kernels(), chosen == DEFAULT_THREADS ? WorkerPool.defaultThreads() : chosen, exact);
    }

    /** What {@link #openKernels} chooses, and why. */
    String kernelsChoice() {
        return Backends.choice(kernels(), exact);
    }

    /** Whether the chosen kernels compute in float32 throughout. */
    boolean isExact() {
        return Backends.isExact(kernels(), exact);
    }

    private @Nullable String kernels() {
        if (kernels != null && kernels.isEmpty()) {
            throw new CommandException("--kernels needs a name; there are x86, vector and plain");
        }
        return kernels;
    }

    private int threads() {
        if (threads == null) {
            return DEFAULT_THREADS;
        }
        if (threads < 1 || threads > 1024) {
            throw new CommandException("--threads must be between 1 and 1024, found " + threads);
        }
        return threads;
    }

    /** The model that was named, else jwen-nano, of which one line is said. */
    Path path() {
        if (found == null) {
            found = Models.find(model, Objects.requireNonNull(spec).commandLine());
        }
        return found;
    }
}
