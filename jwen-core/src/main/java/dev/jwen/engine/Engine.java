package dev.jwen.engine;

import dev.jwen.chat.AddedToken;
import dev.jwen.chat.ChatTemplate;
import dev.jwen.chat.PromptPiece;
import dev.jwen.checkpoint.Checkpoint;
import dev.jwen.checkpoint.CheckpointException;
import dev.jwen.generate.Preset;
import dev.jwen.generate.SamplingOptions;
import dev.jwen.kernel.Backends;
import dev.jwen.kernel.Kernels;
import dev.jwen.kernel.KvCache;
import dev.jwen.kernel.WorkerPool;
import dev.jwen.model.Config;
import dev.jwen.model.ModelInput;
import dev.jwen.model.ParameterCount;
import dev.jwen.model.Qwen35;
import dev.jwen.tensor.DataType;
import dev.jwen.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * An opened model with everything that belongs to it: network, tokenizer, chat template and defaults.
 *
 * {@snippet :
 * try (Engine engine = Engine.open(Path.of("Qwen3.5-4B"), Engine.Options.DEFAULT)) {
 *     Session session = engine.newSession();
 *     int[] prompt = engine.tokenizer().encode("The capital of France is");
 *     System.out.println(session.generate(prompt, engine.samplingDefaults(false), Listener.NONE).text());
 * }
 * }
 *
 * <p>One thread at a time generates.
 */
public final class Engine implements AutoCloseable {

    /**
     * How a model is run.
     *
     * @param backend name of the kernels, or null for the fastest
     * @param threads that compute, or 0 for one on each core
     * @param exact true chooses a back end that computes in float32 where none is named; false the fastest
     * @param kvType type in which keys and values are remembered: F32, BF16 or Q8_0; null for F32 if exact, else BF16
     * @param contextTokens longest sequence, or 0 for what the model was made for
     * @param fullLogits true computes every logit of every token, as {@code exact} does; false, where the sampling options
     *     allow it, rules out most of them by a coarse copy of an output matrix in 8, 16 or 32 bits, which makes an answer
     *     faster, does not change it, and takes memory beside the weights
     * @param vision how pictures and videos are seen
     */
    public record Options(
            @Nullable String backend,
            int threads,
            boolean exact,
            @Nullable DataType kvType,
            int contextTokens,
            boolean fullLogits,
            VisionOptions vision) {
        public static final Options DEFAULT = new Options(null, 0, false, null, 0);

        public Options {
            if (kvType != null) {
                KvCache.requireType(kvType);
            }
        }

        /** Options that leave out the logits that are not needed, and see as the checkpoint says. */
        public Options(
                @Nullable String backend, int threads, boolean exact, @Nullable DataType kvType, int contextTokens) {
            this(backend, threads, exact, kvType, contextTokens, false, VisionOptions.DEFAULT);
        }

        /** The type of the KV cache that these options mean. */
        public DataType cacheType() {
            return kvType != null ? kvType : exact ? DataType.F32 : DataType.BF16;
        }
    }

    private final Checkpoint checkpoint;
    private final Kernels kernels;
    private final Qwen35 network;
    private final Tokenizer tokenizer;
    private final @Nullable ChatTemplate template;
    private final Set<Integer> stopIds;
    private final Options options;
    private final long parameters;
    private final PromptEncoder prompts;
    private @Nullable Vision vision;
    private final WeightLoading loading;

    private Engine(Checkpoint checkpoint, Kernels kernels, CompletableFuture<Tokenizer> reading, Options options) {
        this.checkpoint = checkpoint;
        this.kernels = kernels;
        this.options = options;
        this.network = Qwen35.of(checkpoint, kernels);
        this.tokenizer = await(reading);
        String source = checkpoint.chatTemplate();
        this.template = source == null ? null : ChatTemplate.of(source, addedTokens(tokenizer), Map.of());
        this.stopIds = stopIds(checkpoint, tokenizer);
        this.prompts = new PromptEncoder(tokenizer, options.vision().videoWrapper());
        this.parameters = ParameterCount.of(checkpoint, network.config()).text();
        if (tokenizer.vocabularySize() > network.config().vocabSize()) {
            throw new CheckpointException(
                    "%s: the tokenizer has %d tokens but the model only %d rows of embedding. The tokenizer belongs to another model."
                            .formatted(
                                    checkpoint.path(),
                                    tokenizer.vocabularySize(),
                                    network.config().vocabSize()));
        }
        this.loading = new WeightLoading(checkpoint);
    }

