package dev.jwen.checkpoint;

import dev.jwen.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The vision tower of a model: among its safetensors, or in a GGUF file of its own that is called mmproj.
 *
 * <p>Names are those of the published safetensors files: {@code visual.patch_embed.proj.weight},
 * {@code visual.blocks.0.attn.qkv.weight}, {@code visual.merger.linear_fc1.weight}.
 */
public final class VisionFiles implements AutoCloseable {
    private static final String PREFIX = "visual.";
    private static final String PROJECTOR = "qwen3vl_merger";
    private static final String PATCHES = "v.patch_embd.weight";

    private static final Map<String, String> GLOBAL = Map.of(
            "v.patch_embd.bias", "patch_embed.proj.bias",
            "v.position_embd.weight", "pos_embed.weight",
            "v.post_ln.weight", "merger.norm.weight",
            "v.post_ln.bias", "merger.norm.bias",
            "mm.0.weight", "merger.linear_fc1.weight",
            "mm.0.bias", "merger.linear_fc1.bias",
            "mm.2.weight", "merger.linear_fc2.weight",
            "mm.2.bias", "merger.linear_fc2.bias");

    private static final Map<String, String> IN_BLOCK = Map.of(
            "ln1", "norm1",
            "ln2", "norm2",
            "attn_qkv", "attn.qkv",
            "attn_out", "attn.proj",
            "ffn_up", "mlp.linear_fc1",
            "ffn_down", "mlp.linear_fc2");

    private final Path path;
    private final String format;
    private final Map<String, Object> config;
    private final Map<String, Tensor> tensors;
    private final @Nullable Arena arena;

    private VisionFiles(
            Path path, String format, Map<String, Object> config, Map<String, Tensor> tensors, @Nullable Arena arena) {
        this.path = path;
        this.format = format;
        this.config = Collections.unmodifiableMap(config);
        this.tensors = Collections.unmodifiableMap(tensors);
        this.arena = arena;
    }

    /**
     * The tower of {@code model}, or null if it has none. No weight is read.
     *
     * @param mmproj the file that holds it; null for that of the model itself, or beside a GGUF file the one whose name
     *     holds "mmproj"
     * @throws CheckpointException if the file is broken, or several lie beside the model
     */
    public static @Nullable VisionFiles of(Checkpoint model, @Nullable Path mmproj) {
        if (mmproj == null && model.names().stream().anyMatch(name -> name.startsWith(PREFIX))) {
            return ofSafetensors(model);
        }
        Path file =
                mmproj != null ? mmproj : model.format().equals("GGUF") ? ModelFiles.mmprojBeside(model.path()) : null;
        return file == null ? null : MappedFile.inNewArena(arena -> ofGguf(file, arena));
    }

    private static VisionFiles ofSafetensors(Checkpoint model) {
        if (!(model.config().get("vision_config") instanceof Map<?, ?> config)) {
            throw CheckpointException.in(
                    model.path(),
                    "has the weights of a vision tower, but its config.json has no vision_config. Fetch the original config.json.");
        }
        Map<String, Object> copy = new LinkedHashMap<>();
        config.forEach((key, value) -> copy.put(String.valueOf(key), value));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (String name : model.names()) {
            if (name.startsWith(PREFIX)) {
                tensors.put(name, model.tensor(name));
            }
        }
        return new VisionFiles(model.path(), model.format(), copy, tensors, null);
    }

