package dev.jwen.checkpoint;

import dev.jwen.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A model on disk, memory-mapped: its configuration and its weights in their stored format.
 *
 * <p>Whatever the container, names are those of the published safetensors files without their prefix:
 * {@code embed_tokens.weight}, {@code norm.weight}, {@code lm_head.weight}, {@code layers.3.self_attn.q_proj.weight},
 * {@code layers.0.mlp.experts.gate_up_proj}, {@code mtp.fc.weight}, {@code visual.blocks.0.attn.qkv.weight}. GGUF
 * names are mapped to these; its separate expert stacks are {@code layers.N.mlp.experts.gate_proj},
 * {@code .up_proj} and {@code .down_proj} with shape (experts, rows, columns). An MTP layer with an embedding or head
 * of its own has {@code mtp.embed_tokens.weight} and {@code mtp.lm_head.weight}. Values are never changed while mapping;
 * {@link #conventions()} says how a container writes the few that differ.
 *
 * <p>Shapes are the same for every container: the convolution is (channels, taps), the gate of the shared expert
 * (1, hidden size), norms and the decay are vectors. Scales kept beside a weight are its {@link Tensor#scale()}.
 */
public interface Checkpoint extends AutoCloseable {

    /** How this container stores what containers store differently. */
    record Conventions(NormWeight normWeight, DecayWeight decayWeight, ValueHeadOrder valueHeadOrder) {}

    /** Every RMS norm but the gated one of the delta net. */
    enum NormWeight {
        /** Stored around 0; the factor is 1 + w. */
        ZERO_CENTRED,
        /** Stored around 1; the factor is w. */
        PLAIN
    }

    /** The decay of the delta net, {@code linear_attn.A_log}. */
    enum DecayWeight {
        /** log A; the decay rate is -exp(stored). */
        LOG,
        /** The rate -A itself. */
        NEGATED
    }

    /** Which key head serves value head n when there are R value heads for each of Hk key heads. */
    enum ValueHeadOrder {
        /** n / R. */
        GROUPED,
        /** n mod Hk. */
        TILED
    }

    /** Where the tokenizer of a checkpoint comes from. */
    sealed interface TokenizerSource {
        /** The checkpoint directory, which holds tokenizer.json or vocab.json and merges.txt. */
        record Directory(Path path) implements TokenizerSource {}

        /**
         * Lists in the file itself.
         *
         * @param tokens by id, in the printable byte alphabet
         * @param types by id: 1 normal, 3 control, 4 user defined, 5 unused
         * @param merges by rank, each "left right"
         * @param pattern name of the pre-tokenizer, for example "qwen35"
         */
        record Embedded(List<String> tokens, List<Integer> types, List<String> merges, String pattern)
                implements TokenizerSource {}
    }

    /** What was opened: a directory or a file. */
    Path path();

    /** "safetensors" or "GGUF". */
    String format();

    Conventions conventions();

    /**
     * The text model's configuration in the words of config.json ({@code hidden_size}, {@code layer_types}…), nested
     * objects as maps, numbers as Long or Double. For a multimodal file this is {@code text_config} completed by the
     * top level's {@code tie_word_embeddings} and token ids, with {@code vision_config} as an entry where there is one.
     * Entries that are null in the file are absent. {@code mtp_num_hidden_layers} says what the files hold: 1 for a
     * whole MTP layer, else 0.
     */
    Map<String, Object> config();

    /** generation_config.json, or its equivalents from GGUF metadata; empty when there is none. */
    Map<String, Object> generationConfig();

    /** The Jinja source of the chat template, or null when the file has none. */
    @Nullable
    String chatTemplate();

    /** Where the tokenizer is, or null when the checkpoint has none. */
    @Nullable
    TokenizerSource tokenizerSource();

    /** Names of all tensors, in file order. Companions such as {@code weight_scale_inv} are not listed. */
    Set<String> names();

    boolean has(String name);

    /**
     * The tensor with this name, over mapped memory.
     *
     * @throws CheckpointException if there is none
     */
    Tensor tensor(String name);

    /**
     * What a user should know although the model can be opened: an MTP layer that is incomplete and therefore treated as
     * absent, unknown tensors, a missing tokenizer, chat template or generation_config.json. One sentence each.
     */
    List<String> problems();

    /** Bytes of all files together. */
    long sizeBytes();

    /**
     * Brings the tensors into memory in file order, so that whoever computes with them need not wait for each page, and
     * returns when all are there. Does nothing where the files are larger than half of the memory that the system has
     * available, or where it does not say (only Linux does): what was loaded first would be lost to what comes last.
     *
     * @param isStopped asked every few megabytes whether to return early; must be true before {@link #close}
     */
    void load(BooleanSupplier isStopped);

    /** Unmaps the files. Tensors of this checkpoint must not be used afterwards. */
    @Override
    void close();

    /**
     * Opens a directory with safetensors files or one GGUF model, a single safetensors file beside its config.json, a
     * GGUF file, or any of the files a GGUF model is split into. No weight is read: the time does not depend on the size.
     *
     * @throws CheckpointException if it is none of these, broken, of another architecture, or in a format that this
     *     build cannot read
     */
    static Checkpoint open(Path path) {
        return MappedFile.inNewArena(arena -> ModelFiles.open(path, arena));
    }
}