    /**
     * Opens a directory with safetensors files or a GGUF file.
     *
     * @throws CheckpointException if the file is broken or not a Qwen 3.5 model
     */
    public static Engine open(Path model, Options options) {
        int threads = options.threads() == 0 ? WorkerPool.defaultThreads() : options.threads();
        Checkpoint checkpoint = Checkpoint.open(model);
        // A vocabulary takes longer to read than everything else together.
        CompletableFuture<Tokenizer> reading = CompletableFuture.supplyAsync(() -> Tokenizers.of(checkpoint));
        Kernels kernels = null;
        try {
            kernels = Backends.open(options.backend(), threads, options.exact());
            return new Engine(checkpoint, kernels, reading, options);
        } catch (RuntimeException e) {
            reading.exceptionally(another -> null).join(); // it reads the checkpoint
            if (kernels != null) {
                kernels.close();
            }
            checkpoint.close();
            throw e;
        }
    }

    private static Tokenizer await(CompletableFuture<Tokenizer> reading) {
        try {
            return reading.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    public Checkpoint checkpoint() {
        return checkpoint;
    }

    public Config config() {
        return network.config();
    }

    public Qwen35 network() {
        return network;
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** The chat template, or null when the checkpoint has none. */
    public @Nullable ChatTemplate template() {
        return template;
    }

    /** Tokens at which an answer ends. */
    public Set<Integer> stopIds() {
        return stopIds;
    }

    /** Longest sequence in tokens. */
    public int contextTokens() {
        int trained = config().maxPositionEmbeddings();
        return options.contextTokens() == 0 ? trained : options.contextTokens();
    }

    /** The type in which keys and values are remembered. */
    public DataType kvType() {
        return options.cacheType();
    }

    /** Whether a session asks only for the logits that its sampler needs. */
    boolean shortensLogits() {
        return !options.exact() && !options.fullLogits();
    }

    /**
     * Sampling as the checkpoint or, where it is silent, the model card recommends. A checkpoint that says
     * {@code do_sample: false} is greedy in both modes.
     */
    public SamplingOptions samplingDefaults(boolean thinking) {
        SamplingOptions preset =
                Preset.of(parameters, thinking, Preset.Task.GENERAL).options();
        Map<String, Object> own = checkpoint.generationConfig();
        // generation_config.json speaks of the mode that the model has by default, the card knows both; but that there
        // is
        // to be no sampling is said of either.
        boolean speaks = template == null || thinking == template.thinksByDefault();
        return speaks || Boolean.FALSE.equals(own.get("do_sample")) ? preset.withGenerationConfig(own) : preset;
    }

    /**
     * How the model sees pictures and videos; its weights are looked for when it is first asked for.
     *
     * @throws IllegalArgumentException if the model has no vision tower
     * @throws CheckpointException if the tower is broken or of another model
     */
    public Vision vision() {
        if (vision == null) {
            vision = Vision.of(checkpoint, network, options.vision());
        }
        return vision;
    }

    /**
     * What a sequence reads of a prompt.
     *
     * @param seen pictures in the order of their placeholders, and videos in the order of theirs
     * @throws IllegalArgumentException if placeholders and pictures do not match one to one
     */
    public ModelInput encode(List<PromptPiece> pieces, List<Seen> seen) {
        return prompts.encode(pieces, seen);
    }

    /**
     * What a sequence reads of token ids, which hold one placeholder for each picture and video or one for each of their
     * tokens.
     *
     * @throws IllegalArgumentException if placeholders and pictures do not match one to one
     */
    public ModelInput encode(int[] ids, List<Seen> seen) {
        return prompts.expand(ids, seen);
    }

    /** A new empty sequence. */
    public Session newSession() {
        return new Session(this);
    }

    private static List<AddedToken> addedTokens(Tokenizer tokenizer) {
        return tokenizer.addedTokens().entrySet().stream()
                .map(token -> new AddedToken(token.getKey(), tokenizer.isSpecial(token.getValue())))
                .toList();
    }

    private static Set<Integer> stopIds(Checkpoint checkpoint, Tokenizer tokenizer) {
        Set<Integer> ids = new LinkedHashSet<>();
        for (Map<String, Object> source : List.of(checkpoint.generationConfig(), checkpoint.config())) {
            Object eos = source.get("eos_token_id");
            for (Object id : eos instanceof List<?> several ? several : eos == null ? List.of() : List.of(eos)) {
                if (id instanceof Number number) {
                    ids.add(number.intValue());
                }
            }
        }
        for (String name : List.of("<|im_end|>", "<|endoftext|>")) {
            tokenizer.id(name).ifPresent(ids::add);
        }
        return Set.copyOf(ids);
    }

    @Override
    public void close() {
        if (vision != null) {
            vision.close();
        }
        loading.close();
        network.close();
        kernels.close();
        checkpoint.close();
    }
}