    private static VisionFiles ofGguf(Path file, Arena arena) {
        Gguf gguf = Gguf.open(file, arena);
        GgufMetadata metadata = new GgufMetadata(file, gguf.metadata());
        String architecture = metadata.string("general.architecture");
        String projector = metadata.has("clip.projector_type")
                ? metadata.string("clip.projector_type")
                : metadata.string("clip.vision.projector_type");
        if (!"clip".equals(architecture) || !PROJECTOR.equals(projector)) {
            throw CheckpointException.in(
                    file,
                    "is no vision tower of Qwen 3.5: general.architecture is '%s' and clip.projector_type '%s', expected clip and %s. Name the mmproj file of the model.",
                    String.valueOf(architecture),
                    String.valueOf(projector),
                    PROJECTOR);
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        gguf.tensors().forEach((name, tensor) -> {
            String known = canonical(name);
            if (known != null) {
                tensors.put(PREFIX + known, tensor);
            }
        });
        tensors.put(PREFIX + "patch_embed.proj.weight", patchEmbed(file, gguf.tensors(), arena));
        return new VisionFiles(file, "GGUF", config(metadata, tensors), tensors, arena);
    }

    private static @Nullable String canonical(String name) {
        String global = GLOBAL.get(name);
        if (global != null || !name.startsWith("v.blk.")) {
            return global;
        }
        String[] parts = name.split("\\.", -1); // v.blk.N.attn_qkv.weight
        String module = parts.length == 5 ? IN_BLOCK.get(parts[3]) : null;
        return module == null ? null : "blocks." + parts[2] + "." + module + "." + parts[4];
    }

    /** The convolution (D, channels, 2, 16, 16), of which the file keeps the two frames apart. */
    private static Tensor patchEmbed(Path file, Map<String, Tensor> stored, Arena arena) {
        Tensor first = stored.get(PATCHES);
        Tensor second = stored.get(PATCHES + ".1");
        if (first == null
                || second == null
                || first.rank() != 4
                || first.type() != second.type()
                || !Arrays.equals(first.shape(), second.shape())
                || first.type().isQuantised()) {
            throw CheckpointException.in(
                    file,
                    "its patch embedding is %s and %s, expected two plain tensors (hidden, channels, 16, 16) in v.patch_embd.weight and v.patch_embd.weight.1. Convert the vision file again.",
                    String.valueOf(first),
                    String.valueOf(second));
        }
        long[] shape = {first.dim(0), first.dim(1), 2, first.dim(2), first.dim(3)};
        Tensor joined = Tensor.allocate(arena, first.type(), shape);
        long bytes = first.sizeBytes() / Math.max(1, first.dim(0) * first.dim(1));
        for (long i = 0; i < first.dim(0) * first.dim(1); i++) {
            MemorySegment.copy(first.segment(), i * bytes, joined.segment(), 2 * i * bytes, bytes);
            MemorySegment.copy(second.segment(), i * bytes, joined.segment(), (2 * i + 1) * bytes, bytes);
        }
        return joined;
    }

    private static Map<String, Object> config(GgufMetadata metadata, Map<String, Tensor> tensors) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("depth", metadata.count("clip.vision.block_count"));
        config.put("hidden_size", metadata.count("clip.vision.embedding_length"));
        config.put("num_heads", metadata.count("clip.vision.attention.head_count"));
        config.put("intermediate_size", metadata.count("clip.vision.feed_forward_length"));
        config.put("patch_size", metadata.count("clip.vision.patch_size"));
        config.put("spatial_merge_size", metadata.count("clip.vision.spatial_merge_size", 2));
        config.put("out_hidden_size", metadata.count("clip.vision.projection_dim"));
        config.put("layer_norm_eps", metadata.number("clip.vision.attention.layer_norm_epsilon"));
        Tensor positions = tensors.get(PREFIX + "pos_embed.weight");
        if (positions != null && positions.rank() == 2) {
            config.put("num_position_embeddings", positions.dim(0));
        }
        List<?> deep = metadata.list("clip.vision.is_deepstack_layers");
        if (deep != null && deep.contains(true)) {
            config.put("deepstack_visual_indexes", List.of((long) deep.indexOf(true)));
        }
        for (String statistic : List.of("image_mean", "image_std")) {
            List<?> values = metadata.list("clip.vision." + statistic);
            if (values != null && values.size() == 3) {
                config.put(statistic, List.copyOf(values));
            }
        }
        return config;
    }

    /** The file or directory the tower lies in. */
    public Path path() {
        return path;
    }

    /** "safetensors" or "GGUF". */
    public String format() {
        return format;
    }

    /** The words of {@code vision_config}; from GGUF also {@code image_mean} and {@code image_std}. */
    public Map<String, Object> config() {
        return config;
    }

    /** Names of all tensors. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /**
     * The tensor with this name, over mapped memory.
     *
     * @throws CheckpointException if there is none
     */
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw CheckpointException.in(
                    path,
                    "has no tensor '%s', which the vision tower needs. The file is incomplete or of another model.",
                    name);
        }
        return tensor;
    }

    /** Bytes of all tensors. */
    public long sizeBytes() {
        return tensors.values().stream().mapToLong(Tensor::sizeBytes).sum();
    }

    /** Unmaps a file of its own; a tower among the weights of a model lives as long as they do. */
    @Override
    public void close() {
        if (arena != null && arena.scope().isAlive()) {
            arena.close();
        }
    }

    /** Whether a file is by its name a vision tower. */
    static boolean isMmproj(Path file) {
        return file.getFileName().toString().toLowerCase(Locale.ROOT).contains("mmproj");
    }
}
